/*-------------------------------------------------------------------------
 *
 * utility.h
 *		Commands of others that concern eventbus: databases, the extension,
 *		two-phase commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_UTILITY_H
#define EB_UTILITY_H

/* Installs the hook; from _PG_init. */
extern void eb_utility_init(void);

#endif							/* EB_UTILITY_H */
