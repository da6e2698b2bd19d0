/*-------------------------------------------------------------------------
 *
 * queue_claims.h
 *		What has become of messages: eventbus.message_claims and
 *		eventbus.queue_heads. For queue*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_QUEUE_CLAIMS_H
#define EB_QUEUE_CLAIMS_H

#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "queue.h"
#include "queue_hint.h"

/* Locks of a queue; each is by itself, exclusive, of this database. */
typedef enum EbQueueLock
{
	EB_QUEUE_RECEIVE_LOCK,		/* to write claims: for the length of a call */
	EB_QUEUE_APPEND_LOCK,		/* to append: to the end of the transaction */
	EB_QUEUE_HEAD_LOCK			/* to write the head: likewise */
} EbQueueLock;

/* Takes a lock; without wait, false when it is taken. */
extern bool eb_queue_lock(EbQueueLock lock, int32 queue_id, bool wait);

/* Gives it back before the end of the transaction. */
extern void eb_queue_unlock(EbQueueLock lock, int32 queue_id);

typedef struct EbQueueHead
{
	ItemPointerData tid;		/* invalid: there is no row */
	int64		head;
	int64		purged;
} EbQueueHead;

/* Reads the head of a queue under the latest snapshot; zeros where it has none. */
extern void eb_queue_head_read(int32 generation, int32 queue_id,
							   EbQueueHead *head);

/* Writes it. The caller has had EB_QUEUE_HEAD_LOCK since before it read it. */
extern void eb_queue_head_write(int32 generation, int32 queue_id,
								EbQueueHead *head);

/* What is known of one message; also a row to be written. */
typedef struct EbClaim
{
	int64		number;
	bool		done;			/* it was deleted; of what says more than
								 * whose row it is, only sent_at and group_id
								 * are set */
	bool		settled;		/* all of this is committed */
	bool		foreign;		/* a running transaction of somebody else has
								 * written some of it */
	int32		version;		/* of the last row */
	TimestampTz sent_at;
	TimestampTz visible_at;		/* end of the last claim */
	TimestampTz first_received_at;
	int64		receipt;
	int32		receive_count;
	int32		leaf_id;
	char	   *group_id;		/* NULL: none */
} EbClaim;

/* The claims of one queue, open for reading and writing. */
typedef struct EbClaims
{
	const EbQueue *queue;
	int32		generation;
	EbQueueHint hint;
	Relation	rel;
	Relation	by_number;
	Relation	by_time;
} EbClaims;

/* Opens, with RowExclusiveLock, and closes; the lock is kept. */
extern void eb_claims_open(const EbQueue *queue, EbClaims *claims);
extern void eb_claims_close(EbClaims *claims);

/*
 * Reads what is known of the messages numbered first to last, one EbClaim each
 * in order, into *result (CurrentMemoryContext); returns how many. With a NULL
 * snapshot what running transactions have written is seen, too.
 */
extern int	eb_claims_read(EbClaims *claims, int64 first, int64 last,
						   Snapshot snapshot, EbClaim **result);

/* The one of that number among them, or NULL. */
extern EbClaim *eb_claims_search(EbClaim *array, int n, int64 number);

/*
 * Visits committed claims that end from that time on, in order of their ends.
 * The visitor returns false when it wants no more.
 */
typedef bool (*EbClaimVisitor) (int64 number, int32 version,
								TimestampTz visible_at, void *arg);
extern void eb_claims_by_time(EbClaims *claims, TimestampTz from,
							  Snapshot snapshot, EbClaimVisitor visitor,
							  void *arg);

/* Writes rows of them, in this transaction. */
extern void eb_claims_write(EbClaims *claims, const EbClaim *rows, int n);

/*
 * Removes what is of no more use among the committed rows up to number last:
 * all rows of messages that are done, purged or were sent before expired, and
 * claims that another one has followed. With everything, all rows. Returns how
 * many rows, at most limit.
 */
extern int	eb_claims_clean(EbClaims *claims, int64 last, int64 purged,
							TimestampTz expired, bool everything,
							int limit);

#endif							/* EB_QUEUE_CLAIMS_H */
