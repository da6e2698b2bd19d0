/*-------------------------------------------------------------------------
 *
 * dead_letter.c
 *		Keeps events that a target could not take: eventbus.dead_letters.
 *
 * A dead letter is a copy: it outlives the event's partition, the target, the
 * rule and the bus, which it names by name. It has all columns of the event,
 * so that it can be redriven (redrive.c), and is never changed: that it was
 * redriven or discarded is told by a row of eventbus.resolved_dead_letters.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/timestamp.h"

#include "append.h"
#include "dead_letter.h"
#include "dead_letter_alert.h"
#include "dead_letter_queue.h"
#include "errcodes.h"
#include "partition.h"
#include "schema.h"
#include "subtransaction.h"

/* columns of eventbus.dead_letter_log after those of the event */
enum
{
	LETTER_ID = EB_EVENT_NCOLUMNS + 1,
	LETTER_DEAD_LETTERED_AT,
	LETTER_TARGET_ID,
	LETTER_EVENT_BUS,
	LETTER_RULE,
	LETTER_TARGET,
	LETTER_DELIVERY_GENERATION,
	LETTER_DELIVERY_SEQ,
	LETTER_REDRIVE,
	LETTER_ACCEPTED_AT,
	LETTER_ATTEMPTS,
	LETTER_FIRST_ATTEMPT_AT,
	LETTER_ERROR_CODE,
	LETTER_EXHAUSTED_CONDITION,
	LETTER_SQLSTATE,
	LETTER_ERROR_MESSAGE,
	LETTER_ERROR_DETAIL,
	LETTER_FIRST_ERROR,
	LETTER_INPUT
};

static void
set_value(TupleTableSlot *slot, int column, Datum value)
{
	slot->tts_values[column - 1] = value;
	slot->tts_isnull[column - 1] = false;
}

/* NULL is null. */
static void
set_text(TupleTableSlot *slot, int column, const char *string)
{
	slot->tts_isnull[column - 1] = string == NULL;
	if (string != NULL)
		slot->tts_values[column - 1] = CStringGetTextDatum(string);
}

/* Which delivery it was, and how often it was tried. */
static void
set_delivery(TupleTableSlot *slot, const EbDeadLetter *letter, TimestampTz at)
{
	const EbTarget *target = letter->target;
	const EbDelivery *item = letter->item;

	set_value(slot, LETTER_TARGET_ID, Int32GetDatum(target->target_id));
	set_text(slot, LETTER_EVENT_BUS, target->rule->bus_name);
	set_text(slot, LETTER_RULE, target->rule->name);
	set_text(slot, LETTER_TARGET, target->id);
	set_value(slot, LETTER_DELIVERY_GENERATION,
			  Int32GetDatum(item->generation));
	set_value(slot, LETTER_DELIVERY_SEQ, Int64GetDatum(item->delivery_seq));
	set_value(slot, LETTER_REDRIVE, Int32GetDatum(item->redrive));
	set_value(slot, LETTER_ACCEPTED_AT,
			  TimestampTzGetDatum(item->accepted_at));
	set_value(slot, LETTER_ATTEMPTS, Int32GetDatum(item->attempt));
	set_value(slot, LETTER_FIRST_ATTEMPT_AT,
			  TimestampTzGetDatum(letter->first_attempt_at != 0 ?
								  letter->first_attempt_at : at));
}

static void
set_errors(TupleTableSlot *slot, const EbDeadLetter *letter)
{
	const ErrorData *error = letter->error;

	set_text(slot, LETTER_ERROR_CODE, letter->error_code);
	set_text(slot, LETTER_EXHAUSTED_CONDITION, letter->exhausted_condition);
	set_text(slot, LETTER_SQLSTATE, unpack_sql_state(error->sqlerrcode));
	set_text(slot, LETTER_ERROR_MESSAGE, error->message ? error->message : "");
	set_text(slot, LETTER_ERROR_DETAIL, error->detail);
	set_text(slot, LETTER_FIRST_ERROR, letter->first_error);
}

/* What there is to say about what the target was to be sent. */
typedef struct Input
{
	const EbDeadLetter *letter;
	Jsonb	   *json;
} Input;

/* For eb_try(). */
static void
make_input(void *arg)
{
	Input	   *input = arg;
	EbDelivery	item = *input->letter->item;
	EbTargetRun run = {
		.target = input->letter->target,
		.options = input->letter->options,
		.transform = input->letter->transform,
		.items = &item,
		.n = 1
	};

	eb_target_shape(&run);
	input->json = eb_delivery_json(&item);
}

/* NULL where it is the event, or cannot be made of it. */
static Jsonb *
input_of(const EbDeadLetter *letter)
{
	Input		input = {letter, NULL};

	if (letter->transform == NULL ||
		letter->error->sqlerrcode == EB_ERRCODE_TRANSFORMATION ||
		eb_try(make_input, &input) != NULL)
		return NULL;
	return input.json;
}

/* Appends the row; returns its number. */
static int64
append(const EbDeadLetter *letter, TimestampTz at)
{
	Jsonb	   *input = input_of(letter);
	int64		id = nextval_internal(eb_relation_oid("dead_letter_id_seq"),
									  false);
	Relation	leaf = eb_leaf_open_or_make(EB_LOG_DEAD_LETTERS, &at);
	EbAppender *appender = eb_append_begin(leaf);
	TupleTableSlot *slot = eb_append_slot(appender);

	eb_event_to_slot(&letter->item->event, eb_generation(), slot);
	set_value(slot, LETTER_ID, Int64GetDatum(id));
	set_value(slot, LETTER_DEAD_LETTERED_AT, TimestampTzGetDatum(at));
	set_delivery(slot, letter, at);
	set_errors(slot, letter);
	slot->tts_isnull[LETTER_INPUT - 1] = input == NULL;
	slot->tts_values[LETTER_INPUT - 1] = PointerGetDatum(input);
	eb_append_row(appender, 0);
	eb_append_end(appender);
	table_close(leaf, NoLock);
	return id;
}

bool
eb_dead_letter(const EbDeadLetter *letter, EbPosition *position)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		id = 0;

	if (!letter->options->dead_letters)
	{
		position->dropped++;
		return false;
	}
	if (letter->options->dead_letter_queue == NULL ||
		!eb_dead_letter_queue_send(letter))
		id = append(letter, now);
	eb_dead_letter_alert(letter, id, position->dead_lettered_at, now);
	position->dead_lettered++;
	position->dead_lettered_at = now;
	return true;
}
