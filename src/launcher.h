/*-------------------------------------------------------------------------
 *
 * launcher.h
 *		The process that starts the workers of all databases.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_LAUNCHER_H
#define EB_LAUNCHER_H

/* Has the postmaster run it; from _PG_init while preloading. */
extern void eb_launcher_register(void);

#endif							/* EB_LAUNCHER_H */
