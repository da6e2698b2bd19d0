/*-------------------------------------------------------------------------
 *
 * errcodes.h
 *		SQLSTATEs of our own.
 *
 * Their class begins with a letter that the SQL standard leaves to
 * implementations (I to Z), and that PostgreSQL does not use: UB.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_ERRCODES_H
#define EB_ERRCODES_H

#include "utils/elog.h"

/* an input transformer made something that is not valid JSON */
#define EB_ERRCODE_TRANSFORMATION	MAKE_SQLSTATE('U','B','0','0','1')

/* an event has caused events that have caused events, too many times */
#define EB_ERRCODE_LOOP_DETECTED	MAKE_SQLSTATE('U','B','0','0','2')

#endif							/* EB_ERRCODES_H */
