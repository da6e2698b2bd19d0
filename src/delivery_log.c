/*-------------------------------------------------------------------------
 *
 * delivery_log.c
 *		What is logged of single attempts: eventbus.delivery_log.
 *
 * A delivery that goes well leaves nothing behind but a target's position. For
 * those who want more, the target's option log_level has each failed attempt
 * logged (error), or each attempt (all), with the names that EventBridge gives
 * such records. A record is part of the transaction that has the effect: what
 * is logged has happened, and what a crash takes back is not logged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "append.h"
#include "delivery_log.h"
#include "partition.h"

/* columns of eventbus.delivery_log */
enum
{
	LOG_LOGGED_AT,
	LOG_ACCEPTED_AT,
	LOG_DELIVERY_SEQ,
	LOG_DURATION_US,
	LOG_GENERATION,
	LOG_DELIVERY_GENERATION,
	LOG_TARGET_ID,
	LOG_REDRIVE,
	LOG_ATTEMPT,
	LOG_EVENT_ID,
	LOG_MESSAGE_TYPE,
	LOG_ERROR_CODE,
	LOG_SQLSTATE,
	LOG_ERROR_MESSAGE
};

static const char *const record_names[] = {
	[EB_ATTEMPT_SUCCESS] = "INVOCATION_ATTEMPT_SUCCESS",
	[EB_ATTEMPT_RETRYABLE_FAILURE] = "INVOCATION_ATTEMPT_RETRYABLE_FAILURE",
	[EB_ATTEMPT_PERMANENT_FAILURE] = "INVOCATION_ATTEMPT_PERMANENT_FAILURE",
	[EB_INVOCATION_DLQ] = "INVOCATION_DLQ",
	[EB_INVOCATION_FAILURE] = "INVOCATION_FAILURE",
};

/* What all records of a call have in common. */
static void
fill_call(TupleTableSlot *slot, const EbDeliveryCall *call,
		  EbDeliveryRecord record, TimestampTz at)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;
	const ErrorData *error = call->error;

	memset(isnull, false, slot->tts_tupleDescriptor->natts);
	values[LOG_LOGGED_AT] = TimestampTzGetDatum(at);
	values[LOG_DURATION_US] = Int64GetDatum(at - call->started_at);
	isnull[LOG_DURATION_US] = call->started_at == 0;
	values[LOG_GENERATION] = Int32GetDatum(eb_generation());
	values[LOG_TARGET_ID] = Int32GetDatum(call->target->target_id);
	values[LOG_MESSAGE_TYPE] = CStringGetTextDatum(record_names[record]);
	isnull[LOG_ERROR_CODE] = isnull[LOG_SQLSTATE] =
		isnull[LOG_ERROR_MESSAGE] = error == NULL;
	if (error == NULL)
		return;
	values[LOG_ERROR_CODE] = CStringGetTextDatum(call->error_code);
	values[LOG_SQLSTATE] =
		CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[LOG_ERROR_MESSAGE] =
		CStringGetTextDatum(error->message ? error->message : "");
}

static void
fill_item(TupleTableSlot *slot, const EbDelivery *item)
{
	Datum	   *values = slot->tts_values;

	values[LOG_ACCEPTED_AT] = TimestampTzGetDatum(item->accepted_at);
	values[LOG_DELIVERY_SEQ] = Int64GetDatum(item->delivery_seq);
	values[LOG_DELIVERY_GENERATION] = Int32GetDatum(item->generation);
	values[LOG_REDRIVE] = Int32GetDatum(item->redrive);
	values[LOG_ATTEMPT] = Int32GetDatum(item->attempt);
	values[LOG_EVENT_ID] = UUIDPGetDatum(&item->event.id);
}

void
eb_delivery_log_write(const EbDeliveryCall *call, EbDeliveryRecord record,
					  const EbDelivery *items, int n)
{
	TimestampTz at = GetCurrentTimestamp();
	Relation	leaf = eb_leaf_open_or_make(EB_LOG_ATTEMPTS, &at);
	EbAppender *appender = eb_append_begin(leaf);

	for (int i = 0; i < n; i++)
	{
		TupleTableSlot *slot = eb_append_slot(appender);

		fill_call(slot, call, record, at);
		fill_item(slot, &items[i]);
		eb_append_row(appender, 0);
	}
	eb_append_end(appender);
	table_close(leaf, NoLock);
}
