/*-------------------------------------------------------------------------
 *
 * hold.h
 *		Keeps workers out of a database while a command needs it empty.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_HOLD_H
#define EB_HOLD_H

/*
 * Ends the workers of a database, and keeps new ones from starting until this
 * backend's transaction ends. Returns when their processes have left the
 * database, or after 10 seconds. Can be cancelled. Does nothing when the
 * library was not preloaded.
 */
extern void eb_hold_database(Oid dboid);

/* Ends this backend's hold, if it has one; never fails. */
extern void eb_hold_release(void);

/* Does a live backend hold the database? The caller holds EbShared.lock. */
extern bool eb_hold_is_held(Oid dboid);

#endif							/* EB_HOLD_H */
