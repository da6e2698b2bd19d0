/*-------------------------------------------------------------------------
 *
 * maintenance.h
 *		Makes leaves ahead, seals those that are over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_MAINTENANCE_H
#define EB_MAINTENANCE_H

/*
 * One round, in transactions of its own (call outside a transaction): leaves
 * ahead, sealing, VACUUM (FREEZE) of sealed leaves. The router's process calls
 * it each minute, and at once when EbDatabase.maintenance_wanted is set.
 */
extern void eb_maintenance_round(void);

#endif							/* EB_MAINTENANCE_H */
