/*-------------------------------------------------------------------------
 *
 * router.h
 *		Routes newly committed events: matches them and appends deliveries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_ROUTER_H
#define EB_ROUTER_H

/*
 * Before the first turn, until it returns true: reads the cursor, queues every
 * target for a first look. False: there is no generation of this database's
 * own that this process can see. Runs its own transaction.
 */
extern bool eb_router_start(void);

/*
 * Routes one batch in one transaction of its own. Call outside a transaction.
 * Returns true when more is waiting (call again at once), false when all that
 * was visible is routed (sleep until the latch is set).
 */
extern bool eb_router_turn(void);

/*
 * Stores the cursor if it has moved over nothing since it was last stored, so
 * that the stored one says what is routed. Runs its own transaction.
 */
extern void eb_router_checkpoint(void);

#endif							/* EB_ROUTER_H */
