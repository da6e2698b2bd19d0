/*-------------------------------------------------------------------------
 *
 * delivery_batch.h
 *		What the files of the delivery engine share: the batch they work on.
 *
 *		delivery.c			the transaction, and what comes of it
 *		delivery_stream.c	reads what is new from the delivery stream
 *		delivery_retry.c	reads and writes what is tried again
 *		delivery_run.c		hands events over, and finds whose fault it is
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DELIVERY_BATCH_H
#define EB_DELIVERY_BATCH_H

#include "nodes/pg_list.h"

#include "attempt.h"
#include "position.h"
#include "workqueue.h"

/* with so many setbacks, a target is given one event now and then */
#define EB_MAX_SETBACKS	100

/* a batch ends with the event whose detail makes it so large, in bytes */
#define EB_MAX_BATCH_BYTES	(64 * 1024 * 1024)

/* What an item that is tried again has in eventbus.delivery_retries. */
typedef struct EbRetryRow
{
	ItemPointerData tid;
	TimestampTz first_attempt_at;	/* 0: none was made */
	char	   *first_error;	/* NULL: none was made */
} EbRetryRow;

typedef struct EbBatch
{
	EbLease    *lease;
	const EbTarget *target;
	EbTargetOptions options;
	EbTransform *transform;		/* NULL: none */
	EbPosition	position;
	EbDelivery *items;
	EbRetryRow *retries;		/* of the items, NULL: they are new */
	int			n;
	Size		bytes;			/* of their details */
	int			done;			/* items that are behind us */
	int			attempts;
	TimestampTz attempted_at;	/* when the last one began */
	List	   *held_groups;	/* of a FIFO target: text *, that wait for a
								 * retry that is not done */
	bool		dirty;			/* the position is to be written */
	bool		more;			/* there was more than this */
	bool		current;		/* it is that of the current generation */
	TimestampTz window_end;		/* when an incomplete batch goes out, 0 */
	EbVerdict	verdict;		/* why we stopped, EB_DELIVERED: nothing */
} EbBatch;

/* --- delivery_stream.c --- */

/* How many events a batch may have. */
extern int	eb_batch_limit(const EbBatch *batch);

/*
 * Reads a target's position and its next deliveries with their events. False
 * when there is nothing to do.
 */
extern bool eb_batch_read_stream(EbBatch *batch);

/* --- delivery_retry.c --- */

/*
 * Reads the retries of a target that are due. False when none is; in either
 * case the lease then knows when the next one is.
 */
extern bool eb_batch_read_retries(EbBatch *batch);

/* The same row for an item that is tried (again) later. */
extern void eb_batch_retry_later(EbBatch *batch, int i,
								 const ErrorData *error, TimestampTz next);

/* Items i to i + n - 1 are delivered or given up. */
extern void eb_batch_retries_done(EbBatch *batch, int i, int n);

/*
 * Puts an item behind the retry that its event group waits for; one that is a
 * retry itself stays there.
 */
extern void eb_batch_park(EbBatch *batch, int i);

/* Does the item's event group wait for a retry? */
extern bool eb_batch_is_held(EbBatch *batch, int i);

/* Must item i wait when an earlier one does? */
extern bool eb_batch_is_behind(EbBatch *batch, int i, int earlier);

/*
 * At the end of a batch of retries: event groups go on, and the lease knows when
 * the next one is due.
 */
extern void eb_batch_finish_retries(EbBatch *batch);

/* --- delivery_run.c --- */

/* An error in a line: SQLSTATE, message, hint. In CurrentMemoryContext. */
extern char *eb_error_line(const ErrorData *error);

/* Hands the items over, until all are behind us or there is a reason to stop. */
extern void eb_batch_run(EbBatch *batch);

#endif							/* EB_DELIVERY_BATCH_H */
