/*-------------------------------------------------------------------------
 *
 * json.c
 *		A JSON document as a flat list of nodes, and a reader of JSON text.
 *
 * The server builds documents from jsonb (src/event_match.c) and has no use
 * for the reader: it is for the unit tests, the fuzzer and the conformance
 * runner, which have no jsonb.
 *
 * The reader is a loop over values with a stack of open containers on the
 * heap. Memory comes from palloc and is never freed here: it belongs to the
 * caller's memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/json.h"
#include "core/utf8.h"

typedef struct Reader
{
	const char *start;
	const char *at;
	const char *end;
	EbJson	   *doc;
	int		   *open;			/* nodes of the containers we are in */
	int			depth;
	int			capacity;
	const char *reason;			/* set once something is wrong */
} Reader;

static bool read_document(Reader *r);
static bool read_value(Reader *r, bool *opened);
static bool finish_value(Reader *r);
static bool read_key(Reader *r);
static bool read_literal(Reader *r, const char *word, EbJsonKind kind);
static bool read_number(Reader *r);
static bool read_string(Reader *r);
static bool read_escape(Reader *r, char **out);
static bool read_hex4(Reader *r, uint32 *unit);
static bool push(Reader *r, EbJsonKind kind);
static bool pop_if(Reader *r);
static void skip_space(Reader *r);
static bool fail(Reader *r, const char *reason);

void
eb_json_init(EbJson *doc)
{
	doc->nnodes = 0;
	doc->capacity = 16;
	doc->nodes = palloc(doc->capacity * sizeof(EbJsonNode));
}

int
eb_json_add(EbJson *doc, EbJsonKind kind, const char *text, int len)
{
	EbJsonNode *node;

	if (doc->nnodes == doc->capacity)
	{
		doc->capacity *= 2;
		doc->nodes = repalloc(doc->nodes, doc->capacity * sizeof(EbJsonNode));
	}
	node = &doc->nodes[doc->nnodes++];
	node->kind = kind;
	node->end = doc->nnodes;
	node->text = text;
	node->len = len;
	return doc->nnodes - 1;
}

int
eb_json_open(EbJson *doc, EbJsonKind kind)
{
	Assert(EB_JSON_IS_CONTAINER(kind));
	return eb_json_add(doc, kind, NULL, 0);
}

void
eb_json_close(EbJson *doc, int node)
{
	doc->nodes[node].end = doc->nnodes;
}

bool
eb_json_parse(const char *text, int len, EbJson *doc, EbJsonError *error)
{
	Reader		r = {.start = text, .at = text, .end = text + len, .doc = doc};

	eb_json_init(doc);
	r.capacity = 16;
	r.open = palloc(r.capacity * sizeof(int));
	if (!read_document(&r))
	{
		error->reason = r.reason;
		error->offset = r.at - r.start;
		pfree(r.open);
		return false;
	}
	pfree(r.open);
	return true;
}

static bool
read_document(Reader *r)
{
	do
	{
		bool		opened = false;

		if (!read_value(r, &opened))
			return false;
		if (opened)
			continue;
		if (!finish_value(r))
			return false;
	} while (r->depth > 0);
	skip_space(r);
	if (r->at < r->end)
		return fail(r, "unexpected text after the value");
	return true;
}

/*
 * Reads a scalar, an empty container, or the start of another one up to its
 * first value; only then is *opened set.
 */
static bool
read_value(Reader *r, bool *opened)
{
	skip_space(r);
	if (r->at >= r->end)
		return fail(r, "unexpected end of text");
	switch (*r->at)
	{
		case '{':
			if (!push(r, EB_JSON_OBJECT))
				return false;
			*opened = !pop_if(r);
			return *opened ? read_key(r) : true;
		case '[':
			if (!push(r, EB_JSON_ARRAY))
				return false;
			*opened = !pop_if(r);
			return true;
		case '"':
			return read_string(r);
		case 't':
			return read_literal(r, "true", EB_JSON_TRUE);
		case 'f':
			return read_literal(r, "false", EB_JSON_FALSE);
		case 'n':
			return read_literal(r, "null", EB_JSON_NULL);
		default:
			return read_number(r);
	}
}

/*
 * After a whole value: closes the containers that end here, and moves to the
 * start of the next value when a comma says that there is one.
 */
static bool
finish_value(Reader *r)
{
	while (r->depth > 0)
	{
		if (pop_if(r))
			continue;
		if (r->at >= r->end)
			return fail(r, "unexpected end of text");
		if (*r->at != ',')
			return fail(r, "expected a comma or the end of the container");
		r->at++;
		if (r->doc->nodes[r->open[r->depth - 1]].kind == EB_JSON_OBJECT)
			return read_key(r);
		return true;
	}
	return true;
}

/* Reads a member's key and the colon after it. */
static bool
read_key(Reader *r)
{
	skip_space(r);
	if (r->at >= r->end || *r->at != '"')
		return fail(r, "expected a member's name");
	if (!read_string(r))
		return false;
	skip_space(r);
	if (r->at >= r->end || *r->at != ':')
		return fail(r, "expected a colon");
	r->at++;
	return true;
}

static bool
read_literal(Reader *r, const char *word, EbJsonKind kind)
{
	size_t		len = strlen(word);

	if (r->end - r->at < len || memcmp(r->at, word, len) != 0)
		return fail(r, "unrecognized token");
	r->at += len;
	eb_json_add(r->doc, kind, NULL, 0);
	return true;
}

static const char *
skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

static bool
read_number(Reader *r)
{
	const char *at = r->at;
	const char *digits;

	if (at < r->end && *at == '-')
		at++;
	digits = at;
	at = skip_digits(at, r->end);
	if (at == digits || (*digits == '0' && at - digits > 1))
		return fail(r, "unrecognized token");
	if (at < r->end && *at == '.')
	{
		digits = ++at;
		at = skip_digits(at, r->end);
		if (at == digits)
			return fail(r, "a number needs digits after its point");
	}
	if (at < r->end && (*at == 'e' || *at == 'E'))
	{
		at++;
		if (at < r->end && (*at == '+' || *at == '-'))
			at++;
		digits = at;
		at = skip_digits(at, r->end);
		if (at == digits)
			return fail(r, "a number needs digits in its exponent");
	}
	eb_json_add(r->doc, EB_JSON_NUMBER, r->at, at - r->at);
	r->at = at;
	return true;
}

/*
 * Reads a string. Without escapes its node points into the text; from the
 * first escape on it is decoded into a copy, which cannot be longer.
 */
static bool
read_string(Reader *r)
{
	const char *start = ++r->at;
	char	   *copy = NULL;
	char	   *out = NULL;

	while (r->at < r->end && *r->at != '"')
	{
		int			len;

		if ((unsigned char) *r->at < 0x20)
			return fail(r, "control character in a string");
		if (*r->at == '\\')
		{
			if (copy == NULL)
			{
				copy = palloc(r->end - start);
				memcpy(copy, start, r->at - start);
				out = copy + (r->at - start);
			}
			if (!read_escape(r, &out))
				return false;
			continue;
		}
		len = eb_utf8_length(r->at, r->end - r->at);
		if (len == 0)
			return fail(r, "invalid UTF-8");
		if (copy != NULL)
		{
			memcpy(out, r->at, len);
			out += len;
		}
		r->at += len;
	}
	if (r->at >= r->end)
		return fail(r, "unexpected end of text in a string");
	if (copy != NULL)
		eb_json_add(r->doc, EB_JSON_STRING, copy, out - copy);
	else
		eb_json_add(r->doc, EB_JSON_STRING, start, r->at - start);
	r->at++;
	return true;
}

static bool
read_escape(Reader *r, char **out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint32		unit;
	uint32		low;

	if (r->end - r->at < 2)
		return fail(r, "unexpected end of text in a string");
	r->at++;
	found = *r->at != '\0' ? strchr(from, *r->at) : NULL;
	if (found != NULL)
	{
		*(*out)++ = to[found - from];
		r->at++;
		return true;
	}
	if (*r->at != 'u')
		return fail(r, "unrecognized character escape");
	r->at++;
	if (!read_hex4(r, &unit))
		return false;
	if (unit >= 0xD800 && unit <= 0xDBFF)
	{
		if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
			return fail(r, "lone surrogate");
		r->at += 2;
		if (!read_hex4(r, &low))
			return false;
		if (low < 0xDC00 || low > 0xDFFF)
			return fail(r, "lone surrogate");
		unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
	}
	else if (unit >= 0xDC00 && unit <= 0xDFFF)
		return fail(r, "lone surrogate");
	*out += eb_utf8_encode(unit, *out);
	return true;
}

static bool
read_hex4(Reader *r, uint32 *unit)
{
	*unit = 0;
	if (r->end - r->at < 4)
		return fail(r, "unexpected end of text in a string");
	for (int i = 0; i < 4; i++)
	{
		char		c = *r->at;
		int			digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return fail(r, "unrecognized character escape");
		*unit = *unit * 16 + digit;
		r->at++;
	}
	return true;
}

/* Enters the container whose bracket is next. */
static bool
push(Reader *r, EbJsonKind kind)
{
	if (r->depth == EB_JSON_MAX_DEPTH)
		return fail(r, "nested too deeply");
	if (r->depth == r->capacity)
	{
		r->capacity *= 2;
		r->open = repalloc(r->open, r->capacity * sizeof(int));
	}
	r->open[r->depth++] = eb_json_open(r->doc, kind);
	r->at++;
	return true;
}

/* Leaves the innermost container if its closing bracket is next. */
static bool
pop_if(Reader *r)
{
	int			node = r->open[r->depth - 1];
	EbJsonKind	kind = r->doc->nodes[node].kind;

	skip_space(r);
	if (r->at >= r->end || *r->at != (kind == EB_JSON_OBJECT ? '}' : ']'))
		return false;
	r->at++;
	r->depth--;
	eb_json_close(r->doc, node);
	return true;
}

static void
skip_space(Reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' ||
							  *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static bool
fail(Reader *r, const char *reason)
{
	r->reason = reason;
	return false;
}
