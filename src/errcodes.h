/*-------------------------------------------------------------------------
 *
 * errcodes.h
 *		SQLSTATEs of our own.
 *
 * An error that PostgreSQL has a condition for is reported with that. What is
 * here has none, and somebody must be able to tell it from others. The SQL
 * standard leaves classes that begin with 5 to 9 or I to Z to implementations;
 * PostgreSQL itself uses 53 to 58, 72, P0 and XX. Ours is UB.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_ERRCODES_H
#define EB_ERRCODES_H

#include "utils/elog.h"

/* what a target is to get cannot be made of an event (not later, either) */
#define EB_ERRCODE_TRANSFORMATION	MAKE_SQLSTATE('U','B','0','0','1')

/* an event has caused events that have caused events, too many times */
#define EB_ERRCODE_LOOP_DETECTED	MAKE_SQLSTATE('U','B','0','0','2')

#endif							/* EB_ERRCODES_H */
