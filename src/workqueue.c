/*-------------------------------------------------------------------------
 *
 * workqueue.c
 *		Which targets have deliveries waiting, and who works on them.
 *
 * A hint, never the truth: what is waiting stands in eventbus.deliveries and
 * eventbus.target_positions. The queue is empty after a restart, and the
 * router then marks every target for a first look. Losing an entry would
 * strand its deliveries until the next restart or event, so entries that have
 * work are never dropped.
 *
 *		        mark                lease              release
 *		idle ---------> ready ---------------> leased ----------> idle
 *		                  ^  ^                   |  |   (DONE, nothing marked)
 *		                  |  +--- MORE, marked --+  |
 *		                  +------ delayed <--LATER--+
 *		                   time
 *
 * Ready targets wait in two queues, first come first served: one for those
 * whose last batch was quick and went well, one for the slow, which are also
 * those that reject events or fail. The reserve dispatcher takes from the
 * quick one only, so targets that hang, or that keep dispatchers busy with
 * finding out what is wrong, can never hold all of them; the others take turns
 * between the two.
 *
 * One LWLock guards everything. It is held for a few list operations, by the
 * router once a batch and by a dispatcher twice a batch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "shmem.h"
#include "workqueue.h"

typedef enum WorkState
{
	WORK_IDLE,
	WORK_READY,
	WORK_LEASED,
	WORK_DELAYED
} WorkState;

typedef struct WorkKey
{
	Oid			dboid;
	int32		target_id;
} WorkKey;

typedef struct WorkEntry
{
	WorkKey		key;
	WorkState	state;
	bool		marked;			/* while leased: more came */
	bool		doubtful;		/* done_seq may say too much: look first, and
								 * at once */
	bool		queued_slow;	/* while ready: which queue it is in */
	bool		alarm;			/* while delayed: a mark makes it ready */
	int64		done_seq;		/* nothing waits up to here */
	TimestampTz not_before;		/* while delayed */
	EbLease		lease;			/* what the last holder left */
	dlist_node	node;			/* while ready or delayed */
} WorkEntry;

/* The queues of one database; index as in EbShared.databases. */
typedef struct DatabaseQueues
{
	dlist_head	quick;
	dlist_head	slow;
	dlist_head	delayed;
	int			nready;			/* in quick and slow */
	int			nleased;
	bool		slow_turn;		/* whose turn it is for other dispatchers */
	bool		help_wanted;	/* something new is in slow */
} DatabaseQueues;

typedef struct WorkQueue
{
	LWLock	   *lock;
	DatabaseQueues databases[FLEXIBLE_ARRAY_MEMBER];
} WorkQueue;

static WorkQueue *queue = NULL;
static HTAB *entries = NULL;

static DatabaseQueues *own_queues(void);
static WorkEntry *find_entry(int32 target_id, bool create);
static void evict_idle_entries(void);
static void make_ready(DatabaseQueues *queues, WorkEntry *entry);
static void wake_delayed(DatabaseQueues *queues, TimestampTz now);
static WorkEntry *take_ready(DatabaseQueues *queues, bool reserve);
static long next_delay(DatabaseQueues *queues, TimestampTz now);

/* --- shared memory ------------------------------------------------------ */

static Size
queue_size(void)
{
	return offsetof(WorkQueue, databases) +
		mul_size(eb_guc_max_databases, sizeof(DatabaseQueues));
}

Size
eb_workqueue_shmem_size(void)
{
	return add_size(queue_size(),
					hash_estimate_size(eb_guc_max_queued_targets,
									   sizeof(WorkEntry)));
}

void
eb_workqueue_shmem_init(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(WorkKey),
		.entrysize = sizeof(WorkEntry)
	};
	bool		found;

	queue = ShmemInitStruct("eventbus work queue", queue_size(), &found);
	if (!found)
	{
		queue->lock = &(GetNamedLWLockTranche("eventbus"))[1].lock;
		for (int i = 0; i < eb_guc_max_databases; i++)
		{
			DatabaseQueues *queues = &queue->databases[i];

			dlist_init(&queues->quick);
			dlist_init(&queues->slow);
			dlist_init(&queues->delayed);
			queues->nready = 0;
			queues->nleased = 0;
			queues->slow_turn = false;
			queues->help_wanted = false;
		}
	}
	entries = ShmemInitHash("eventbus work entries",
							eb_guc_max_queued_targets,
							eb_guc_max_queued_targets, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

/* The queues of this database; NULL when it has no slot. */
static DatabaseQueues *
own_queues(void)
{
	EbDatabase *database = eb_shmem_database(MyDatabaseId);

	if (database == NULL)
		return NULL;
	return &queue->databases[database - eb_shared->databases];
}

/* --- entries (the caller holds the lock) --------------------------------- */

/* The entry of a target of this database; NULL: none, or none to be had. */
static WorkEntry *
find_entry(int32 target_id, bool create)
{
	WorkKey		key = {MyDatabaseId, target_id};
	WorkEntry  *entry;
	bool		found;

	Assert(LWLockHeldByMeInMode(queue->lock, LW_EXCLUSIVE));
	entry = hash_search(entries, &key, HASH_FIND, NULL);
	if (entry != NULL || !create)
		return entry;
	if (hash_get_num_entries(entries) >= eb_guc_max_queued_targets)
		evict_idle_entries();
	if (hash_get_num_entries(entries) >= eb_guc_max_queued_targets)
		return NULL;
	entry = hash_search(entries, &key, HASH_ENTER, &found);
	Assert(!found);
	memset((char *) entry + sizeof(WorkKey), 0,
		   sizeof(WorkEntry) - sizeof(WorkKey));
	entry->state = WORK_IDLE;
	entry->lease.target_id = target_id;
	ItemPointerSetInvalid(&entry->lease.position_tid);
	return entry;
}

static void
evict_idle_entries(void)
{
	HASH_SEQ_STATUS status;
	WorkEntry  *entry;

	hash_seq_init(&status, entries);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->state == WORK_IDLE)
			hash_search(entries, &entry->key, HASH_REMOVE, NULL);
}

static void
make_ready(DatabaseQueues *queues, WorkEntry *entry)
{
	Assert(entry->state != WORK_READY);
	if (entry->state == WORK_DELAYED)
		dlist_delete(&entry->node);
	entry->state = WORK_READY;
	entry->marked = false;
	entry->queued_slow = entry->lease.slow;
	dlist_push_tail(entry->queued_slow ? &queues->slow : &queues->quick,
					&entry->node);
	queues->nready++;
	queues->help_wanted |= entry->queued_slow;
}

/*
 * How many dispatchers are to be awake for what is ready: one for each of
 * that, besides those that are at work and the reserve where it is of no use.
 */
static int
needed_dispatchers(DatabaseQueues *queues)
{
	if (queues->nready == 0)
		return 0;
	return queues->nready + queues->nleased +
		(dlist_is_empty(&queues->slow) ? 0 : 1);
}

/* Makes the delayed entries ready whose time has come. */
static void
wake_delayed(DatabaseQueues *queues, TimestampTz now)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &queues->delayed)
	{
		WorkEntry  *entry = dlist_container(WorkEntry, node, iter.cur);

		if (eb_is_due(entry->not_before, now))
			make_ready(queues, entry);
	}
}

/* Takes the ready entry whose turn it is out of its queue; NULL: none. */
static WorkEntry *
take_ready(DatabaseQueues *queues, bool reserve)
{
	dlist_head *from = &queues->quick;

	if (!reserve)
	{
		if ((queues->slow_turn && !dlist_is_empty(&queues->slow)) ||
			dlist_is_empty(&queues->quick))
			from = &queues->slow;
		queues->slow_turn = !queues->slow_turn;
	}
	if (dlist_is_empty(from))
		return NULL;
	queues->nready--;
	return dlist_container(WorkEntry, node, dlist_pop_head_node(from));
}

/* Milliseconds until the first delayed entry becomes ready, -1: none. */
static long
next_delay(DatabaseQueues *queues, TimestampTz now)
{
	long		least = -1;
	dlist_iter	iter;

	dlist_foreach(iter, &queues->delayed)
	{
		WorkEntry  *entry = dlist_container(WorkEntry, node, iter.cur);
		long		ms;

		ms = Max(1, TimestampDifferenceMilliseconds(now, entry->not_before));
		least = least < 0 ? ms : Min(least, ms);
	}
	return least;
}

/* --- router ------------------------------------------------------------- */

int
eb_workqueue_mark(const int32 *target_ids, int n, bool at_once)
{
	DatabaseQueues *queues = own_queues();
	int			missed = 0;
	int			needed;

	if (queues == NULL)
		return 0;
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	if (at_once)
		wake_delayed(queues, DT_NOEND);
	for (int i = 0; i < n; i++)
	{
		WorkEntry  *entry = find_entry(target_ids[i], true);

		if (entry == NULL)
		{
			missed++;
			continue;
		}
		entry->marked = true;
		entry->doubtful |= at_once;
		if (entry->state == WORK_IDLE ||
			(entry->state == WORK_DELAYED && entry->alarm))
			make_ready(queues, entry);
	}
	needed = needed_dispatchers(queues);
	LWLockRelease(queue->lock);

	if (missed > 0)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many targets have deliveries waiting"),
				 errdetail("%d targets of this database wait for a place.",
						   missed),
				 errhint("You might need to increase %s.",
						 "eventbus.max_queued_targets")));
	return missed > 0 ? -Max(needed, 1) : needed;
}

int
eb_workqueue_needed(void)
{
	DatabaseQueues *queues = own_queues();
	int			needed;

	if (queues == NULL)
		return 0;
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	wake_delayed(queues, GetCurrentTimestamp());
	needed = needed_dispatchers(queues);
	LWLockRelease(queue->lock);
	return needed;
}

long
eb_workqueue_sleep(void)
{
	DatabaseQueues *queues = own_queues();
	long		sleep;

	if (queues == NULL)
		return -1;
	LWLockAcquire(queue->lock, LW_SHARED);
	sleep = next_delay(queues, GetCurrentTimestamp());
	LWLockRelease(queue->lock);
	return sleep;
}

/* --- dispatchers -------------------------------------------------------- */

bool
eb_workqueue_lease(bool reserve, EbLease *lease, long *sleep,
				   bool *help_wanted)
{
	DatabaseQueues *queues = own_queues();
	TimestampTz now = GetCurrentTimestamp();
	WorkEntry  *entry;

	*sleep = -1;
	*help_wanted = false;
	if (queues == NULL)
		return false;
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	wake_delayed(queues, now);
	entry = take_ready(queues, reserve);
	if (entry != NULL)
	{
		Assert(entry->state == WORK_READY);
		entry->state = WORK_LEASED;
		entry->marked = false;
		if (entry->doubtful)
		{
			entry->done_seq = 0;
			entry->lease.retry_at = 0;
		}
		entry->doubtful = false;
		queues->nleased++;
		*lease = entry->lease;
	}
	else
	{
		*sleep = next_delay(queues, now);
		*help_wanted = queues->help_wanted && queues->nready > 0;
		queues->help_wanted = false;
	}
	LWLockRelease(queue->lock);
	return entry != NULL;
}

void
eb_workqueue_progress(int32 target_id, int64 seq)
{
	WorkEntry  *entry;

	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	entry = find_entry(target_id, false);
	if (entry != NULL)
		entry->done_seq = Max(entry->done_seq, seq);
	LWLockRelease(queue->lock);
}

void
eb_workqueue_release(const EbLease *lease, EbWorkOutcome outcome,
					 TimestampTz later)
{
	DatabaseQueues *queues = own_queues();
	WorkEntry  *entry;

	if (queues == NULL)
		return;
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	entry = find_entry(lease->target_id, false);
	if (entry != NULL)
	{
		Assert(entry->state == WORK_LEASED);
		queues->nleased--;
		entry->lease = *lease;
		entry->alarm = outcome == EB_WORK_ALARM;
		if ((outcome == EB_WORK_LATER && !entry->doubtful) ||
			(outcome == EB_WORK_ALARM && !entry->marked))
		{
			entry->state = WORK_DELAYED;
			entry->not_before = later;
			dlist_push_tail(&queues->delayed, &entry->node);
		}
		else if (outcome != EB_WORK_DONE || entry->marked)
			make_ready(queues, entry);
		else
			entry->state = WORK_IDLE;
	}
	LWLockRelease(queue->lock);
}

bool
eb_workqueue_done_upto(int64 seq)
{
	HASH_SEQ_STATUS status;
	WorkEntry  *entry;
	bool		done = true;

	LWLockAcquire(queue->lock, LW_SHARED);
	hash_seq_init(&status, entries);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->key.dboid == MyDatabaseId && entry->state != WORK_IDLE &&
			(entry->done_seq < seq || entry->doubtful ||
			 entry->lease.retry_at != DT_NOEND))
			done = false;
	LWLockRelease(queue->lock);
	return done;
}

void
eb_workqueue_forget(Oid dboid)
{
	HASH_SEQ_STATUS status;
	WorkEntry  *entry;

	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	hash_seq_init(&status, entries);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		EbDatabase *database;

		if (entry->key.dboid != dboid || entry->state == WORK_LEASED)
			continue;
		if (entry->state != WORK_IDLE)
		{
			dlist_delete(&entry->node);
			database = eb_shmem_database(dboid);
			if (entry->state == WORK_READY && database != NULL)
				queue->databases[database - eb_shared->databases].nready--;
		}
		hash_search(entries, &entry->key, HASH_REMOVE, NULL);
	}
	LWLockRelease(queue->lock);
}
