/*-------------------------------------------------------------------------
 *
 * workqueue.h
 *		Which targets have deliveries waiting, and who works on them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_WORKQUEUE_H
#define EB_WORKQUEUE_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

/* What a dispatcher knows of the target it leased; given back changed. */
typedef struct EbLease
{
	int32		target_id;
	int32		generation;		/* of the log that the next two belong to */
	ItemPointerData position_tid;	/* where its position was last, or invalid */
	int32		leaf_hint;		/* deliveries leaf_id to begin with, 0: oldest */
	int			batch_size;		/* what it took last, 0: no experience */
	int			failures;		/* in a row, of any kind */
	int			setbacks;		/* events set aside since one went well */
	TimestampTz retry_at;		/* when a retry is due; 0: to be found out;
								 * DT_NOEND: there is none */
	bool		retried;		/* its last batch was one of retries */
	bool		rejected;		/* it rejected events of its last batch */
	bool		slow;			/* its last batch took long, or did not go
								 * well */
} EbLease;

/* What became of a leased target. */
typedef enum EbWorkOutcome
{
	EB_WORK_DONE,				/* nothing was left when it looked */
	EB_WORK_MORE,				/* more is waiting */
	EB_WORK_LATER,				/* not before a given time */
	EB_WORK_ALARM				/* when marked, or at a given time */
} EbWorkOutcome;

/* Shared memory; called by shmem.c. */
extern Size eb_workqueue_shmem_size(void);
extern void eb_workqueue_shmem_init(void);

/*
 * Router: these targets of this database have new deliveries; all that was
 * waiting before has a number up to done_seq. With at_once, all that is known
 * of them is in doubt: those that are put off because they failed are not any
 * more, and done_seq does not count. Where the queue is full
 * (eventbus.max_queued_targets), the rest is remembered by this process, and
 * each call, also one with n = 0, gives places to those whose turn it is.
 * Returns how many dispatchers of this database have to be awake, counted from
 * number 0 and with those that are at work; 0 when no target is ready.
 */
extern int	eb_workqueue_mark(const int32 *target_ids, int n, int64 done_seq,
							  bool at_once);

/*
 * Router: milliseconds until the first target of this database that was put
 * off is ready, or a little less; 0: there is room for one that has no place;
 * -1: neither. The router sees to it that a dispatcher is awake then: those
 * that sleep went to sleep before they could know.
 */
extern long eb_workqueue_sleep(void);

/* Router: does this process remember targets that have no place? */
extern bool eb_workqueue_overflowed(void);

/*
 * Leases a ready target of this database. A reserve dispatcher is given only
 * targets whose last batch was quick and went well. False when there is none;
 * then *sleep says in how many milliseconds a delayed one becomes ready, or
 * -1, and *help_wanted whether one has become ready that a reserve is not
 * given; this is said once.
 */
extern bool eb_workqueue_lease(bool reserve, EbLease *lease, long *sleep,
							   bool *help_wanted);

/* The leased target has nothing waiting up to seq. */
extern void eb_workqueue_progress(int32 target_id, int64 seq);

/* Gives a leased target back. later is for EB_WORK_LATER and EB_WORK_ALARM. */
extern void eb_workqueue_release(const EbLease *lease, EbWorkOutcome outcome,
								 TimestampTz later);

/* No target of this database has deliveries up to seq waiting. */
extern bool eb_workqueue_done_upto(int64 seq);

/*
 * How many places are taken, by all databases and by this one, and how many
 * targets of this one may have deliveries waiting and have no place.
 */
extern void eb_workqueue_usage(int *taken, int *own, int *outside);

/*
 * Forgets the targets of a database that nobody works on, until a router marks
 * all of them; eb_workqueue_done_upto() knows nothing until then.
 */
extern void eb_workqueue_forget(Oid dboid);

#endif							/* EB_WORKQUEUE_H */
