/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *		Fires the schedules of rules.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_SCHEDULER_H
#define EB_SCHEDULER_H

#include "datatype/timestamp.h"

/*
 * Fires what is due, and computes the first times of schedules that are new
 * if asked to (or if that failed the last time, or has not come to its end);
 * in transactions of its own (eb_worker_begin()). Returns when it wants to be
 * called again: DT_NOEND when there is nothing to come.
 */
extern TimestampTz eb_scheduler_run(bool look_for_new);

#endif							/* EB_SCHEDULER_H */
