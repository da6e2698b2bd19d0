/*-------------------------------------------------------------------------
 *
 * dispatcher_worker.c
 *		A process that delivers to the targets of one database.
 *
 * The loop: a turn, and a sleep as long as the turn allows. It need not nap
 * between turns to make batches larger: the router does, and what it hands
 * over at one time is one batch for each target. Dispatcher 0 stays; the
 * others leave when they had nothing to do for a minute, and each does when
 * another database lacks a background worker slot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"

#include "dispatcher.h"
#include "guc.h"
#include "worker.h"

#define LEAVE_AFTER_MS		60000
#define GIVE_WAY_AFTER_MS	250 /* idle for so long */

PGDLLEXPORT void eb_dispatcher_main(Datum main_arg);

static void
release_lease(int code, Datum arg)
{
	eb_dispatcher_release();
}

static void
leave_if_useless(TimestampTz idle_since)
{
	TimestampTz now = GetCurrentTimestamp();

	if (eb_worker_dispatcher_number() > 0 &&
		TimestampDifferenceExceeds(idle_since, now, LEAVE_AFTER_MS))
		eb_worker_leave(EB_LEAVE_IDLE);
	if (TimestampDifferenceExceeds(idle_since, now, GIVE_WAY_AFTER_MS) &&
		eb_worker_should_give_way())
		eb_worker_leave(EB_LEAVE_IDLE);
}

/* Leaves where the extension is gone. */
static void
check_extension(void)
{
	eb_worker_begin();
	eb_worker_commit();
}

void
eb_dispatcher_main(Datum main_arg)
{
	EbDatabase *db = eb_worker_start();
	TimestampTz idle_since = GetCurrentTimestamp();

	before_shmem_exit(release_lease, 0);
	for (;;)
	{
		long		sleep;
		long		longest = eb_guc_safety_interval * 1000L;

		sleep = eb_dispatcher_turn();
		eb_worker_next();
		if (sleep == 0)
		{
			idle_since = GetCurrentTimestamp();
			continue;
		}
		if (sleep < 0)
			leave_if_useless(idle_since);
		if (!eb_worker_wait(sleep < 0 ? longest : Min(sleep, longest)) ||
			db->state != EB_DATABASE_RUNNING)
			check_extension();
	}
}
