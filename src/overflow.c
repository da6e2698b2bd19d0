/*-------------------------------------------------------------------------
 *
 * overflow.c
 *		Targets that wait for a place in the work queue; the router's memory.
 *
 * The queue in shared memory has a fixed number of places. The targets of a
 * database that have deliveries waiting and no place are kept here, by its
 * router, which alone gives places; so there is no bound on their number, and
 * none is forgotten. When the router ends, they are lost, and the next one has
 * every target looked at (workqueue.c).
 *
 * First come, first served, in two lines, as in the queue: the quick, and the
 * slow, which are also those that fail. Besides these there are the parked,
 * which are not to be tried before a given time; they need no place until
 * then. A heap by that time holds them, and a second heap holds all, by the
 * delivery number up to which nothing waits, for those who ask whether all is
 * delivered.
 *
 * Where targets come and go in the queue, what was known of them, such as
 * where their positions are, would go with their idle entries. It is kept here
 * until they have an entry again: to find it out anew takes far longer than to
 * deliver an event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "overflow.h"
#include "shmem.h"

static HTAB *items = NULL;		/* of EbOverflowItem */
static HTAB *leases = NULL;		/* of EbLease; their key comes first */
static dlist_head quick_line;
static dlist_head slow_line;
static int	in_line = 0;
static pairingheap *by_due;		/* the parked, soonest first */
static pairingheap *by_seq;		/* all, least done_seq first */

static int
compare_due(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz x = pairingheap_const_container(EbOverflowItem, due_node,
												a)->not_before;
	TimestampTz y = pairingheap_const_container(EbOverflowItem, due_node,
												b)->not_before;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int
compare_seq(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	int64		x = pairingheap_const_container(EbOverflowItem, seq_node,
												a)->done_seq;
	int64		y = pairingheap_const_container(EbOverflowItem, seq_node,
												b)->done_seq;

	return x < y ? 1 : x > y ? -1 : 0;
}

StaticAssertDecl(offsetof(EbLease, target_id) == 0, "key comes first");

/* A hash table by target_id that lives as long as the process. */
static HTAB *
make_table(const char *name, Size entrysize)
{
	HASHCTL		ctl = {
		.keysize = sizeof(int32),
		.entrysize = entrysize,
		.hcxt = TopMemoryContext
	};

	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
set_up(void)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	dlist_init(&quick_line);
	dlist_init(&slow_line);
	by_due = pairingheap_allocate(compare_due, NULL);
	by_seq = pairingheap_allocate(compare_seq, NULL);
	items = make_table("eventbus overflow", sizeof(EbOverflowItem));
	MemoryContextSwitchTo(caller);
}

static void
get_in_line(EbOverflowItem *item)
{
	item->parked = false;
	dlist_push_tail(item->slow ? &slow_line : &quick_line, &item->line_node);
	in_line++;
}

/* Out of its line, or out of the parked. */
static void
step_out(EbOverflowItem *item)
{
	if (item->parked)
		pairingheap_remove(by_due, &item->due_node);
	else
	{
		dlist_delete(&item->line_node);
		in_line--;
	}
}

EbOverflowItem *
eb_overflow_add(int32 target_id, int64 done_seq, const EbLease *lease,
				TimestampTz not_before, bool alarm)
{
	EbOverflowItem *item;
	bool		found;

	if (items == NULL)
		set_up();
	item = hash_search(items, &target_id, HASH_ENTER, &found);
	if (found)
		return item;
	item->doubtful = false;
	item->alarm = alarm;
	item->done_seq = done_seq;
	pairingheap_add(by_seq, &item->seq_node);
	item->known = lease != NULL;
	if (item->known)
		item->lease = *lease;
	item->slow = item->known && lease->slow;
	item->not_before = not_before;
	item->parked = not_before != 0;
	if (item->parked)
		pairingheap_add(by_due, &item->due_node);
	else
		get_in_line(item);
	return item;
}

EbOverflowItem *
eb_overflow_find(int32 target_id)
{
	if (eb_overflow_count() == 0)
		return NULL;
	return hash_search(items, &target_id, HASH_FIND, NULL);
}

void
eb_overflow_mark(EbOverflowItem *item)
{
	if (item->parked && item->alarm)
	{
		step_out(item);
		get_in_line(item);
	}
}

void
eb_overflow_doubt(EbOverflowItem *item)
{
	item->doubtful = true;
	if (item->done_seq != EB_DONE_UNKNOWN)
	{
		pairingheap_remove(by_seq, &item->seq_node);
		item->done_seq = EB_DONE_UNKNOWN;
		pairingheap_add(by_seq, &item->seq_node);
	}
	if (item->parked)
	{
		step_out(item);
		get_in_line(item);
	}
}

void
eb_overflow_remove(EbOverflowItem *item)
{
	step_out(item);
	pairingheap_remove(by_seq, &item->seq_node);
	hash_search(items, &item->target_id, HASH_REMOVE, NULL);
}

void
eb_overflow_wake(TimestampTz now)
{
	if (items == NULL)
		return;
	while (!pairingheap_is_empty(by_due))
	{
		pairingheap_node *first = pairingheap_first(by_due);
		EbOverflowItem *item = pairingheap_container(EbOverflowItem, due_node,
													 first);

		if (!eb_is_due(item->not_before, now))
			break;
		step_out(item);
		get_in_line(item);
	}
}

EbOverflowItem *
eb_overflow_first(bool slow)
{
	dlist_head *line = slow ? &slow_line : &quick_line;

	if (items == NULL || dlist_is_empty(line))
		return NULL;
	return dlist_head_element(EbOverflowItem, line_node, line);
}

int
eb_overflow_count(void)
{
	return items == NULL ? 0 : (int) hash_get_num_entries(items);
}

int
eb_overflow_in_line(void)
{
	return in_line;
}

int64
eb_overflow_done_seq(void)
{
	if (eb_overflow_count() == 0)
		return PG_INT64_MAX;
	return pairingheap_container(EbOverflowItem, seq_node,
								 pairingheap_first(by_seq))->done_seq;
}

TimestampTz
eb_overflow_next_due(void)
{
	if (items == NULL || pairingheap_is_empty(by_due))
		return 0;
	return pairingheap_container(EbOverflowItem, due_node,
								 pairingheap_first(by_due))->not_before;
}

/* --- what was known of those that are idle --------------------------------- */

void
eb_overflow_remember(const EbLease *lease)
{
	EbLease    *kept;

	if (leases == NULL)
		leases = make_table("eventbus idle targets", sizeof(EbLease));
	kept = hash_search(leases, &lease->target_id, HASH_ENTER, NULL);
	*kept = *lease;
}

bool
eb_overflow_recall(int32 target_id, EbLease *lease)
{
	EbLease    *kept;

	if (leases == NULL)
		return false;
	kept = hash_search(leases, &target_id, HASH_REMOVE, NULL);
	if (kept == NULL)
		return false;
	/* HASH_REMOVE leaves it as it was until the next entry is made */
	*lease = *kept;
	return true;
}

void
eb_overflow_limit_memory(int ntargets)
{
	if (leases == NULL || hash_get_num_entries(leases) <= ntargets)
		return;
	hash_destroy(leases);
	leases = NULL;
}
