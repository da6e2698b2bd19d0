/*-------------------------------------------------------------------------
 *
 * dead_letter_queue.h
 *		Sends what a target could not take to the queue that it names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DEAD_LETTER_QUEUE_H
#define EB_DEAD_LETTER_QUEUE_H

#include "dead_letter.h"

/*
 * For a target that is put: raises an error (42704, 42501, 22023) where the
 * queue that the options name cannot be its dead-letter queue. owner is the
 * rule's.
 */
extern void eb_dead_letter_queue_check(const EbTargetOptions *options,
									   Oid owner);

/*
 * Sends it, in this transaction. False where that cannot be, which is logged:
 * it must not be lost.
 */
extern bool eb_dead_letter_queue_send(const EbDeadLetter *letter);

#endif							/* EB_DEAD_LETTER_QUEUE_H */
