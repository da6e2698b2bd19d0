/*-------------------------------------------------------------------------
 *
 * shmem.h
 *		Shared memory: which databases have workers, and how to wake them.
 *
 * One EbDatabase per database that has, or may have, the extension. Fields
 * are grouped by who may write them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_SHMEM_H
#define EB_SHMEM_H

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#define EB_MAX_DISPATCHERS	16	/* bound of eventbus.max_dispatchers */
#define EB_MAX_HOLDS		64	/* backends that hold a database at a time */

/*
 * The workers of a database have numbers: its dispatchers from 0 on, and the
 * others these. All of them, for loops: EB_FIRST_WORKER .. EB_LAST_WORKER.
 */
#define EB_ROUTER_NUMBER		(-1)
#define EB_MAINTENANCE_NUMBER	EB_MAX_DISPATCHERS

#define EB_FIRST_WORKER			EB_ROUTER_NUMBER
#define EB_LAST_WORKER			EB_MAINTENANCE_NUMBER

/*
 *		FREE --> PROBE --> STARTING --> RUNNING
 *		           ^         |   |         |
 *		           |         |   +--> ABSENT --> FREE
 *		           |         v             |
 *		           +----- BACKOFF <--------+
 *
 * The launcher takes a slot, starts a router and frees the slot; the router
 * says what it found, and what became of it (leave_place() in worker.c).
 */
typedef enum EbDatabaseState
{
	EB_DATABASE_FREE,			/* slot unused */
	EB_DATABASE_PROBE,			/* to be looked into: start a router at once */
	EB_DATABASE_STARTING,		/* a router was asked for */
	EB_DATABASE_RUNNING,		/* a router runs and found the extension */
	EB_DATABASE_ABSENT,			/* has no eventbus extension */
	EB_DATABASE_BACKOFF			/* start a router again, not at once */
} EbDatabaseState;

/* nobody is put off for longer than this, in microseconds */
#define EB_LONGEST_WAIT		(60 * USECS_PER_SEC)

/*
 * Is a wait over that ends at due? Also when now is so long before it that the
 * clock must have been set back since.
 */
static inline bool
eb_is_due(TimestampTz due, TimestampTz now)
{
	return due <= now || due - now > EB_LONGEST_WAIT;
}

/* A worker's place: pid 0 when nobody sits in it. Guarded by EbShared.lock. */
typedef struct EbWorkerSlot
{
	pid_t		pid;			/* not 0 as long as others can see the process
								 * in the database */
	Latch	   *latch;			/* &PGPROC->procLatch, in shared memory; may
								 * be read without the lock */
	TimestampTz started_at;
	int			failures;		/* in a row */
	TimestampTz restart_at;		/* not before, where it is empty */
} EbWorkerSlot;

typedef struct EbDatabase
{
	/* guarded by EbShared.lock; dboid may be read without it */
	Oid			dboid;
	EbDatabaseState state;
	bool		probe_wanted;	/* somebody created the extension: look again */
	EbWorkerSlot router;
	EbWorkerSlot dispatchers[EB_MAX_DISPATCHERS];
	EbWorkerSlot maintenance;	/* filled only while there is some to do */

	/* any process */
	pg_atomic_uint32 put_pending;	/* commits since the router last looked */
	pg_atomic_uint32 maintenance_wanted;	/* leaves are missing: at once */
	pg_atomic_uint64 route_wanted;	/* tickets of eb_wait_until_delivered() */
	pg_atomic_uint64 put_until; /* who has put an event since the router came
								 * has said a time not before the event's */

	/* router */
	pg_atomic_uint64 route_done;	/* ticket up to which all is routed */
	pg_atomic_uint64 delivery_seq;	/* last delivery number committed */
	pg_atomic_uint64 routed_until;	/* no delivery of the current generation
									 * is of a later time; 0: not known */

	/* waiters of eb_wait_until_delivered(); dispatchers and router broadcast */
	ConditionVariable progress;
} EbDatabase;

/* The place of the worker of that number. */
static inline EbWorkerSlot *
eb_shmem_place(EbDatabase *db, int number)
{
	if (number == EB_ROUTER_NUMBER)
		return &db->router;
	if (number == EB_MAINTENANCE_NUMBER)
		return &db->maintenance;
	Assert(number >= 0 && number < EB_MAX_DISPATCHERS);
	return &db->dispatchers[number];
}

/* A backend that needs a database without workers (hold.c). */
typedef struct EbHold
{
	pid_t		pid;			/* 0: unused */
	Oid			dboid;
} EbHold;

typedef struct EbShared
{
	/* guards slots, places and holds; held for a few loops over them */
	LWLock	   *lock;

	/* guarded by lock */
	EbWorkerSlot launcher;
	EbHold		holds[EB_MAX_HOLDS];
	bool		probe_lost;		/* a database to look into got no slot */
	TimestampTz complained_at;	/* of too few background worker slots */

	/* any process */
	pg_atomic_uint64 slot_wanted;	/* who found no free background worker
									 * slot (worker.c), 0: nobody */
	ConditionVariable worker_left;	/* a worker left its place */

	/* fixed */
	int			ndatabases;		/* eventbus.max_databases */
	EbDatabase	databases[FLEXIBLE_ARRAY_MEMBER];
} EbShared;

/* NULL when the library was not preloaded */
extern EbShared *eb_shared;

/* How much shared memory this module needs; from the request hook. */
extern Size eb_shmem_size(void);

/* Sets up or attaches to it, under AddinShmemInitLock; from the startup hook. */
extern void eb_shmem_init(void);

/*
 * The slot of a database, NULL when there is none or the library was not
 * preloaded. The pointer stays valid; the slot may be given to another
 * database once that one is dropped. Takes no lock.
 */
extern EbDatabase *eb_shmem_database(Oid dboid);

/*
 * The same, giving the database a free slot (state PROBE) when it has none;
 * NULL when all are taken. The caller holds EbShared.lock exclusively.
 */
extern EbDatabase *eb_shmem_take_database(Oid dboid);

/* Has the launcher look at its databases. */
extern void eb_shmem_wake_launcher(void);

/*
 * Has the launcher look for the extension in a database, after its creation
 * there has committed.
 */
extern void eb_shmem_request_probe(Oid dboid);

#endif							/* EB_SHMEM_H */
