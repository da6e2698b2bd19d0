/*-------------------------------------------------------------------------
 *
 * queue_claims.c
 *		What has become of messages: eventbus.message_claims and
 *		eventbus.queue_heads.
 *
 * Rows of claims are only ever inserted by users: one for each message that is
 * received, one when its visibility is changed, one when it is deleted. So
 * nobody waits for a row of somebody else, and a rollback takes back what it
 * should. A message is
 *
 *	done		if a row says so; or if it has none and is not beyond the head;
 *				or if it is not beyond what was purged
 *	in flight	if the last of its claims ends in the future; else free again
 *	free		if it has no row and is beyond the head
 *
 * Whoever writes rows holds the queue's receive lock while it looks and writes,
 * and not longer: some ten microseconds. What running transactions have written
 * is seen as well then (SnapshotDirty): a message that one of them has claimed
 * or deleted is left alone. The unique index would stop what this let through.
 *
 * The head is moved, and rows behind it removed, by maintenance (queue_keep.c),
 * in one transaction and without the receive lock. Hence the rule: read claims
 * first and the head after them. Who sees no row because it was removed then
 * sees the head beyond it.
 *
 * The table's rows of other generations are those of a restored log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "append.h"
#include "compat.h"
#include "partition.h"
#include "queue_claims.h"
#include "schema.h"
#include "tid_update.h"

/* first of the classes of advisory locks that SQL cannot name */
#define QUEUE_LOCK_CLASS	0xEB10

/* columns of eventbus.message_claims */
enum
{
	CLAIM_VISIBLE_AT = 1,
	CLAIM_SENT_AT,
	CLAIM_NUMBER,
	CLAIM_RECEIPT,
	CLAIM_FIRST_RECEIVED_AT,
	CLAIM_GENERATION,
	CLAIM_QUEUE_ID,
	CLAIM_VERSION,
	CLAIM_RECEIVE_COUNT,
	CLAIM_LEAF_ID,
	CLAIM_MESSAGE_GROUP_ID
};

/* columns of eventbus.queue_heads */
enum
{
	HEAD_GENERATION = 1,
	HEAD_QUEUE_ID,
	HEAD_HEAD,
	HEAD_PURGED
};

/* --- locks ---------------------------------------------------------------- */

bool
eb_queue_lock(EbQueueLock lock, int32 queue_id, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, queue_id,
						 QUEUE_LOCK_CLASS + lock);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) !=
		LOCKACQUIRE_NOT_AVAIL;
}

void
eb_queue_unlock(EbQueueLock lock, int32 queue_id)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, queue_id,
						 QUEUE_LOCK_CLASS + lock);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

/* --- heads ---------------------------------------------------------------- */

void
eb_queue_head_read(int32 generation, int32 queue_id, EbQueueHead *head)
{
	/* where the head of the queue that was asked for last was */
	static ItemPointerData last_tid;
	Relation	rel = table_open(eb_relation_oid("queue_heads"),
								 AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	EbTidKey	keys[] = {
		{HEAD_QUEUE_ID, queue_id},
		{HEAD_GENERATION, generation},
	};
	bool		isnull;

	head->tid = last_tid;
	head->head = head->purged = 0;
	if (eb_tid_fetch(rel, snapshot, &head->tid, keys, lengthof(keys), slot))
	{
		head->head = DatumGetInt64(slot_getattr(slot, HEAD_HEAD, &isnull));
		head->purged = DatumGetInt64(slot_getattr(slot, HEAD_PURGED, &isnull));
		last_tid = head->tid;
	}
	else
		ItemPointerSetInvalid(&head->tid);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

void
eb_queue_head_write(int32 generation, int32 queue_id, EbQueueHead *head)
{
	Relation	rel = table_open(eb_relation_oid("queue_heads"),
								 RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, slot->tts_tupleDescriptor->natts);
	slot->tts_values[HEAD_GENERATION - 1] = Int32GetDatum(generation);
	slot->tts_values[HEAD_QUEUE_ID - 1] = Int32GetDatum(queue_id);
	slot->tts_values[HEAD_HEAD - 1] = Int64GetDatum(head->head);
	slot->tts_values[HEAD_PURGED - 1] = Int64GetDatum(head->purged);
	ExecStoreVirtualTuple(slot);
	if (ItemPointerIsValid(&head->tid))
		eb_tid_update(rel, &head->tid, slot);
	else
		simple_table_tuple_insert(rel, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

/* --- opening -------------------------------------------------------------- */

void
eb_claims_open(const EbQueue *queue, EbClaims *claims)
{
	claims->queue = queue;
	claims->generation = eb_generation();
	claims->hint = eb_queue_hint(claims->generation, queue->queue_id);
	claims->rel = table_open(eb_relation_oid("message_claims"),
							 RowExclusiveLock);
	claims->by_number = index_open(eb_relation_oid("message_claims_number_key"),
								   AccessShareLock);
	claims->by_time = index_open(eb_relation_oid("message_claims_visible_at_idx"),
								 AccessShareLock);
}

void
eb_claims_close(EbClaims *claims)
{
	index_close(claims->by_time, AccessShareLock);
	index_close(claims->by_number, AccessShareLock);
	table_close(claims->rel, NoLock);
}

/* Begins a scan of an index whose third column has values from first to last. */
static IndexScanDesc
begin_scan(EbClaims *claims, Relation index, Snapshot snapshot,
		   Datum first, RegProcedure first_op, Datum last,
		   RegProcedure last_op)
{
	IndexScanDesc scan = eb_index_beginscan(claims->rel, index, snapshot, 4);
	ScanKeyData keys[4];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(claims->generation));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(claims->queue->queue_id));
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, first_op, first);
	ScanKeyInit(&keys[3], 3, BTLessEqualStrategyNumber, last_op, last);
	index_rescan(scan, keys, 4, NULL, 0);
	return scan;
}

static IndexScanDesc
begin_number_scan(EbClaims *claims, Snapshot snapshot, int64 first,
				  int64 last)
{
	return begin_scan(claims, claims->by_number, snapshot,
					  Int64GetDatum(first), F_INT8GE,
					  Int64GetDatum(last), F_INT8LE);
}

/* --- reading -------------------------------------------------------------- */

/*
 * Takes one row into what is known of its message: the last one first, which
 * says most, then those before it.
 */
static void
add_row(EbClaim *claim, TupleTableSlot *slot, bool foreign)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;
	bool		is_last = claim->version == 0;
	bool		sys_isnull;
	Datum		xmin;

	xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &sys_isnull);
	claim->foreign |= foreign;
	claim->settled &= !foreign &&
		!TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
	if (claim->group_id == NULL && !isnull[CLAIM_MESSAGE_GROUP_ID - 1])
		claim->group_id =
			TextDatumGetCString(values[CLAIM_MESSAGE_GROUP_ID - 1]);
	if (!is_last)
		return;
	claim->version = DatumGetInt32(values[CLAIM_VERSION - 1]);
	claim->sent_at = DatumGetTimestampTz(values[CLAIM_SENT_AT - 1]);
	claim->done = isnull[CLAIM_VISIBLE_AT - 1];
	if (claim->done)
		return;
	claim->visible_at = DatumGetTimestampTz(values[CLAIM_VISIBLE_AT - 1]);
	claim->first_received_at =
		DatumGetTimestampTz(values[CLAIM_FIRST_RECEIVED_AT - 1]);
	claim->receipt = DatumGetInt64(values[CLAIM_RECEIPT - 1]);
	claim->receive_count = DatumGetInt32(values[CLAIM_RECEIVE_COUNT - 1]);
	claim->leaf_id = DatumGetInt32(values[CLAIM_LEAF_ID - 1]);
}

/* Turns an array around. */
static void
reverse(EbClaim *array, int n)
{
	for (int i = 0, j = n - 1; i < j; i++, j--)
	{
		EbClaim		claim = array[i];

		array[i] = array[j];
		array[j] = claim;
	}
}

int
eb_claims_read(EbClaims *claims, int64 first, int64 last, Snapshot snapshot,
			   EbClaim **result)
{
	SnapshotData dirty;
	TupleTableSlot *slot = table_slot_create(claims->rel, NULL);
	EbClaim    *array = NULL;
	int			n = 0;
	int			size = 0;
	IndexScanDesc scan;

	InitDirtySnapshot(dirty);
	scan = begin_number_scan(claims, snapshot ? snapshot : &dirty, first,
							 last);

	/*
	 * The index has the rows of a message in the order of their versions.
	 * They are read from the last one down: maintenance may remove them
	 * meanwhile, and its commit may fall between two of them. Whoever does
	 * not see the last one for that reason sees none; the other way round, a
	 * message that is done would look like one that was only received.
	 */
	while (index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		bool		foreign = snapshot == NULL &&
			TransactionIdIsValid(dirty.xmin);
		int64		number;

		slot_getallattrs(slot);
		number = DatumGetInt64(slot->tts_values[CLAIM_NUMBER - 1]);
		if (n == 0 || array[n - 1].number != number)
		{
			if (n == size)
			{
				size = Max(2 * size, 16);
				array = array == NULL ? palloc(size * sizeof(EbClaim)) :
					repalloc(array, size * sizeof(EbClaim));
			}
			memset(&array[n], 0, sizeof(EbClaim));
			array[n].number = number;
			array[n].settled = true;
			n++;
		}
		add_row(&array[n - 1], slot, foreign);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	reverse(array, n);
	*result = array;
	return n;
}

EbClaim *
eb_claims_search(EbClaim *array, int n, int64 number)
{
	int			low = 0;
	int			high = n;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (array[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && array[low].number == number ? &array[low] : NULL;
}

void
eb_claims_by_time(EbClaims *claims, TimestampTz from, Snapshot snapshot,
				  EbClaimVisitor visitor, void *arg)
{
	TupleTableSlot *slot = table_slot_create(claims->rel, NULL);
	IndexScanDesc scan = begin_scan(claims, claims->by_time, snapshot,
									TimestampTzGetDatum(from),
									F_TIMESTAMPTZ_GE,
									TimestampTzGetDatum(DT_NOEND),
									F_TIMESTAMPTZ_LE);
	bool		go_on = true;

	while (go_on && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		Datum	   *values = slot->tts_values;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		go_on = visitor(DatumGetInt64(values[CLAIM_NUMBER - 1]),
						DatumGetInt32(values[CLAIM_VERSION - 1]),
						DatumGetTimestampTz(values[CLAIM_VISIBLE_AT - 1]),
						arg);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* --- writing -------------------------------------------------------------- */

static void
write_row(EbClaims *claims, EbAppender *appender, const EbClaim *row)
{
	TupleTableSlot *slot = eb_append_slot(appender);
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;

	memset(isnull, row->done, slot->tts_tupleDescriptor->natts);
	isnull[CLAIM_SENT_AT - 1] = isnull[CLAIM_NUMBER - 1] =
		isnull[CLAIM_GENERATION - 1] = isnull[CLAIM_QUEUE_ID - 1] =
		isnull[CLAIM_VERSION - 1] = false;
	values[CLAIM_VISIBLE_AT - 1] = TimestampTzGetDatum(row->visible_at);
	values[CLAIM_SENT_AT - 1] = TimestampTzGetDatum(row->sent_at);
	values[CLAIM_NUMBER - 1] = Int64GetDatum(row->number);
	values[CLAIM_RECEIPT - 1] = Int64GetDatum(row->receipt);
	values[CLAIM_FIRST_RECEIVED_AT - 1] =
		TimestampTzGetDatum(row->first_received_at);
	values[CLAIM_GENERATION - 1] = Int32GetDatum(claims->generation);
	values[CLAIM_QUEUE_ID - 1] = Int32GetDatum(claims->queue->queue_id);
	values[CLAIM_VERSION - 1] = Int32GetDatum(row->version);
	values[CLAIM_RECEIVE_COUNT - 1] = Int32GetDatum(row->receive_count);
	values[CLAIM_LEAF_ID - 1] = Int32GetDatum(row->leaf_id);
	if (row->group_id != NULL && !row->done)
		values[CLAIM_MESSAGE_GROUP_ID - 1] =
			CStringGetTextDatum(row->group_id);
	else
		isnull[CLAIM_MESSAGE_GROUP_ID - 1] = true;
	eb_append_row(appender, 100);
}

void
eb_claims_write(EbClaims *claims, const EbClaim *rows, int n)
{
	EbAppender *appender;

	if (n == 0)
		return;
	appender = eb_append_begin(claims->rel);
	for (int i = 0; i < n; i++)
		write_row(claims, appender, &rows[i]);
	eb_append_end(appender);
}

/* --- cleaning ------------------------------------------------------------- */

typedef struct CleanState
{
	EbClaims   *claims;
	int64		number;			/* the message whose rows these are */
	ItemPointerData *tids;		/* of its rows, in the order of versions */
	int			ntids;
	int			size;
	bool		useless;		/* all of them */
	int			removed;
} CleanState;

/* Removes the rows of a message that are of no more use. */
static void
clean_message(CleanState *state)
{
	int			n = state->useless ? state->ntids : state->ntids - 1;

	for (int i = 0; i < n; i++)
		simple_heap_delete(state->claims->rel, &state->tids[i]);
	state->removed += Max(n, 0);
	state->ntids = 0;
	state->useless = false;
}

static void
note_row(CleanState *state, TupleTableSlot *slot)
{
	if (state->ntids == state->size)
	{
		state->size = Max(2 * state->size, 16);
		state->tids = state->tids == NULL ?
			palloc(state->size * sizeof(ItemPointerData)) :
			repalloc(state->tids, state->size * sizeof(ItemPointerData));
	}
	state->tids[state->ntids++] = slot->tts_tid;
}

int
eb_claims_clean(EbClaims *claims, int64 last, int64 purged,
				TimestampTz expired, bool everything, int limit)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(claims->rel, NULL);
	IndexScanDesc scan = begin_number_scan(claims, snapshot, 0, last);
	CleanState	state = {.claims = claims};

	while (state.removed < limit &&
		   index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		int64		number;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		number = DatumGetInt64(slot->tts_values[CLAIM_NUMBER - 1]);
		if (number != state.number)
			clean_message(&state);
		state.number = number;
		note_row(&state, slot);
		state.useless |= everything || number <= purged ||
			slot->tts_isnull[CLAIM_VISIBLE_AT - 1] ||
			DatumGetTimestampTz(slot->tts_values[CLAIM_SENT_AT - 1]) < expired;
	}
	clean_message(&state);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	return state.removed;
}
