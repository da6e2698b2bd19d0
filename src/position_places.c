/*-------------------------------------------------------------------------
 *
 * position_places.c
 *		Where the rows of eventbus.target_positions were last.
 *
 * The table has no index (tid_update.c says why), and a target that was not
 * worked on of late has no lease that remembers the place of its row. To scan
 * the table for each of these would take a time that grows with the square of
 * their number, which is all of them after a restart. So a process that has to
 * scan remembers the places of all rows that it passes.
 *
 * These are hints: a row that another process has updated since is elsewhere,
 * which the reader notices and has the table read again. Twenty bytes or so for
 * each target, of one generation, until the next time that the table is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "position_places.h"

typedef struct Place
{
	int32		target_id;
	ItemPointerData tid;
} Place;

static HTAB *places = NULL;		/* of Place */
static int32 places_generation = 0;
static MemoryContext places_context = NULL;

static void
forget(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(int32),
		.entrysize = sizeof(Place),
	};

	places = NULL;				/* until all of this has succeeded */
	if (places_context == NULL)
		places_context = AllocSetContextCreate(TopMemoryContext,
											   "eventbus positions",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(places_context);
	ctl.hcxt = places_context;
	places = hash_create("eventbus positions", 64, &ctl,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

bool
eb_places_find(int32 generation, int32 target_id, ItemPointer tid)
{
	Place	   *place;

	if (places == NULL || places_generation != generation)
		return false;
	place = hash_search(places, &target_id, HASH_FIND, NULL);
	if (place == NULL)
		return false;
	ItemPointerCopy(&place->tid, tid);
	return true;
}

void
eb_places_note(int32 generation, int32 target_id, ItemPointer tid)
{
	Place	   *place;

	if (places == NULL || places_generation != generation)
		return;
	place = hash_search(places, &target_id, HASH_ENTER, NULL);
	ItemPointerCopy(tid, &place->tid);
}

void
eb_places_read(Relation rel, Snapshot snapshot, int32 generation,
			   EbPlaceKey key)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	int32		target_id;

	forget();
	places_generation = generation;
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (key(slot, generation, &target_id))
			eb_places_note(generation, target_id, &slot->tts_tid);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}
