/*-------------------------------------------------------------------------
 *
 * wake.h
 *		Wakes the router when a transaction that put events commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_WAKE_H
#define EB_WAKE_H

/* Registers the transaction callback; from _PG_init, once per process. */
extern void eb_wake_init(void);

/* This transaction put events: wake the router once it has committed. */
extern void eb_wake_at_commit(void);

/*
 * This transaction made the extension: have the launcher look for it in this
 * database once it has committed. Such a transaction cannot be prepared.
 */
extern void eb_wake_extension_created(void);

/* This transaction changed pg_database: have the launcher read it again. */
extern void eb_wake_launcher_at_commit(void);

/*
 * Wakes the router of this database now, as for a commit; where none runs,
 * the launcher, which starts one.
 */
extern void eb_wake_router(void);

/* Has the worker run maintenance once this transaction has committed. */
extern void eb_wake_maintenance_at_commit(void);

/* Asks the worker to make leaves at once; does not wait for a commit. */
extern void eb_wake_for_maintenance(void);

#endif							/* EB_WAKE_H */
