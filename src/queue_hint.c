/*-------------------------------------------------------------------------
 *
 * queue_hint.c
 *		Shared memory of the queues: where a consumer has to look.
 *
 * The tables say which messages of a queue are in flight or done; a message
 * that they say nothing of was never received. This is where to begin looking
 * for one, so that nobody walks past what is known to be taken:
 *
 *	ranges	numbers among which there may be messages never received: in the
 *			steady state one range, from the front to the end of all numbers
 *	expiry	no committed claim ends before this time, unless it is done
 *	low		FIFO queues: all below are done
 *
 * They are hints: an entry that is missing, new, or stands for too much makes
 * a consumer look longer, never at the wrong thing. One may only stand for too
 * little while a transaction is running that will put it right at its end: who
 * takes a range notes it, and where its (sub)transaction fails the callbacks
 * here put it back; likewise the end of a claim that was followed by another
 * one. A crash of any process empties shared memory; the end of a prepared
 * transaction, which its own process does not see, empties the database's part.
 *
 * "In progress" and "look again" fit together like this: a consumer passes what
 * it sees as taken by a running transaction. The server makes an abort visible
 * before it calls the callbacks; so either the consumer saw the abort, or the
 * callback puts the range back after the consumer has given its own back.
 *
 * An entry's place is a hash of the database and the queue's number, so that the
 * first 512 queues of a database have places of their own; where two queues meet,
 * the last one to come owns the entry and the other begins anew. Waiters sleep on the entry's
 * condition variable whoever owns it, and look again when it is broadcast.
 *
 * Locks: each entry has a spinlock, held for a loop over a few ranges.
 * Consumers of one queue exclude each other by its receive lock (queue_claims.c).
 * Without shared memory (the library was not preloaded) a process begins anew
 * with each call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "queue_hint.h"

#define NENTRIES	512
#define MAX_RANGES	8

typedef struct EbQueueEntry
{
	slock_t		lock;			/* guards all but the condition variable */

	/* owner; an extension that is made anew has another generation */
	Oid			dboid;
	int32		generation;
	int32		queue_id;

	int			nranges;
	EbNumberRange ranges[MAX_RANGES];	/* ascending, apart from each other */
	TimestampTz expiry;
	TimestampTz touched;		/* least of eb_queue_hint_touch() since the
								 * last look at expiry began */
	int64		low;

	ConditionVariable news;
} EbQueueEntry;

/* What the running transaction has done to one entry. */
typedef struct Note
{
	EbQueueHint hint;
	SubTransactionId subid;
	EbNumberRange range;		/* taken; first > last: none */
	TimestampTz touched;		/* DT_NOEND: nothing */
	TimestampTz superseded;		/* likewise */
	bool		sent;
	bool		doubt;			/* of everything, if it fails */
} Note;

static EbQueueEntry *entries = NULL;
static EbQueueEntry local_entry;

static Note *notes = NULL;
static int	nnotes = 0;
static int	max_notes = 0;

/* --- shared memory -------------------------------------------------------- */

Size
eb_queue_hint_shmem_size(void)
{
	return mul_size(NENTRIES, sizeof(EbQueueEntry));
}

void
eb_queue_hint_shmem_init(void)
{
	bool		found;

	entries = ShmemInitStruct("eventbus queues", eb_queue_hint_shmem_size(),
							  &found);
	if (found)
		return;
	memset(entries, 0, eb_queue_hint_shmem_size());
	for (int i = 0; i < NENTRIES; i++)
	{
		SpinLockInit(&entries[i].lock);
		ConditionVariableInit(&entries[i].news);
	}
}

/* Nothing is known: everything is to be looked at. The caller has the lock. */
static void
reset(EbQueueEntry *entry)
{
	entry->nranges = 1;
	entry->ranges[0].first = 1;
	entry->ranges[0].last = PG_INT64_MAX;
	entry->expiry = DT_NOBEGIN;
	entry->touched = DT_NOBEGIN;
	entry->low = 1;
}

EbQueueHint
eb_queue_hint(int32 generation, int32 queue_id)
{
	EbQueueHint hint = {&local_entry, generation, queue_id};
	uint32		hash;

	/* so neighbours never meet */
	hash = murmurhash32(MyDatabaseId ^ (uint32) generation) +
		(uint32) queue_id;
	if (entries != NULL)
		hint.entry = &entries[hash % NENTRIES];
	else
	{
		SpinLockInit(&local_entry.lock);
		local_entry.dboid = InvalidOid;
	}
	return hint;
}

/* Locks the entry; true when it is the queue's. */
static bool
lock_entry(const EbQueueHint *hint)
{
	EbQueueEntry *entry = hint->entry;

	SpinLockAcquire(&entry->lock);
	return entry->dboid == MyDatabaseId &&
		entry->generation == hint->generation &&
		entry->queue_id == hint->queue_id;
}

/* Locks the entry, and makes it the queue's. */
static EbQueueEntry *
own_entry(const EbQueueHint *hint)
{
	EbQueueEntry *entry = hint->entry;

	if (!lock_entry(hint))
	{
		entry->dboid = MyDatabaseId;
		entry->generation = hint->generation;
		entry->queue_id = hint->queue_id;
		reset(entry);
	}
	return entry;
}

static void
unlock_entry(const EbQueueHint *hint)
{
	SpinLockRelease(&hint->entry->lock);
}

/* --- notes of the transaction --------------------------------------------- */

static Note *
add_note(const EbQueueHint *hint)
{
	Note	   *note;

	if (nnotes == max_notes)
	{
		int			size = Max(2 * max_notes, 16);

		if (notes == NULL)
			notes = MemoryContextAlloc(TopMemoryContext, size * sizeof(Note));
		else
			notes = repalloc(notes, size * sizeof(Note));
		max_notes = size;
	}
	note = &notes[nnotes++];
	note->hint = *hint;
	note->subid = GetCurrentSubTransactionId();
	note->range.first = 1;
	note->range.last = 0;
	note->touched = DT_NOEND;
	note->superseded = DT_NOEND;
	note->sent = false;
	note->doubt = false;
	return note;
}

/* The last note, if it is about this queue and subtransaction; or a new one. */
static Note *
last_note(const EbQueueHint *hint)
{
	if (nnotes > 0)
	{
		Note	   *note = &notes[nnotes - 1];

		if (note->hint.queue_id == hint->queue_id &&
			note->hint.generation == hint->generation &&
			note->subid == GetCurrentSubTransactionId())
			return note;
	}
	return add_note(hint);
}

/* --- ranges ---------------------------------------------------------------- */

/* Adds a range, one with those that it meets. The caller has the lock. */
static void
add_range(EbQueueEntry *entry, EbNumberRange range)
{
	int			n = 0;
	int			at;

	/* take out those that it meets or is next to */
	for (int i = 0; i < entry->nranges; i++)
	{
		EbNumberRange *other = &entry->ranges[i];

		if (other->first - 1 <= range.last && range.first - 1 <= other->last)
		{
			range.first = Min(range.first, other->first);
			range.last = Max(range.last, other->last);
		}
		else
			entry->ranges[n++] = *other;
	}

	/* no room: one for all of them */
	if (n == MAX_RANGES)
	{
		range.first = Min(range.first, entry->ranges[0].first);
		range.last = Max(range.last, entry->ranges[n - 1].last);
		n = 0;
	}
	for (at = n; at > 0 && entry->ranges[at - 1].first > range.first; at--)
		entry->ranges[at] = entry->ranges[at - 1];
	entry->ranges[at] = range;
	entry->nranges = n + 1;
}

bool
eb_queue_hint_take(const EbQueueHint *hint, EbNumberRange *range)
{
	Note	   *note = add_note(hint);	/* may fail: before anything is taken */
	EbQueueEntry *entry = own_entry(hint);
	bool		found = entry->nranges > 0;

	if (found)
	{
		*range = note->range = entry->ranges[0];
		entry->nranges--;
		memmove(&entry->ranges[0], &entry->ranges[1],
				entry->nranges * sizeof(EbNumberRange));
	}
	else
		nnotes--;
	unlock_entry(hint);
	return found;
}

void
eb_queue_hint_give_back(const EbQueueHint *hint, int64 upto)
{
	Note	   *note = &notes[nnotes - 1];
	EbNumberRange rest = note->range;

	while (note->hint.queue_id != hint->queue_id ||
		   note->range.last < note->range.first)
		note--;					/* what is between is about a dead-letter
								 * queue */
	rest = note->range;
	rest.first = Max(rest.first, upto + 1);
	note->range.last = Min(note->range.last, upto);
	if (rest.first > rest.last)
		return;
	add_range(own_entry(hint), rest);
	unlock_entry(hint);
}

/* --- ends of claims --------------------------------------------------------- */

TimestampTz
eb_queue_hint_begin_expiry(const EbQueueHint *hint)
{
	EbQueueEntry *entry = own_entry(hint);
	TimestampTz expiry = entry->expiry;

	entry->touched = DT_NOEND;
	unlock_entry(hint);
	return expiry;
}

void
eb_queue_hint_end_expiry(const EbQueueHint *hint, TimestampTz next)
{
	if (lock_entry(hint))
		hint->entry->expiry = Min(next, hint->entry->touched);
	unlock_entry(hint);
}

void
eb_queue_hint_touch(const EbQueueHint *hint, TimestampTz visible_at)
{
	Note	   *note = last_note(hint);

	note->touched = Min(note->touched, visible_at);
}

void
eb_queue_hint_supersede(const EbQueueHint *hint, TimestampTz visible_at)
{
	Note	   *note = last_note(hint);

	note->superseded = Min(note->superseded, visible_at);
}

int64
eb_queue_hint_low(const EbQueueHint *hint)
{
	int64		low = own_entry(hint)->low;

	unlock_entry(hint);
	return low;
}

void
eb_queue_hint_set_low(const EbQueueHint *hint, int64 low)
{
	if (lock_entry(hint))
		hint->entry->low = Max(hint->entry->low, low);
	unlock_entry(hint);
}

/* --- waking ------------------------------------------------------------------ */

void
eb_queue_hint_sent(const EbQueueHint *hint)
{
	last_note(hint)->sent = true;
}

void
eb_queue_hint_doubt(const EbQueueHint *hint)
{
	last_note(hint)->doubt = true;
}

void
eb_queue_hint_prepare_to_sleep(const EbQueueHint *hint)
{
	if (entries != NULL)
		ConditionVariablePrepareToSleep(&hint->entry->news);
}

void
eb_queue_hint_sleep(const EbQueueHint *hint, long milliseconds)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = eb_wait_event("EventbusQueue");
	/* some other wait may have taken the latch that a wake-up has set */
	SetLatch(MyLatch);
	if (entries != NULL)
	{
		(void) ConditionVariableTimedSleep(&hint->entry->news, milliseconds,
										   wait_event);
		return;
	}

	/* nobody can tell us */
	ResetLatch(MyLatch);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(milliseconds, 100), wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
eb_queue_hint_cancel_sleep(void)
{
	if (entries != NULL)
		ConditionVariableCancelSleep();
}

/* --- ends of transactions ---------------------------------------------------- */

/* Puts right what a note says, at the end of its (sub)transaction. */
static void
act_on_note(const Note *note, bool committed)
{
	EbQueueEntry *entry = note->hint.entry;
	bool		ranges = !committed && note->range.first <= note->range.last;
	TimestampTz end = committed ? note->touched : note->superseded;

	if (entries == NULL)
		return;
	if (lock_entry(&note->hint))
	{
		entry->expiry = Min(entry->expiry, end);
		entry->touched = Min(entry->touched, end);
		if (ranges)
			add_range(entry, note->range);
		if (note->doubt && !committed)
			reset(entry);
	}
	unlock_entry(&note->hint);
	if (note->sent ||
		(!committed && (note->touched != DT_NOEND || end != DT_NOEND)))
		ConditionVariableBroadcast(&entry->news);
}

static void
transaction_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			for (int i = 0; i < nnotes; i++)
				act_on_note(&notes[i], event == XACT_EVENT_COMMIT);
			nnotes = 0;
			break;
		case XACT_EVENT_PREPARE:
			nnotes = 0;
			break;
		default:
			break;
	}
}

/* What is noted under a younger subtransaction belongs to one within. */
static void
subtransaction_callback(SubXactEvent event, SubTransactionId subid,
						SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (nnotes > 0 && notes[nnotes - 1].subid >= subid)
		act_on_note(&notes[--nnotes], false);
}

void
eb_queue_hint_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}

void
eb_queue_hint_forget(void)
{
	if (entries == NULL)
		return;
	for (int i = 0; i < NENTRIES; i++)
	{
		EbQueueEntry *entry = &entries[i];
		bool		ours;

		SpinLockAcquire(&entry->lock);
		ours = entry->dboid == MyDatabaseId;
		if (ours)
			reset(entry);
		SpinLockRelease(&entry->lock);
		if (ours)
			ConditionVariableBroadcast(&entry->news);
	}
}
