/*-------------------------------------------------------------------------
 *
 * schedule_spec.h
 *		The schedule of a rule: its options, checked and taken apart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_SCHEDULE_SPEC_H
#define EB_SCHEDULE_SPEC_H

#include "datatype/timestamp.h"

#include "core/schedule.h"

/* What becomes of times that passed while nobody could fire. */
#define EB_MISSED_LAST		"last"	/* the last of them fires (default) */
#define EB_MISSED_SKIP		"skip"	/* none does, if it is over a minute late */
#define EB_MISSED_ALL		"all"	/* those of the last 24 hours do */

#define EB_DEFAULT_TIMEZONE	"UTC"

/* The options, as eb_put_rule() has them. */
typedef struct EbScheduleSpec
{
	const char *expression;		/* NULL: no schedule, nor anything else here */
	const char *timezone;		/* after the check: never NULL */
	int32		window;			/* flexible time window in seconds; 0: none */
	const TimestampTz *start;	/* NULL: none */
	const TimestampTz *end;		/* NULL: none */
	const char *missed_runs;	/* after the check: one of EB_MISSED_* */
} EbScheduleSpec;

/* What is computed with. */
typedef struct EbScheduleClock
{
	EbSchedule	schedule;
	EbScheduleZone zone;
	EbScheduleSpan span;
} EbScheduleClock;

/* A flexible time window in seconds; an error (22023) if it cannot be one. */
extern int32 eb_schedule_window(const Interval *interval);

/*
 * Checks the options, and sets defaults where they are NULL. Errors: 22023,
 * with EventBridge's words where there are such; 22008 times out of range.
 */
extern void eb_schedule_spec_check(EbScheduleSpec *spec);

/*
 * Takes options apart that were checked, maybe by another version; since is
 * when the rule got them. Raises 22023 where they are not valid.
 */
extern void eb_schedule_spec_open(const EbScheduleSpec *spec,
								  TimestampTz since, EbScheduleClock *clock);

/* When it fires next, later than after; false when it does not. */
extern bool eb_schedule_clock_next(const EbScheduleClock *clock,
								   TimestampTz after, TimestampTz *next);

/*
 * When it fires last from first, at which it fires, to last.
 */
extern TimestampTz eb_schedule_clock_last(const EbScheduleClock *clock,
										  TimestampTz first,
										  TimestampTz last);

#endif							/* EB_SCHEDULE_SPEC_H */
