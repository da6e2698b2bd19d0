/*-------------------------------------------------------------------------
 *
 * wake.h
 *		Wakes the router when a transaction that put events commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_WAKE_H
#define EB_WAKE_H

/* Registers the transaction callback and the utility hook; from _PG_init. */
extern void eb_wake_init(void);

/* This transaction put events: wake the router once it has committed. */
extern void eb_wake_at_commit(void);

/* Asks the worker to make leaves at once; does not wait for a commit. */
extern void eb_wake_for_maintenance(void);

#endif							/* EB_WAKE_H */
