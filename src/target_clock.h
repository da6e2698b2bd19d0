/*-------------------------------------------------------------------------
 *
 * target_clock.h
 *		How long a target may take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TARGET_CLOCK_H
#define EB_TARGET_CLOCK_H

/*
 * Starts the time of a call, in ms (0: no limit), or starts it anew. When it
 * is over, the call is cancelled with query_canceled (57014).
 */
extern void eb_target_clock_start(int timeout);

/*
 * Ends it. If it has struck too late for the target to notice, it does not
 * cancel what comes after.
 */
extern void eb_target_clock_stop(void);

#endif							/* EB_TARGET_CLOCK_H */
