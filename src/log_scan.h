/*-------------------------------------------------------------------------
 *
 * log_scan.h
 *		Finds the events that became visible between two snapshots.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_LOG_SCAN_H
#define EB_LOG_SCAN_H

#include "executor/tuptable.h"
#include "storage/itemptr.h"

#include "cursor.h"

/* Where an event of the log is, and its place in the order. */
typedef struct EbEventRef
{
	int64		seq;
	int32		ord;
	int32		leaf_id;
	ItemPointerData tid;
	int32		matches;		/* the router's: see router.c */
	int32		nmatches;
} EbEventRef;

typedef struct EbEventRefs
{
	EbEventRef *refs;			/* by (seq, ord) */
	int			n;
	int			room;
	bool		truncated;		/* more follow beyond the last one */
} EbEventRefs;

/* Called for each event found, while its row is in slot. */
typedef void (*EbEventFound) (EbEventRef *ref, TupleTableSlot *slot,
							  void *arg);

/*
 * Collects, in order, the events of the difference that the cursor is to
 * drain (next_snapshot is set) and that come after (last_seq, last_ord), as
 * far as the snapshot sees them. No more than limit of them are kept: the
 * least, with truncated set. refs->refs is allocated in CurrentMemoryContext.
 */
extern void eb_log_collect(const EbCursor *cursor, Snapshot snapshot,
						   int limit, EbEventFound found, void *arg,
						   EbEventRefs *refs);

/*
 * Reads one event into slot, which must be of the log's shape, by its place;
 * if another row is there now (the leaf was rewritten), by searching the leaf.
 * False when the event is gone.
 */
extern bool eb_log_fetch(int32 leaf_id, ItemPointer tid, int64 seq, int32 ord,
						 Snapshot snapshot, TupleTableSlot *slot);

/* A slot for eb_log_fetch(). */
extern TupleTableSlot *eb_log_slot(void);

#endif							/* EB_LOG_SCAN_H */
