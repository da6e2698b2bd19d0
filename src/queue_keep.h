/*-------------------------------------------------------------------------
 *
 * queue_keep.h
 *		Maintenance of queues: heads, what is done, what is old, what a restore
 *		brought along.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_QUEUE_KEEP_H
#define EB_QUEUE_KEEP_H

#include "queue.h"

/*
 * Each in the caller's transaction, which ends soon after, by the owner of the
 * extension; none waits for a lock.
 */

/* Is there anything to do for those below? */
extern bool eb_queue_keep_is_due(void);

/* Takes the messages of other generations over into this one. */
extern void eb_queue_adopt(void);

/* Moves a queue's head, and removes claims that are of no more use. */
extern void eb_queue_keep(const EbQueue *queue);

/* Removes what queues have left that were deleted. */
extern void eb_queue_clean_deleted(void);

/*
 * Names of leaves in which every message is old, in CurrentMemoryContext; drops
 * one of them, false when somebody has it locked.
 */
extern List *eb_queue_old_leaves(void);
extern bool eb_queue_drop_leaf(const char *name);

#endif							/* EB_QUEUE_KEEP_H */
