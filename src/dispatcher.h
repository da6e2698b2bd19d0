/*-------------------------------------------------------------------------
 *
 * dispatcher.h
 *		Takes a target that has deliveries waiting and acts on a batch of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DISPATCHER_H
#define EB_DISPATCHER_H

/*
 * Leases one target, delivers its next batch and moves its position, in
 * transactions of its own. Call outside a transaction. Returns how many
 * milliseconds the caller may sleep before it calls again: 0, at once; -1,
 * until its latch is set.
 */
extern long eb_dispatcher_turn(void);

/* Gives back the lease, from before_shmem_exit. */
extern void eb_dispatcher_release(void);

#endif							/* EB_DISPATCHER_H */
