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

typedef enum EbDatabaseState
{
	EB_DATABASE_FREE,			/* slot unused */
	EB_DATABASE_PROBE,			/* to be looked into: start a router */
	EB_DATABASE_RUNNING,		/* a router runs, or is being started */
	EB_DATABASE_ABSENT,			/* has no eventbus extension */
	EB_DATABASE_BACKOFF			/* router failed: start again at restart_at */
} EbDatabaseState;

/* A worker's place: pid 0 when nobody sits in it. Guarded by EbShared.lock. */
typedef struct EbWorkerSlot
{
	pid_t		pid;
	Latch	   *latch;			/* &PGPROC->procLatch, in shared memory */
	TimestampTz started_at;
} EbWorkerSlot;

typedef struct EbDatabase
{
	/* guarded by EbShared.lock */
	Oid			dboid;
	EbDatabaseState state;
	TimestampTz restart_at;		/* BACKOFF: not before */
	int			failures;		/* in a row */
	pid_t		held_by;		/* backend that needs the database empty, or 0 */
	EbWorkerSlot router;
	EbWorkerSlot dispatchers[EB_MAX_DISPATCHERS];

	/* any process */
	pg_atomic_uint32 put_pending;	/* commits since the router last looked */
	pg_atomic_uint32 maintenance_wanted;	/* leaves are missing: at once */
	pg_atomic_uint64 route_wanted;	/* tickets of eb_wait_until_delivered() */

	/* router */
	pg_atomic_uint64 route_done;	/* ticket up to which all is routed */
	pg_atomic_uint64 delivery_seq;	/* last delivery number committed */

	/* waiters of eb_wait_until_delivered(); dispatchers and router broadcast */
	ConditionVariable progress;
} EbDatabase;

typedef struct EbShared
{
	LWLock	   *lock;			/* EbDatabase slots and the launcher's place */
	EbWorkerSlot launcher;
	int			ndatabases;		/* eventbus.max_databases */
	EbDatabase	databases[FLEXIBLE_ARRAY_MEMBER];
} EbShared;

/* NULL when the library was not preloaded */
extern EbShared *eb_shared;

/* Hooks for _PG_init while shared_preload_libraries is processed. */
extern void eb_shmem_init(void);

/*
 * The slot of a database, NULL when there is none or the library was not
 * preloaded. The pointer stays valid; the slot may be given to another
 * database once that one is dropped.
 */
extern EbDatabase *eb_shmem_database(Oid dboid);

#endif							/* EB_SHMEM_H */
