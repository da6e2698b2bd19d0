/*-------------------------------------------------------------------------
 *
 * delivery.c
 *		Delivers a batch to one target and moves its position.
 *
 * The state of a target is written here only:
 *
 *		   +------------ any event delivered, or put again ------------+
 *		   v                                                           |
 *		  ok --- the target cannot be used (class 42, ...) -------> failed
 *		   | ^                                                         | ^
 *		   +-+ busy: the same batch again, soon                        +-+
 *		   +-+ an event is rejected: dead letter, next one          again, later
 *
 * The events of a batch are handed over in runs, each run in a subtransaction
 * (attempt.c). When a run is rejected, it is tried again at half its length,
 * down to the one event that is to blame; that one becomes a dead letter, and
 * the runs grow again. So one bad event among a thousand costs some twenty
 * attempts, and events that are all bad cost one each. The number of attempts
 * in one transaction is bounded, since each is a subtransaction; what is left
 * is for the next turn, and the length of a run is remembered in the lease.
 *
 * Order is kept: nothing after an event is handed over before that event is
 * delivered or a dead letter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "attempt.h"
#include "dead_letter.h"
#include "delivery.h"
#include "guc.h"
#include "log_scan.h"
#include "partition.h"
#include "position.h"
#include "stream.h"
#include "worker.h"

/* below the 64 subtransactions that a snapshot lists without overflowing */
#define MAX_ATTEMPTS	48

/* a batch ends with the event whose detail makes it so large, in bytes */
#define MAX_BATCH_BYTES	(64 * 1024 * 1024)

/* waits before a target is tried again, in ms: first, doubling up to last */
#define BUSY_FIRST		10
#define BUSY_LAST		500
#define BROKEN_FIRST	100
#define BROKEN_LAST		60000

/* after so many failures in a row, a time-out is the one event's fault */
#define MAX_TIMEOUTS	3

typedef struct Batch
{
	EbLease    *lease;
	const EbTarget *target;
	EbTargetOptions options;
	EbPosition	position;
	EbDelivery *items;
	int			n;
	int			done;			/* items that are behind us */
	int			attempts;
	bool		dirty;			/* the position is to be written */
	bool		more;			/* the stream had more than this */
	bool		current;		/* it is that of the current generation */
	EbVerdict	verdict;		/* why we stopped, EB_DELIVERED: nothing */
} Batch;

static void note_progress(Batch *batch);
static bool open_batch(Batch *batch);
static bool open_generation(Batch *batch, int32 generation);
static void read_items(Batch *batch);
static void read_events(Batch *batch, const EbDeliveryItem *items,
						int nitems);
static void skip_lost(Batch *batch, const EbDeliveryItem *item);
static void set_constraints_immediate(void);
static void run(Batch *batch);
static void run_delivered(Batch *batch, int n);
static void run_rejected(Batch *batch, int n, ErrorData *error);
static bool is_hopeless(const Batch *batch, int n, const ErrorData *error);
static void run_stopped(Batch *batch, EbVerdict verdict, ErrorData *error);
static EbWorkOutcome outcome_of(Batch *batch, TimestampTz *later);

EbWorkOutcome
eb_deliver_batch(EbLease *lease, TimestampTz *later)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller,
												  "eventbus delivery",
												  ALLOCSET_DEFAULT_SIZES);
	Batch		batch = {.lease = lease, .verdict = EB_DELIVERED};
	EbWorkOutcome outcome = EB_WORK_DONE;
	bool		open;

	eb_worker_begin();
	MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetTransactionSnapshot());
	open = open_batch(&batch);
	if (open)
	{
		note_progress(&batch);
		run(&batch);
		if (batch.dirty)
			eb_position_write(&batch.position);
	}
	PopActiveSnapshot();
	eb_worker_commit();

	if (open)
	{
		ItemPointerCopy(&batch.position.tid, &lease->position_tid);
		note_progress(&batch);
		outcome = outcome_of(&batch, later);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return outcome;
}

/* Waiters count in numbers of the current generation. */
static void
note_progress(Batch *batch)
{
	if (batch->current)
		eb_workqueue_progress(batch->lease->target_id,
							  batch->position.position);
}

/* --- what there is to do -------------------------------------------------- */

/* Reads target, position and events. False when there is nothing to do. */
static bool
open_batch(Batch *batch)
{
	const int32 *numbers;
	int			n = eb_generations(&numbers);
	int32	   *generations = palloc(sizeof(int32) * Max(n, 1));

	batch->target = eb_catalog_target(batch->lease->target_id);
	if (batch->target == NULL)
		return false;
	eb_target_options_read(batch->target->parameters, &batch->options);

	/* what a restored log still holds comes before what is new */
	memcpy(generations, numbers, sizeof(int32) * n);
	for (int i = 0; i < n; i++)
	{
		if (open_generation(batch, generations[i]))
		{
			batch->current = i == n - 1;
			batch->more |= !batch->current;
			return true;
		}
	}
	return false;
}

/* The same in the stream of one generation. */
static bool
open_generation(Batch *batch, int32 generation)
{
	EbLease    *lease = batch->lease;

	if (lease->generation != generation)
	{
		lease->generation = generation;
		ItemPointerSetInvalid(&lease->position_tid);
		lease->leaf_hint = 0;
	}
	if (!eb_position_read(generation, lease->target_id, &lease->position_tid,
						  &batch->position))
		return false;
	if (batch->position.changing)
	{
		batch->verdict = EB_BUSY;
		lease->failures++;
		return true;
	}
	read_items(batch);
	if (batch->n == 0 && !batch->dirty)
		return false;

	/* nothing waits between the position and the first event */
	if (batch->n > 0)
		batch->position.position = batch->items[0].delivery_seq - 1;
	return true;
}

/* Reads the next deliveries and their events. */
static void
read_items(Batch *batch)
{
	EbLease    *lease = batch->lease;
	EbStreamPlace place = {
		.generation = lease->generation,
		.target_id = lease->target_id,
		.position = batch->position.position,
		.leaf_hint = lease->leaf_hint
	};
	int			limit = eb_guc_dispatch_batch_size;
	EbDeliveryItem *items = palloc(sizeof(EbDeliveryItem) * limit);
	int			nitems = eb_stream_read(&place, GetActiveSnapshot(), items,
										limit);

	lease->leaf_hint = place.leaf_hint;
	batch->more = nitems == limit;
	if (nitems > 0)
		read_events(batch, items, nitems);
}

/* Reads the events of deliveries into batch->items. */
static void
read_events(Batch *batch, const EbDeliveryItem *items, int nitems)
{
	EbLogReader *reader = eb_log_open(batch->lease->generation,
									  GetActiveSnapshot());
	int32		bus_id = batch->target->rule->bus_id;
	TupleTableSlot *copy = NULL;
	Size		bytes = 0;
	int			i;

	batch->items = palloc(sizeof(EbDelivery) * nitems);
	for (i = 0; i < nitems && bytes < MAX_BATCH_BYTES; i++)
	{
		EbDeliveryRef ref = items[i].ref;
		EbDelivery *delivery = &batch->items[batch->n];
		TupleTableSlot *slot = eb_log_fetch(reader, ref.leaf_id, &ref.tid,
											bus_id, ref.seq, ref.ord);

		if (slot == NULL)
		{
			skip_lost(batch, &items[i]);
			continue;
		}
		if (copy == NULL)
			copy = MakeSingleTupleTableSlot(slot->tts_tupleDescriptor,
											&TTSOpsHeapTuple);

		/* the copy stays in this context, and the event points into it */
		ExecStoreHeapTuple(ExecCopySlotHeapTuple(slot), copy, false);
		eb_event_from_slot(copy, &delivery->event);
		delivery->delivery_seq = items[i].delivery_seq;
		delivery->generation = batch->lease->generation;
		delivery->redrive = 0;
		delivery->attempt = 1;
		batch->n++;
		bytes += VARSIZE(delivery->event.detail);
	}
	batch->more |= i < nitems;
	if (copy != NULL)
		ExecDropSingleTupleTableSlot(copy);
	eb_log_close(reader);
}

/* The partition of an event was dropped by hand: there is nothing to send. */
static void
skip_lost(Batch *batch, const EbDeliveryItem *item)
{
	ereport(LOG,
			(errcode(ERRCODE_NO_DATA),
			 errmsg("event of delivery " INT64_FORMAT " to target \"%s\" is gone",
					item->delivery_seq, batch->target->id),
			 errdetail("Partition %d of the event log, or the row in it, does not exist any more.",
					   item->ref.leaf_id)));
	if (batch->n == 0)
		batch->position.position = item->delivery_seq;
	batch->dirty = true;
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

/* --- doing it ------------------------------------------------------------- */

static void
run(Batch *batch)
{
	if (batch->lease->batch_size == 0)
		batch->lease->batch_size = eb_guc_dispatch_batch_size;
	set_constraints_immediate();
	while (batch->done < batch->n && batch->verdict == EB_DELIVERED &&
		   batch->attempts < MAX_ATTEMPTS)
	{
		int			n = Min(batch->lease->batch_size, batch->n - batch->done);
		EbTargetRun run = {
			.target = batch->target,
			.options = &batch->options,
			.items = &batch->items[batch->done],
			.n = n
		};
		ErrorData  *error;
		EbVerdict	verdict;
		int			done;

		CHECK_FOR_INTERRUPTS();
		verdict = eb_attempt(&run, &done, &error);
		batch->attempts++;
		if (verdict == EB_DELIVERED)
			run_delivered(batch, done);
		else if (verdict == EB_REJECTED || is_hopeless(batch, n, error))
			run_rejected(batch, n, error);
		else
			run_stopped(batch, verdict, error);
	}
}

/* The run is behind us: n events. */
static void
pass(Batch *batch, int n)
{
	batch->done += n;
	batch->position.position = batch->items[batch->done - 1].delivery_seq;
	batch->position.attempts = 0;
	batch->position.state = EB_TARGET_OK;
	batch->lease->failures = 0;
	batch->dirty = true;
}

static void
run_delivered(Batch *batch, int n)
{
	pass(batch, n);
	batch->position.delivered += n;
	if (n == batch->lease->batch_size)
		batch->lease->batch_size = Min(2 * n, eb_guc_dispatch_batch_size);
}

/* Remembers an error as the last one of the target, with what helps. */
static void
note_error(Batch *batch, const ErrorData *error)
{
	batch->position.last_error = psprintf("%s: %s%s%s",
										  unpack_sql_state(error->sqlerrcode),
										  error->message ? error->message : "",
										  error->hint ? "\nHINT:  " : "",
										  error->hint ? error->hint : "");
	batch->position.last_error_at = GetCurrentTimestamp();
	batch->dirty = true;
}

static void
run_rejected(Batch *batch, int n, ErrorData *error)
{
	batch->lease->rejected = true;
	if (n > 1)
	{
		batch->lease->batch_size = n / 2;
		return;
	}
	eb_dead_letter(batch->target, &batch->items[batch->done], error, 1);
	pass(batch, 1);
	batch->position.dead_lettered++;
	note_error(batch, error);
}

/*
 * One event alone that takes longer than eventbus.target_timeout time after
 * time is held against the event: it would keep the others waiting for ever.
 */
static bool
is_hopeless(const Batch *batch, int n, const ErrorData *error)
{
	return n == 1 && error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
		batch->lease->failures >= MAX_TIMEOUTS;
}

/* The target is busy or broken: all that is left waits. */
static void
run_stopped(Batch *batch, EbVerdict verdict, ErrorData *error)
{
	EbLease    *lease = batch->lease;
	EbPosition *position = &batch->position;

	batch->verdict = verdict;

	/* it may have been too much for the time it is given */
	lease->batch_size = Max(1, Min(lease->batch_size,
								   batch->n - batch->done) / 2);
	if (verdict == EB_TARGET_BROKEN && position->state != EB_TARGET_FAILED)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("target \"%s\" of rule \"%s\" on event bus \"%s\" has failed",
						batch->target->id, batch->target->rule->name,
						batch->target->rule->bus_name),
				 errdetail_internal("%s", error->message),
				 error->hint ? errhint("%s", error->hint) :
				 errhint("Its deliveries wait and are tried again.")));
	if (verdict == EB_TARGET_BROKEN)
		position->state = EB_TARGET_FAILED;

	/* a busy target is tried often: not each try is worth a write */
	if (verdict == EB_TARGET_BROKEN ||
		(lease->failures & (lease->failures - 1)) == 0)
		note_error(batch, error);
	lease->failures++;
	position->attempts = lease->failures;
}

/* --- what comes next ------------------------------------------------------ */

static TimestampTz
backoff(int failures, int first, int last)
{
	int			doublings = Min(failures - 1, 16);
	int64		ms = Min((int64) first << Max(doublings, 0), last);

	return GetCurrentTimestamp() + ms * 1000;
}

static EbWorkOutcome
outcome_of(Batch *batch, TimestampTz *later)
{
	int			failures = batch->lease->failures;

	switch (batch->verdict)
	{
		case EB_BUSY:
			*later = backoff(failures, BUSY_FIRST, BUSY_LAST);
			return EB_WORK_LATER;
		case EB_TARGET_BROKEN:
			*later = backoff(failures, BROKEN_FIRST, BROKEN_LAST);
			return EB_WORK_LATER;
		default:
			return batch->more || batch->done < batch->n ?
				EB_WORK_MORE : EB_WORK_DONE;
	}
}
