/*-------------------------------------------------------------------------
 *
 * transform_event.c
 *		The event that is transformed, whatever it is stored as.
 *
 * Deliveries transform rows of the log, and take single members from the
 * columns. A preview transforms any jsonb object: what it has beside the
 * members of an envelope is written after those.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "event_member.h"
#include "json_write.h"
#include "transform_event.h"

/* the order in which EventBridge writes <aws.events.event> */
static const char *const brief_names[] = {
	"id", "account", "detail-type", "time", "source", "region", "resources",
	"version"
};

static void write_members(const EbTransformEvent *event,
						  const char *const *names, int n, bool is_brief,
						  StringInfo buf);

bool
eb_transform_event_member(const EbTransformEvent *event, const char *name,
						  int len, JsonbValue *value)
{
	if (event->row != NULL)
		return eb_event_member(event->row, name, len, value);
	return getKeyJsonValueFromContainer(&event->json->root, name, len,
										value) != NULL;
}

Jsonb *
eb_transform_event_jsonb(const EbTransformEvent *event)
{
	return event->row != NULL ? eb_event_envelope(event->row) : event->json;
}

void
eb_transform_event_write(const EbTransformEvent *event, StringInfo buf)
{
	write_members(event, eb_event_member_names, EB_EVENT_NMEMBERS, false, buf);
}

void
eb_transform_event_write_brief(const EbTransformEvent *event, StringInfo buf)
{
	write_members(event, brief_names, lengthof(brief_names), true, buf);
}

static void
write_member(const char *name, int len, const JsonbValue *value,
			 bool is_brief, StringInfo buf)
{
	static const char detail_type[] = "detail-type";

	if (is_brief && len == sizeof(detail_type) - 1 &&
		memcmp(name, detail_type, len) == 0)
		appendStringInfoString(buf, "\"detailType\"");
	else
		eb_json_write_string(buf, name, len);
	appendStringInfoChar(buf, ':');
	eb_json_write_value(buf, value);
	appendStringInfoChar(buf, ',');
}

/* Is the name one of names, or the detail of what has none? */
static bool
is_done(const char *name, int len, const char *const *names, int n,
		bool is_brief)
{
	static const char detail[] = "detail";

	for (int i = 0; i < n; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return is_brief && len == sizeof(detail) - 1 &&
		memcmp(name, detail, len) == 0;
}

/* Writes the members that names says, in its order, then all others. */
static void
write_members(const EbTransformEvent *event, const char *const *names, int n,
			  bool is_brief, StringInfo buf)
{
	JsonbValue	value;
	int			start;

	appendStringInfoChar(buf, '{');
	start = buf->len;
	for (int i = 0; i < n; i++)
		if (eb_transform_event_member(event, names[i], strlen(names[i]),
									  &value))
			write_member(names[i], strlen(names[i]), &value, is_brief, buf);
	if (event->row != NULL)
	{
		for (int i = 0; i < EB_EVENT_NMEMBERS; i++)
		{
			const char *name = eb_event_member_names[i];

			if (!is_done(name, strlen(name), names, n, is_brief) &&
				eb_event_member(event->row, name, strlen(name), &value))
				write_member(name, strlen(name), &value, is_brief, buf);
		}
	}
	else
	{
		JsonbIterator *iterator = JsonbIteratorInit(&event->json->root);
		JsonbIteratorToken token;
		JsonbValue	key;

		while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		{
			if (token != WJB_KEY)
				continue;
			(void) JsonbIteratorNext(&iterator, &value, true);
			if (!is_done(key.val.string.val, key.val.string.len, names, n,
						 is_brief))
				write_member(key.val.string.val, key.val.string.len, &value,
							 is_brief, buf);
		}
	}
	/* the comma after the last member */
	if (buf->len > start)
		buf->len--;
	appendStringInfoChar(buf, '}');
}
