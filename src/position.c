/*-------------------------------------------------------------------------
 *
 * position.c
 *		How far each target has got: eventbus.target_positions.
 *
 * Written by the dispatcher that leases the target, in the transaction that
 * has the effect on the target. The API inserts and deletes rows, and resets
 * the state of a target that is put again. A dispatcher never waits for such a
 * transaction, which may stay open for long: it sees the change under way and
 * leaves the target alone for the moment. Should the two collide all the same,
 * the dispatcher's transaction fails and is done again.
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

#include "schema.h"
#include "position.h"
#include "position_places.h"
#include "tid_update.h"

/* columns of eventbus.target_positions */
enum
{
	POSITION_GENERATION = 1,
	POSITION_TARGET_ID,
	POSITION_POSITION,
	POSITION_DELIVERED,
	POSITION_DEAD_LETTERED,
	POSITION_ATTEMPTS,
	POSITION_STATE,
	POSITION_LAST_ERROR,
	POSITION_LAST_ERROR_AT,
	POSITION_DROPPED,
	POSITION_DEAD_LETTERED_AT
};

static const char *const state_names[] = {
	[EB_TARGET_OK] = "ok",
	[EB_TARGET_FAILED] = "failed",
};

static EbTargetState
state_from_text(Datum datum)
{
	char	   *name = TextDatumGetCString(datum);

	return strcmp(name, state_names[EB_TARGET_FAILED]) == 0 ?
		EB_TARGET_FAILED : EB_TARGET_OK;
}

/* EbPlaceKey: the target of a position, if it is one of that generation. */
static bool
target_of_row(TupleTableSlot *slot, int32 generation, int32 *target_id)
{
	bool		isnull;

	*target_id = DatumGetInt32(slot_getattr(slot, POSITION_TARGET_ID,
											&isnull));
	return DatumGetInt32(slot_getattr(slot, POSITION_GENERATION, &isnull)) ==
		generation;
}

/* Loads the row of a target into slot; *tid is where it was, and then is. */
static bool
fetch_row(Relation rel, int32 generation, int32 target_id, Snapshot snapshot,
		  ItemPointer tid, TupleTableSlot *slot)
{
	EbTidKey	keys[] = {
		{POSITION_TARGET_ID, target_id},
		{POSITION_GENERATION, generation},
	};

	if (eb_tid_fetch_at(rel, snapshot, tid, keys, lengthof(keys), slot) ||
		(eb_places_find(generation, target_id, tid) &&
		 eb_tid_fetch_at(rel, snapshot, tid, keys, lengthof(keys), slot)))
		return true;
	eb_places_read(rel, snapshot, generation, target_of_row);
	return eb_places_find(generation, target_id, tid) &&
		eb_tid_fetch_at(rel, snapshot, tid, keys, lengthof(keys), slot);
}

bool
eb_position_read(int32 generation, int32 target_id, ItemPointer tid,
				 EbPosition *position)
{
	Relation	rel = table_open(eb_relation_oid("target_positions"),
								 AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found;

	ItemPointerCopy(tid, &position->tid);
	found = fetch_row(rel, generation, target_id, GetActiveSnapshot(),
					  &position->tid, slot);
	if (found)
	{
		Datum	   *values = slot->tts_values;
		bool	   *isnull = slot->tts_isnull;

		slot_getallattrs(slot);
		position->changing = eb_tid_is_changing(rel, &position->tid);
		position->generation = generation;
		position->target_id = target_id;
		position->position = DatumGetInt64(values[POSITION_POSITION - 1]);
		position->delivered = DatumGetInt64(values[POSITION_DELIVERED - 1]);
		position->dead_lettered =
			DatumGetInt64(values[POSITION_DEAD_LETTERED - 1]);
		position->attempts = DatumGetInt32(values[POSITION_ATTEMPTS - 1]);
		position->state = state_from_text(values[POSITION_STATE - 1]);
		position->last_error = isnull[POSITION_LAST_ERROR - 1] ? NULL :
			TextDatumGetCString(values[POSITION_LAST_ERROR - 1]);
		position->last_error_at = isnull[POSITION_LAST_ERROR_AT - 1] ? 0 :
			DatumGetTimestampTz(values[POSITION_LAST_ERROR_AT - 1]);
		position->dropped = DatumGetInt64(values[POSITION_DROPPED - 1]);
		position->dead_lettered_at = isnull[POSITION_DEAD_LETTERED_AT - 1] ?
			0 : DatumGetTimestampTz(values[POSITION_DEAD_LETTERED_AT - 1]);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return found;
}

/*
 * What the target ran in this transaction may have replaced the target, as
 * anybody may: its row is then elsewhere. Or removed: false.
 */
static bool
follow_own_change(Relation rel, EbPosition *position)
{
	Snapshot	snapshot;
	TupleTableSlot *slot;
	bool		found;

	if (!eb_tid_changed_here(rel, &position->tid))
		return true;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	slot = table_slot_create(rel, NULL);
	found = fetch_row(rel, position->generation, position->target_id,
					  snapshot, &position->tid, slot);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Fills a slot with the row of a position. */
static void
store_row(const EbPosition *position, TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;

	ExecClearTuple(slot);
	memset(isnull, false, slot->tts_tupleDescriptor->natts);
	values[POSITION_GENERATION - 1] = Int32GetDatum(position->generation);
	values[POSITION_TARGET_ID - 1] = Int32GetDatum(position->target_id);
	values[POSITION_POSITION - 1] = Int64GetDatum(position->position);
	values[POSITION_DELIVERED - 1] = Int64GetDatum(position->delivered);
	values[POSITION_DEAD_LETTERED - 1] =
		Int64GetDatum(position->dead_lettered);
	values[POSITION_ATTEMPTS - 1] = Int32GetDatum(position->attempts);
	values[POSITION_STATE - 1] =
		CStringGetTextDatum(state_names[position->state]);
	if (position->last_error)
	{
		values[POSITION_LAST_ERROR - 1] =
			CStringGetTextDatum(position->last_error);
		values[POSITION_LAST_ERROR_AT - 1] =
			TimestampTzGetDatum(position->last_error_at);
	}
	else
		isnull[POSITION_LAST_ERROR - 1] =
			isnull[POSITION_LAST_ERROR_AT - 1] = true;
	values[POSITION_DROPPED - 1] = Int64GetDatum(position->dropped);
	values[POSITION_DEAD_LETTERED_AT - 1] =
		TimestampTzGetDatum(position->dead_lettered_at);
	isnull[POSITION_DEAD_LETTERED_AT - 1] = position->dead_lettered_at == 0;
	ExecStoreVirtualTuple(slot);
}

void
eb_position_write(EbPosition *position)
{
	Relation	rel = table_open(eb_relation_oid("target_positions"),
								 RowExclusiveLock);

	if (follow_own_change(rel, position))
	{
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		store_row(position, slot);
		eb_tid_update(rel, &position->tid, slot);
		eb_places_note(position->generation, position->target_id,
					   &position->tid);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
}
