/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What differs between PostgreSQL 15, 17 and 18: the only place that
 *		tests PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_COMPAT_H
#define EB_COMPAT_H

#include "access/genam.h"
#include "access/tableam.h"
#include "executor/executor.h"

/* 16 says which indexes an update touched */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes EbUpdatedIndexes;
#else
typedef bool EbUpdatedIndexes;
#endif

/* Inserts the index entries of a new row (16 adds a parameter). */
static inline void
eb_insert_index_tuples(ResultRelInfo *result_rel, TupleTableSlot *slot,
					   EState *estate)
{
#if PG_VERSION_NUM >= 160000
	(void) ExecInsertIndexTuples(result_rel, slot, estate, false, false, NULL,
								 NIL, false);
#else
	(void) ExecInsertIndexTuples(result_rel, slot, estate, false, false, NULL,
								 NIL);
#endif
}

/* Begins an index scan (18 adds the place for instrumentation). */
static inline IndexScanDesc
eb_index_beginscan(Relation heap, Relation index, Snapshot snapshot,
				   int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

#endif							/* EB_COMPAT_H */
