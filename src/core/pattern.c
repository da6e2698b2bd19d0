/*-------------------------------------------------------------------------
 *
 * pattern.c
 *		An event pattern, validated and taken apart: its structure.
 *
 * Objects are path steps, and keys are joined with "." without any escaping:
 * {"a.b": ..} and {"a": {"b": ..}} are one path. "$or" multiplies: what came
 * before it in document order is copied once per branch, so the pattern comes
 * out in disjunctive normal form. The lists of alternatives at the end of a
 * path are pattern_leaf.c's.
 *
 * A "$or" that does not have the form of the operator (an array of two or
 * more objects, none with a reserved key) is an ordinary field name for
 * EventBridge, so a pattern that fails is tried once more with that reading;
 * if that fails too, the first error is the one to report.
 *
 * Recursion is bounded by EB_PATTERN_MAX_DEPTH, its frames are small.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/complexity.h"
#include "core/pattern_compile.h"

/* the conjunctions made so far */
typedef struct Alternatives
{
	int			n;
	EbConjunction *list;
} Alternatives;

/* what must not be a key directly inside a branch of $or */
static const char *const reserved_keys[] = {
	"equals-ignore-case", "prefix", "suffix", "anything-but", "exists",
	"wildcard", "numeric", "cidr", "=", "<", "<=", ">", ">=", "regex",
	"not-wildcard", "not-equals-ignore-case", "date-after",
	"date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
	"ip-address-in-range", "ip-address-not-in-range", NULL
};

static bool check_complexity(EbPatternCompiler *c, const EbPattern *pattern);
static bool compile_document(EbPatternCompiler *c, Alternatives *alternatives);
static bool compile_object(EbPatternCompiler *c, int node, const char *prefix,
						   int prefix_len, Alternatives *alternatives,
						   bool is_branch);
static bool compile_member(EbPatternCompiler *c, int key, const char *prefix,
						   int prefix_len, Alternatives *alternatives);
static bool compile_or(EbPatternCompiler *c, int node, const char *prefix,
					   int prefix_len, Alternatives *alternatives);
static bool compile_branch(EbPatternCompiler *c, int node, const char *prefix,
						   int prefix_len, const Alternatives *before,
						   Alternatives *result);
static bool add_field(EbPatternCompiler *c, Alternatives *alternatives,
					  EbPatternField *field);
static bool put_field(EbPatternCompiler *c, EbConjunction *conjunction,
					  EbPatternField *field);
static char *join_path(const char *prefix, int prefix_len,
					   const EbJsonNode *key, int *len);
static const char *place_text(const EbPatternPlace *place);
static int	place_length(const EbPatternPlace *place);
static bool is_plain_name(const char *key, int len);

EbPattern *
eb_pattern_compile(const EbJson *doc, int flags,
				   const EbPatternLimits *limits, EbPatternError *error)
{
	EbPatternCompiler c = {.doc = doc, .flags = flags, .error = error};
	Alternatives alternatives;
	EbPattern  *pattern;

	c.limits.fields = EB_PATTERN_MAX_FIELDS;
	c.limits.conjunctions = EB_PATTERN_MAX_CONJUNCTIONS;
	if (limits != NULL)
		c.limits = *limits;
	if (!compile_document(&c, &alternatives))
	{
		EbPatternError second;

		if (!c.saw_or)
			return NULL;
		c.or_is_field = true;
		c.error = &second;
		if (!compile_document(&c, &alternatives))
			return NULL;
	}
	pattern = palloc(sizeof(EbPattern));
	pattern->nconjunctions = alternatives.n;
	pattern->conjunctions = alternatives.list;
	pattern->or_is_field = c.or_is_field;
	c.error = error;
	if (c.limits.complexity > 0 && !check_complexity(&c, pattern))
		return NULL;
	return pattern;
}

/* Sees that no path's wildcards are too complex. */
static bool
check_complexity(EbPatternCompiler *c, const EbPattern *pattern)
{
	const EbPatternField *field;

	field = eb_wildcards_too_complex(pattern, c->limits.complexity);
	if (field == NULL)
		return true;
	(void) eb_pattern_fail(c, EB_PATTERN_TOO_COMPLEX,
						   "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
						   NULL);
	c->error->path = psprintf("$.%s", field->path);
	return false;
}

bool
eb_pattern_fail(EbPatternCompiler *compiler, EbPatternErrorCode code,
				const char *reason, const char *hint)
{
	compiler->error->code = code;
	compiler->error->reason = reason;
	compiler->error->path = place_text(compiler->place);
	compiler->error->hint = hint;
	return false;
}

bool
eb_pattern_is_one_of(const EbJsonNode *name, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		if (strlen(*names) == name->len &&
			memcmp(*names, name->text, name->len) == 0)
			return true;
	}
	return false;
}

static bool
compile_document(EbPatternCompiler *c, Alternatives *alternatives)
{
	c->place = NULL;
	c->depth = 0;
	if (c->doc->nnodes == 0 || c->doc->nodes[0].kind != EB_JSON_OBJECT)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   "Filter is not an object", NULL);
	alternatives->n = 1;
	alternatives->list = palloc0(sizeof(EbConjunction));
	return compile_object(c, 0, NULL, 0, alternatives, false);
}

/*
 * Adds the object's members to every conjunction. prefix is the path of the
 * object, NULL at the top.
 */
static bool
compile_object(EbPatternCompiler *c, int node, const char *prefix,
			   int prefix_len, Alternatives *alternatives, bool is_branch)
{
	const EbJsonNode *nodes = c->doc->nodes;
	int			end = nodes[node].end;

	if (end == node + 1)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   "Empty objects are not allowed", NULL);
	if (++c->depth > EB_PATTERN_MAX_DEPTH)
		return eb_pattern_fail(c, EB_PATTERN_TOO_COMPLEX,
							   psprintf("Objects are nested more than %d deep",
										EB_PATTERN_MAX_DEPTH), NULL);
	for (int key = node + 1; key < end; key = nodes[key + 1].end)
	{
		EbPatternPlace place = {c->place, nodes[key].text, nodes[key].len, 0};
		bool		ok;

		c->place = &place;
		if (is_branch && eb_pattern_is_one_of(&nodes[key], reserved_keys))
			ok = eb_pattern_fail(c, EB_PATTERN_INVALID,
								 psprintf("%.*s is Ruler reserved fieldName which cannot be used inside $or.",
										  nodes[key].len, nodes[key].text),
								 "Put the operator into the array of a field: {\"$or\": [{\"field\": [{\"prefix\": \"x\"}]}, ...]}.");
		else
			ok = compile_member(c, key, prefix, prefix_len, alternatives);
		c->place = place.outer;
		if (!ok)
			return false;
	}
	c->depth--;
	return true;
}

static bool
compile_member(EbPatternCompiler *c, int key, const char *prefix,
			   int prefix_len, Alternatives *alternatives)
{
	static const char *const or_key[] = {"$or", NULL};
	const EbJsonNode *name = &c->doc->nodes[key];
	EbJsonKind	kind = c->doc->nodes[key + 1].kind;
	EbPatternField *field;
	char	   *path;
	int			len;

	if (eb_pattern_is_one_of(name, or_key))
	{
		c->saw_or = true;
		if (!c->or_is_field)
			return compile_or(c, key + 1, prefix, prefix_len, alternatives);
	}
	if (!EB_JSON_IS_CONTAINER(kind))
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   psprintf("\"%.*s\" must be an object or an array",
										name->len, name->text),
							   "Write the value as a list of alternatives, also when there is only one: [\"x\"].");
	path = join_path(prefix, prefix_len, name, &len);
	if (kind == EB_JSON_OBJECT)
		return compile_object(c, key + 1, path, len, alternatives, false);
	field = palloc(sizeof(EbPatternField));
	field->path = path;
	field->len = len;
	return eb_pattern_compile_tests(c, key + 1, field) &&
		add_field(c, alternatives, field);
}

/* Replaces the conjunctions by one copy of them per branch. */
static bool
compile_or(EbPatternCompiler *c, int node, const char *prefix, int prefix_len,
		   Alternatives *alternatives)
{
	const EbJsonNode *nodes = c->doc->nodes;
	Alternatives result = {0, NULL};
	int			nbranches = 0;

	if (nodes[node].kind != EB_JSON_ARRAY)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   "It must be an Array followed with $or.", NULL);
	for (int e = node + 1; e < nodes[node].end; e = nodes[e].end)
	{
		EbPatternPlace place = {c->place, NULL, 0, nbranches++};
		bool		ok;

		c->place = &place;
		ok = compile_branch(c, e, prefix, prefix_len, alternatives, &result);
		c->place = place.outer;
		if (!ok)
			return false;
	}
	if (nbranches < 2)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   "There must have at least 2 Objects in $or relationship.",
							   NULL);
	*alternatives = result;
	return true;
}

/* Appends to result a copy of before with the branch added. */
static bool
compile_branch(EbPatternCompiler *c, int node, const char *prefix,
			   int prefix_len, const Alternatives *before,
			   Alternatives *result)
{
	Alternatives copy;

	if (c->doc->nodes[node].kind != EB_JSON_OBJECT)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   "Only JSON object is allowed in array of $or relationship.",
							   NULL);
	copy.n = before->n;
	copy.list = palloc(copy.n * sizeof(EbConjunction));
	for (int i = 0; i < copy.n; i++)
	{
		const EbConjunction *from = &before->list[i];
		EbConjunction *to = &copy.list[i];

		to->nfields = from->nfields;
		to->fields = NULL;
		if (from->nfields > 0)
		{
			to->fields = palloc(from->nfields * sizeof(EbPatternField *));
			memcpy(to->fields, from->fields,
				   from->nfields * sizeof(EbPatternField *));
		}
	}
	if (!compile_object(c, node, prefix, prefix_len, &copy, true))
		return false;
	if (result->n + copy.n > c->limits.conjunctions)
		return eb_pattern_fail(c, EB_PATTERN_TOO_COMPLEX,
							   psprintf("$or makes more than %d combinations",
										c->limits.conjunctions), NULL);
	if (result->n == 0)
		*result = copy;
	else
	{
		result->list = repalloc(result->list,
								(result->n + copy.n) * sizeof(EbConjunction));
		memcpy(result->list + result->n, copy.list,
			   copy.n * sizeof(EbConjunction));
		result->n += copy.n;
	}
	return true;
}

static bool
add_field(EbPatternCompiler *c, Alternatives *alternatives,
		  EbPatternField *field)
{
	for (int i = 0; i < alternatives->n; i++)
	{
		if (!put_field(c, &alternatives->list[i], field))
			return false;
	}
	return true;
}

/* Puts the field at its place by path, or in place of the one that is there. */
static bool
put_field(EbPatternCompiler *c, EbConjunction *conjunction,
		  EbPatternField *field)
{
	int			at = conjunction->nfields;

	while (at > 0)
	{
		const EbPatternField *other = conjunction->fields[at - 1];
		int			cmp = memcmp(other->path, field->path,
								 Min(other->len, field->len));

		if (cmp == 0)
			cmp = other->len - field->len;
		if (cmp < 0)
			break;
		if (cmp > 0)
		{
			at--;
			continue;
		}
		if (c->flags & EB_PATTERN_STRICT)
			return eb_pattern_fail(c, EB_PATTERN_INVALID,
								   psprintf("Path `%s` cannot be allowed multiple times",
											field->path),
								   "Write each path once: jsonb has no order of members that could decide which one counts.");
		conjunction->fields[at - 1] = field;
		return true;
	}
	if (conjunction->nfields == c->limits.fields)
		return eb_pattern_fail(c, EB_PATTERN_TOO_COMPLEX,
							   psprintf("Size of rule exceeds max value of %d",
										c->limits.fields), NULL);
	if (conjunction->nfields == 0)
		conjunction->fields = palloc(sizeof(EbPatternField *));
	else
		conjunction->fields = repalloc(conjunction->fields,
									   (conjunction->nfields + 1) *
									   sizeof(EbPatternField *));
	memmove(&conjunction->fields[at + 1], &conjunction->fields[at],
			(conjunction->nfields - at) * sizeof(EbPatternField *));
	conjunction->fields[at] = field;
	conjunction->nfields++;
	return true;
}

static char *
join_path(const char *prefix, int prefix_len, const EbJsonNode *key, int *len)
{
	char	   *path = palloc(prefix_len + 1 + key->len + 1);
	int			at = 0;

	if (prefix != NULL)
	{
		memcpy(path, prefix, prefix_len);
		path[prefix_len] = '.';
		at = prefix_len + 1;
	}
	memcpy(path + at, key->text, key->len);
	*len = at + key->len;
	path[*len] = '\0';
	return path;
}

/*
 * The place as a JSON path: $.detail.state[0]."odd key". Written from its end,
 * as places are linked inside out.
 */
static const char *
place_text(const EbPatternPlace *place)
{
	int			len = place_length(place);
	char	   *text = palloc(len + 1);
	char	   *at = text + len;

	*at = '\0';
	for (; place != NULL; place = place->outer)
	{
		if (place->key == NULL)
		{
			char		index[16];
			int			n = snprintf(index, sizeof(index), "[%d]", place->index);

			at -= n;
			memcpy(at, index, n);
			continue;
		}
		if (!is_plain_name(place->key, place->len))
		{
			*--at = '"';
			at -= place->len;
			memcpy(at, place->key, place->len);
			*--at = '"';
		}
		else
		{
			at -= place->len;
			memcpy(at, place->key, place->len);
		}
		*--at = '.';
	}
	*--at = '$';
	Assert(at == text);
	return text;
}

static int
place_length(const EbPatternPlace *place)
{
	int			len = 1;

	for (; place != NULL; place = place->outer)
	{
		char		index[16];

		if (place->key == NULL)
			len += snprintf(index, sizeof(index), "[%d]", place->index);
		else
			len += 1 + place->len +
				(is_plain_name(place->key, place->len) ? 0 : 2);
	}
	return len;
}

/* Can the key stand in a JSON path without quotes? */
static bool
is_plain_name(const char *key, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (!((key[i] >= 'a' && key[i] <= 'z') ||
			  (key[i] >= 'A' && key[i] <= 'Z') || key[i] == '_' ||
			  (i > 0 && key[i] >= '0' && key[i] <= '9')))
			return false;
	}
	return len > 0;
}
