/*-------------------------------------------------------------------------
 *
 * event_match.c
 *		Event patterns and events in the server's own forms.
 *
 * A stored event is matched without making its envelope: the envelope's
 * members that patterns look at are taken from the columns one by one, and
 * "detail" is walked last, and only if a pattern can still match. The members
 * and their values are those of eb_event_envelope().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"

#include "event_match.h"
#include "guc.h"
#include "iso8601.h"
#include "jsonb_fields.h"
#include "uuid7.h"

typedef void (*AddMember) (EbFields *fields, int path, const EbEvent *event);

/* a member of the envelope that is a column, or made of one */
typedef struct EnvelopeMember
{
	const char *name;
	int			len;
	AddMember	add;
} EnvelopeMember;

static EbPattern *compile(const EbJson *doc, const EbPatternLimits *limits);
static int64 text_length(const EbJson *doc);
static int64 string_length(const char *text, int len);
static void add_column(EbFields *fields, const EbPathNode *node,
					   const EbEvent *event);
static void add_string(EbFields *fields, int path, const char *chars,
					   int len);
static void add_text(EbFields *fields, int path, const text *value);
static void add_version(EbFields *fields, int path, const EbEvent *event);
static void add_id(EbFields *fields, int path, const EbEvent *event);
static void add_detail_type(EbFields *fields, int path, const EbEvent *event);
static void add_source(EbFields *fields, int path, const EbEvent *event);
static void add_account(EbFields *fields, int path, const EbEvent *event);
static void add_time(EbFields *fields, int path, const EbEvent *event);
static void add_region(EbFields *fields, int path, const EbEvent *event);
static void add_replay_name(EbFields *fields, int path, const EbEvent *event);
static void add_resources(EbFields *fields, int path, const EbEvent *event);

#define MEMBER(name, add)	{name, sizeof(name) - 1, add}

static const EnvelopeMember envelope_members[] = {
	MEMBER("source", add_source),
	MEMBER("detail-type", add_detail_type),
	MEMBER("resources", add_resources),
	MEMBER("account", add_account),
	MEMBER("region", add_region),
	MEMBER("id", add_id),
	MEMBER("time", add_time),
	MEMBER("version", add_version),
	MEMBER("replay-name", add_replay_name),
};

EbPattern *
eb_pattern_from_jsonb(Jsonb *pattern)
{
	EbJson		doc;

	eb_json_from_jsonb(pattern, &doc);
	return compile(&doc, NULL);
}

EbPattern *
eb_pattern_check_jsonb(Jsonb *pattern)
{
	EbPatternLimits limits = {
		.fields = eb_guc_max_pattern_paths,
		.conjunctions = eb_guc_max_pattern_combinations,
		.complexity = eb_guc_max_pattern_complexity
	};
	EbJson		doc;
	int64		length;

	eb_json_from_jsonb(pattern, &doc);
	length = text_length(&doc);
	if (length > eb_guc_max_pattern_characters)
		ereport(ERROR,
		/* EventBridge's text */
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Event pattern is not valid. Reason: Pattern must have length less than or equal to %d",
						eb_guc_max_pattern_characters),
				 errdetail("It has %lld characters without white space.",
						   (long long) length)));
	return compile(&doc, &limits);
}

static EbPattern *
compile(const EbJson *doc, const EbPatternLimits *limits)
{
	EbPatternError error;
	EbPattern  *compiled;

	compiled = eb_pattern_compile(doc, EB_PATTERN_STRICT, limits, &error);
	if (compiled == NULL)
		ereport(ERROR,
		/* EventBridge's text */
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Event pattern is not valid. Reason: %s",
						error.reason),
				 errdetail("The fault is at %s.", error.path),
				 error.hint ? errhint("%s", error.hint) : 0));
	return compiled;
}

/*
 * Characters of a document as JSON text without white space, with no more
 * escapes than it needs. jsonb does not keep the text that it was made from;
 * this is the shortest that means the same.
 */
static int64
text_length(const EbJson *doc)
{
	int64		length = 0;

	for (int i = 0; i < doc->nnodes; i++)
	{
		const EbJsonNode *node = &doc->nodes[i];

		switch (node->kind)
		{
			case EB_JSON_NULL:
			case EB_JSON_TRUE:
				length += 4;
				break;
			case EB_JSON_FALSE:
				length += 5;
				break;
			case EB_JSON_NUMBER:
				length += node->len;
				break;
			case EB_JSON_STRING:
				length += string_length(node->text, node->len);
				break;
			case EB_JSON_ARRAY:
			case EB_JSON_OBJECT:
				length += 2;
				/* no separator after the last member */
				length -= node->end > i + 1;
				break;
		}
		/* a comma or colon after whatever is in a container */
		length += i > 0;
	}
	return length;
}

/* The same for a string, with its quotes. */
static int64
string_length(const char *text, int len)
{
	int64		length = 2 + pg_mbstrlen_with_len(text, len);

	for (int i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' ||
			c == '\r' || c == '\t')
			length++;
		else if (c < ' ')
			length += 5;
	}
	return length;
}

int
eb_match_event(EbMatcher *matcher, const EbEvent *event, int *matched)
{
	EbFields   *fields = eb_matcher_begin(matcher);
	EbPathNode *root = eb_matcher_paths(matcher);
	EbPathNode *detail = eb_path_child(root, "detail", strlen("detail"));

	for (int i = 0; i < root->nchildren; i++)
	{
		if (root->children[i]->path != EB_NO_PATH)
			add_column(fields, root->children[i], event);
	}
	if (!eb_matcher_may_match(matcher, detail))
		return 0;
	if (detail != NULL)
		eb_fields_add_jsonb(fields, detail, &event->detail->root);
	return eb_matcher_match(matcher, matched);
}

int
eb_match_jsonb(EbMatcher *matcher, Jsonb *event, int *matched)
{
	EbFields   *fields = eb_matcher_begin(matcher);

	eb_fields_add_jsonb(fields, eb_matcher_paths(matcher), &event->root);
	return eb_matcher_match(matcher, matched);
}

/* Adds the member of the envelope that the node names, if it is a column. */
static void
add_column(EbFields *fields, const EbPathNode *node, const EbEvent *event)
{
	for (int i = 0; i < lengthof(envelope_members); i++)
	{
		const EnvelopeMember *member = &envelope_members[i];

		if (member->len == node->len &&
			memcmp(member->name, node->name, node->len) == 0)
		{
			member->add(fields, node->path, event);
			return;
		}
	}
}

static void
add_string(EbFields *fields, int path, const char *chars, int len)
{
	EbValue		value = {.kind = EB_JSON_STRING, .text = chars, .len = len};

	eb_fields_add(fields, path, &value, EB_NO_TRAIL);
}

static void
add_text(EbFields *fields, int path, const text *value)
{
	add_string(fields, path, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static void
add_version(EbFields *fields, int path, const EbEvent *event)
{
	add_string(fields, path, "0", 1);
}

static void
add_id(EbFields *fields, int path, const EbEvent *event)
{
	char	   *chars = palloc(EB_UUID_TEXT_SIZE);

	eb_uuid_text(&event->id, chars);
	add_string(fields, path, chars, EB_UUID_TEXT_SIZE - 1);
}

static void
add_detail_type(EbFields *fields, int path, const EbEvent *event)
{
	add_text(fields, path, event->detail_type);
}

static void
add_source(EbFields *fields, int path, const EbEvent *event)
{
	add_text(fields, path, event->source);
}

static void
add_account(EbFields *fields, int path, const EbEvent *event)
{
	add_string(fields, path, eb_guc_account_id, strlen(eb_guc_account_id));
}

static void
add_time(EbFields *fields, int path, const EbEvent *event)
{
	char	   *chars = palloc(EB_ISO8601_SIZE);

	eb_iso8601_write(event->time, chars);
	add_string(fields, path, chars, strlen(chars));
}

static void
add_region(EbFields *fields, int path, const EbEvent *event)
{
	add_string(fields, path, eb_guc_region, strlen(eb_guc_region));
}

static void
add_replay_name(EbFields *fields, int path, const EbEvent *event)
{
	if (event->replay_name != NULL)
		add_text(fields, path, event->replay_name);
}

static void
add_resources(EbFields *fields, int path, const EbEvent *event)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (event->resources == NULL)
		return;
	deconstruct_array(event->resources, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			add_text(fields, path, (text *) DatumGetPointer(elements[i]));
	}
}
