/*-------------------------------------------------------------------------
 *
 * router.c
 *		Routes newly committed events: matches them and appends deliveries.
 *
 * One router per database. A turn is one transaction:
 *
 *	1.	Take a snapshot, S2, before this transaction has an xid of its own.
 *	2.	Collect the events that are visible in S2 and were not in S1, the
 *		snapshot of the last turn (log_scan.c), matching each against the
 *		compiled rules while its row is at hand.
 *	3.	In the order of (seq, ord), append a delivery for every target that an
 *		event goes to (stream.c).
 *	4.	Write the cursor: S1 becomes S2. Commit, asynchronously: should the
 *		commit be lost in a crash, so is the cursor, and the same events are
 *		found again.
 *
 * Where the difference is larger than a batch, the cursor keeps S1, S2 and the
 * (seq, ord) it got to, and the next turns go on from there; no new snapshot
 * is taken until S2 is drained. What was collected stays in memory between
 * these turns. After a crash it is collected again from the stored snapshots.
 *
 * Rules apply as they stand when a turn matches the event. The router reads
 * nothing but tables of the extension, so no lock of a user's can block it.
 *
 * Any error ends the process; the launcher starts another one, which reads the
 * cursor afresh. State in memory therefore never has to be rolled back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "cursor.h"
#include "event_row.h"
#include "guc.h"
#include "log_scan.h"
#include "partition.h"
#include "router.h"
#include "ruleset.h"
#include "stream.h"
#include "worker.h"
#include "workqueue.h"

/* no more events than this many are held in memory (40 bytes each) */
#define MAX_COLLECTED	2000000

/* no more matches than this are held in memory, but those of one event */
#define MAX_MATCHES		4000000

/* a batch ends with the event that makes so many deliveries (24 bytes each) */
#define MAX_DELIVERIES	1000000

/* EbEventRef.nmatches of an event that was not matched when it was found */
#define NOT_MATCHED		(-1)

/* What the router of this process holds. */
typedef struct RouterState
{
	MemoryContext cursor_context;	/* of the cursor's snapshots */
	MemoryContext drain_context;	/* of refs and matches, while draining */
	MemoryContext row_context;	/* one event; reset for each */

	EbCursor	cursor;
	bool		dirty;			/* S1 in memory is ahead of the stored one */

	EbEventRefs refs;			/* what S2 minus S1 still holds ... */
	int			next;			/* ... from here on */

	int32	   *matches;		/* target ids; refs point into it */
	int			nmatches;
	int			room;

	bool		mark_all;		/* have every target looked at: we are new, or
								 * the rules are */
} RouterState;

static RouterState router;

static bool read_cursor(void);
static bool take_snapshot(Snapshot snapshot);
static void collect(Snapshot snapshot);
static TimestampTz put_until(void);
static void match_found(EbEventRef *ref, TupleTableSlot *slot, void *arg);
static void match(EbEventRef *ref, TupleTableSlot *slot);
static int	append_deliveries(Snapshot snapshot, int32 **target_ids);
static void advance_cursor(void);
static void publish(const int32 *target_ids, int n);
static EbXidSnapshot *keep_snapshot(const EbXidSnapshot *snapshot);

/* Reads the cursor into memory; false when there is none. */
static bool
read_cursor(void)
{
	EbCursor	cursor;
	int32		generation;
	bool		found;

	eb_worker_begin();

	/* before the snapshot: what the registry knows is to be in that */
	generation = eb_generation();
	PushActiveSnapshot(GetTransactionSnapshot());
	found = generation != 0 && eb_cursor_read(generation, &cursor);
	if (found)
	{
		router.cursor = cursor;
		router.cursor.last_snapshot = keep_snapshot(cursor.last_snapshot);
		if (cursor.next_snapshot)
			router.cursor.next_snapshot = keep_snapshot(cursor.next_snapshot);
	}
	PopActiveSnapshot();
	eb_worker_commit();
	return found;
}

bool
eb_router_start(void)
{
	if (router.cursor_context == NULL)
		router.cursor_context = AllocSetContextCreate(TopMemoryContext,
													  "eventbus cursor",
													  ALLOCSET_SMALL_SIZES);
	if (!read_cursor())
		return false;
	router.drain_context = AllocSetContextCreate(TopMemoryContext,
												 "eventbus batch",
												 ALLOCSET_DEFAULT_SIZES);
	router.row_context = AllocSetContextCreate(TopMemoryContext,
											   "eventbus event",
											   ALLOCSET_DEFAULT_SIZES);

	/* what the last router left in the queue may be of another extension */
	eb_workqueue_forget(MyDatabaseId);
	router.mark_all = true;
	pg_atomic_write_u64(&eb_worker_database()->delivery_seq,
						router.cursor.delivery_seq);
	return true;
}

bool
eb_router_turn(void)
{
	MemoryContext batch = AllocSetContextCreate(TopMemoryContext,
												"eventbus turn",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(batch);
	int32	   *target_ids = NULL;
	int			ntargets = 0;
	bool		draining;

	eb_worker_begin();
	Assert(!TransactionIdIsValid(GetTopTransactionIdIfAny()));
	MemoryContextSwitchTo(batch);
	PushActiveSnapshot(GetTransactionSnapshot());

	/* rules that committed before S2 was taken are to count */
	draining = take_snapshot(GetActiveSnapshot());
	AcceptInvalidationMessages();
	if (eb_ruleset_refresh())
		router.mark_all = true;
	if (draining)
	{
		if (router.refs.n == 0)
			collect(GetActiveSnapshot());
		if (router.refs.n > 0)
			ntargets = append_deliveries(GetActiveSnapshot(), &target_ids);
		advance_cursor();
	}
	PopActiveSnapshot();
	eb_worker_commit();

	publish(target_ids, ntargets);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(batch);
	return router.cursor.next_snapshot != NULL;
}

/*
 * Makes S2 of the snapshot, unless one is being drained. False when nothing
 * can have become visible since S1.
 */
static bool
take_snapshot(Snapshot snapshot)
{
	EbCursor   *cursor = &router.cursor;
	EbXidSnapshot *now;

	if (cursor->next_snapshot != NULL)
		return true;
	now = eb_xid_snapshot_from(snapshot);
	if (now->xmax == cursor->last_snapshot->xmax &&
		now->nxip == cursor->last_snapshot->nxip)
		return false;
	cursor->next_snapshot = keep_snapshot(now);
	cursor->last_seq = 0;
	cursor->last_ord = 0;
	return true;
}

static EbXidSnapshot *
keep_snapshot(const EbXidSnapshot *snapshot)
{
	MemoryContext caller = MemoryContextSwitchTo(router.cursor_context);
	EbXidSnapshot *copy = eb_xid_snapshot_copy(snapshot);

	MemoryContextSwitchTo(caller);
	return copy;
}

/* --- collecting and matching --------------------------------------------- */

static void
collect(Snapshot snapshot)
{
	MemoryContext caller;

	MemoryContextReset(router.drain_context);
	caller = MemoryContextSwitchTo(router.drain_context);
	router.next = 0;
	router.nmatches = 0;
	router.room = 1024;
	router.matches = palloc(router.room * sizeof(int32));
	eb_log_collect(&router.cursor, snapshot, put_until(), MAX_COLLECTED,
				   match_found, NULL, &router.refs);
	MemoryContextSwitchTo(caller);
}

/*
 * The leaves made ahead need not be opened: each put tells in shared memory
 * how late its events are, after it has its xid and before it writes them. But
 * for one that took its xid before this process came; there may have been no
 * place yet where to tell it, or a crash may have wiped it out. So until the
 * last of those has ended before S1, all leaves are looked at. We took S2
 * already, so we see what was told before the commits that it shows.
 */
static TimestampTz
put_until(void)
{
	static uint64 first_xid = 0;
	EbDatabase *database = eb_worker_database();

	if (first_xid == 0)
		first_xid = U64FromFullTransactionId(ReadNextFullTransactionId());
	if (router.cursor.last_snapshot->xmin < first_xid)
		return DT_NOEND;
	return (TimestampTz) pg_atomic_read_u64(&database->put_until);
}

/*
 * EbEventFound: matches an event while its row is at hand, as long as there
 * are no more than one batch of them, and of their matches a bounded number.
 */
static void
match_found(EbEventRef *ref, TupleTableSlot *slot, void *arg)
{
	if (router.refs.n <= eb_guc_route_batch_size &&
		router.nmatches < MAX_MATCHES)
		match(ref, slot);
	else
		ref->nmatches = NOT_MATCHED;
}

/* Matches the event in slot; its targets are appended to router.matches. */
static void
match(EbEventRef *ref, TupleTableSlot *slot)
{
	MemoryContext caller = MemoryContextSwitchTo(router.row_context);
	EbEvent		event;
	const int32 *target_ids;
	int			n;

	eb_event_from_slot(slot, &event);
	n = eb_ruleset_match(&event, &target_ids);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(router.row_context);

	if (router.nmatches + n > router.room)
	{
		router.room = Max(2 * router.room, router.nmatches + n);
		router.matches = repalloc_huge(router.matches,
									   router.room * sizeof(int32));
	}
	if (n > 0)
		memcpy(&router.matches[router.nmatches], target_ids,
			   n * sizeof(int32));
	ref->matches = router.nmatches;
	ref->nmatches = n;
	router.nmatches += n;
}

/* --- appending ------------------------------------------------------------ */

/* Appends the deliveries of one batch of the collected events. */
static int
append_deliveries(Snapshot snapshot, int32 **target_ids)
{
	EbStreamWriter *writer = eb_stream_begin(&router.cursor);
	EbLogReader *reader = NULL;
	int			end = Min(router.refs.n,
						  router.next + eb_guc_route_batch_size);
	int			ndeliveries = 0;

	for (; router.next < end && ndeliveries < MAX_DELIVERIES; router.next++)
	{
		EbEventRef *ref = &router.refs.refs[router.next];
		EbDeliveryRef delivery = {ref->seq, ref->ord, ref->leaf_id, ref->tid};
		int			nmatches = router.nmatches;

		CHECK_FOR_INTERRUPTS();
		if (ref->nmatches == NOT_MATCHED)
		{
			/* beyond the first batch: the row has to be fetched */
			TupleTableSlot *slot;

			if (reader == NULL)
				reader = eb_log_open(router.cursor.generation, snapshot);
			slot = eb_log_fetch(reader, ref->leaf_id, &ref->tid,
								EB_ANY_BUS, ref->seq, ref->ord);
			if (slot != NULL)
				match(ref, slot);
		}
		for (int i = 0; i < ref->nmatches; i++)
			eb_stream_add(writer, router.matches[ref->matches + i], &delivery);
		ndeliveries += Max(ref->nmatches, 0);
		router.nmatches = nmatches;

		/* each event once */
		Assert(ref->seq > router.cursor.last_seq ||
			   (ref->seq == router.cursor.last_seq &&
				ref->ord > router.cursor.last_ord));
		router.cursor.last_seq = ref->seq;
		router.cursor.last_ord = ref->ord;
	}
	if (reader != NULL)
		eb_log_close(reader);
	return eb_stream_end(writer, target_ids);
}

/*
 * Moves the cursor to where the batch ended, and writes it if there were
 * events. That S1 advanced over nothing need not be stored: after a crash
 * the same nothing is found again.
 */
static void
advance_cursor(void)
{
	EbCursor   *cursor = &router.cursor;
	bool		had_events = router.refs.n > 0;

	if (router.next >= router.refs.n && !router.refs.truncated)
	{
		pfree(cursor->last_snapshot);
		cursor->last_snapshot = cursor->next_snapshot;
		cursor->next_snapshot = NULL;
	}
	if (router.next >= router.refs.n)
		router.refs.n = 0;
	if (had_events)
		eb_cursor_write(cursor);
	router.dirty = !had_events;
}

/* Tells dispatchers and waiters what has been committed. */
static void
publish(const int32 *target_ids, int n)
{
	EbDatabase *database = eb_worker_database();
	int64		before = pg_atomic_read_u64(&database->delivery_seq);
	int			needed;

	pg_atomic_write_u64(&database->delivery_seq, router.cursor.delivery_seq);
	if (router.mark_all)
	{
		const int32 *all;
		int			nall = eb_ruleset_targets(&all);

		needed = eb_workqueue_mark(all, nall, before, true);
		router.mark_all = false;
	}
	else
		needed = eb_workqueue_mark(target_ids, n, before, false);
	if (needed > 0)
		eb_worker_want_dispatchers(needed);
}

/* --- for maintenance ------------------------------------------------------ */

void
eb_router_checkpoint(void)
{
	/* nothing moved; also before eb_router_start() */
	if (!router.dirty)
		return;
	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	eb_cursor_write(&router.cursor);
	PopActiveSnapshot();
	eb_worker_commit();
	router.dirty = false;
}
