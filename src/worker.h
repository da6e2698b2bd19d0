/*-------------------------------------------------------------------------
 *
 * worker.h
 *		What the workers of a database have in common: start, transaction
 *		bracket, wait, exit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_WORKER_H
#define EB_WORKER_H

#include "postmaster/bgworker.h"

#include "compat.h"
#include "shmem.h"

/* Why a worker leaves; decides what becomes of its place. */
typedef enum EbLeaveReason
{
	EB_LEAVE_FAILED,			/* an error: back off */
	EB_LEAVE_TOLD,				/* SIGTERM: start again soon */
	EB_LEAVE_ABSENT,			/* the extension is not there */
	EB_LEAVE_CHANGED,			/* the extension is another: start again */
	EB_LEAVE_IDLE,				/* nothing to do: start again when there is */
	EB_LEAVE_UNDONE				/* makes room before all is done: start again
								 * soon */
} EbLeaveReason;

/*
 * Has the postmaster start a worker of a database; the place of that number
 * should be empty. False when all background worker slots are taken: logged now
 * and then, and idle workers are asked to leave; for a worker that is urgently
 * wanted, busy ones too. *handle is allocated in CurrentMemoryContext.
 */
extern bool eb_worker_launch(Oid dboid, const char *database, int number,
							 bool urgent, BackgroundWorkerHandle **handle);

/*
 * The first thing a worker's main function does: takes the place that it was
 * launched for, connects, overrides session settings, and finds the extension.
 * Leaves the process when there is nothing for it to do. Returns its database.
 */
extern EbDatabase *eb_worker_start(void);

/* Between two turns: interrupts, configuration, memory of the last turn. */
extern void eb_worker_next(void);

/*
 * Keeps batches apart. The first call sleeps until eventbus.batch_interval has
 * passed since the last batch began; the second does so and begins one.
 */
extern void eb_worker_nap(void);
extern void eb_worker_begin_batch(void);

/*
 * Waits for the latch, milliseconds at most, then does eb_worker_next(). False
 * when the time passed.
 */
extern bool eb_worker_wait(long milliseconds);

/*
 * Does another worker lack a background worker slot that this process, idle
 * since then, should free? At most one worker is told so for each lack.
 */
extern bool eb_worker_should_give_way(TimestampTz idle_since);

/* Leaves the process (exit code 0). */
pg_noreturn extern void eb_worker_leave(EbLeaveReason reason);

/*
 * Starts a transaction for a worker: locks the extension object (share) so
 * that DROP EXTENSION waits one batch at most, checks that it is still the one
 * the worker started with, and leaves the process (exit 0) when it is not.
 * Takes no snapshot that outlives the call and assigns no xid.
 */
extern void eb_worker_begin(void);

/*
 * Commits it, reports statistics. The memory context is then that of the turn,
 * which lives until eb_worker_next().
 */
extern void eb_worker_commit(void);

/*
 * In a PG_CATCH() of a worker that goes on: reports the error, and ends the
 * transaction that it happened in.
 */
extern void eb_worker_recover(void);

/* This process's database slot. */
extern EbDatabase *eb_worker_database(void);

/* This dispatcher's number, from 0. Number 0 is the reserve dispatcher. */
extern int	eb_worker_dispatcher_number(void);

/*
 * Router: makes sure that so many dispatchers run (never more than
 * eventbus.max_dispatchers), and wakes those that sleep. What cannot be started
 * now is started by eb_worker_tend_pool().
 */
extern void eb_worker_want_dispatchers(int needed);

/* Router: has eb_worker_tend_pool() start the maintenance worker. */
extern void eb_worker_want_maintenance(void);

/*
 * Router, each time round its loop: starts workers that are wanted, or that
 * left something undone and may be started again. Returns in how many
 * milliseconds it wants to be called again, -1 when it does not.
 */
extern long eb_worker_tend_pool(void);

#endif							/* EB_WORKER_H */
