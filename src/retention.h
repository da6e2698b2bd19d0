/*-------------------------------------------------------------------------
 *
 * retention.h
 *		Drops dead letters and logged attempts that are older than they are kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_RETENTION_H
#define EB_RETENTION_H

/*
 * Workers: is there a partition that is too old? Drops them, each in a
 * transaction of its own, but for those that somebody has locked: they are due
 * again. Call both outside of a transaction.
 */
extern bool eb_retention_due(void);
extern void eb_retention_round(void);

/* The same in the caller's transaction. Returns how many. */
extern int	eb_retention_run(void);

#endif							/* EB_RETENTION_H */
