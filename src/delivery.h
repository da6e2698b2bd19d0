/*-------------------------------------------------------------------------
 *
 * delivery.h
 *		Delivers a batch to one target and moves its position.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DELIVERY_H
#define EB_DELIVERY_H

#include "workqueue.h"

/*
 * Delivers the next batch of a leased target, in one transaction of its own;
 * the effect on the target and the move of its position commit together. The
 * lease is updated with what was learnt. For EB_WORK_LATER *later says when.
 * What is allocated goes to a child of CurrentMemoryContext, which an error
 * leaves behind.
 */
extern EbWorkOutcome eb_deliver_batch(EbLease *lease, TimestampTz *later);

#endif							/* EB_DELIVERY_H */
