/*-------------------------------------------------------------------------
 *
 * json_build.c
 *		Builds jsonb objects and arrays of them, member by member.
 *
 * A thin cover of pushJsonbValue(), so that those who answer with a document
 * read as the list of its members.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "json_build.h"

static void
add_key(EbJson *json, const char *key)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = (char *) key;
	value.val.string.len = strlen(key);
	pushJsonbValue(&json->state, WJB_KEY, &value);
}

void
eb_json_begin(EbJson *json)
{
	pushJsonbValue(&json->state, WJB_BEGIN_OBJECT, NULL);
}

void
eb_json_end(EbJson *json)
{
	json->result = pushJsonbValue(&json->state, WJB_END_OBJECT, NULL);
}

void
eb_json_begin_array(EbJson *json, const char *key)
{
	add_key(json, key);
	pushJsonbValue(&json->state, WJB_BEGIN_ARRAY, NULL);
}

void
eb_json_end_array(EbJson *json)
{
	pushJsonbValue(&json->state, WJB_END_ARRAY, NULL);
}

void
eb_json_add_text(EbJson *json, const char *key, const char *value)
{
	JsonbValue	member;

	if (value == NULL)
		return;
	member.type = jbvString;
	member.val.string.val = (char *) value;
	member.val.string.len = strlen(value);
	add_key(json, key);
	pushJsonbValue(&json->state, WJB_VALUE, &member);
}

void
eb_json_add_int(EbJson *json, const char *key, int64 value)
{
	JsonbValue	member;

	member.type = jbvNumeric;
	member.val.numeric = int64_to_numeric(value);
	add_key(json, key);
	pushJsonbValue(&json->state, WJB_VALUE, &member);
}

void
eb_json_add_jsonb(EbJson *json, const char *key, Jsonb *value)
{
	JsonbValue	member;

	if (value == NULL)
		return;
	JsonbToJsonbValue(value, &member);
	add_key(json, key);
	pushJsonbValue(&json->state, WJB_VALUE, &member);
}

/* ISO 8601 in UTC, whatever the session's settings. */
void
eb_json_add_time(EbJson *json, const char *key, TimestampTz value)
{
	char		buf[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(buf, TimestampTzGetDatum(value), TIMESTAMPTZOID, &utc);
	eb_json_add_text(json, key, pstrdup(buf));
}

Jsonb *
eb_json_result(EbJson *json)
{
	return JsonbValueToJsonb(json->result);
}
