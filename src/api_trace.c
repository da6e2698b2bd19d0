/*-------------------------------------------------------------------------
 *
 * api_trace.c
 *		eb_trace(), and what it needs of the delivery stream.
 *
 * Rights: EXECUTE on eb_trace(), which reads as the extension's owner. What it
 * reads is said in SQL (src/sql/67_trace.sql).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "schema.h"
#include "stream.h"

PG_FUNCTION_INFO_V1(eventbus_event_deliveries);
PG_FUNCTION_INFO_V1(eventbus_trace);

/* so many rows of the stream are searched in one call: some 150 MB at most */
#define MAX_ROWS	20000

/*
 * eventbus.event_deliveries(generation, seq, ord, ingested_at, target_ids): for
 * each target the delivery of the event to it, if there is one. Targets that
 * come first are searched first; where the rows to be searched are used up,
 * searched is false.
 */
Datum
eventbus_event_deliveries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EbDeliveryRef event = {
		.seq = PG_GETARG_INT64(1),
		.ord = PG_GETARG_INT32(2)
	};
	EbStreamPlace place = {.generation = PG_GETARG_INT32(0)};
	TimestampTz ingested_at = PG_GETARG_TIMESTAMPTZ(3);
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(4);
	int			left = MAX_ROWS;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	EbCursor	cursor;
	Datum	   *targets;
	int			ntargets;

	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT,
					  &targets, NULL, &ntargets);
	if (!eb_cursor_read(place.generation, &cursor))
		ntargets = 0;
	for (int i = 0; i < ntargets; i++)
	{
		TimestampTz routed_at = 0;
		Datum		values[4];
		bool		nulls[4] = {false};
		int64		found;

		CHECK_FOR_INTERRUPTS();
		place.target_id = DatumGetInt32(targets[i]);
		place.position = cursor.delivery_seq;
		found = eb_stream_find(&place, snapshot, ingested_at, &event, &left,
							   &routed_at);
		values[0] = targets[i];
		values[1] = Int64GetDatum(found);
		values[2] = TimestampTzGetDatum(routed_at);
		values[3] = BoolGetDatum(found != 0 || left > 0);
		nulls[1] = nulls[2] = found == 0;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	UnregisterSnapshot(snapshot);
	return (Datum) 0;
}

/* eb_trace(event_id): rows of eventbus.trace(). */
Datum
eventbus_trace(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EbSavedUser saved;
	Oid			types[] = {UUIDOID};
	Datum		args[] = {PG_GETARG_DATUM(0)};

	InitMaterializedSRF(fcinfo, 0);
	saved = eb_owner_enter();
	SPI_connect();
	if (SPI_execute_with_args("SELECT * FROM eventbus.trace($1)", 1, types,
							  args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the trace of an event");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	eb_owner_leave(saved);
	return (Datum) 0;
}
