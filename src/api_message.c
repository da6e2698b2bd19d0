/*-------------------------------------------------------------------------
 *
 * api_message.c
 *		SQL functions for messages of queues: send, receive, delete, change
 *		visibility.
 *
 * A receipt handle is text that names one receive of one message: generation,
 * number and a random number of the receive, in hexadecimal. It is no secret:
 * who may use it is a matter of the queue.
 *
 * A receive that waits sleeps on a condition variable, which senders broadcast
 * when they commit, and looks again under a new snapshot each time. Claims that
 * end are waited for by the clock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <inttypes.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api_args.h"
#include "partition.h"
#include "queue_catalog.h"
#include "queue_receive.h"

PG_FUNCTION_INFO_V1(eventbus_send_message);
PG_FUNCTION_INFO_V1(eventbus_receive_messages);
PG_FUNCTION_INFO_V1(eventbus_delete_message);
PG_FUNCTION_INFO_V1(eventbus_delete_messages);
PG_FUNCTION_INFO_V1(eventbus_change_message_visibility);

#define HANDLE_FORMAT	"%08x-%" PRIx64 "-%016" PRIx64
#define HANDLE_SIZE		48

/* ends of claims are looked for at least so often, in ms */
#define LONGEST_SLEEP	1000

#define MAX_VISIBILITY	(INT64CONST(12) * USECS_PER_HOUR)

/* --- arguments -------------------------------------------------------------- */

static EbQueue *
get_consumed_queue(FunctionCallInfo fcinfo)
{
	EbQueue    *queue = eb_queue_get(eb_arg_text(fcinfo, 0));

	eb_queue_check_consumer(queue);
	return queue;
}

static int64
check_visibility(int64 visibility)
{
	if (visibility < 0 || visibility > MAX_VISIBILITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("visibility_timeout must be %s",
						"between 0 and 12 hours")));
	return visibility;
}

static EbReceipt
parse_handle(const char *handle)
{
	EbReceipt	receipt;
	char		again[HANDLE_SIZE];

	if (handle == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("receipt_handle must not be null")));
	again[0] = '\0';
	if (sscanf(handle, HANDLE_FORMAT, (uint32 *) &receipt.generation,
			   (uint64 *) &receipt.number, (uint64 *) &receipt.receipt) == 3)
		snprintf(again, sizeof(again), HANDLE_FORMAT,
				 (uint32) receipt.generation, (uint64) receipt.number,
				 (uint64) receipt.receipt);
	if (strcmp(handle, again) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* SQS's text */
				 errmsg("The input receipt handle is invalid.")));
	return receipt;
}

/* --- sending ---------------------------------------------------------------- */

/* eb_send_message(queue, body, attributes, message_group_id): its id */
Datum
eventbus_send_message(PG_FUNCTION_ARGS)
{
	EbQueueItem item = {0};
	EbQueue    *queue;
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	PreventCommandIfReadOnly("eb_send_message()");
	queue = eb_queue_get(eb_arg_text(fcinfo, 0));
	eb_queue_check_sender(queue, GetUserId());
	item.body = eb_arg_jsonb(fcinfo, 1);
	if (item.body == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("body must not be null")));
	item.attributes = eb_arg_jsonb(fcinfo, 2);
	if (!PG_ARGISNULL(3))
		item.group_id = PG_GETARG_TEXT_PP(3);
	*id = eb_queue_send(queue, &item, 1, true);
	PG_RETURN_UUID_P(id);
}

/* --- receiving -------------------------------------------------------------- */

static void
put_received(ReturnSetInfo *rsinfo, const EbReceived *received)
{
	const EbMessage *message = &received->message;
	const EbReceipt *receipt = &received->receipt;
	char		handle[HANDLE_SIZE];
	Datum		values[9];
	bool		nulls[9] = {false};

	snprintf(handle, sizeof(handle), HANDLE_FORMAT,
			 (uint32) receipt->generation, (uint64) receipt->number,
			 (uint64) receipt->receipt);
	values[0] = UUIDPGetDatum(&message->id);
	values[1] = CStringGetTextDatum(handle);
	values[2] = JsonbPGetDatum(message->body);
	values[3] = PointerGetDatum(message->attributes);
	values[4] = PointerGetDatum(message->group_id);
	values[5] = UUIDPGetDatum(&message->event_id);
	values[6] = Int32GetDatum(received->receive_count);
	values[7] = TimestampTzGetDatum(message->sent_at);
	values[8] = TimestampTzGetDatum(received->first_received_at);
	nulls[3] = message->attributes == NULL;
	nulls[4] = message->group_id == NULL;
	nulls[5] = !message->has_event_id;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Sleeps until there may be something; false once the deadline has passed. */
static bool
sleep_for_messages(const EbQueue *queue, const EbQueueHint *hint,
				   TimestampTz deadline)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;
	long		ms;

	if (now >= deadline)
		return false;
	until = Min(deadline, eb_queue_next_visible(queue));
	ms = TimestampDifferenceMilliseconds(now, until) + 1;
	eb_queue_hint_sleep(hint, Min(ms, LONGEST_SLEEP));
	return true;
}

/* Receives, and waits for the first message if there is none. */
static int
receive(const EbQueue *queue, int max, int64 visibility, int64 wait,
		EbReceived **received)
{
	TimestampTz deadline = GetCurrentTimestamp() + wait;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext look;
	EbQueueHint hint;
	int			n;

	if (wait == 0)
		return eb_queue_receive(queue, max, visibility, received);

	/* one may wait for a day, and look often */
	look = AllocSetContextCreate(caller, "eventbus receive",
								 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(look);
	hint = eb_queue_hint(eb_generation(), queue->queue_id);
	eb_queue_hint_prepare_to_sleep(&hint);
	do
	{
		MemoryContextReset(look);
		n = eb_queue_receive(queue, max, visibility, received);
	} while (n == 0 && sleep_for_messages(queue, &hint, deadline));
	eb_queue_hint_cancel_sleep();
	MemoryContextSwitchTo(caller);
	return n;
}

/* eb_receive_messages(queue, max_messages, visibility_timeout, wait) */
Datum
eventbus_receive_messages(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EbQueue    *queue;
	EbReceived *received;
	int			max = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT32(1);
	int64		visibility;
	int64		wait = 0;
	int			n;

	PreventCommandIfReadOnly("eb_receive_messages()");
	queue = get_consumed_queue(fcinfo);
	if (max < 1 || max > EB_MAX_QUEUE_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_messages must be between 1 and %d",
						EB_MAX_QUEUE_BATCH)));
	visibility = check_visibility(PG_ARGISNULL(2) ? queue->visibility_timeout :
								  eb_queue_interval(PG_GETARG_INTERVAL_P(2)));
	if (!PG_ARGISNULL(3))
		wait = eb_queue_interval(PG_GETARG_INTERVAL_P(3));
	if (wait < 0 || wait > USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wait must be between 0 and 1 day")));

	InitMaterializedSRF(fcinfo, 0);
	n = receive(queue, max, visibility, wait, &received);
	for (int i = 0; i < n; i++)
		put_received(rsinfo, &received[i]);
	return (Datum) 0;
}

/* --- by receipt ------------------------------------------------------------- */

/* eb_delete_message(queue, receipt_handle): was it there? */
Datum
eventbus_delete_message(PG_FUNCTION_ARGS)
{
	EbQueue    *queue;
	EbReceipt	receipt;

	PreventCommandIfReadOnly("eb_delete_message()");
	queue = get_consumed_queue(fcinfo);
	receipt = parse_handle(eb_arg_text(fcinfo, 1));
	PG_RETURN_BOOL(eb_queue_delete_received(queue, &receipt, 1) == 1);
}

/* eb_delete_messages(queue, receipt_handles): how many were there */
Datum
eventbus_delete_messages(PG_FUNCTION_ARGS)
{
	EbQueue    *queue;
	EbReceipt  *receipts;
	Datum	   *handles;
	bool	   *isnull;
	int			n;

	PreventCommandIfReadOnly("eb_delete_messages()");
	queue = get_consumed_queue(fcinfo);
	if (PG_ARGISNULL(1))
		PG_RETURN_INT32(0);		/* array_agg() of nothing */
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &handles, &isnull, &n);
	receipts = palloc(Max(n, 1) * sizeof(EbReceipt));
	for (int i = 0; i < n; i++)
		receipts[i] = parse_handle(isnull[i] ? NULL :
								   TextDatumGetCString(handles[i]));
	PG_RETURN_INT32(eb_queue_delete_received(queue, receipts, n));
}

/*
 * eb_change_message_visibility(queue, receipt_handle, visibility_timeout): was
 * it there?
 */
Datum
eventbus_change_message_visibility(PG_FUNCTION_ARGS)
{
	EbQueue    *queue;
	EbReceipt	receipt;
	int64		visibility;

	PreventCommandIfReadOnly("eb_change_message_visibility()");
	queue = get_consumed_queue(fcinfo);
	receipt = parse_handle(eb_arg_text(fcinfo, 1));
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("visibility_timeout must not be null")));
	visibility = check_visibility(eb_queue_interval(PG_GETARG_INTERVAL_P(2)));
	PG_RETURN_BOOL(eb_queue_change_visibility(queue, &receipt, visibility));
}
