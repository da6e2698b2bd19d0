/*-------------------------------------------------------------------------
 *
 * position_places.h
 *		Where the rows of eventbus.target_positions were last. For position.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_POSITION_PLACES_H
#define EB_POSITION_PLACES_H

#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Finds the number of a target in a row, when that is one to remember. */
typedef bool (*EbPlaceKey) (TupleTableSlot *slot, int32 generation,
							int32 *target_id);

/*
 * Where the position of a target in that generation was last: a hint, for the
 * caller to verify. False when it is not known.
 */
extern bool eb_places_find(int32 generation, int32 target_id,
						   ItemPointer tid);

/* Remembers a place, if places of that generation are remembered at all. */
extern void eb_places_note(int32 generation, int32 target_id,
						   ItemPointer tid);

/*
 * Forgets what is known, and reads the table to know the places of all rows
 * of that generation.
 */
extern void eb_places_read(Relation rel, Snapshot snapshot, int32 generation,
						   EbPlaceKey key);

#endif							/* EB_POSITION_PLACES_H */
