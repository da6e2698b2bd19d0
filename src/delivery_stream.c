/*-------------------------------------------------------------------------
 *
 * delivery_stream.c
 *		Reads what is new for a target from the delivery stream.
 *
 * What a restored log still holds comes before what is new: each generation
 * that is delivered from has a stream and a position of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "delivery_batch.h"
#include "guc.h"
#include "log_scan.h"
#include "partition.h"
#include "stream.h"

/* The partition of an event was dropped by hand: there is nothing to send. */
static void
skip_lost(EbBatch *batch, const EbDeliveryItem *item)
{
	ereport(LOG,
			(errcode(ERRCODE_NO_DATA),
			 errmsg("event of delivery " INT64_FORMAT " to target \"%s\" is gone",
					item->delivery_seq, batch->target->id),
			 errdetail("Partition %d of the event log, or the row in it, does not exist any more.",
					   item->ref.leaf_id)));
	if (batch->n == 0)
		batch->position.position = item->delivery_seq;
	batch->dirty = true;
}

static void
set_delivery(EbDelivery *delivery, TupleTableSlot *slot,
			 const EbDeliveryItem *item, int32 generation)
{
	eb_event_from_slot(slot, &delivery->event);
	delivery->delivery_seq = item->delivery_seq;
	delivery->generation = generation;
	delivery->redrive = 0;
	delivery->attempt = 1;
	delivery->accepted_at = delivery->event.ingested_at;
	delivery->payload = NULL;
}

/* Reads the events of deliveries into batch->items. */
static void
read_events(EbBatch *batch, const EbDeliveryItem *items, int nitems)
{
	int32		generation = batch->lease->generation;
	EbLogReader *reader = eb_log_open(generation, GetActiveSnapshot());
	int32		bus_id = batch->target->rule->bus_id;
	TupleTableSlot *copy = NULL;
	int			i;

	batch->items = palloc(sizeof(EbDelivery) * nitems);
	for (i = 0; i < nitems && batch->bytes < EB_MAX_BATCH_BYTES; i++)
	{
		EbDeliveryRef ref = items[i].ref;
		EbDelivery *delivery = &batch->items[batch->n];
		TupleTableSlot *slot = eb_log_fetch(reader, ref.leaf_id, &ref.tid,
											bus_id, ref.seq, ref.ord);

		if (slot == NULL)
		{
			skip_lost(batch, &items[i]);
			continue;
		}
		if (copy == NULL)
			copy = MakeSingleTupleTableSlot(slot->tts_tupleDescriptor,
											&TTSOpsHeapTuple);

		/* the copy stays in this context, and the event points into it */
		ExecStoreHeapTuple(ExecCopySlotHeapTuple(slot), copy, false);
		set_delivery(delivery, copy, &items[i], generation);
		batch->n++;
		batch->bytes += VARSIZE(delivery->event.detail);
	}
	batch->more |= i < nitems;
	if (copy != NULL)
		ExecDropSingleTupleTableSlot(copy);
	eb_log_close(reader);
}

int
eb_batch_limit(const EbBatch *batch)
{
	return Max(eb_guc_dispatch_batch_size, batch->options.max_batch_size);
}

/* Reads the next deliveries and their events. */
static void
read_items(EbBatch *batch)
{
	EbLease    *lease = batch->lease;
	EbStreamPlace place = {
		.generation = lease->generation,
		.target_id = lease->target_id,
		.position = batch->position.position,
		.leaf_hint = lease->leaf_hint
	};
	int			limit = eb_batch_limit(batch);
	EbDeliveryItem *items = palloc(sizeof(EbDeliveryItem) * limit);
	int			nitems = eb_stream_read(&place, GetActiveSnapshot(), items,
										limit);

	lease->leaf_hint = place.leaf_hint;
	batch->more = nitems == limit;
	if (nitems > 0)
		read_events(batch, items, nitems);
}

/*
 * A target may want to wait for more events to come together, but not longer
 * than its window from the first of them on.
 */
static void
apply_window(EbBatch *batch)
{
	int			rest = batch->options.max_batch_size > 0 ?
		batch->n % batch->options.max_batch_size : batch->n;
	TimestampTz end;
	int64		wait;

	if (batch->options.max_batch_window == 0 || batch->more || rest == 0)
		return;
	end = batch->items[batch->n - rest].accepted_at +
		batch->options.max_batch_window;
	wait = end - GetCurrentTimestamp();
	if (wait <= 0 || wait > batch->options.max_batch_window)
		return;					/* over, or the clock was set back */
	batch->window_end = end;
	batch->n -= rest;
}

/* The same in the stream of one generation. */
static bool
open_generation(EbBatch *batch, int32 generation)
{
	EbLease    *lease = batch->lease;

	if (lease->generation != generation)
	{
		lease->generation = generation;
		ItemPointerSetInvalid(&lease->position_tid);
		lease->leaf_hint = 0;
	}
	if (!eb_position_read(generation, lease->target_id, &lease->position_tid,
						  &batch->position))
		return false;
	if (batch->position.changing)
	{
		batch->verdict = EB_BUSY;
		lease->failures++;
		return true;
	}
	read_items(batch);
	if (batch->n == 0 && !batch->dirty)
		return false;

	/* nothing waits between the position and the first event */
	if (batch->n > 0)
		batch->position.position = batch->items[0].delivery_seq - 1;
	apply_window(batch);
	return true;
}

bool
eb_batch_read_stream(EbBatch *batch)
{
	const int32 *numbers;
	int			n = eb_generations(&numbers);
	int32	   *generations = palloc(sizeof(int32) * Max(n, 1));

	memcpy(generations, numbers, sizeof(int32) * n);
	for (int i = 0; i < n; i++)
	{
		if (open_generation(batch, generations[i]))
		{
			batch->current = i == n - 1;
			batch->more |= !batch->current;
			return true;
		}
	}
	return false;
}
