/*-------------------------------------------------------------------------
 *
 * overflow.h
 *		Targets that wait for a place in the work queue; the router's memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_OVERFLOW_H
#define EB_OVERFLOW_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"

#include "workqueue.h"

/* done_seq of a target of which nothing is known: deliveries may wait */
#define EB_DONE_UNKNOWN		(-1)

/* A target outside the queue. Read only, but for overflow.c. */
typedef struct EbOverflowItem
{
	int32		target_id;		/* hash key */
	bool		known;			/* lease was filled in by a dispatcher */
	bool		parked;			/* it is not to be tried before not_before */
	bool		alarm;			/* parked: a mark gets it in line */
	bool		doubtful;		/* as that of an entry of the queue */
	bool		slow;			/* which line it stands in, where not parked */
	int64		done_seq;		/* nothing waits up to here */
	TimestampTz not_before;
	EbLease		lease;			/* what its last holder left */
	dlist_node	line_node;
	pairingheap_node due_node;
	pairingheap_node seq_node;
} EbOverflowItem;

/*
 * Adds a target at the end of its line; no-op when it is here. With a lease,
 * that is what is known of it, and it is parked until not_before, unless that
 * is 0; with alarm, until it is marked, too. Returns the item.
 */
extern EbOverflowItem *eb_overflow_add(int32 target_id, int64 done_seq,
									   const EbLease *lease,
									   TimestampTz not_before, bool alarm);

extern EbOverflowItem *eb_overflow_find(int32 target_id);

/* It has new deliveries. */
extern void eb_overflow_mark(EbOverflowItem *item);

/* What is known of it is in doubt: it is to be tried, and at once. */
extern void eb_overflow_doubt(EbOverflowItem *item);

/* It has got a place. The item is gone. */
extern void eb_overflow_remove(EbOverflowItem *item);

/* Those whose time has come go to the end of their line. */
extern void eb_overflow_wake(TimestampTz now);

/* The first one in the line of the quick, or of the slow; NULL: none. */
extern EbOverflowItem *eb_overflow_first(bool slow);

/* How many there are; those of them that stand in line. */
extern int	eb_overflow_count(void);
extern int	eb_overflow_in_line(void);

/* No target here has deliveries up to that number waiting. */
extern int64 eb_overflow_done_seq(void);

/* When the first parked one is to be tried, 0: there is none. */
extern TimestampTz eb_overflow_next_due(void);

/*
 * Remembers what was known of a target that gives up its idle entry, and tells
 * and forgets it; false: nothing is known. Where more is remembered than there
 * are targets, some are gone: then all of it is forgotten.
 */
extern void eb_overflow_remember(const EbLease *lease);
extern bool eb_overflow_recall(int32 target_id, EbLease *lease);
extern void eb_overflow_limit_memory(int ntargets);

#endif							/* EB_OVERFLOW_H */
