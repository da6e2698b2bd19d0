/*-------------------------------------------------------------------------
 *
 * queue.h
 *		Message queues: finding them, and sending to them.
 *
 * For whoever has messages for a queue. Receiving is in queue_receive.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_QUEUE_H
#define EB_QUEUE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#define EB_MAX_QUEUE_NAME	80

/* most messages of one call, of eb_queue_send() and of eb_receive_messages() */
#define EB_MAX_QUEUE_BATCH	1000

typedef struct EbQueue
{
	int32		queue_id;
	const char *name;
	const char *owner;			/* role name */
	List	   *consumers;		/* role names: may receive, beside the owner */
	bool		fifo;
	int64		visibility_timeout; /* microseconds */
	int64		message_retention;	/* microseconds */
	int			max_receive_count;	/* 0: any number */
	const char *dead_letter_queue;	/* NULL: none */
} EbQueue;

/* A message to send. Pointers may be NULL where it is said. */
typedef struct EbQueueItem
{
	pg_uuid_t  *id;				/* NULL: a new one is made */
	pg_uuid_t  *event_id;		/* NULL: it is not of an event */
	TimestampTz sent_at;		/* 0: now */
	Jsonb	   *body;
	Jsonb	   *attributes;		/* an object, or NULL */
	text	   *group_id;		/* NULL: none; FIFO queues need one */
} EbQueueItem;

/*
 * The queue of a name or of an ARN (arn:aws:sqs:REGION:ACCOUNT:NAME), copied to
 * CurrentMemoryContext; NULL when there is none. eb_queue_get() raises 42704
 * then, and 22004 when the name is NULL.
 */
extern EbQueue *eb_queue_find(const char *name);
extern EbQueue *eb_queue_get(const char *name);

/* All queues, as a list of EbQueue in CurrentMemoryContext. */
extern List *eb_queue_list(void);

/* The ARN of a queue. Allocated in CurrentMemoryContext. */
extern char *eb_queue_arn(const char *name);

/*
 * An error (42501) unless that role may send to the queue (its owner and its
 * members, and those of eventbus_admin); unless the current user may receive
 * from it (these, and its consumers); unless the current user owns it.
 */
extern void eb_queue_check_sender(const EbQueue *queue, Oid role);
extern void eb_queue_check_consumer(const EbQueue *queue);
extern void eb_queue_check_owner(const EbQueue *queue);

/*
 * Appends n messages to a queue, in this transaction. One transaction at a time
 * appends to a queue: while another one does, waits for its end, or without
 * wait raises 55P03 ("busy, try again"). Rights are the caller's business.
 * Returns the id of the first one. Errors: 22023 where a message does not fit
 * the queue.
 */
extern pg_uuid_t eb_queue_send(const EbQueue *queue, const EbQueueItem *items,
							   int n, bool wait);

/* The same without waiting: false when another transaction appends. */
extern bool eb_queue_try_send(const EbQueue *queue, const EbQueueItem *items,
							  int n);

#endif							/* EB_QUEUE_H */
