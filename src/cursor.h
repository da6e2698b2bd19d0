/*-------------------------------------------------------------------------
 *
 * cursor.h
 *		What the router has routed: eventbus.router_cursor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CURSOR_H
#define EB_CURSOR_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

#include "xid_snapshot.h"

/*
 * All that was visible in last_snapshot (S1) is routed. While next_snapshot
 * (S2) is set, its difference to S1 is being drained in the order of
 * (seq, ord), and everything up to (last_seq, last_ord) of it is routed too.
 */
typedef struct EbCursor
{
	ItemPointerData tid;		/* where the row is */
	int32		generation;
	EbXidSnapshot *last_snapshot;
	EbXidSnapshot *next_snapshot;	/* NULL: nothing is being drained */
	int64		last_seq;
	int32		last_ord;
	int64		delivery_seq;	/* last delivery number given */
	TimestampTz routed_at;		/* time of the last row of deliveries */
} EbCursor;

/*
 * Reads the cursor of a generation under the active snapshot; snapshots are
 * allocated in CurrentMemoryContext. False when there is none.
 */
extern bool eb_cursor_read(int32 generation, EbCursor *cursor);

/*
 * Writes it, in this transaction. The caller must hold the only copy. An error
 * (40001) when the row that the active snapshot sees is not the one that was
 * read or written last.
 */
extern void eb_cursor_write(EbCursor *cursor);

#endif							/* EB_CURSOR_H */
