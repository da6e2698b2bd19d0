/*-------------------------------------------------------------------------
 *
 * router_worker.c
 *		The process that routes the events of one database.
 *
 * The loop: maintenance if it is due; then batch after batch until all that
 * is visible is routed; then sleep until a commit, a waiter or the safety
 * interval ends that. After a batch the router naps before it sleeps on its
 * latch: the next batch could not begin earlier anyway, and as long as it does
 * not wait for the latch, no committer has to send it a signal, which costs
 * more than the rest of its wake-up.
 *
 * Schedules of rules are looked at after what is visible is routed: the rules
 * are then known as they stand, and what a schedule puts is routed next.
 *
 * A waiter (eb_wait_until_delivered) takes a ticket number. The router reads
 * the highest number before a turn that takes a new snapshot, and publishes it
 * when everything in that snapshot is routed: then so is all that had committed
 * before the ticket was taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "guc.h"
#include "maintenance.h"
#include "router.h"
#include "ruleset.h"
#include "scheduler.h"
#include "worker.h"
#include "workqueue.h"

#define MAINTENANCE_MS		60000
#define RETRY_MS			1000	/* where something was locked */
#define SCHEDULES_MS		10000	/* a clock that is set is noticed then */

PGDLLEXPORT void eb_router_main(Datum main_arg);

/*
 * The router's part of it, which is short; the rest is for another process. A
 * round that fails is reported and left to the next one: events are routed as
 * long as there are leaves. Returns in how many milliseconds that is.
 */
static long
run_maintenance(void)
{
	volatile long next = MAINTENANCE_MS;

	PG_TRY();
	{
		bool		due;

		if (!eb_maintenance_prepare(&due))
			next = RETRY_MS;
		if (due)
			eb_worker_want_maintenance();
	}
	PG_CATCH();
	{
		eb_worker_recover();
	}
	PG_END_TRY();
	return next;
}

/*
 * Returns in how many milliseconds it wants to be called again, -1 when it
 * does not: a round each minute or so will do.
 */
static long
run_maintenance_if_due(EbDatabase *db)
{
	static TimestampTz next = 0;
	static bool retry = false;
	TimestampTz now = GetCurrentTimestamp();
	bool		asked;

	asked = pg_atomic_exchange_u32(&db->maintenance_wanted, 0) != 0;
	if (asked || eb_is_due(next, now))
	{
		long		wait = run_maintenance();

		next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait);
		retry = wait < MAINTENANCE_MS;
		eb_worker_next();
	}
	if (!retry)
		return -1;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next);
}

/*
 * Fires schedules that are due, and looks for new ones where rules have changed
 * or the clock was set back. What fails is reported, and tried again in a
 * second. Returns in how many milliseconds it wants to be called again, -1 when
 * it does not.
 */
static long
run_schedules_if_due(void)
{
	static TimestampTz next = DT_NOEND;
	static TimestampTz looked_at = 0;
	static uint32 version = 0;
	static bool failed = false;
	TimestampTz now = GetCurrentTimestamp();
	uint32		rules = eb_ruleset_version();
	bool		look = rules != version || looked_at - now > USECS_PER_DAY;

	/* after a failure, do not wait for a clock that was set back */
	if (look || next <= now || (failed && next - now > USECS_PER_SEC))
	{
		PG_TRY();
		{
			next = eb_scheduler_run(look);
			version = rules;
			failed = false;
		}
		PG_CATCH();
		{
			eb_worker_recover();
			next = TimestampTzPlusMilliseconds(now, RETRY_MS);
			version = rules;
			failed = true;
		}
		PG_END_TRY();
		looked_at = now;
		eb_worker_next();
	}
	if (next == DT_NOEND)
		return -1;
	return Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next),
			   SCHEDULES_MS);
}

/*
 * Leaves where another worker needs our background worker slot more. A router
 * that waits for a slot for other workers is no better than an idle one: were
 * all slots taken by such routers, one has to make the first step.
 */
static void
give_way(TimestampTz idle_since, bool undone)
{
	if (eb_worker_should_give_way(idle_since))
		eb_worker_leave(undone || eb_workqueue_sleep() >= 0 ||
						eb_workqueue_overflowed() ?
						EB_LEAVE_UNDONE : EB_LEAVE_IDLE);
}

/*
 * Begins with what is stored. A copy of another database has no log of its own
 * yet; the first round of maintenance makes one, unless somebody else is about
 * to. That may take as long as they like, so it is not waited for in a lock:
 * DROP EXTENSION, or who wants our slot, would wait with us.
 */
static void
start(EbDatabase *db)
{
	TimestampTz started = GetCurrentTimestamp();

	for (;;)
	{
		long		retry = run_maintenance_if_due(db);

		if (eb_router_start())
			break;
		if (retry < 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("event log of database was not started by this cluster"),
					 errdetail("It came with a copy of another cluster's data.")));
		give_way(started, true);
		(void) eb_worker_wait(retry);
	}
}

/* Routes all that is visible. Returns whether there was a reason to look. */
static bool
route(EbDatabase *db)
{
	/* the first turn of a process may finish an older snapshot */
	static bool drained = false;
	uint64		ticket = pg_atomic_read_u64(&db->route_wanted);
	bool		woken = false;

	for (;;)
	{
		bool		more;

		eb_worker_begin_batch();
		/* before the turn takes its snapshot: see wake.c */
		woken |= pg_atomic_exchange_u32(&db->put_pending, 0) != 0;
		more = eb_router_turn();
		eb_worker_next();
		if (!more)
			break;
		woken = true;
		(void) run_maintenance_if_due(db);
		(void) run_schedules_if_due();
		(void) eb_worker_tend_pool();
		give_way(GetCurrentTimestamp(), true);
	}
	if (drained && ticket > pg_atomic_read_u64(&db->route_done))
	{
		pg_atomic_write_u64(&db->route_done, ticket);
		ConditionVariableBroadcast(&db->progress);
		woken = true;
	}
	drained = true;
	return woken;
}

/* Is there something that the router need not be woken for? */
static bool
has_work(EbDatabase *db)
{
	return pg_atomic_read_u64(&db->route_wanted) >
		pg_atomic_read_u64(&db->route_done) ||
		pg_atomic_read_u32(&db->put_pending) != 0 ||
		pg_atomic_read_u32(&db->maintenance_wanted) != 0;
}

/* The sooner of two times to wake up, of which the other may be -1: never. */
static long
sooner(long sleep, long other)
{
	return other < 0 ? sleep : Min(sleep, other);
}

void
eb_router_main(Datum main_arg)
{
	EbDatabase *db = eb_worker_start();
	TimestampTz idle_since;

	start(db);
	idle_since = GetCurrentTimestamp();
	for (;;)
	{
		long		sleep = eb_guc_safety_interval * 1000L;
		long		schedules;
		long		tend;
		bool		busy;

		sleep = sooner(sleep, run_maintenance_if_due(db));
		busy = route(db);
		if (busy)
			idle_since = GetCurrentTimestamp();
		schedules = run_schedules_if_due();
		tend = eb_worker_tend_pool();
		give_way(idle_since, tend >= 0 || schedules >= 0);
		if (has_work(db))
			continue;
		if (busy)
		{
			/* more may come soon: see above */
			eb_worker_nap();
			if (has_work(db))
				continue;
		}
		sleep = sooner(sleep, schedules);
		sleep = sooner(sleep, tend);
		sleep = sooner(sleep, eb_workqueue_sleep());
		(void) eb_worker_wait(sleep);
	}
}
