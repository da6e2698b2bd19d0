/*-------------------------------------------------------------------------
 *
 * maintenance.h
 *		Makes leaves ahead, seals those that are over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_MAINTENANCE_H
#define EB_MAINTENANCE_H

#include "partition.h"

/* What a round did. */
typedef struct EbMaintenanceResult
{
	int			leaves_made;
	int			leaves_sealed;
	int			leaves_dropped;
} EbMaintenanceResult;

/*
 * Those for workers run transactions of their own: call them outside one.
 * Where they return false, something was left out because somebody has it
 * locked: call again soon.
 */

/*
 * Router: makes leaves ahead, notes which are over, stores the cursor. Never
 * takes long. Called each minute, and at once when EbDatabase.
 * maintenance_wanted is set. *due: the maintenance worker has something to do.
 */
extern bool eb_maintenance_prepare(bool *due);

/*
 * Maintenance worker: the oldest leaf after *leaf (by its range_start) that is
 * to be sealed or frozen becomes *leaf. False when there is none.
 */
extern bool eb_maintenance_next(EbLeaf *leaf);

/* Maintenance worker: seals that leaf, then VACUUM (FREEZE). */
extern bool eb_maintenance_tend(const EbLeaf *leaf);

/*
 * Maintenance worker: restored generations whose deliveries are all made are of
 * no more use from now on.
 */
extern bool eb_maintenance_retire(void);

/*
 * Maintenance worker: heads, claims and old messages of queues (queue_keep.c).
 */
extern bool eb_maintenance_keep_queues(void);

/*
 * Makes leaves and seals in the caller's transaction, as the extension's owner;
 * the maintenance worker is to follow with VACUUM.
 */
extern EbMaintenanceResult eb_maintenance_run(void);

/*
 * Seals a leaf of the log, in this transaction, as the extension's owner. The
 * caller knows that nothing is added to it and that all of it is routed.
 */
extern void eb_seal_leaf(int32 generation, const EbLeaf *leaf);

#endif							/* EB_MAINTENANCE_H */
