/*-------------------------------------------------------------------------
 *
 * catalog_schedule.h
 *		Rules with a schedule, and when they fire next: for the scheduler.
 *
 * Call with a snapshot, in a transaction of the router.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CATALOG_SCHEDULE_H
#define EB_CATALOG_SCHEDULE_H

#include "schedule_spec.h"

/* An enabled rule with a schedule. Strings are in CurrentMemoryContext. */
typedef struct EbScheduledRule
{
	int32		rule_id;
	const char *name;
	EbScheduleSpec spec;
	TimestampTz since;			/* when it got this schedule or was enabled */
	TimestampTz start;			/* spec points here */
	TimestampTz end;
	bool		is_known;		/* has a row in rule_schedules */
	TimestampTz computed_at;	/* if so: when that was written */
	TimestampTz scheduled_for;	/* if it is due: the time of the run */
	TimestampTz fire_at;		/* and when in its window */
} EbScheduledRule;

/* A run that is to come; fire_at is within the window. */
typedef struct EbScheduledRun
{
	TimestampTz scheduled_for;
	TimestampTz fire_at;
} EbScheduledRun;

/*
 * Up to limit rules whose next run is not computed yet, or was by a clock that
 * was later than horizon. Returns how many; *rules is palloc'd.
 */
extern int	eb_catalog_schedules_to_begin(TimestampTz horizon, int limit,
										  EbScheduledRule **rules);

/* Up to limit rules that are due, the first ones first. */
extern int	eb_catalog_schedules_due(TimestampTz now, int limit,
									 EbScheduledRule **rules);

/*
 * Stores the next run of a rule, NULL: none any more; and that it fired for
 * the time given (0: it did not).
 */
extern void eb_catalog_schedule_store(const EbScheduledRule *rule,
									  const EbScheduledRun *next,
									  TimestampTz fired_for, TimestampTz now);

/* When the first of all is due; DT_NOEND: none is. */
extern TimestampTz eb_catalog_schedule_first(void);

/* Forgets what is stored of rules that have no schedule any more. */
extern void eb_catalog_schedules_clean(void);

/* When this generation of the log began. */
extern TimestampTz eb_catalog_generation_began(void);

#endif							/* EB_CATALOG_SCHEDULE_H */
