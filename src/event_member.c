/*-------------------------------------------------------------------------
 *
 * event_member.c
 *		Single members of an event's envelope, without making the envelope.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "event_member.h"
#include "guc.h"
#include "iso8601.h"
#include "uuid7.h"

const char *const eb_event_member_names[EB_EVENT_NMEMBERS] = {
	"version", "id", "detail-type", "source", "account", "time", "region",
	"replay-name", "resources", "detail"
};

static void
set_string(JsonbValue *value, const char *chars, int len)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, chars);
	value->val.string.len = len;
}

static void
set_text(JsonbValue *value, const text *chars)
{
	set_string(value, VARDATA_ANY(chars), VARSIZE_ANY_EXHDR(chars));
}

static void
set_jsonb(JsonbValue *value, Jsonb *jsonb)
{
	value->type = jbvBinary;
	value->val.binary.data = &jsonb->root;
	value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}

bool
eb_event_member(const EbEvent *event, const char *name, int len,
				JsonbValue *value)
{
#define IS(member)	\
	(len == sizeof(member) - 1 && memcmp(name, member, len) == 0)

	if (IS("detail"))
		set_jsonb(value, event->detail);
	else if (IS("source"))
		set_text(value, event->source);
	else if (IS("detail-type"))
		set_text(value, event->detail_type);
	else if (IS("resources"))
		set_jsonb(value, eb_event_resources(event));
	else if (IS("version"))
		set_string(value, "0", 1);
	else if (IS("account"))
		set_string(value, eb_guc_account_id, strlen(eb_guc_account_id));
	else if (IS("region"))
		set_string(value, eb_guc_region, strlen(eb_guc_region));
	else if (IS("replay-name") && event->replay_name != NULL)
		set_text(value, event->replay_name);
	else if (IS("id"))
	{
		char	   *chars = palloc(EB_UUID_TEXT_SIZE);

		eb_uuid_text(&event->id, chars);
		set_string(value, chars, EB_UUID_TEXT_SIZE - 1);
	}
	else if (IS("time"))
	{
		char	   *chars = palloc(EB_ISO8601_SIZE);

		eb_iso8601_write(event->time, chars);
		set_string(value, chars, EB_ISO8601_SIZE - 1);
	}
	else
		return false;
	return true;
#undef IS
}
