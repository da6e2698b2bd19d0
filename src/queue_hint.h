/*-------------------------------------------------------------------------
 *
 * queue_hint.h
 *		Shared memory of the queues: where a consumer has to look.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_QUEUE_HINT_H
#define EB_QUEUE_HINT_H

#include "datatype/timestamp.h"

/* Message numbers, both ends included. */
typedef struct EbNumberRange
{
	int64		first;
	int64		last;
} EbNumberRange;

/* Shared memory; called at server start. */
extern Size eb_queue_hint_shmem_size(void);
extern void eb_queue_hint_shmem_init(void);

/* Registers the transaction callbacks; from _PG_init, once per process. */
extern void eb_queue_hint_init(void);

/* What shared memory knows of one queue of this database. */
typedef struct EbQueueHint
{
	struct EbQueueEntry *entry;
	int32		generation;
	int32		queue_id;
} EbQueueHint;

extern EbQueueHint eb_queue_hint(int32 generation, int32 queue_id);

/* For the holder of the queue's receive lock only: */

/*
 * Takes the lowest range of numbers that may hold messages which were never
 * received; false when there is none. Each is to be given back, before the next
 * one is taken: all up to number upto was looked at, and what is free of it was
 * claimed. If the transaction fails, it is looked at again.
 */
extern bool eb_queue_hint_take(const EbQueueHint *hint, EbNumberRange *range);
extern void eb_queue_hint_give_back(const EbQueueHint *hint, int64 upto);

/*
 * No claim ends before the time returned but those of running transactions.
 * After a look at the claims that end up to some later time, say so: next is
 * where the next look has to begin.
 */
extern TimestampTz eb_queue_hint_begin_expiry(const EbQueueHint *hint);
extern void eb_queue_hint_end_expiry(const EbQueueHint *hint,
									 TimestampTz next);

/* FIFO queues: all messages below this number are done, and stay so. */
extern int64 eb_queue_hint_low(const EbQueueHint *hint);
extern void eb_queue_hint_set_low(const EbQueueHint *hint, int64 low);

/* For anybody: */

/*
 * This transaction has written a claim that ends at that time: others have to
 * look there when it commits.
 */
extern void eb_queue_hint_touch(const EbQueueHint *hint,
								TimestampTz visible_at);

/*
 * This transaction is about to supersede a claim that ends, or has ended, at
 * that time: others have to look there again if it fails.
 */
extern void eb_queue_hint_supersede(const EbQueueHint *hint,
									TimestampTz visible_at);

/* This transaction has sent messages: wake consumers when it commits. */
extern void eb_queue_hint_sent(const EbQueueHint *hint);

/*
 * Should this transaction fail, nothing is known that was found out meanwhile.
 */
extern void eb_queue_hint_doubt(const EbQueueHint *hint);

/*
 * Waiting for messages: prepare, look, sleep (which returns at once if there
 * was a wake-up since the preparation), look, ... and cancel.
 */
extern void eb_queue_hint_prepare_to_sleep(const EbQueueHint *hint);
extern void eb_queue_hint_sleep(const EbQueueHint *hint, long milliseconds);
extern void eb_queue_hint_cancel_sleep(void);

/* Forgets all of this database: a prepared transaction has ended. */
extern void eb_queue_hint_forget(void);

#endif							/* EB_QUEUE_HINT_H */
