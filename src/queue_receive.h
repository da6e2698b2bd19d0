/*-------------------------------------------------------------------------
 *
 * queue_receive.h
 *		Receiving messages from queues, and what consumers do with them.
 *
 * All in the caller's transaction. Rights are the caller's business.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_QUEUE_RECEIVE_H
#define EB_QUEUE_RECEIVE_H

#include "queue.h"
#include "queue_claims.h"
#include "queue_log.h"

/* Names one receive of one message. */
typedef struct EbReceipt
{
	int32		generation;
	int64		number;
	int64		receipt;
} EbReceipt;

typedef struct EbReceived
{
	EbMessage	message;
	EbReceipt	receipt;
	int32		receive_count;
	TimestampTz first_received_at;
} EbReceived;

/*
 * Receives up to max messages (EB_MAX_QUEUE_BATCH at most), which nobody else
 * gets for the next visibility microseconds, into a new array in
 * CurrentMemoryContext. Returns how many; 0 when there is none.
 */
extern int	eb_queue_receive(const EbQueue *queue, int max, int64 visibility,
							 EbReceived **received);

/*
 * When the next message in flight becomes visible again, if nobody deletes it;
 * DT_NOEND when none is.
 */
extern TimestampTz eb_queue_next_visible(const EbQueue *queue);

/*
 * Deletes what these receipts stand for, and returns how many messages: not
 * those that are deleted already, or that somebody else has received since.
 */
extern int	eb_queue_delete_received(const EbQueue *queue,
									 EbReceipt *receipts, int n);

/*
 * Makes a received message visible again that many microseconds from now. False
 * where the receipt is not that of the last receive, or the message is deleted.
 */
extern bool eb_queue_change_visibility(const EbQueue *queue,
									   const EbReceipt *receipt,
									   int64 visibility);

/* Deletes all messages that are in the queue now. */
extern void eb_queue_purge(const EbQueue *queue);

/* How full a queue is. */
typedef struct EbQueueStatus
{
	int64		available;
	int64		in_flight;
	TimestampTz oldest;			/* when the oldest of both was sent, DT_NOEND:
								 * there is none */
} EbQueueStatus;

extern void eb_queue_status(const EbQueue *queue, EbQueueStatus *status);

#endif							/* EB_QUEUE_RECEIVE_H */
