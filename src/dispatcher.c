/*-------------------------------------------------------------------------
 *
 * dispatcher.c
 *		Takes a target that has deliveries waiting and acts on a batch of them.
 *
 * A lease is a target's state in the work queue, held by one process. It is
 * given back when the batch is done or has failed, or by the exit callback when
 * a signal ends the process; a kill -9 restarts the cluster, and the queue is
 * made anew. An error outside of what the target runs, such as at commit, is
 * logged; the process goes on, since others wait for it. Should two processes
 * ever work on one target all the same, the update of its position stops the
 * second.
 *
 * Dispatcher 0 is the reserve: it takes only targets whose last batch was
 * quick and went well. When there are only others, it asks the router for
 * another dispatcher.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
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

/* after an error, a target is left alone for this long, ms: first, and last */
#define FAILURE_FIRST	1000
#define FAILURE_LAST	60000

static EbLease held;
static bool holding = false;

static EbWorkOutcome deliver(TimestampTz *later);
static EbWorkOutcome note_failure(TimestampTz *later);
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
	held.rejected = false;
	outcome = deliver(&later);
	held.slow = outcome == EB_WORK_LATER || held.rejected ||
		TimestampDifferenceExceeds(started, GetCurrentTimestamp(),
								   SLOW_BATCH);
	holding = false;
	eb_workqueue_release(&held, outcome, later);
	if (outcome == EB_WORK_LATER)
		ask_for_help();
	ConditionVariableBroadcast(&eb_worker_database()->progress);
	return 0;
}

void
eb_dispatcher_release(void)
{
	TimestampTz later;
	EbWorkOutcome outcome;

	if (!holding)
		return;
	holding = false;
	outcome = note_failure(&later);
	eb_workqueue_release(&held, outcome, later);
}

/* A batch for the target that is held. */
static EbWorkOutcome
deliver(TimestampTz *later)
{
	volatile EbWorkOutcome outcome = EB_WORK_LATER;

	PG_TRY();
	{
		outcome = eb_deliver_batch(&held, later);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();

		/* that the target was replaced meanwhile is nothing to report */
		if (geterrcode() != ERRCODE_T_R_SERIALIZATION_FAILURE)
			EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		outcome = note_failure(later);
	}
	PG_END_TRY();
	return outcome;
}

/*
 * The batch could not be finished: small ones, and not so soon. What it had
 * found out of retries has not come true.
 */
static EbWorkOutcome
note_failure(TimestampTz *later)
{
	int64		ms = (int64) FAILURE_FIRST << Min(held.failures, 6);

	*later = GetCurrentTimestamp() + Min(ms, FAILURE_LAST) * 1000;
	held.batch_size = 1;
	held.retry_at = 0;
	held.failures++;
	return EB_WORK_LATER;
}

/*
 * Wakes the router, which starts and wakes dispatchers when targets are ready
 * or will be.
 */
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
