/*-------------------------------------------------------------------------
 *
 * answer.c
 *		Builds the jsonb documents that API functions answer with.
 *
 * A thin cover of pushJsonbValue(), so that those who answer with a document
 * read as the list of its members.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "answer.h"

static void
add_key(EbAnswer *answer, const char *key)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = (char *) key;
	value.val.string.len = strlen(key);
	pushJsonbValue(&answer->state, WJB_KEY, &value);
}

void
eb_answer_begin(EbAnswer *answer)
{
	pushJsonbValue(&answer->state, WJB_BEGIN_OBJECT, NULL);
}

void
eb_answer_end(EbAnswer *answer)
{
	answer->result = pushJsonbValue(&answer->state, WJB_END_OBJECT, NULL);
}

void
eb_answer_begin_object(EbAnswer *answer, const char *key)
{
	add_key(answer, key);
	eb_answer_begin(answer);
}

void
eb_answer_begin_array(EbAnswer *answer, const char *key)
{
	add_key(answer, key);
	pushJsonbValue(&answer->state, WJB_BEGIN_ARRAY, NULL);
}

void
eb_answer_end_array(EbAnswer *answer)
{
	pushJsonbValue(&answer->state, WJB_END_ARRAY, NULL);
}

void
eb_answer_add_text(EbAnswer *answer, const char *key, const char *value)
{
	JsonbValue	member;

	if (value == NULL)
		return;
	member.type = jbvString;
	member.val.string.val = (char *) value;
	member.val.string.len = strlen(value);
	add_key(answer, key);
	pushJsonbValue(&answer->state, WJB_VALUE, &member);
}

void
eb_answer_add_int(EbAnswer *answer, const char *key, int64 value)
{
	JsonbValue	member;

	member.type = jbvNumeric;
	member.val.numeric = int64_to_numeric(value);
	add_key(answer, key);
	pushJsonbValue(&answer->state, WJB_VALUE, &member);
}

void
eb_answer_add_bool(EbAnswer *answer, const char *key, bool value)
{
	JsonbValue	member;

	member.type = jbvBool;
	member.val.boolean = value;
	add_key(answer, key);
	pushJsonbValue(&answer->state, WJB_VALUE, &member);
}

void
eb_answer_add_jsonb(EbAnswer *answer, const char *key, Jsonb *value)
{
	JsonbValue	member;

	if (value == NULL)
		return;
	JsonbToJsonbValue(value, &member);
	add_key(answer, key);
	pushJsonbValue(&answer->state, WJB_VALUE, &member);
}

/* ISO 8601 in UTC, whatever the session's settings. */
void
eb_answer_add_time(EbAnswer *answer, const char *key, TimestampTz value)
{
	char		buf[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(buf, TimestampTzGetDatum(value), TIMESTAMPTZOID, &utc);
	eb_answer_add_text(answer, key, pstrdup(buf));
}

Jsonb *
eb_answer_result(EbAnswer *answer)
{
	return JsonbValueToJsonb(answer->result);
}
