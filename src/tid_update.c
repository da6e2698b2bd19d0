/*-------------------------------------------------------------------------
 *
 * tid_update.c
 *		Rows of small tables without an index, updated where they are.
 *
 * A position that moves a thousand times a second under a long-held snapshot
 * leaves versions that nobody may remove. Found through an index, each update
 * would walk past all of them; found by the remembered place, the cost stays
 * flat. Without an index nothing prunes the page either, as nobody scans it:
 * so it is asked for here, before an update, where the page says that
 * something can be removed (pruneheap.c looks itself whether it is worth it).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/rel.h"

#include "compat.h"
#include "tid_update.h"

static bool
holds(TupleTableSlot *slot, const EbTidKey *keys, int nkeys)
{
	for (int i = 0; i < nkeys; i++)
	{
		bool		isnull;
		Datum		datum = slot_getattr(slot, keys[i].column, &isnull);

		if (isnull || DatumGetInt32(datum) != keys[i].value)
			return false;
	}
	return true;
}

bool
eb_tid_fetch_at(Relation rel, Snapshot snapshot, ItemPointer tid,
				const EbTidKey *keys, int nkeys, TupleTableSlot *slot)
{
	return ItemPointerIsValid(tid) &&
		ItemPointerGetBlockNumber(tid) < RelationGetNumberOfBlocks(rel) &&
		table_tuple_fetch_row_version(rel, tid, snapshot, slot) &&
		holds(slot, keys, nkeys);
}

bool
eb_tid_fetch(Relation rel, Snapshot snapshot, ItemPointer tid,
			 const EbTidKey *keys, int nkeys, TupleTableSlot *slot)
{
	TableScanDesc scan;
	bool		found = false;

	if (eb_tid_fetch_at(rel, snapshot, tid, keys, nkeys, slot))
		return true;

	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
		found = holds(slot, keys, nkeys);
	if (found)
	{
		ItemPointerCopy(&slot->tts_tid, tid);
		ExecMaterializeSlot(slot);
	}
	table_endscan(scan);
	return found;
}

/* A copy of the header of the version at tid. */
static HeapTupleHeaderData
read_header(Relation rel, ItemPointer tid)
{
	Buffer		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));
	Page		page = BufferGetPage(buffer);
	HeapTupleHeaderData header;
	ItemId		item;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	item = PageGetItemId(page, ItemPointerGetOffsetNumber(tid));
	Assert(ItemIdIsNormal(item));
	memcpy(&header, PageGetItem(page, item), sizeof(header));
	UnlockReleaseBuffer(buffer);
	return header;
}

bool
eb_tid_is_changing(Relation rel, ItemPointer tid)
{
	HeapTupleHeaderData header = read_header(rel, tid);
	TransactionId xmax = HeapTupleHeaderGetRawXmax(&header);
	bool		locked_only = HEAP_XMAX_IS_LOCKED_ONLY(header.t_infomask);

	/* lockers count, too: they keep us from updating the row */
	if (header.t_infomask & HEAP_XMAX_INVALID)
		return false;
	if (header.t_infomask & HEAP_XMAX_IS_MULTI)
		return MultiXactIdIsRunning(xmax, locked_only);
	return TransactionIdIsInProgress(xmax);
}

bool
eb_tid_changed_here(Relation rel, ItemPointer tid)
{
	HeapTupleHeaderData header = read_header(rel, tid);
	TransactionId updater;

	if ((header.t_infomask & HEAP_XMAX_INVALID) ||
		HEAP_XMAX_IS_LOCKED_ONLY(header.t_infomask))
		return false;
	updater = HeapTupleHeaderGetUpdateXid(&header);
	return TransactionIdIsCurrentTransactionId(updater);
}

/* Lets the page that the row is on be pruned, if that is worth while. */
static void
prune_page(Relation rel, ItemPointer tid)
{
	Buffer		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));

	heap_page_prune_opt(rel, buffer);
	ReleaseBuffer(buffer);
}

void
eb_tid_update(Relation rel, ItemPointer tid, TupleTableSlot *slot)
{
	TM_FailureData failure;
	TM_Result	result;
	LockTupleMode lockmode;
	EbUpdatedIndexes indexes;

	/* this does not keep indexes */
	if (rel->rd_rel->relhasindex)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" must not have an index",
						RelationGetRelationName(rel)),
				 errhint("Drop it, and VACUUM the table.")));
	prune_page(rel, tid);
	result = table_tuple_update(rel, tid, slot, GetCurrentCommandId(true),
								InvalidSnapshot, InvalidSnapshot, false,
								&failure, &lockmode, &indexes);
	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not update table \"%s\" due to a concurrent change",
						RelationGetRelationName(rel))));
	ItemPointerCopy(&slot->tts_tid, tid);
}
