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
 * An entry that is not idle takes a place, of which all databases together
 * have eventbus.max_queued_targets. Targets that have work and no place wait
 * in the memory of their database's router (overflow.c), which gives them
 * places in their turn when a dispatcher says that there is room. What then
 * holds:
 *
 * - Entries that are put off give up their place for one that can be worked
 *	 on; the router remembers until when. The slow give up theirs for the
 *	 quick as long as they have more than a quarter of the places, and get
 *	 that quarter before the quick get more. So targets that hang or fail
 *	 neither keep others out nor are kept out.
 * - A database takes more than its share (all places divided by the databases
 *	 that use any) only while no other one is short of places and below its
 *	 share. Where all are taken, those who have more are asked to give back.
 *	 A place cannot be taken from a router that is not there, nor while its
 *	 target is leased.
 * - outside_done says up to which delivery number nothing waits outside the
 *	 queue, so eb_wait_until_delivered() counts those targets too. While there
 *	 is no router, or it has not marked all yet, that is nothing.
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
#include "overflow.h"
#include "shmem.h"
#include "workqueue.h"

/* the log says once in this time that the queue is full, ... */
#define COMPLAIN_MS		60000

/* ... when it has been so for this long */
#define FULL_MS			1000

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
	dlist_node	node;			/* unless leased */
} WorkEntry;

/* The queues of one database; index as in EbShared.databases. */
typedef struct DatabaseQueues
{
	dlist_head	quick;
	dlist_head	slow;
	dlist_head	delayed;
	TimestampTz next_due;		/* no delayed one is due before */
	int			nready;			/* in quick and slow */
	int			nslow;			/* in slow */
	int			nleased;
	int			nplaces;		/* these and the delayed */
	bool		slow_turn;		/* whose turn it is for other dispatchers */
	bool		help_wanted;	/* something new is in slow */

	/* targets without a place */
	int			noutside;
	int64		outside_done;	/* nothing waits outside up to here */
	bool		is_short;		/* some of them could be worked on */
	dlist_node	short_node;		/* while is_short */
	bool		told;			/* the router knows that there is room */
	bool		give_back;		/* what is more than its share */
} DatabaseQueues;

typedef struct WorkQueue
{
	LWLock	   *lock;
	dlist_head	idle;			/* entries, that idle longest first */
	dlist_head	short_of;		/* DatabaseQueues that are short of places */
	int			nplaces;		/* taken, by all databases */
	int			nusers;			/* databases that use places or are short */
	TimestampTz complained_at;	/* that the queue is full */
	DatabaseQueues databases[FLEXIBLE_ARRAY_MEMBER];
} WorkQueue;

static WorkQueue *queue = NULL;
static HTAB *entries = NULL;

static void reset_queues(DatabaseQueues *queues);
static DatabaseQueues *own_queues(void);
static WorkEntry *find_entry(int32 target_id);
static WorkEntry *make_entry(int32 target_id);
static void change_state(DatabaseQueues *queues, WorkEntry *entry,
						 WorkState state);
static void set_usage(DatabaseQueues *queues, int nplaces, bool is_short);
static void wake_delayed(DatabaseQueues *queues, TimestampTz now);
static WorkEntry *take_ready(DatabaseQueues *queues, bool reserve);
static long next_delay(DatabaseQueues *queues, TimestampTz now);
static int	fair_share(void);
static int	room_for(const DatabaseQueues *queues);
static void tell_of_room(void);
static void mark(DatabaseQueues *queues, int32 target_id, bool at_once,
				 int64 done_seq);
static void refill(DatabaseQueues *queues);
static void give_back(DatabaseQueues *queues);
static void ask_others_back(void);
static void note_overflow(DatabaseQueues *queues);
static void complain_if_full(void);

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
		dlist_init(&queue->idle);
		dlist_init(&queue->short_of);
		queue->nplaces = 0;
		queue->nusers = 0;
		queue->complained_at = 0;
		for (int i = 0; i < eb_guc_max_databases; i++)
			reset_queues(&queue->databases[i]);
	}
	entries = ShmemInitHash("eventbus work entries",
							eb_guc_max_queued_targets,
							eb_guc_max_queued_targets, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

static void
reset_queues(DatabaseQueues *queues)
{
	memset(queues, 0, sizeof(DatabaseQueues));
	dlist_init(&queues->quick);
	dlist_init(&queues->slow);
	dlist_init(&queues->delayed);
	queues->outside_done = EB_DONE_UNKNOWN;
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

/* The entry of a target of this database, or NULL. */
static WorkEntry *
find_entry(int32 target_id)
{
	WorkKey		key = {MyDatabaseId, target_id};

	Assert(LWLockHeldByMeInMode(queue->lock, LW_EXCLUSIVE));
	return hash_search(entries, &key, HASH_FIND, NULL);
}

/*
 * The entry of a target of this database, made if need be: where none is free,
 * of the one that has been idle for longest. The caller has made sure that
 * there is room.
 */
static WorkEntry *
make_entry(int32 target_id)
{
	WorkKey		key = {MyDatabaseId, target_id};
	WorkEntry  *entry = find_entry(target_id);

	if (entry != NULL)
		return entry;
	if (hash_get_num_entries(entries) >= eb_guc_max_queued_targets)
	{
		entry = dlist_head_element(WorkEntry, node, &queue->idle);
		if (entry->key.dboid == MyDatabaseId && entry->lease.generation != 0)
			eb_overflow_remember(&entry->lease);
		dlist_delete(&entry->node);
		hash_search(entries, &entry->key, HASH_REMOVE, NULL);
	}
	entry = hash_search(entries, &key, HASH_ENTER, NULL);
	memset((char *) entry + sizeof(WorkKey), 0,
		   sizeof(WorkEntry) - sizeof(WorkKey));
	entry->state = WORK_IDLE;
	dlist_push_tail(&queue->idle, &entry->node);
	if (!eb_overflow_recall(target_id, &entry->lease))
	{
		entry->lease.target_id = target_id;
		ItemPointerSetInvalid(&entry->lease.position_tid);
	}
	return entry;
}

/* Takes an entry out of the list and the counts that its state means. */
static void
leave_state(DatabaseQueues *queues, WorkEntry *entry)
{
	if (entry->state == WORK_LEASED)
		queues->nleased--;
	else
		dlist_delete(&entry->node);
	if (entry->state == WORK_READY)
	{
		queues->nready--;
		queues->nslow -= entry->queued_slow;
	}
}

/* The only place where an entry's state changes. */
static void
change_state(DatabaseQueues *queues, WorkEntry *entry, WorkState state)
{
	int			nplaces = queues->nplaces -
		(entry->state != WORK_IDLE) + (state != WORK_IDLE);

	leave_state(queues, entry);
	entry->state = state;
	switch (state)
	{
		case WORK_IDLE:
			dlist_push_tail(&queue->idle, &entry->node);
			break;
		case WORK_READY:
			entry->marked = false;
			entry->queued_slow = entry->lease.slow;
			dlist_push_tail(entry->queued_slow ? &queues->slow :
							&queues->quick, &entry->node);
			queues->nready++;
			queues->nslow += entry->queued_slow;
			queues->help_wanted |= entry->queued_slow;
			break;
		case WORK_LEASED:
			entry->marked = false;
			queues->nleased++;
			break;
		case WORK_DELAYED:
			if (dlist_is_empty(&queues->delayed) ||
				entry->not_before < queues->next_due)
				queues->next_due = entry->not_before;
			dlist_push_tail(&queues->delayed, &entry->node);
			break;
	}
	set_usage(queues, nplaces, queues->is_short);
}

/* Writes what others see of the places that a database has and lacks. */
static void
set_usage(DatabaseQueues *queues, int nplaces, bool is_short)
{
	bool		was_short = queues->is_short;

	queue->nusers -= queues->nplaces > 0 || was_short;
	queue->nplaces += nplaces - queues->nplaces;
	queues->nplaces = nplaces;
	queues->is_short = is_short;
	queue->nusers += nplaces > 0 || is_short;
	if (is_short && !was_short)
		dlist_push_tail(&queue->short_of, &queues->short_node);
	else if (was_short && !is_short)
		dlist_delete(&queues->short_node);
	Assert(queues->nplaces >= 0 &&
		   queue->nplaces <= eb_guc_max_queued_targets);
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
	TimestampTz next = DT_NOEND;
	dlist_mutable_iter iter;

	if (!eb_is_due(queues->next_due, now))
		return;
	dlist_foreach_modify(iter, &queues->delayed)
	{
		WorkEntry  *entry = dlist_container(WorkEntry, node, iter.cur);

		if (eb_is_due(entry->not_before, now))
			change_state(queues, entry, WORK_READY);
		else
			next = Min(next, entry->not_before);
	}
	queues->next_due = next;
}

/* The ready entry whose turn it is; NULL: none. */
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
	return dlist_head_element(WorkEntry, node, from);
}

/*
 * Milliseconds until the first delayed entry becomes ready, or a little less;
 * -1: none.
 */
static long
next_delay(DatabaseQueues *queues, TimestampTz now)
{
	if (dlist_is_empty(&queues->delayed))
		return -1;
	return Max(1, TimestampDifferenceMilliseconds(now, queues->next_due));
}

/* --- places (the caller holds the lock) ----------------------------------- */

/* How many places each database may have where they do not suffice. */
static int
fair_share(void)
{
	return Max(1, eb_guc_max_queued_targets / Max(1, queue->nusers));
}

/* How many more places this database may take now. */
static int
room_for(const DatabaseQueues *queues)
{
	int			free = eb_guc_max_queued_targets - queue->nplaces;
	int			share = fair_share();
	dlist_iter	iter;

	dlist_foreach(iter, &queue->short_of)
	{
		DatabaseQueues *other = dlist_container(DatabaseQueues, short_node,
												iter.cur);

		if (other != queues && other->nplaces < share)
			return Max(0, Min(free, share - queues->nplaces));
	}
	return free;
}

/*
 * The index in EbShared.databases is that of the queues. A latch may be read
 * without EbShared.lock, see shmem.c.
 */
static void
wake_router_of(const DatabaseQueues *queues)
{
	Latch	   *latch =
		eb_shared->databases[queues - queue->databases].router.latch;

	if (latch != NULL)
		SetLatch(latch);
}

/*
 * Wakes the routers of databases that are short of places and can have some:
 * once a quarter of the share is there, so that it is not for each place, or
 * when there is nothing left to do for their dispatchers.
 */
static void
tell_of_room(void)
{
	int			enough = Max(1, fair_share() / 4);
	dlist_iter	iter;

	dlist_foreach(iter, &queue->short_of)
	{
		DatabaseQueues *queues = dlist_container(DatabaseQueues, short_node,
												 iter.cur);
		int			room = queues->told ? 0 : room_for(queues);

		if (room >= enough || (room > 0 && queues->nready == 0))
		{
			queues->told = true;
			wake_router_of(queues);
		}
	}
}

/* Moves an entry of this database out of the queue. */
static void
put_out(DatabaseQueues *queues, WorkEntry *entry)
{
	bool		delayed = entry->state == WORK_DELAYED;
	bool		retries = entry->lease.retry_at != DT_NOEND;
	EbOverflowItem *item;

	item = eb_overflow_add(entry->key.target_id,
						   retries ? EB_DONE_UNKNOWN : entry->done_seq,
						   &entry->lease, delayed ? entry->not_before : 0,
						   delayed && entry->alarm);
	if (entry->doubtful)
		eb_overflow_doubt(item);
	change_state(queues, entry, WORK_IDLE);
}

/*
 * Puts one entry of this database out of the queue that can do without its
 * place: one that is put off; otherwise the last of the slow, where there are
 * more than slow_kept, and of the quick, unless they are kept. False: none.
 */
static bool
put_one_out(DatabaseQueues *queues, int slow_kept, bool quick_kept)
{
	dlist_node *node;

	if (!dlist_is_empty(&queues->delayed))
		node = dlist_head_node(&queues->delayed);
	else if (queues->nslow > slow_kept)
		node = dlist_tail_node(&queues->slow);
	else if (!quick_kept && !dlist_is_empty(&queues->quick))
		node = dlist_tail_node(&queues->quick);
	else
		return false;
	put_out(queues, dlist_container(WorkEntry, node, node));
	return true;
}

/* Gives places to those of this database outside whose turn it is. */
static void
refill(DatabaseQueues *queues)
{
	int			slow_kept = fair_share() / 4;

	for (;;)
	{
		EbOverflowItem *item = eb_overflow_first(false);
		EbOverflowItem *slow = eb_overflow_first(true);
		WorkEntry  *entry;

		if (slow != NULL && (item == NULL || queues->nslow < slow_kept))
			item = slow;
		if (item == NULL)
			break;
		if (room_for(queues) <= 0 &&
			!put_one_out(queues, item->slow ? INT_MAX : slow_kept, true))
			break;
		entry = make_entry(item->target_id);
		Assert(entry->state == WORK_IDLE);
		if (item->known)
			entry->lease = item->lease;
		entry->done_seq = item->done_seq;
		entry->doubtful = item->doubtful;
		change_state(queues, entry, WORK_READY);
		eb_overflow_remove(item);
	}
}

/* Another database is to have what this one has above its share. */
static void
give_back(DatabaseQueues *queues)
{
	int			share = fair_share();

	while (queues->nplaces > share && put_one_out(queues, 0, false))
		 /* go on */ ;
	queues->give_back = false;
}

/* All places are taken, and we have less than our share of them. */
static void
ask_others_back(void)
{
	int			share = fair_share();

	for (int i = 0; i < eb_guc_max_databases; i++)
	{
		DatabaseQueues *queues = &queue->databases[i];

		if (queues->nplaces > share && !queues->give_back)
		{
			queues->give_back = true;
			wake_router_of(queues);
		}
	}
}

/* Lets others see what is outside now. */
static void
note_overflow(DatabaseQueues *queues)
{
	queues->noutside = eb_overflow_count();
	queues->outside_done = eb_overflow_done_seq();
	queues->told = false;
	set_usage(queues, queues->nplaces, eb_overflow_in_line() > 0);
	if (queues->is_short && queues->nplaces < fair_share() &&
		queue->nplaces >= eb_guc_max_queued_targets)
		ask_others_back();
	tell_of_room();
}

/*
 * Says so when targets have been without a place for some time; now and then,
 * whichever database it is.
 */
static void
complain_if_full(void)
{
	static TimestampTz full_since = 0;
	TimestampTz now;
	bool		complain;

	if (eb_overflow_count() == 0)
	{
		full_since = 0;
		return;
	}
	now = GetCurrentTimestamp();
	if (full_since == 0)
		full_since = now;
	if (!TimestampDifferenceExceeds(full_since, now, FULL_MS))
		return;

	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	complain = queue->complained_at == 0 || queue->complained_at > now ||
		TimestampDifferenceExceeds(queue->complained_at, now, COMPLAIN_MS);
	if (complain)
		queue->complained_at = now;
	LWLockRelease(queue->lock);
	if (complain)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("eventbus work queue is full"),
				 errdetail("%d targets of this database have deliveries waiting and none of its %d places.",
						   eb_overflow_count(), eb_guc_max_queued_targets),
				 errhint("You might need to increase %s.",
						 "eventbus.max_queued_targets")));
}

/* --- router ------------------------------------------------------------- */

/* One target of this database has, or may have, new deliveries. */
static void
mark(DatabaseQueues *queues, int32 target_id, bool at_once, int64 done_seq)
{
	WorkEntry  *entry = find_entry(target_id);
	EbOverflowItem *item;

	if (entry != NULL && entry->state != WORK_IDLE)
	{
		entry->marked = true;
		entry->doubtful |= at_once;
		if (entry->state == WORK_DELAYED && entry->alarm)
			change_state(queues, entry, WORK_READY);
		return;
	}
	item = eb_overflow_find(target_id);
	if (item != NULL)
		eb_overflow_mark(item);
	else if (eb_overflow_in_line() == 0 && room_for(queues) > 0)
	{
		entry = make_entry(target_id);
		entry->done_seq = done_seq;
		entry->doubtful = at_once;
		change_state(queues, entry, WORK_READY);
	}
	else
		item = eb_overflow_add(target_id, done_seq, NULL, 0, false);
	if (item != NULL && at_once)
		eb_overflow_doubt(item);
}

int
eb_workqueue_mark(const int32 *target_ids, int n, int64 done_seq,
				  bool at_once)
{
	DatabaseQueues *queues = own_queues();
	TimestampTz now = at_once ? DT_NOEND : GetCurrentTimestamp();
	int			needed;

	if (queues == NULL)
		return 0;
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	wake_delayed(queues, now);
	eb_overflow_wake(now);
	if (at_once)
		eb_overflow_limit_memory(n);
	for (int i = 0; i < n; i++)
		mark(queues, target_ids[i], at_once,
			 at_once ? EB_DONE_UNKNOWN : done_seq);
	if (queues->give_back)
		give_back(queues);
	refill(queues);
	note_overflow(queues);
	needed = needed_dispatchers(queues);
	LWLockRelease(queue->lock);

	complain_if_full();
	return needed;
}

long
eb_workqueue_sleep(void)
{
	DatabaseQueues *queues = own_queues();
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz outside = eb_overflow_next_due();
	long		sleep;

	if (queues == NULL)
		return -1;
	LWLockAcquire(queue->lock, LW_SHARED);
	sleep = next_delay(queues, now);
	if (queues->told || queues->give_back)
		sleep = 0;
	LWLockRelease(queue->lock);
	if (outside != 0)
	{
		long		ms = TimestampDifferenceMilliseconds(now, outside);

		sleep = sleep < 0 ? Max(1, ms) : Min(sleep, Max(1, ms));
	}
	return sleep;
}

bool
eb_workqueue_overflowed(void)
{
	return eb_overflow_count() > 0;
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
		change_state(queues, entry, WORK_LEASED);
		if (entry->doubtful)
		{
			entry->done_seq = EB_DONE_UNKNOWN;
			entry->lease.retry_at = 0;
		}
		entry->doubtful = false;
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
	entry = find_entry(target_id);
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
	entry = find_entry(lease->target_id);
	if (entry != NULL)
	{
		Assert(entry->state == WORK_LEASED);
		entry->lease = *lease;
		entry->alarm = outcome == EB_WORK_ALARM;
		if ((outcome == EB_WORK_LATER && !entry->doubtful) ||
			(outcome == EB_WORK_ALARM && !entry->marked))
		{
			entry->not_before = later;
			change_state(queues, entry, WORK_DELAYED);
		}
		else if (outcome != EB_WORK_DONE || entry->marked)
			change_state(queues, entry, WORK_READY);
		else
			change_state(queues, entry, WORK_IDLE);
		tell_of_room();
	}
	LWLockRelease(queue->lock);
}

bool
eb_workqueue_done_upto(int64 seq)
{
	DatabaseQueues *queues = own_queues();
	HASH_SEQ_STATUS status;
	WorkEntry  *entry;
	bool		done;

	if (queues == NULL)
		return false;
	LWLockAcquire(queue->lock, LW_SHARED);
	done = queues->outside_done >= seq;
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
eb_workqueue_usage(int *taken, int *own, int *outside)
{
	DatabaseQueues *queues = own_queues();

	*taken = *own = *outside = 0;
	if (queues == NULL)
		return;
	LWLockAcquire(queue->lock, LW_SHARED);
	*taken = queue->nplaces;
	*own = queues->nplaces;
	*outside = queues->noutside;
	LWLockRelease(queue->lock);
}

void
eb_workqueue_forget(Oid dboid)
{
	EbDatabase *database = eb_shmem_database(dboid);
	DatabaseQueues *queues;
	HASH_SEQ_STATUS status;
	WorkEntry  *entry;

	if (database == NULL)
		return;
	queues = &queue->databases[database - eb_shared->databases];
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	hash_seq_init(&status, entries);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->key.dboid != dboid || entry->state == WORK_LEASED)
			continue;
		change_state(queues, entry, WORK_IDLE);
		dlist_delete(&entry->node);
		hash_search(entries, &entry->key, HASH_REMOVE, NULL);
	}
	queues->noutside = 0;
	queues->outside_done = EB_DONE_UNKNOWN;
	queues->told = queues->give_back = false;
	set_usage(queues, queues->nplaces, false);
	tell_of_room();
	LWLockRelease(queue->lock);
}
