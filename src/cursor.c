/*-------------------------------------------------------------------------
 *
 * cursor.c
 *		What the router has routed: eventbus.router_cursor.
 *
 * One row per generation, written by the one router of the database in the
 * transaction that appends the deliveries. The row's place is kept in memory
 * (tid_update.c). That the row is not there any more, because somebody else has
 * changed it or the table was rewritten, is an error: the next router reads it
 * anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "cursor.h"
#include "schema.h"
#include "tid_update.h"

/* columns of eventbus.router_cursor */
enum
{
	CURSOR_GENERATION = 1,
	CURSOR_LAST_SNAPSHOT,
	CURSOR_NEXT_SNAPSHOT,
	CURSOR_LAST_SEQ,
	CURSOR_LAST_ORD,
	CURSOR_DELIVERY_SEQ,
	CURSOR_ROUTED_AT
};

bool
eb_cursor_read(int32 generation, EbCursor *cursor)
{
	Relation	rel = table_open(eb_relation_oid("router_cursor"),
								 AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	EbTidKey	key = {CURSOR_GENERATION, generation};
	bool		found;

	ItemPointerSetInvalid(&cursor->tid);
	found = eb_tid_fetch(rel, GetActiveSnapshot(), &cursor->tid, &key, 1,
						 slot);
	if (found)
	{
		Datum	   *values = slot->tts_values;

		slot_getallattrs(slot);
		cursor->generation = generation;
		cursor->last_snapshot =
			eb_xid_snapshot_from_datum(values[CURSOR_LAST_SNAPSHOT - 1]);
		cursor->next_snapshot = slot->tts_isnull[CURSOR_NEXT_SNAPSHOT - 1] ?
			NULL :
			eb_xid_snapshot_from_datum(values[CURSOR_NEXT_SNAPSHOT - 1]);
		cursor->last_seq = DatumGetInt64(values[CURSOR_LAST_SEQ - 1]);
		cursor->last_ord = DatumGetInt32(values[CURSOR_LAST_ORD - 1]);
		cursor->delivery_seq = DatumGetInt64(values[CURSOR_DELIVERY_SEQ - 1]);
		cursor->routed_at = DatumGetTimestampTz(values[CURSOR_ROUTED_AT - 1]);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return found;
}

/* Makes sure that what is at the cursor's place is the cursor. */
static void
check_place(Relation rel, EbCursor *cursor, TupleTableSlot *slot)
{
	EbTidKey	key = {CURSOR_GENERATION, cursor->generation};
	ItemPointerData tid = cursor->tid;

	if (!eb_tid_fetch(rel, GetActiveSnapshot(), &tid, &key, 1, slot) ||
		!ItemPointerEquals(&tid, &cursor->tid))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("cursor of the router was changed by somebody else"),
				 errdetail("Its row in table \"%s\" has moved.",
						   RelationGetRelationName(rel))));
}

void
eb_cursor_write(EbCursor *cursor)
{
	Relation	rel = table_open(eb_relation_oid("router_cursor"),
								 RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Datum	   *values = slot->tts_values;

	check_place(rel, cursor, slot);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, slot->tts_tupleDescriptor->natts);
	values[CURSOR_GENERATION - 1] = Int32GetDatum(cursor->generation);
	values[CURSOR_LAST_SNAPSHOT - 1] =
		eb_xid_snapshot_to_datum(cursor->last_snapshot);
	if (cursor->next_snapshot)
		values[CURSOR_NEXT_SNAPSHOT - 1] =
			eb_xid_snapshot_to_datum(cursor->next_snapshot);
	else
		slot->tts_isnull[CURSOR_NEXT_SNAPSHOT - 1] = true;
	values[CURSOR_LAST_SEQ - 1] = Int64GetDatum(cursor->last_seq);
	values[CURSOR_LAST_ORD - 1] = Int32GetDatum(cursor->last_ord);
	values[CURSOR_DELIVERY_SEQ - 1] = Int64GetDatum(cursor->delivery_seq);
	values[CURSOR_ROUTED_AT - 1] = TimestampTzGetDatum(cursor->routed_at);
	ExecStoreVirtualTuple(slot);
	eb_tid_update(rel, &cursor->tid, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}
