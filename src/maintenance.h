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
} EbMaintenanceResult;

/*
 * One round, in transactions of its own (call outside a transaction): leaves
 * ahead, sealing, VACUUM (FREEZE) of sealed leaves. The router's process calls
 * it each minute, and at once when EbDatabase.maintenance_wanted is set. False
 * when something was left out because somebody has it locked: call again soon.
 */
extern bool eb_maintenance_round(void);

/* The same in the caller's transaction, as the extension's owner; no VACUUM. */
extern EbMaintenanceResult eb_maintenance_run(void);

/*
 * Seals a leaf of the log, in this transaction, as the extension's owner. The
 * caller knows that nothing is added to it and that all of it is routed.
 */
extern void eb_seal_leaf(int32 generation, const EbLeaf *leaf);

#endif							/* EB_MAINTENANCE_H */
