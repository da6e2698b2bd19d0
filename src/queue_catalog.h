/*-------------------------------------------------------------------------
 *
 * queue_catalog.h
 *		Creating, changing and describing queues: eventbus.queue.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_QUEUE_CATALOG_H
#define EB_QUEUE_CATALOG_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "queue.h"

/* What a queue is created with; in a change, NULL leaves an attribute alone. */
typedef struct EbQueueSpec
{
	const char *name;
	Interval   *visibility_timeout;
	Interval   *message_retention;
	const int32 *max_receive_count;
	const char *dead_letter_queue;
	bool		fifo;
} EbQueueSpec;

/* An interval in microseconds: a month has 30 days, a day 24 hours. */
extern int64 eb_queue_interval(const Interval *interval);

/*
 * Errors: 22004, 22023 invalid, 42704 missing, 42710 duplicate, 2BP01 in use,
 * 42501 not allowed.
 */
extern void eb_queue_create(const EbQueueSpec *spec);
extern void eb_queue_update(const EbQueueSpec *spec);
extern void eb_queue_delete(const char *name);
extern Jsonb *eb_queue_describe(const char *name);

/* Lets a role receive from the queue, or no more. */
extern void eb_queue_grant(const char *name, const char *role, bool grant);

#endif							/* EB_QUEUE_CATALOG_H */
