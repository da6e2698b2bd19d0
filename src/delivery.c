/*-------------------------------------------------------------------------
 *
 * delivery.c
 *		Delivers a batch to one target and moves its position.
 *
 * A batch is one transaction: the effect on the target, the move of its
 * position, the rows of what is tried again and the dead letters commit
 * together. Its events are either new ones from the delivery stream or retries
 * that are due; where there are both, they take turns.
 *
 * The state of a target is written here only:
 *
 *		   +------------ any event delivered, or put again ------------+
 *		   v                                                           |
 *		  ok --- the target cannot be used (class 42, ...) -------> failed
 *		   | ^                                                         | ^
 *		   +-+ busy: the same batch again, soon                        +-+
 *		   +-+ an event is set aside: retry or dead letter      again, later
 *
 * Order is kept but for retries: nothing after an event is handed over before
 * that event is delivered, set aside or a dead letter; in a FIFO target, what
 * follows it in its event group waits for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "delivery.h"
#include "delivery_batch.h"
#include "worker.h"

/* waits before a target is tried again, in ms: first, doubling up to last */
#define BUSY_FIRST		10
#define BUSY_LAST		500
#define BROKEN_FIRST	100
#define BROKEN_LAST		60000
#define SETBACK_FIRST	1000
#define SETBACK_LAST	60000

static bool open_batch(EbBatch *batch);
static void note_progress(EbBatch *batch);
static void set_constraints_immediate(void);
static EbWorkOutcome outcome_of(EbBatch *batch, TimestampTz *later);

EbWorkOutcome
eb_deliver_batch(EbLease *lease, TimestampTz *later)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller,
												  "eventbus delivery",
												  ALLOCSET_DEFAULT_SIZES);
	EbBatch		batch = {.lease = lease, .verdict = EB_DELIVERED};
	EbWorkOutcome outcome;
	bool		open;

	eb_worker_begin();
	MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetTransactionSnapshot());
	open = open_batch(&batch);
	if (open)
	{
		note_progress(&batch);
		set_constraints_immediate();
		eb_batch_run(&batch);
		if (batch.retries != NULL)
			eb_batch_finish_retries(&batch);
		if (batch.dirty)
			eb_position_write(&batch.position);
	}
	PopActiveSnapshot();
	eb_worker_commit();

	if (open)
	{
		ItemPointerCopy(&batch.position.tid, &lease->position_tid);
		note_progress(&batch);
	}
	outcome = outcome_of(&batch, later);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return outcome;
}

/* Reads target and events. False when there is nothing to do. */
static bool
open_batch(EbBatch *batch)
{
	EbLease    *lease = batch->lease;

	batch->target = eb_catalog_target(lease->target_id);
	if (batch->target == NULL || batch->target->paused)
	{
		lease->retry_at = DT_NOEND;
		return false;
	}
	eb_target_options_read(batch->target->parameters, &batch->options);
	batch->transform = eb_transform_compile(batch->target->id,
											batch->target->parameters);

	/* retries and new events take turns */
	lease->retried = !lease->retried;
	if (lease->retried && eb_batch_read_retries(batch))
		return true;
	if (eb_batch_read_stream(batch))
		return true;
	return !lease->retried && eb_batch_read_retries(batch);
}

/* Waiters count in numbers of the current generation. */
static void
note_progress(EbBatch *batch)
{
	if (batch->current)
		eb_workqueue_progress(batch->lease->target_id,
							  batch->position.position);
}

/* Deferred constraints would fail at commit, where no event can be blamed. */
static void
set_constraints_immediate(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->constraints = NIL;
	stmt->deferred = false;
	AfterTriggerSetState(stmt);
}

/* --- what comes next ------------------------------------------------------ */

static TimestampTz
backoff(int failures, int first, int last)
{
	int			doublings = Min(failures - 1, 16);
	int64		ms = Min((int64) first << Max(doublings, 0), last);

	return GetCurrentTimestamp() + ms * 1000;
}

/* When nothing is to be done at once, the next time that something may be. */
static EbWorkOutcome
next_alarm(EbBatch *batch, TimestampTz *later)
{
	TimestampTz alarm = batch->lease->retry_at;
	TimestampTz now = GetCurrentTimestamp();

	if (batch->window_end != 0)
		alarm = Min(alarm, batch->window_end);
	if (alarm == DT_NOEND)
		return EB_WORK_DONE;
	if (alarm <= now)
		return EB_WORK_MORE;

	/* a longer wait would look like that of a clock set back */
	*later = Min(alarm, now + EB_LONGEST_WAIT - USECS_PER_SEC);
	return EB_WORK_ALARM;
}

static EbWorkOutcome
outcome_of(EbBatch *batch, TimestampTz *later)
{
	EbLease    *lease = batch->lease;
	bool		one_rejected = batch->n == 1 && batch->verdict == EB_REJECTED;

	/* what was read is behind us, be it that it had become too old */
	if (batch->n > 0 && batch->done == batch->n &&
		(batch->retries != NULL || (batch->more && !one_rejected)))
		return EB_WORK_MORE;
	switch (batch->verdict)
	{
		case EB_BUSY:
			*later = backoff(lease->failures, BUSY_FIRST, BUSY_LAST);
			return EB_WORK_LATER;
		case EB_TARGET_BROKEN:
			*later = backoff(lease->failures, BROKEN_FIRST, BROKEN_LAST);
			return EB_WORK_LATER;
		case EB_REJECTED:
			*later = backoff(lease->setbacks - EB_MAX_SETBACKS + 1,
							 SETBACK_FIRST, SETBACK_LAST);
			return EB_WORK_LATER;
		default:
			return batch->done < batch->n ? EB_WORK_MORE :
				next_alarm(batch, later);
	}
}
