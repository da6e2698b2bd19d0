/*-------------------------------------------------------------------------
 *
 * dead_letter_alert.c
 *		Tells of the first dead letter of a target.
 *
 * Whoever has dead letters wants to know when it begins, not of each one. So a
 * target's dead letter makes an alert when it had none for an hour, or none
 * since it was put (also: put again, as one does to repair it). That takes no
 * look-up: when the last one was is in the target's position, which the
 * dispatcher has at hand and writes anyway.
 *
 * An alert is a notification on channel eventbus_dead_letters, with a small
 * JSON object, and an event on the default bus with the same detail, source
 * "eventbus" (which publishers cannot use) and detail-type "Dead Letter
 * Arrived". Both are part of the dispatcher's transaction. The event comes of
 * the one that was given up, as its causation_id says. When it becomes a dead
 * letter itself, that makes no alert: nobody would be told in another way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "answer.h"
#include "causation.h"
#include "dead_letter_alert.h"
#include "json_write.h"
#include "put.h"
#include "uuid7.h"

#define CHANNEL			"eventbus_dead_letters"
#define DETAIL_TYPE		"Dead Letter Arrived"

/* a target whose last dead letter is older than this is told of again, s */
#define QUIET_TIME		3600

/* bytes of an error message: a notification has room for 8000 */
#define MAX_MESSAGE		1000

static bool
text_is(const text *value, const char *string)
{
	return VARSIZE_ANY_EXHDR(value) == strlen(string) &&
		memcmp(VARDATA_ANY(value), string, strlen(string)) == 0;
}

static bool
is_alert(const EbEvent *event)
{
	return text_is(event->source, EB_OWN_SOURCE) &&
		text_is(event->detail_type, DETAIL_TYPE);
}

static Jsonb *
describe(const EbDeadLetter *letter, int64 id)
{
	const EbTarget *target = letter->target;
	const char *message = letter->error->message ? letter->error->message : "";
	char		event_id[EB_UUID_TEXT_SIZE];
	EbAnswer	answer = {0};

	eb_uuid_text(&letter->item->event.id, event_id);
	eb_answer_begin(&answer);
	eb_answer_add_text(&answer, "event_bus", target->rule->bus_name);
	eb_answer_add_text(&answer, "rule", target->rule->name);
	eb_answer_add_text(&answer, "target", target->id);
	eb_answer_add_text(&answer, "error_code", letter->error_code);
	eb_answer_add_text(&answer, "error_message",
					   pnstrdup(message, pg_mbcliplen(message, strlen(message),
													  MAX_MESSAGE)));
	eb_answer_add_text(&answer, "event_id", event_id);
	if (id != 0)
		eb_answer_add_int(&answer, "dead_letter_id", id);
	eb_answer_end(&answer);
	return eb_answer_result(&answer);
}

static void
put_event(const EbEvent *origin, Jsonb *detail)
{
	EbCause		cause = {origin->id, origin->hop_count};
	EbEvent		event = {
		.time = EB_TIME_OF_CALL,
		.source = cstring_to_text(EB_OWN_SOURCE),
		.detail_type = cstring_to_text(DETAIL_TYPE),
		.detail = detail
	};

	eb_causation_set(&cause);
	eb_put_insert(&event, 1);
	eb_causation_set(NULL);
}

void
eb_dead_letter_alert(const EbDeadLetter *letter, int64 id,
					 TimestampTz previous, TimestampTz now)
{
	StringInfoData payload;
	Jsonb	   *detail;

	if (is_alert(&letter->item->event))
		return;

	/* a time ahead of now is of a clock that was set back */
	if (previous != 0 && previous <= now &&
		!TimestampDifferenceExceeds(previous, now, QUIET_TIME * 1000))
		return;
	detail = describe(letter, id);
	initStringInfo(&payload);
	eb_json_write_jsonb(&payload, detail);
	Async_Notify(CHANNEL, payload.data);
	put_event(&letter->item->event, detail);
}
