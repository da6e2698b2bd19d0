/*-------------------------------------------------------------------------
 *
 * schedule.h
 *		Schedule expressions: rate(...), cron(...) and at(...), and when they
 *		fire.
 *
 * Instants are seconds since 1970-01-01 00:00:00 UTC. Local times are what a
 * clock on the wall of a time zone shows, as the instant at which a clock in
 * UTC shows the same. A schedule fires at whole seconds, in the local years
 * EB_SCHEDULE_FIRST_YEAR to EB_SCHEDULE_LAST_YEAR.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_SCHEDULE_H
#define EB_CORE_SCHEDULE_H

#define EB_SCHEDULE_FIRST_YEAR	1970
#define EB_SCHEDULE_LAST_YEAR	2199

typedef enum EbScheduleKind
{
	EB_SCHEDULE_RATE,
	EB_SCHEDULE_CRON,
	EB_SCHEDULE_AT
} EbScheduleKind;

/*
 * When a cron expression fires: minute, hour, month and year must be in these
 * sets, and the day in one of those that count, which are either all of the
 * days of the month or all of the days of the week. Bit n stands for n.
 */
typedef struct EbCron
{
	uint64		minutes;
	uint32		hours;
	uint32		months;			/* 1 to 12 */
	uint64		years[4];		/* from EB_SCHEDULE_FIRST_YEAR on */

	bool		by_weekday;		/* days of the week count */

	uint32		days;			/* 1 to 31 */
	uint32		near_days;		/* nW: the weekday nearest to that day */
	bool		last_day;		/* L */
	bool		last_weekday;	/* LW */

	uint32		weekdays;		/* 1 to 7, from Sunday on */
	uint32		last_weekdays;	/* nL: the last such day of the month */
	int			nth_weekday;	/* n#k: the k-th such day; 0: none */
	int			nth;
} EbCron;

typedef struct EbSchedule
{
	EbScheduleKind kind;
	int64		interval;		/* rate: seconds */
	int64		at;				/* at: local time */
	EbCron		cron;
} EbSchedule;

typedef struct EbScheduleError
{
	int			position;		/* of the fault, in bytes from 0 */
	char		reason[120];	/* what should be there; no full sentence */
} EbScheduleError;

/*
 * A time zone: how many seconds its clocks are ahead of UTC at an instant, and
 * when that changes next (*until; PG_INT64_MAX: never), which is later.
 */
typedef struct EbScheduleZone
{
	int32		(*offset) (const struct EbScheduleZone *zone, int64 instant,
						   int64 *until);
	const void *data;			/* the function's */
} EbScheduleZone;

/* A clock in UTC. */
extern const EbScheduleZone eb_schedule_utc;

/* What bounds a schedule; all are instants. */
typedef struct EbScheduleSpan
{
	int64		since;			/* when it was made: it fires later than that */
	bool		has_start;
	int64		start;			/* not before this; a rate begins with it */
	bool		has_end;
	int64		end;			/* not after this */
} EbScheduleSpan;

/*
 * Reads an expression. False, with *error, where it is not valid. Nothing in
 * *schedule points anywhere.
 */
extern bool eb_schedule_parse(const char *text, int len, EbSchedule *schedule,
							  EbScheduleError *error);

/*
 * The first time after that instant at which the schedule fires; false when
 * there is none. Cron and at are local times of the zone: a time that clocks
 * skip does not fire, one that they show twice fires the first time. A rate
 * counts from span->start, or else from span->since, and knows no zone. Start
 * and end do not bound an at. Bounded work: some 230 years of months at most,
 * and at most a day of minutes for each change of the zone's clocks.
 */
extern bool eb_schedule_next(const EbSchedule *schedule,
							 const EbScheduleZone *zone,
							 const EbScheduleSpan *span,
							 int64 after, int64 *next);

/*
 * The last time at which it fires in the instants first to last, given that it
 * fires at first.
 */
extern int64 eb_schedule_last(const EbSchedule *schedule,
							  const EbScheduleZone *zone,
							  const EbScheduleSpan *span,
							  int64 first, int64 last);

/* in schedule_date.c */

/* Days from 1970-01-01 to a date of the Gregorian calendar, and back. */
extern int64 eb_days_of_date(int year, int month, int day);
extern void eb_date_of_days(int64 days, int *year, int *month, int *day);
extern int	eb_days_in_month(int year, int month);

#endif							/* EB_CORE_SCHEDULE_H */
