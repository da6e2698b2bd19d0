/*-------------------------------------------------------------------------
 *
 * queue_log.c
 *		The messages of the queues: eventbus.messages.
 *
 * A log like that of the events (partition.c): appended to, never changed, and
 * dropped by the leaf when all in it is old. The one index of a leaf is on
 * (queue_id, number).
 *
 * One transaction at a time appends to a queue: it holds the queue's append lock
 * to its end. So numbers become visible in their order, and a snapshot sees all
 * up to one of them. The next number follows the last one that is stored; a
 * transaction that fails leaves no hole. The time of a row, which says its leaf,
 * never goes back within a queue, whatever the clock does: later numbers are in
 * the same leaf or a later one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "append.h"
#include "compat.h"
#include "partition.h"
#include "queue_claims.h"
#include "queue_hint.h"
#include "queue_log.h"
#include "uuid7.h"
#include "wake.h"

/* columns of eventbus.messages */
enum
{
	MESSAGE_APPENDED_AT = 1,
	MESSAGE_SENT_AT,
	MESSAGE_NUMBER,
	MESSAGE_QUEUE_ID,
	MESSAGE_GENERATION,
	MESSAGE_ID,
	MESSAGE_EVENT_ID,
	MESSAGE_BODY,
	MESSAGE_ATTRIBUTES,
	MESSAGE_MESSAGE_GROUP_ID
};

static const AttrNumber index_columns[] = {MESSAGE_QUEUE_ID, MESSAGE_NUMBER};

/* Where a queue was read last: most reads go on from there. */
static struct
{
	int32		generation;
	int32		queue_id;
	int64		number;
	int32		leaf_id;
}			last_read;

/* --- reading -------------------------------------------------------------- */

/* A scan of a leaf for the messages of a queue. */
typedef struct LeafScan
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} LeafScan;

/* False when there is nothing in the leaf. */
static bool
begin_leaf(LeafScan *scan, Oid relid, int32 queue_id, int64 first, int64 last,
		   Snapshot snapshot)
{
	ScanKeyData keys[3];

	scan->rel = try_table_open(relid, AccessShareLock);
	if (scan->rel == NULL)
		return false;
	if (RelationGetNumberOfBlocks(scan->rel) == 0)
	{
		table_close(scan->rel, AccessShareLock);
		return false;
	}
	scan->index = eb_leaf_index(scan->rel, lengthof(index_columns),
								index_columns, false);
	scan->scan = eb_index_beginscan(scan->rel, scan->index, snapshot, 3);
	scan->slot = table_slot_create(scan->rel, NULL);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(queue_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(first));
	ScanKeyInit(&keys[2], 2, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(last));
	index_rescan(scan->scan, keys, 3, NULL, 0);
	return true;
}

static void
end_leaf(LeafScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	index_endscan(scan->scan);
	index_close(scan->index, AccessShareLock);
	table_close(scan->rel, AccessShareLock);
}

/* A value of its own, not of the buffer that the slot has pinned. */
static void *
copy_value(Datum value)
{
	return PG_DETOAST_DATUM_COPY(value);
}

static void
message_from_slot(TupleTableSlot *slot, int32 leaf_id, bool whole,
				  EbMessage *message)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;

	slot_getallattrs(slot);
	message->number = DatumGetInt64(values[MESSAGE_NUMBER - 1]);
	message->leaf_id = leaf_id;
	message->sent_at = DatumGetTimestampTz(values[MESSAGE_SENT_AT - 1]);
	if (!whole)
		return;
	message->id = *DatumGetUUIDP(values[MESSAGE_ID - 1]);
	message->has_event_id = !isnull[MESSAGE_EVENT_ID - 1];
	if (message->has_event_id)
		message->event_id = *DatumGetUUIDP(values[MESSAGE_EVENT_ID - 1]);
	message->body = copy_value(values[MESSAGE_BODY - 1]);
	message->attributes = isnull[MESSAGE_ATTRIBUTES - 1] ? NULL :
		copy_value(values[MESSAGE_ATTRIBUTES - 1]);
	message->group_id = isnull[MESSAGE_MESSAGE_GROUP_ID - 1] ? NULL :
		copy_value(values[MESSAGE_MESSAGE_GROUP_ID - 1]);
}

/* A copy of the leaves, as opening one may make the registry stale. */
static EbLeaf *
copy_leaves(int32 generation, int *nleaves)
{
	const EbLeafArray *array = eb_leaves(generation, EB_LOG_MESSAGES);
	EbLeaf	   *leaves = palloc(sizeof(EbLeaf) * Max(array->nleaves, 1));

	*nleaves = array->nleaves;
	memcpy(leaves, array->leaves, sizeof(EbLeaf) * array->nleaves);
	return leaves;
}

/* The first leaf that may have that number. */
static int
first_leaf(const EbLeaf *leaves, int nleaves, int32 generation,
		   int32 queue_id, int64 number)
{
	if (last_read.generation != generation ||
		last_read.queue_id != queue_id || last_read.number > number)
		return 0;
	for (int i = nleaves - 1; i > 0; i--)
		if (leaves[i].leaf_id == last_read.leaf_id)
			return i;
	return 0;
}

int
eb_messages_read(int32 generation, int32 queue_id, int64 first, int64 last,
				 Snapshot snapshot, bool whole, int limit,
				 EbMessage *messages)
{
	TimestampTz now = GetCurrentTimestamp();
	int			nleaves;
	EbLeaf	   *leaves = copy_leaves(generation, &nleaves);
	int			n = 0;

	for (int i = first_leaf(leaves, nleaves, generation, queue_id, first);
		 i < nleaves && n < limit; i++)
	{
		LeafScan	scan;

		/* rows of the future are those of a clock that was set back */
		if (n > 0 && leaves[i].range_start > now)
			break;
		if (!begin_leaf(&scan, leaves[i].relid, queue_id, first, last,
						snapshot))
			continue;
		while (n < limit &&
			   index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot))
			message_from_slot(scan.slot, leaves[i].leaf_id, whole,
							  &messages[n++]);
		end_leaf(&scan);
	}
	pfree(leaves);
	if (n > 0)
	{
		last_read.generation = generation;
		last_read.queue_id = queue_id;
		last_read.number = messages[n - 1].number;
		last_read.leaf_id = messages[n - 1].leaf_id;
	}
	return n;
}

bool
eb_message_fetch(int32 generation, int32 queue_id, int32 leaf_id,
				 int64 number, Snapshot snapshot, EbMessage *message)
{
	const EbLeaf *leaf = eb_leaf_by_id(generation, EB_LOG_MESSAGES, leaf_id);
	LeafScan	scan;
	bool		found;

	if (leaf == NULL || !begin_leaf(&scan, leaf->relid, queue_id, number,
									number, snapshot))
		return false;
	found = index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot);
	if (found)
		message_from_slot(scan.slot, leaf_id, true, message);
	end_leaf(&scan);
	return found;
}

int64
eb_messages_tail(int32 generation, int32 queue_id, Snapshot snapshot,
				 TimestampTz *appended_at)
{
	int			nleaves;
	EbLeaf	   *leaves = copy_leaves(generation, &nleaves);
	int64		tail = 0;

	*appended_at = DT_NOBEGIN;
	for (int i = nleaves - 1; i >= 0 && tail == 0; i--)
	{
		LeafScan	scan;
		bool		isnull;

		if (!begin_leaf(&scan, leaves[i].relid, queue_id, 1, PG_INT64_MAX,
						snapshot))
			continue;
		if (index_getnext_slot(scan.scan, BackwardScanDirection, scan.slot))
		{
			tail = DatumGetInt64(slot_getattr(scan.slot, MESSAGE_NUMBER,
											  &isnull));
			*appended_at =
				DatumGetTimestampTz(slot_getattr(scan.slot,
												 MESSAGE_APPENDED_AT,
												 &isnull));
		}
		end_leaf(&scan);
	}
	pfree(leaves);
	return tail;
}

/* --- appending ------------------------------------------------------------ */

static void
check_item(const EbQueue *queue, const EbQueueItem *item)
{
	if (queue->fifo && item->group_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* SQS's text */
				 errmsg("The request must contain the parameter MessageGroupId."),
				 errdetail("Queue \"%s\" is a FIFO queue.", queue->name)));
	if (item->group_id != NULL &&
		(VARSIZE_ANY_EXHDR(item->group_id) == 0 ||
		 VARSIZE_ANY_EXHDR(item->group_id) > 128))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("message group id must have 1 to 128 bytes")));
	if (item->attributes != NULL && !JB_ROOT_IS_OBJECT(item->attributes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("attributes of a message must be a JSON object")));
}

static void
set_pointer(TupleTableSlot *slot, int column, const void *value)
{
	slot->tts_values[column - 1] = PointerGetDatum(value);
	slot->tts_isnull[column - 1] = value == NULL;
}

static void
append_item(EbAppender *appender, const EbQueue *queue, int32 generation,
			const EbQueueItem *item, const pg_uuid_t *id, int64 number,
			TimestampTz at)
{
	TupleTableSlot *slot = eb_append_slot(appender);
	Datum	   *values = slot->tts_values;

	memset(slot->tts_isnull, false, slot->tts_tupleDescriptor->natts);
	values[MESSAGE_APPENDED_AT - 1] = TimestampTzGetDatum(at);
	values[MESSAGE_SENT_AT - 1] =
		TimestampTzGetDatum(item->sent_at != 0 ? item->sent_at : at);
	values[MESSAGE_NUMBER - 1] = Int64GetDatum(number);
	values[MESSAGE_QUEUE_ID - 1] = Int32GetDatum(queue->queue_id);
	values[MESSAGE_GENERATION - 1] = Int32GetDatum(generation);
	set_pointer(slot, MESSAGE_ID, id);
	set_pointer(slot, MESSAGE_EVENT_ID, item->event_id);
	set_pointer(slot, MESSAGE_BODY, item->body);
	set_pointer(slot, MESSAGE_ATTRIBUTES, item->attributes);
	set_pointer(slot, MESSAGE_MESSAGE_GROUP_ID, item->group_id);
	eb_append_row(appender, VARSIZE_ANY(item->body) +
				  (item->attributes ? VARSIZE_ANY(item->attributes) : 0));
}

/* Makes ids where items have none; in CurrentMemoryContext. */
static pg_uuid_t *
make_ids(const EbQueueItem *items, int n, TimestampTz at)
{
	pg_uuid_t  *ids = palloc(sizeof(pg_uuid_t) * n);
	uint8	   *random = palloc(EB_UUID7_RANDOM_LEN * n);

	if (!pg_strong_random(random, EB_UUID7_RANDOM_LEN * n))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	for (int i = 0; i < n; i++)
	{
		if (items[i].id != NULL)
			ids[i] = *items[i].id;
		else
			eb_uuid7_make(at, random + i * EB_UUID7_RANDOM_LEN, &ids[i]);
	}
	pfree(random);
	return ids;
}

/* Opens the leaf for *at. Makes none: maintenance does, ahead of time. */
static Relation
open_leaf(TimestampTz *at)
{
	Relation	leaf = eb_leaf_open(EB_LOG_MESSAGES, at);

	if (leaf == NULL)
	{
		eb_wake_for_maintenance();
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("no partition of table \"%s\" for the current time",
						"messages"),
				 errdetail("The time is %s.", timestamptz_to_str(*at)),
				 errhint("Try again in a moment; if no worker runs, call eb_run_maintenance().")));
	}
	return leaf;
}

/* The caller has the append lock. */
static pg_uuid_t
append(const EbQueue *queue, const EbQueueItem *items, int n)
{
	int32		generation = eb_generation();
	EbQueueHint hint = eb_queue_hint(generation, queue->queue_id);
	SnapshotData dirty;
	TimestampTz last_at;
	int64		tail;
	EbQueueHead head;
	TimestampTz at;
	Relation	leaf;
	EbAppender *appender;
	pg_uuid_t  *ids;
	pg_uuid_t	first;

	/* sees also what this command has sent before */
	InitDirtySnapshot(dirty);
	tail = eb_messages_tail(generation, queue->queue_id, &dirty, &last_at);

	/* where its messages were dropped, the head remembers */
	eb_queue_head_read(generation, queue->queue_id, &head);
	tail = Max(tail, Max(head.head, head.purged));

	at = Max(GetCurrentTimestamp(), last_at);
	leaf = open_leaf(&at);
	ids = make_ids(items, n, at);
	first = ids[0];
	appender = eb_append_begin(leaf);
	for (int i = 0; i < n; i++)
		append_item(appender, queue, generation, &items[i], &ids[i],
					tail + 1 + i, at);
	eb_append_end(appender);
	table_close(leaf, NoLock);
	pfree(ids);
	eb_queue_hint_sent(&hint);
	return first;
}

static bool
send(const EbQueue *queue, const EbQueueItem *items, int n, bool wait,
	 pg_uuid_t *first)
{
	Assert(n > 0);
	for (int i = 0; i < n; i++)
		check_item(queue, &items[i]);
	if (!eb_queue_lock(EB_QUEUE_APPEND_LOCK, queue->queue_id, wait))
		return false;
	*first = append(queue, items, n);
	return true;
}

pg_uuid_t
eb_queue_send(const EbQueue *queue, const EbQueueItem *items, int n,
			  bool wait)
{
	pg_uuid_t	first;

	if (!send(queue, items, n, wait, &first))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("queue \"%s\" is busy", queue->name),
				 errdetail("Another transaction that has sent messages to it has not ended.")));
	return first;
}

bool
eb_queue_try_send(const EbQueue *queue, const EbQueueItem *items, int n)
{
	pg_uuid_t	first;

	return send(queue, items, n, false, &first);
}
