/*-------------------------------------------------------------------------
 *
 * queue_log.h
 *		The messages of the queues: eventbus.messages. For queue*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_QUEUE_LOG_H
#define EB_QUEUE_LOG_H

#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "queue.h"

typedef struct EbMessage
{
	int64		number;
	int32		leaf_id;		/* where it is */
	TimestampTz sent_at;
	pg_uuid_t	id;
	pg_uuid_t	event_id;
	bool		has_event_id;
	Jsonb	   *body;
	Jsonb	   *attributes;		/* NULL: none */
	text	   *group_id;		/* NULL: none */
} EbMessage;

/*
 * Reads at most limit messages numbered first to last that the snapshot sees,
 * in order; all in CurrentMemoryContext. Unless whole, body, attributes and
 * group are left out. Returns how many.
 */
extern int	eb_messages_read(int32 generation, int32 queue_id, int64 first,
							 int64 last, Snapshot snapshot, bool whole,
							 int limit, EbMessage *messages);

/* Reads one message that is in that leaf; false when it is gone. */
extern bool eb_message_fetch(int32 generation, int32 queue_id, int32 leaf_id,
							 int64 number, Snapshot snapshot,
							 EbMessage *message);

/*
 * The last number that the snapshot sees, 0 for none, and when it was given.
 */
extern int64 eb_messages_tail(int32 generation, int32 queue_id,
							  Snapshot snapshot, TimestampTz *appended_at);

#endif							/* EB_QUEUE_LOG_H */
