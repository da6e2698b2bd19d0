/*-------------------------------------------------------------------------
 *
 * partition.h
 *		Generations and leaves of the log, the stream and the dead letters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_PARTITION_H
#define EB_PARTITION_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef enum EbLog
{
	EB_LOG_EVENTS,				/* eventbus.event_log */
	EB_LOG_DELIVERIES,			/* eventbus.deliveries */
	EB_LOG_DEAD_LETTERS			/* eventbus.dead_letters */
} EbLog;

/* A leaf that this cluster registered. */
typedef struct EbLeaf
{
	int32		leaf_id;
	Oid			relid;
	TimestampTz range_start;	/* inclusive */
	TimestampTz range_end;		/* exclusive */
	bool		sealed;
} EbLeaf;

/*
 * The generation that this cluster writes to in this database. Error (55000)
 * when there is none: the log was restored and has not been resumed.
 */
extern int32 eb_generation(void);

/*
 * The leaf of the current generation that holds time at, by the partition
 * bounds: no lock is kept. InvalidOid when none fits.
 */
extern Oid	eb_leaf_for(EbLog log, TimestampTz at);

/*
 * Registered leaves of the current generation, oldest first, as EbLeaf *, in
 * CurrentMemoryContext. unsealed_only leaves out those that are sealed.
 */
extern List *eb_leaves(EbLog log, bool unsealed_only);

/* Makes missing leaves ahead of now, in this transaction. Returns how many. */
extern int	eb_make_leaves(void);

#endif							/* EB_PARTITION_H */
