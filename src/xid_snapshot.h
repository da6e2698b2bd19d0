/*-------------------------------------------------------------------------
 *
 * xid_snapshot.h
 *		Snapshots as sets of 64-bit transaction ids, and their difference.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_XID_SNAPSHOT_H
#define EB_XID_SNAPSHOT_H

#include "utils/snapshot.h"

/*
 * Transactions below xmax that are not in xip have ended. xip is sorted and
 * holds top-level transactions only. One piece of memory: pfree() frees all.
 */
typedef struct EbXidSnapshot
{
	uint64		xmin;
	uint64		xmax;
	int			nxip;
	uint64		xip[FLEXIBLE_ARRAY_MEMBER];
} EbXidSnapshot;

/* All of these allocate in CurrentMemoryContext. */
extern EbXidSnapshot *eb_xid_snapshot_from(Snapshot snapshot);
extern EbXidSnapshot *eb_xid_snapshot_copy(const EbXidSnapshot *snapshot);
extern EbXidSnapshot *eb_xid_snapshot_from_datum(Datum pg_snapshot);
extern Datum eb_xid_snapshot_to_datum(const EbXidSnapshot *snapshot);

/* Had the transaction ended when the snapshot was taken? */
extern bool eb_xid_snapshot_ended(const EbXidSnapshot *snapshot, uint64 xid);

#endif							/* EB_XID_SNAPSHOT_H */
