/*-------------------------------------------------------------------------
 *
 * dispatcher_worker.c
 *		A process that delivers to the targets of one database.
 *
 * The loop: a turn, and a sleep as long as the turn allows. It need not nap
 * between turns to make batches larger: the router does, and what it hands
 * over at one time is one batch for each target. Dispatcher 0 stays; the
 * others leave when they had nothing to do for a minute, and each does when
 * another worker lacks a background worker slot (worker.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"

#include "dispatcher.h"
#include "guc.h"
#include "worker.h"

#define LEAVE_AFTER_MS		60000

PGDLLEXPORT void eb_dispatcher_main(Datum main_arg);

static void
release_lease(int code, Datum arg)
{
	eb_dispatcher_release();
}

/* sleep is what the last turn returned: less than 0, nothing is to be done. */
static void
leave_if_useless(TimestampTz idle_since, long sleep)
{
	if (sleep < 0 && eb_worker_dispatcher_number() > 0 &&
		TimestampDifferenceExceeds(idle_since, GetCurrentTimestamp(),
								   LEAVE_AFTER_MS))
		eb_worker_leave(EB_LEAVE_IDLE);
	if (eb_worker_should_give_way(idle_since))
		eb_worker_leave(sleep < 0 ? EB_LEAVE_IDLE : EB_LEAVE_UNDONE);
}

/*
 * Leaves where the extension is gone, or is another one. A router that leaves
 * for that reason wakes the dispatchers; the next one may be there, and the
 * state RUNNING again, before they have looked. It is another process, though.
 */
static void
check_extension(EbDatabase *db, bool always)
{
	static pid_t router = 0;
	pid_t		now = db->router.pid;

	if (!always && db->state == EB_DATABASE_RUNNING && now == router)
		return;
	eb_worker_begin();
	eb_worker_commit();
	router = now;
}

void
eb_dispatcher_main(Datum main_arg)
{
	EbDatabase *db = eb_worker_start();
	TimestampTz idle_since = GetCurrentTimestamp();

	before_shmem_exit(release_lease, 0);
	for (;;)
	{
		bool		woken;
		long		sleep;
		long		longest = eb_guc_safety_interval * 1000L;

		sleep = eb_dispatcher_turn();
		eb_worker_next();
		if (sleep == 0)
			idle_since = GetCurrentTimestamp();
		leave_if_useless(idle_since, sleep);
		if (sleep == 0)
			continue;
		woken = eb_worker_wait(sleep < 0 ? longest : Min(sleep, longest));
		check_extension(db, !woken);
	}
}
