/*-------------------------------------------------------------------------
 *
 * stream.h
 *		The delivery stream: rows of packed references to matched events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_STREAM_H
#define EB_STREAM_H

#include "storage/itemptr.h"
#include "utils/snapshot.h"

#include "cursor.h"

/*
 * One delivery: where its event is. eventbus.deliveries.refs is an array of
 * these, as it is in memory; row and array end with number last_seq.
 */
typedef struct EbDeliveryRef
{
	int64		seq;
	int32		ord;
	int32		leaf_id;
	ItemPointerData tid;
	uint16		unused;
} EbDeliveryRef;

/* --- writing (router) --- */

typedef struct EbStreamWriter EbStreamWriter;

/*
 * Begins to append deliveries; they are numbered from cursor->delivery_seq on.
 * Allocates in CurrentMemoryContext.
 */
extern EbStreamWriter *eb_stream_begin(EbCursor *cursor);
extern void eb_stream_add(EbStreamWriter *writer, int32 target_id,
						  const EbDeliveryRef *ref);

/*
 * Writes what is left and updates the cursor (in memory). Says which targets
 * were given deliveries.
 */
extern int	eb_stream_end(EbStreamWriter *writer, int32 **target_ids);

/* --- reading (dispatchers) --- */

typedef struct EbDeliveryItem
{
	int64		delivery_seq;
	EbDeliveryRef ref;
} EbDeliveryItem;

/* A place in the stream of one generation. */
typedef struct EbStreamPlace
{
	int32		generation;
	int32		target_id;
	int64		position;		/* what follows is of interest */
	int32		leaf_hint;		/* leaf to begin with, 0: the oldest */
} EbStreamPlace;

/*
 * Reads up to limit deliveries from a place on, in order, into items;
 * place->leaf_hint then is the leaf that the first of them was in.
 */
extern int	eb_stream_read(EbStreamPlace *place, Snapshot snapshot,
						   EbDeliveryItem *items, int limit);

/*
 * The number of the delivery of an event (its seq and ord count) to
 * place->target_id, and when it was routed; it was not before from, and its
 * number is not above place->position. No more than *limit rows are searched,
 * and *limit is lowered by their number. 0: it is in none of these.
 */
extern int64 eb_stream_find(const EbStreamPlace *place, Snapshot snapshot,
							TimestampTz from, const EbDeliveryRef *event,
							int *limit, TimestampTz *routed_at);

/* How many there are, and when the oldest was routed. */
extern int64 eb_stream_count(const EbStreamPlace *place, Snapshot snapshot,
							 TimestampTz *oldest);

#endif							/* EB_STREAM_H */
