/*-------------------------------------------------------------------------
 *
 * dead_letter.c
 *		Keeps events that a target could not take: eventbus.dead_letters.
 *
 * A dead letter is a copy: it outlives the event's partition, the target, the
 * rule and the bus, which it names by name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "append.h"
#include "dead_letter.h"
#include "partition.h"

/* columns of eventbus.dead_letters */
enum
{
	DEAD_LETTER_DEAD_LETTERED_AT = 1,
	DEAD_LETTER_DELIVERY_SEQ,
	DEAD_LETTER_GENERATION,
	DEAD_LETTER_TARGET_ID,
	DEAD_LETTER_ATTEMPTS,
	DEAD_LETTER_EVENT_ID,
	DEAD_LETTER_EVENT_BUS,
	DEAD_LETTER_RULE,
	DEAD_LETTER_TARGET,
	DEAD_LETTER_ERROR_CODE,
	DEAD_LETTER_SQLSTATE,
	DEAD_LETTER_ERROR_MESSAGE,
	DEAD_LETTER_ERROR_DETAIL,
	DEAD_LETTER_EVENT
};

bool
eb_dead_letter(const EbDeadLetter *letter)
{
	const EbTarget *target = letter->target;
	const EbDelivery *item = letter->item;
	const ErrorData *error = letter->error;
	TimestampTz at = GetCurrentTimestamp();
	Relation	leaf;
	EbAppender *appender;
	TupleTableSlot *slot;
	Datum	   *values;
	bool	   *isnull;

	if (!letter->options->dead_letters)
		return false;
	leaf = eb_leaf_open_or_make(EB_LOG_DEAD_LETTERS, &at);
	appender = eb_append_begin(leaf);
	slot = eb_append_slot(appender);
	values = slot->tts_values;
	isnull = slot->tts_isnull;
	memset(isnull, false, slot->tts_tupleDescriptor->natts);
	values[DEAD_LETTER_DEAD_LETTERED_AT - 1] = TimestampTzGetDatum(at);
	values[DEAD_LETTER_DELIVERY_SEQ - 1] = Int64GetDatum(item->delivery_seq);
	values[DEAD_LETTER_GENERATION - 1] = Int32GetDatum(eb_generation());
	values[DEAD_LETTER_TARGET_ID - 1] = Int32GetDatum(target->target_id);
	values[DEAD_LETTER_ATTEMPTS - 1] = Int32GetDatum(item->attempt);
	values[DEAD_LETTER_EVENT_ID - 1] = UUIDPGetDatum(&item->event.id);
	values[DEAD_LETTER_EVENT_BUS - 1] =
		CStringGetTextDatum(target->rule->bus_name);
	values[DEAD_LETTER_RULE - 1] = CStringGetTextDatum(target->rule->name);
	values[DEAD_LETTER_TARGET - 1] = CStringGetTextDatum(target->id);
	values[DEAD_LETTER_ERROR_CODE - 1] =
		CStringGetTextDatum(letter->error_code);
	values[DEAD_LETTER_SQLSTATE - 1] =
		CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[DEAD_LETTER_ERROR_MESSAGE - 1] =
		CStringGetTextDatum(error->message ? error->message : "");
	if (error->detail)
		values[DEAD_LETTER_ERROR_DETAIL - 1] =
			CStringGetTextDatum(error->detail);
	else
		isnull[DEAD_LETTER_ERROR_DETAIL - 1] = true;
	values[DEAD_LETTER_EVENT - 1] =
		JsonbPGetDatum(eb_event_envelope(&item->event));
	eb_append_row(appender, 0);
	eb_append_end(appender);
	table_close(leaf, NoLock);
	return true;
}
