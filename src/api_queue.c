/*-------------------------------------------------------------------------
 *
 * api_queue.c
 *		SQL functions for queues: create, update, delete, purge, describe.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api_args.h"
#include "arn.h"
#include "queue_catalog.h"
#include "queue_receive.h"

PG_FUNCTION_INFO_V1(eventbus_create_queue);
PG_FUNCTION_INFO_V1(eventbus_update_queue);
PG_FUNCTION_INFO_V1(eventbus_delete_queue);
PG_FUNCTION_INFO_V1(eventbus_purge_queue);
PG_FUNCTION_INFO_V1(eventbus_describe_queue);
PG_FUNCTION_INFO_V1(eventbus_grant_queue);
PG_FUNCTION_INFO_V1(eventbus_revoke_queue);
PG_FUNCTION_INFO_V1(eventbus_queue_arn);
PG_FUNCTION_INFO_V1(eventbus_queue_status);

/* The attributes from argument 1 on; count has room for one of them. */
static void
get_spec(FunctionCallInfo fcinfo, EbQueueSpec *spec, int32 *count)
{
	memset(spec, 0, sizeof(*spec));
	spec->name = eb_arg_text(fcinfo, 0);
	if (!PG_ARGISNULL(1))
		spec->visibility_timeout = PG_GETARG_INTERVAL_P(1);
	if (!PG_ARGISNULL(2))
		spec->message_retention = PG_GETARG_INTERVAL_P(2);
	if (!PG_ARGISNULL(3))
	{
		*count = PG_GETARG_INT32(3);
		spec->max_receive_count = count;
	}
	spec->dead_letter_queue = eb_arg_text(fcinfo, 4);
}

/*
 * eb_create_queue(name, visibility_timeout, message_retention,
 * max_receive_count, dead_letter_queue, fifo): returns the ARN.
 */
Datum
eventbus_create_queue(PG_FUNCTION_ARGS)
{
	EbQueueSpec spec;
	int32		count;

	PreventCommandIfReadOnly("eb_create_queue()");
	get_spec(fcinfo, &spec, &count);
	spec.fifo = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	eb_queue_create(&spec);
	PG_RETURN_TEXT_P(cstring_to_text(eb_arn_of_queue(spec.name)));
}

/* eb_update_queue(the same without fifo): null leaves an attribute alone. */
Datum
eventbus_update_queue(PG_FUNCTION_ARGS)
{
	EbQueueSpec spec;
	int32		count;

	PreventCommandIfReadOnly("eb_update_queue()");
	get_spec(fcinfo, &spec, &count);
	eb_queue_update(&spec);
	PG_RETURN_VOID();
}

/* eb_delete_queue(name) */
Datum
eventbus_delete_queue(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("eb_delete_queue()");
	eb_queue_delete(eb_arg_text(fcinfo, 0));
	PG_RETURN_VOID();
}

/* eb_purge_queue(name) */
Datum
eventbus_purge_queue(PG_FUNCTION_ARGS)
{
	EbQueue    *queue;

	PreventCommandIfReadOnly("eb_purge_queue()");
	queue = eb_queue_get(eb_arg_text(fcinfo, 0));
	eb_queue_check_owner(queue);
	eb_queue_purge(queue);
	PG_RETURN_VOID();
}

/* eb_describe_queue(name) */
Datum
eventbus_describe_queue(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(eb_queue_describe(eb_arg_text(fcinfo, 0)));
}

/* eb_grant_queue(name, role) */
Datum
eventbus_grant_queue(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("eb_grant_queue()");
	eb_queue_grant(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 1), true);
	PG_RETURN_VOID();
}

/* eb_revoke_queue(name, role) */
Datum
eventbus_revoke_queue(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("eb_revoke_queue()");
	eb_queue_grant(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 1), false);
	PG_RETURN_VOID();
}

/* eb_queue_arn(name): strict */
Datum
eventbus_queue_arn(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(eb_arn_of_queue(name)));
}

/* eventbus.queue_status(name): available, in flight, oldest; strict */
Datum
eventbus_queue_status(PG_FUNCTION_ARGS)
{
	EbQueue    *queue = eb_queue_find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	EbQueueStatus status;
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (queue == NULL)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	eb_queue_status(queue, &status);
	values[0] = Int64GetDatum(status.available);
	values[1] = Int64GetDatum(status.in_flight);
	values[2] = TimestampTzGetDatum(status.oldest);
	nulls[2] = status.oldest == DT_NOEND;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}
