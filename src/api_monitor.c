/*-------------------------------------------------------------------------
 *
 * api_monitor.c
 *		What the views of status read, and waiting until all is delivered.
 *
 * Rights: EXECUTE on these functions is the right to know what they say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "event_row.h"
#include "guc.h"
#include "log_scan.h"
#include "partition.h"
#include "shmem.h"
#include "stream.h"
#include "wake.h"
#include "workqueue.h"

PG_FUNCTION_INFO_V1(eventbus_generation);
PG_FUNCTION_INFO_V1(eventbus_workers);
PG_FUNCTION_INFO_V1(eventbus_work_queue);
PG_FUNCTION_INFO_V1(eventbus_unrouted);
PG_FUNCTION_INFO_V1(eventbus_backlog);
PG_FUNCTION_INFO_V1(eventbus_wait_until_delivered);

/* more unrouted events than this are not counted */
#define MAX_UNROUTED	1000000

/* --- workers -------------------------------------------------------------- */

static void
put_worker(ReturnSetInfo *rsinfo, const char *kind, int number,
		   const EbWorkerSlot *place)
{
	Datum		values[6];
	bool		nulls[6] = {false};

	values[0] = CStringGetTextDatum(kind);
	values[1] = Int32GetDatum(number);
	values[2] = Int32GetDatum(place->pid);
	values[3] = TimestampTzGetDatum(place->started_at);
	values[4] = Int32GetDatum(place->failures);
	values[5] = TimestampTzGetDatum(place->restart_at);
	nulls[2] = nulls[3] = place->pid == 0;
	nulls[5] = place->pid != 0 || place->restart_at == 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The same, unless the place is empty because nobody is needed there. */
static void
put_worker_if_any(ReturnSetInfo *rsinfo, const char *kind, int number,
				  const EbWorkerSlot *place)
{
	if (place->pid != 0 || place->failures > 0)
		put_worker(rsinfo, kind, number, place);
}

/*
 * eventbus.workers(): the launcher, and the router and the dispatchers of this
 * database, and its maintenance worker when it runs. No row where the library is not preloaded.
 */
Datum
eventbus_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EbDatabase *database = eb_shmem_database(MyDatabaseId);

	InitMaterializedSRF(fcinfo, 0);
	if (eb_shared == NULL)
		return (Datum) 0;
	LWLockAcquire(eb_shared->lock, LW_SHARED);
	put_worker(rsinfo, "launcher", 0, &eb_shared->launcher);
	if (database != NULL && database->dboid == MyDatabaseId)
	{
		put_worker(rsinfo, "router", 0, &database->router);
		for (int i = 0; i < EB_MAX_DISPATCHERS; i++)
			put_worker_if_any(rsinfo, "dispatcher", i,
							  &database->dispatchers[i]);
		put_worker_if_any(rsinfo, "maintenance worker", 0,
						  &database->maintenance);
	}
	LWLockRelease(eb_shared->lock);
	return (Datum) 0;
}

/* eventbus.generation(): the generation that is written to. */
Datum
eventbus_generation(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(eb_generation());
}

/*
 * eventbus.work_queue(): places of the work queue, how many are taken, by all
 * databases and by this one, and how many targets of this one have none.
 */
Datum
eventbus_work_queue(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Datum		values[4];
	bool		nulls[4];
	int			taken = 0;
	int			own = 0;
	int			outside = 0;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, eb_shared == NULL, sizeof(nulls));
	if (eb_shared != NULL)
		eb_workqueue_usage(&taken, &own, &outside);
	values[0] = Int32GetDatum(eb_guc_max_queued_targets);
	values[1] = Int32GetDatum(taken);
	values[2] = Int32GetDatum(own);
	values[3] = Int32GetDatum(outside);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

/* --- what waits ------------------------------------------------------------ */

/*
 * A row (count bigint, oldest timestamptz); oldest is null when count is 0,
 * both when it is negative.
 */
static Datum
count_and_oldest(FunctionCallInfo fcinfo, int64 count, TimestampTz oldest)
{
	TupleDesc	tupdesc;
	Datum		values[2] = {
		Int64GetDatum(count), TimestampTzGetDatum(oldest)
	};
	bool		nulls[2] = {count < 0, count <= 0};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

/* EbEventFound: keeps the least ingested_at in *arg. */
static void
keep_oldest(EbEventRef *ref, TupleTableSlot *slot, void *arg)
{
	TimestampTz *oldest = arg;
	TimestampTz at =
		DatumGetTimestampTz(slot->tts_values[EB_EVENT_INGESTED_AT - 1]);

	*oldest = Min(*oldest, at);
}

/*
 * eventbus.unrouted(): how many committed events the router has not taken yet
 * (counted up to a million), and when the oldest was put. Nulls on a standby,
 * whose snapshots do not tell.
 */
Datum
eventbus_unrouted(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot;
	TimestampTz oldest = DT_NOEND;
	EbEventRefs refs = {0};
	EbCursor	cursor;

	if (RecoveryInProgress())
		return count_and_oldest(fcinfo, -1, 0);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	if (eb_cursor_read(eb_generation(), &cursor))
	{
		/* a drain that is under way is gone on with, up to now */
		if (cursor.next_snapshot == NULL)
			cursor.last_seq = cursor.last_ord = 0;
		cursor.next_snapshot = eb_xid_snapshot_from(snapshot);
		eb_log_collect(&cursor, snapshot, DT_NOEND, MAX_UNROUTED, keep_oldest,
					   &oldest, &refs);
	}
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	return count_and_oldest(fcinfo, refs.n, oldest);
}

/*
 * eventbus.backlog(target_id, position): how many deliveries wait for a target
 * that has got to that position, and since when the first one does.
 */
Datum
eventbus_backlog(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	EbStreamPlace place = {
		.generation = eb_generation(),
		.target_id = PG_GETARG_INT32(0),
		.position = PG_GETARG_INT64(1)
	};
	TimestampTz oldest;
	int64		count = eb_stream_count(&place, snapshot, &oldest);

	UnregisterSnapshot(snapshot);
	return count_and_oldest(fcinfo, count, oldest);
}

/* --- waiting ---------------------------------------------------------------- */

static TimestampTz
deadline_of(Interval *timeout)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz deadline =
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												TimestampTzGetDatum(now),
												IntervalPGetDatum(timeout)));

	if (deadline < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	return deadline;
}

/* Sleeps until there is progress; false once the deadline has passed. */
static bool
sleep_for_progress(EbDatabase *database, TimestampTz deadline)
{
	static uint32 wait_event = 0;
	TimestampTz now = GetCurrentTimestamp();
	long		ms;

	if (now >= deadline)
		return false;
	if (wait_event == 0)
		wait_event = eb_wait_event("EventbusDelivered");
	ms = TimestampDifferenceMilliseconds(now, deadline) + 1;
	(void) ConditionVariableTimedSleep(&database->progress, Min(ms, 1000),
									   wait_event);
	return true;
}

/* Nobody works for this database. */
static void
report_no_worker(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no eventbus worker runs for this database"),
			 eb_shared == NULL ?
			 errdetail("Nothing is routed or delivered.") :
			 errdetail("No worker has found the extension here yet."),
			 eb_shared == NULL ?
			 errhint("Add \"eventbus\" to shared_preload_libraries and restart the server.") :
			 errhint("Commit the transaction that created the extension, or try again in a moment.")));
}

/*
 * eb_wait_until_delivered(timeout): true once everything that had committed
 * before the call is routed, and delivered or a dead letter; false when that
 * did not happen in time. What the caller's own transaction put does not
 * count: nobody can see it yet.
 */
Datum
eventbus_wait_until_delivered(PG_FUNCTION_ARGS)
{
	EbDatabase *database = eb_shmem_database(MyDatabaseId);
	TimestampTz deadline;
	uint64		ticket;
	uint64		upto = 0;
	bool		routed = false;
	bool		delivered = false;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("timeout must not be null")));
	if (database == NULL)
		report_no_worker();
	deadline = deadline_of(PG_GETARG_INTERVAL_P(0));

	ticket = pg_atomic_add_fetch_u64(&database->route_wanted, 1);
	eb_wake_router();
	ConditionVariablePrepareToSleep(&database->progress);
	do
	{
		if (!routed && pg_atomic_read_u64(&database->route_done) >= ticket)
		{
			routed = true;
			upto = pg_atomic_read_u64(&database->delivery_seq);
		}
		delivered = routed && eb_workqueue_done_upto((int64) upto);
	} while (!delivered && sleep_for_progress(database, deadline));
	ConditionVariableCancelSleep();
	PG_RETURN_BOOL(delivered);
}
