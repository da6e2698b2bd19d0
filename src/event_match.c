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
	EbPatternError error;
	EbPattern  *compiled;

	eb_json_from_jsonb(pattern, &doc);
	compiled = eb_pattern_compile(&doc, EB_PATTERN_STRICT, &error);
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
