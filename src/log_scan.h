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
 * least, with truncated set. found may be NULL. refs->refs is allocated in
 * CurrentMemoryContext. The caller knows that there are none in leaves that
 * begin after until; DT_NOEND: does not know.
 */
extern void eb_log_collect(const EbCursor *cursor, Snapshot snapshot,
						   TimestampTz until, int limit, EbEventFound found,
						   void *arg, EbEventRefs *refs);

/* --- single events --- */

typedef struct EbLogReader EbLogReader;

/*
 * Begins to read single events of a generation, as the snapshot sees them.
 * Allocates in CurrentMemoryContext; leaves stay open until eb_log_close().
 */
extern EbLogReader *eb_log_open(int32 generation, Snapshot snapshot);

/* for eb_log_fetch(): the caller does not know which bus the event is of */
#define EB_ANY_BUS		(-1)

/*
 * Reads one event by its place; if another row is there now (the leaf was
 * rewritten or restored), by searching the leaf for (bus_id, seq, ord). Returns
 * a slot of the log's shape, which holds it until the next call, or NULL when
 * the event is gone.
 */
extern TupleTableSlot *eb_log_fetch(EbLogReader *reader, int32 leaf_id,
									ItemPointer tid, int32 bus_id, int64 seq,
									int32 ord);
extern void eb_log_close(EbLogReader *reader);

#endif							/* EB_LOG_SCAN_H */
