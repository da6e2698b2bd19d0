/*-------------------------------------------------------------------------
 *
 * worker.h
 *		What routers and dispatchers have in common: start, transaction
 *		bracket, exit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_WORKER_H
#define EB_WORKER_H

#include "shmem.h"

/*
 * Starts a transaction for a worker: locks the extension object (share) so
 * that DROP EXTENSION waits one batch at most, checks that it is still the one
 * the worker started with, and leaves the process (exit 0) when it is not.
 * Takes no snapshot and assigns no xid.
 */
extern void eb_worker_begin(void);

/* Commits it, reports statistics. */
extern void eb_worker_commit(void);

/* This process's database slot. */
extern EbDatabase *eb_worker_database(void);

/*
 * Router: makes sure that enough dispatchers run for that many targets that
 * have work (never more than eventbus.max_dispatchers), and wakes sleeping
 * ones.
 */
extern void eb_worker_want_dispatchers(int ready_targets);

/* This dispatcher's number, from 0. Number 0 is the reserve dispatcher. */
extern int	eb_worker_dispatcher_number(void);

#endif							/* EB_WORKER_H */
