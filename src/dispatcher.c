/*-------------------------------------------------------------------------
 *
 * dispatcher.c
 *		Takes a target that has deliveries waiting and acts on a batch of them.
 *
 * A lease is a target's state in the work queue, held by one process. It is
 * given back when the batch is done, or by the exit callback when an error or
 * a signal ends the process; a kill -9 restarts the cluster, and the queue is
 * made anew. Should two processes ever work on one target all the same, the
 * update of its position stops the second.
 *
 * Dispatcher 0 is the reserve: it takes only targets whose last batch was
 * quick. When there are only slow ones, it asks the router for another
 * dispatcher.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "delivery.h"
#include "dispatcher.h"
#include "guc.h"
#include "worker.h"
#include "workqueue.h"

/* a target whose batch takes longer than this is slow, ms */
#define SLOW_BATCH		100

/* a target whose dispatcher failed is left alone for this long, ms */
#define AFTER_FAILURE	1000

static EbLease held;
static bool holding = false;

static void ask_for_help(void);

long
eb_dispatcher_turn(void)
{
	bool		reserve = eb_worker_dispatcher_number() == 0 &&
		eb_guc_max_dispatchers > 1;
	TimestampTz started = GetCurrentTimestamp();
	TimestampTz later = 0;
	EbWorkOutcome outcome;
	bool		help_wanted;
	long		sleep;

	if (!eb_workqueue_lease(reserve, &held, &sleep, &help_wanted))
	{
		if (help_wanted)
			ask_for_help();
		return sleep;
	}
	holding = true;
	outcome = eb_deliver_batch(&held, &later);
	held.slow = TimestampDifferenceExceeds(started, GetCurrentTimestamp(),
										   SLOW_BATCH);
	holding = false;
	eb_workqueue_release(&held, outcome, later);
	ConditionVariableBroadcast(&eb_worker_database()->progress);
	return 0;
}

void
eb_dispatcher_release(void)
{
	if (!holding)
		return;
	holding = false;
	held.batch_size = 1;
	held.failures++;
	eb_workqueue_release(&held, EB_WORK_LATER,
						 GetCurrentTimestamp() + AFTER_FAILURE * 1000);
}

/* Wakes the router, which starts dispatchers when targets are ready. */
static void
ask_for_help(void)
{
	Latch	   *latch;

	LWLockAcquire(eb_shared->lock, LW_SHARED);
	latch = eb_worker_database()->router.latch;
	if (latch != NULL)
		SetLatch(latch);
	LWLockRelease(eb_shared->lock);
}
