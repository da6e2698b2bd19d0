/*-------------------------------------------------------------------------
 *
 * position.h
 *		How far each target has got: eventbus.target_positions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_POSITION_H
#define EB_POSITION_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

/*
 * ok:		 deliveries are made as they come.
 * failed:	 the target itself cannot be used (no such table, no rights); its
 *			 backlog is kept and tried again now and then.
 */
typedef enum EbTargetState
{
	EB_TARGET_OK,
	EB_TARGET_FAILED
} EbTargetState;

typedef struct EbPosition
{
	ItemPointerData tid;		/* where the row is */
	bool		changing;		/* somebody replaces or removes the target */
	int32		generation;
	int32		target_id;
	int64		position;		/* last delivery number done */
	int64		delivered;		/* events delivered so far */
	int64		dead_lettered;	/* events that became dead letters */
	int64		dropped;		/* those given up without a dead letter */
	TimestampTz dead_lettered_at;	/* the last time, 0: not yet */
	int32		attempts;		/* failed in a row */
	EbTargetState state;
	char	   *last_error;		/* NULL: none yet */
	TimestampTz last_error_at;
} EbPosition;

/*
 * Reads the position of a target in a generation's stream, under the active
 * snapshot; tid is where it was last (or invalid). False when there is none.
 */
extern bool eb_position_read(int32 generation, int32 target_id,
							 ItemPointer tid, EbPosition *position);

/*
 * Writes it, in this transaction, unless this has removed the target. The
 * caller must hold the target's lease.
 */
extern void eb_position_write(EbPosition *position);

#endif							/* EB_POSITION_H */
