/*-------------------------------------------------------------------------
 *
 * tid_update.h
 *		Rows of small tables without an index, updated where they are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TID_UPDATE_H
#define EB_TID_UPDATE_H

#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* An int4 column and the value that is looked for. */
typedef struct EbTidKey
{
	AttrNumber	column;
	int32		value;
} EbTidKey;

/*
 * Loads into slot the row that has all nkeys values: the one at *tid if it is
 * still the version that the snapshot sees, else by a scan; *tid then says
 * where it is. False when there is none.
 */
extern bool eb_tid_fetch(Relation rel, Snapshot snapshot, ItemPointer tid,
						 const EbTidKey *keys, int nkeys,
						 TupleTableSlot *slot);

/* The same without the scan: false also when the row has moved. */
extern bool eb_tid_fetch_at(Relation rel, Snapshot snapshot, ItemPointer tid,
							const EbTidKey *keys, int nkeys,
							TupleTableSlot *slot);

/*
 * Is another transaction about to change the row that eb_tid_fetch() loaded?
 */
extern bool eb_tid_is_changing(Relation rel, ItemPointer tid);

/*
 * Has this transaction changed it since? The row is then to be fetched again,
 * under a snapshot that sees this.
 */
extern bool eb_tid_changed_here(Relation rel, ItemPointer tid);

/*
 * Replaces the row at *tid by what is in slot; *tid moves to the new version,
 * which counts once the transaction commits. Never waits: an error (40001)
 * when somebody else has changed it or is about to.
 */
extern void eb_tid_update(Relation rel, ItemPointer tid,
						  TupleTableSlot *slot);

#endif							/* EB_TID_UPDATE_H */
