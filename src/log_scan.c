/*-------------------------------------------------------------------------
 *
 * log_scan.c
 *		Finds the events that became visible between two snapshots.
 *
 * The events of S2 minus S1 carry an xid that is in [xmax(S1), xmax(S2)), or
 * that S1 lists as running and S2 does not (xid_snapshot.c). Each leaf that
 * still takes rows has an index on xid, so both are index scans; an open
 * transaction that lives long costs one more probe a batch, not a longer
 * range. The leaf of a past day is looked at too: a transaction may have put
 * there yesterday and commit today.
 *
 * That a row's transaction had ended when S2 was taken is not enough: the
 * savepoint that put the row may have been rolled back, or the transaction.
 * The scan's MVCC snapshot, which is S2 itself or a later one, knows.
 *
 * Sealed leaves are not scanned: nothing that commits later is in them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/xid8.h"

#include "compat.h"
#include "event_row.h"
#include "log_scan.h"
#include "partition.h"
#include "schema.h"

typedef struct Collector
{
	const EbCursor *cursor;
	Snapshot	snapshot;
	int			limit;
	EbEventFound found;
	void	   *arg;
	EbEventRefs *refs;
} Collector;

static void collect_leaf(Collector *c, const EbLeaf *leaf);
static void collect_range(Collector *c, int32 leaf_id, IndexScanDesc scan,
						  TupleTableSlot *slot, uint64 low, uint64 high);
static void collect_row(Collector *c, int32 leaf_id, TupleTableSlot *slot);
static void keep_least(Collector *c);
static bool search_index(EbLogReader *reader, int32 bus_id, int64 seq,
						 int32 ord);
static bool search_heap(EbLogReader *reader, int64 seq, int32 ord);

/* --- the difference ----------------------------------------------------- */

static inline int
compare_order(int64 seq, int32 ord, int64 other_seq, int32 other_ord)
{
	if (seq != other_seq)
		return seq < other_seq ? -1 : 1;
	return ord < other_ord ? -1 : ord > other_ord ? 1 : 0;
}

static int
compare_refs(const void *a, const void *b)
{
	const EbEventRef *left = a;
	const EbEventRef *right = b;

	return compare_order(left->seq, left->ord, right->seq, right->ord);
}

static void
sort_refs(EbEventRefs *refs)
{
	for (int i = 1; i < refs->n; i++)
		if (compare_refs(&refs->refs[i - 1], &refs->refs[i]) > 0)
		{
			qsort(refs->refs, refs->n, sizeof(EbEventRef), compare_refs);
			return;
		}
}

void
eb_log_collect(const EbCursor *cursor, Snapshot snapshot, TimestampTz until,
			   int limit, EbEventFound found, void *arg, EbEventRefs *refs)
{
	Collector	c = {cursor, snapshot, limit, found, arg, refs};
	const EbLeafArray *array = eb_leaves(cursor->generation, EB_LOG_EVENTS);
	int			nleaves = array->nleaves;
	EbLeaf	   *leaves = palloc(sizeof(EbLeaf) * Max(nleaves, 1));

	Assert(cursor->next_snapshot != NULL);
	refs->n = 0;
	refs->room = 256;
	refs->refs = palloc(refs->room * sizeof(EbEventRef));
	refs->truncated = false;

	/* opening a leaf may make the array stale */
	memcpy(leaves, array->leaves, sizeof(EbLeaf) * nleaves);
	for (int i = 0; i < nleaves && leaves[i].range_start <= until; i++)
		if (!leaves[i].sealed)
			collect_leaf(&c, &leaves[i]);
	pfree(leaves);
	sort_refs(refs);
}

static void
collect_leaf(Collector *c, const EbLeaf *leaf)
{
	const EbXidSnapshot *s1 = c->cursor->last_snapshot;
	const EbXidSnapshot *s2 = c->cursor->next_snapshot;
	Relation	rel = try_table_open(leaf->relid, AccessShareLock);
	static const AttrNumber xid_column[] = {EB_EVENT_XID};
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;

	if (rel == NULL)
		return;
	if (RelationGetNumberOfBlocks(rel) == 0)
	{
		table_close(rel, AccessShareLock);
		return;
	}
	index = eb_leaf_index(rel, 1, xid_column, false);
	scan = eb_index_beginscan(rel, index, c->snapshot, 2);
	slot = table_slot_create(rel, NULL);
	for (int i = 0; i < s1->nxip; i++)
		if (eb_xid_snapshot_ended(s2, s1->xip[i]))
			collect_range(c, leaf->leaf_id, scan, slot,
						  s1->xip[i], s1->xip[i] + 1);
	if (s1->xmax < s2->xmax)
		collect_range(c, leaf->leaf_id, scan, slot, s1->xmax, s2->xmax);
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

/* Collects the rows with an xid in [low, high). */
static void
collect_range(Collector *c, int32 leaf_id, IndexScanDesc scan,
			  TupleTableSlot *slot, uint64 low, uint64 high)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(low)));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(high)));
	index_rescan(scan, keys, 2, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		collect_row(c, leaf_id, slot);
	}
}

static void
collect_row(Collector *c, int32 leaf_id, TupleTableSlot *slot)
{
	EbEventRefs *refs = c->refs;
	EbEventRef *ref;
	Datum	   *values = slot->tts_values;
	int64		seq;
	int32		ord;

	slot_getsomeattrs(slot, EB_EVENT_ORD);
	if (!eb_xid_snapshot_ended(c->cursor->next_snapshot,
							   DatumGetUInt64(values[EB_EVENT_XID - 1])))
		return;
	seq = DatumGetInt64(values[EB_EVENT_SEQ - 1]);
	ord = DatumGetInt32(values[EB_EVENT_ORD - 1]);
	if (compare_order(seq, ord, c->cursor->last_seq, c->cursor->last_ord) <= 0)
		return;
	if (refs->truncated &&
		compare_order(seq, ord, refs->refs[c->limit - 1].seq,
					  refs->refs[c->limit - 1].ord) > 0)
		return;

	if (refs->n == refs->room)
	{
		refs->room *= 2;
		refs->refs = repalloc_huge(refs->refs,
								   refs->room * sizeof(EbEventRef));
	}
	ref = &refs->refs[refs->n++];
	ref->seq = seq;
	ref->ord = ord;
	ref->leaf_id = leaf_id;
	ItemPointerCopy(&slot->tts_tid, &ref->tid);
	if (c->found != NULL)
		c->found(ref, slot, c->arg);
	if (refs->n >= 2 * c->limit)
		keep_least(c);
}

/* Halves what was collected: the least stay, the rest is found again later. */
static void
keep_least(Collector *c)
{
	sort_refs(c->refs);
	c->refs->n = c->limit;
	c->refs->truncated = true;
}

/* --- single events ------------------------------------------------------ */

struct EbLogReader
{
	int32		generation;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	int32		leaf_id;		/* of the leaf that is open, 0: none */
	Relation	rel;			/* NULL: that leaf is gone */
	BlockNumber nblocks;		/* it had at least as many */
};

EbLogReader *
eb_log_open(int32 generation, Snapshot snapshot)
{
	EbLogReader *reader = palloc0(sizeof(EbLogReader));
	Relation	parent = table_open(eb_relation_oid("event_log"),
									AccessShareLock);

	reader->generation = generation;
	reader->snapshot = snapshot;
	reader->slot = MakeSingleTupleTableSlot(RelationGetDescr(parent),
											&TTSOpsBufferHeapTuple);
	table_close(parent, NoLock);
	return reader;
}

/* Opens a leaf; most of the time it is the one that is open. */
static void
open_leaf(EbLogReader *reader, int32 leaf_id)
{
	const EbLeaf *leaf;

	if (reader->leaf_id == leaf_id)
		return;
	ExecClearTuple(reader->slot);
	if (reader->rel != NULL)
		table_close(reader->rel, NoLock);
	leaf = eb_leaf_by_id(reader->generation, EB_LOG_EVENTS, leaf_id);
	reader->rel = leaf ? try_table_open(leaf->relid, AccessShareLock) : NULL;
	reader->leaf_id = leaf_id;
	reader->nblocks = 0;
}

static bool
has_block(EbLogReader *reader, BlockNumber block)
{
	if (block >= reader->nblocks)
		reader->nblocks = RelationGetNumberOfBlocks(reader->rel);
	return block < reader->nblocks;
}

static bool
is_event(TupleTableSlot *slot, int64 seq, int32 ord)
{
	slot_getsomeattrs(slot, EB_EVENT_ORD);
	return DatumGetInt64(slot->tts_values[EB_EVENT_SEQ - 1]) == seq &&
		DatumGetInt32(slot->tts_values[EB_EVENT_ORD - 1]) == ord;
}

TupleTableSlot *
eb_log_fetch(EbLogReader *reader, int32 leaf_id, ItemPointer tid,
			 int32 bus_id, int64 seq, int32 ord)
{
	open_leaf(reader, leaf_id);
	if (reader->rel == NULL)
		return NULL;
	if (has_block(reader, ItemPointerGetBlockNumber(tid)) &&
		table_tuple_fetch_row_version(reader->rel, tid, reader->snapshot,
									  reader->slot) &&
		is_event(reader->slot, seq, ord))
		return reader->slot;
	return search_index(reader, bus_id, seq, ord) ? reader->slot : NULL;
}

/* Looks for an event by the index that sealed leaves have. */
static bool
search_index(EbLogReader *reader, int32 bus_id, int64 seq, int32 ord)
{
	static const AttrNumber columns[] = {EB_EVENT_BUS_ID, EB_EVENT_SEQ};
	Relation	index = eb_leaf_index(reader->rel, lengthof(columns), columns,
									  true);
	IndexScanDesc scan;
	ScanKeyData keys[2];
	bool		found = false;

	if (index == NULL)
		return search_heap(reader, seq, ord);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(bus_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(seq));
	scan = eb_index_beginscan(reader->rel, index, reader->snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	while (!found &&
		   index_getnext_slot(scan, ForwardScanDirection, reader->slot))
		found = is_event(reader->slot, seq, ord);
	if (found)
		ExecMaterializeSlot(reader->slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return found;
}

/* Looks for an event in the whole leaf. */
static bool
search_heap(EbLogReader *reader, int64 seq, int32 ord)
{
	TableScanDesc scan = table_beginscan(reader->rel, reader->snapshot, 0,
										 NULL);
	bool		found = false;

	while (!found &&
		   table_scan_getnextslot(scan, ForwardScanDirection, reader->slot))
	{
		CHECK_FOR_INTERRUPTS();
		found = is_event(reader->slot, seq, ord);
	}
	if (found)
		ExecMaterializeSlot(reader->slot);
	table_endscan(scan);
	return found;
}

void
eb_log_close(EbLogReader *reader)
{
	ExecDropSingleTupleTableSlot(reader->slot);
	if (reader->rel != NULL)
		table_close(reader->rel, NoLock);
	pfree(reader);
}
