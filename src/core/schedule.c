/*-------------------------------------------------------------------------
 *
 * schedule.c
 *		When a schedule fires.
 *
 * A cron expression is searched for in local time, from years down to minutes:
 * a year or a month that it does not have is passed over whole, so one that
 * never fires (30 February) is found out in 230 years of months. The local
 * time is then made an instant, by looking at the offsets of the zone around
 * it:
 *
 *		clocks forward		a local time that they skip is no instant: nothing
 *							fires, and the search goes on after the gap
 *		clocks backward		a local time that they show twice is the first of
 *							the two instants; the second one does not fire
 *
 * That is EventBridge Scheduler's rule. It holds for every expression: one for
 * each minute rests while clocks show an hour for the second time. Who wants
 * equal distances uses a rate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "port/pg_bitutils.h"

#include "core/schedule.h"

#define DAY				86400
#define DAYS_OF_WEEK	7
#define ALL_DAYS(n)		((uint32) (UINT64CONST(2) << (n)) - 2)	/* bits 1 to n */

/*
 * Clocks of any zone are less than 16 hours off UTC, and are set back or
 * forward by a day at most: further away from a local time than this, there
 * are no instants that have to do with it.
 */
#define ZONE_REACH		(2 * DAY)

static bool next_of_rate(const EbSchedule *schedule,
						 const EbScheduleSpan *span, int64 after, int64 *next);
static bool next_of_cron(const EbCron *cron, const EbScheduleZone *zone,
						 int64 after, int64 *next);
static bool next_local(const EbCron *cron, int64 from, int64 *local);
static bool has_year(const EbCron *cron, int year);
static uint32 days_of_month(const EbCron *cron, int year, int month);
static int	nearest_weekday(int day, int last, int first_weekday);
static int	next_minute(const EbCron *cron, int minute);
static bool to_instant(const EbScheduleZone *zone, int64 local,
					   int64 *instant, int64 *resume);
static int32 utc_offset(const EbScheduleZone *zone, int64 instant,
						int64 *until);

const EbScheduleZone eb_schedule_utc = {utc_offset, NULL};

bool
eb_schedule_next(const EbSchedule *schedule, const EbScheduleZone *zone,
				 const EbScheduleSpan *span, int64 after, int64 *next)
{
	int64		resume;
	bool		found;

	/* nothing fires before 1970 or after 2199 in any zone */
	after = Max(after, eb_days_of_date(EB_SCHEDULE_FIRST_YEAR, 1, 1) * DAY -
				ZONE_REACH);
	if (after > eb_days_of_date(EB_SCHEDULE_LAST_YEAR + 1, 1, 1) * DAY +
		ZONE_REACH)
		return false;
	if (schedule->kind == EB_SCHEDULE_AT)
		return to_instant(zone, schedule->at, next, &resume) &&
			*next > Max(after, span->since);
	if (schedule->kind == EB_SCHEDULE_RATE)
		found = next_of_rate(schedule, span, after, next);
	else
	{
		after = Max(after, span->since);
		if (span->has_start)
			after = Max(after, span->start - 1);
		found = next_of_cron(&schedule->cron, zone, after, next);
	}
	return found && (!span->has_end || *next <= span->end);
}

/* A bisection: nothing fires after high, next is the last known. */
int64
eb_schedule_last(const EbSchedule *schedule, const EbScheduleZone *zone,
				 const EbScheduleSpan *span, int64 first, int64 last)
{
	int64		next = first;
	int64		high = last;

	while (next < high)
	{
		int64		middle = next + (high - next) / 2;
		int64		found;

		if (eb_schedule_next(schedule, zone, span, middle, &found) &&
			found <= last)
			next = found;
		else
			high = middle;
	}
	return next;
}

/* --- rate ----------------------------------------------------------------- */

static bool
next_of_rate(const EbSchedule *schedule, const EbScheduleSpan *span,
			 int64 after, int64 *next)
{
	int64		interval = schedule->interval;
	int64		first = span->has_start ? span->start : span->since + interval;

	after = Max(after, span->since);
	*next = first;
	if (first <= after)
		*next += ((after - first) / interval + 1) * interval;
	return *next < eb_days_of_date(EB_SCHEDULE_LAST_YEAR + 1, 1, 1) * DAY;
}

/* --- cron ----------------------------------------------------------------- */

static bool
next_of_cron(const EbCron *cron, const EbScheduleZone *zone, int64 after,
			 int64 *next)
{
	int64		until;
	int64		local = after + zone->offset(zone, after, &until) + 1;

	while (next_local(cron, local, &local))
	{
		int64		resume;

		if (!to_instant(zone, local, next, &resume))
			local = resume;
		else if (*next > after)
			return true;
		else
			local++;			/* it was shown once already */
	}
	return false;
}

/* The first local time of the expression that is not before that one. */
static bool
next_local(const EbCron *cron, int64 from, int64 *local)
{
	int64		minutes = (from >= 0 ? from + 59 : from) / 60;
	int64		day_number = (minutes >= 0 ? minutes : minutes - 1439) / 1440;
	int			minute = (int) (minutes - day_number * 1440);
	int			year,
				month,
				day;

	eb_date_of_days(day_number, &year, &month, &day);
	if (year < EB_SCHEDULE_FIRST_YEAR)
	{
		year = EB_SCHEDULE_FIRST_YEAR;
		month = day = 1;
		minute = 0;
	}
	for (; year <= EB_SCHEDULE_LAST_YEAR;
		 year++, month = 1, day = 1, minute = 0)
	{
		if (!has_year(cron, year))
			continue;
		for (; month <= 12; month++, day = 1, minute = 0)
		{
			uint32		days;

			if ((cron->months >> month & 1) == 0)
				continue;
			days = days_of_month(cron, year, month);
			for (; day <= 31; day++, minute = 0)
			{
				int			found;

				if ((days >> day & 1) == 0)
					continue;
				found = next_minute(cron, minute);
				if (found < 0)
					continue;
				*local = eb_days_of_date(year, month, day) * DAY + found * 60;
				return true;
			}
		}
	}
	return false;
}

static bool
has_year(const EbCron *cron, int year)
{
	int			bit = year - EB_SCHEDULE_FIRST_YEAR;

	return (cron->years[bit / 64] >> (bit % 64) & 1) != 0;
}

/* The days that count of a month; none of them is beyond its end. */
static uint32
days_of_month(const EbCron *cron, int year, int month)
{
	int			last = eb_days_in_month(year, month);

	/* 1970-01-01 was a Thursday; Sunday is 0 */
	int			first = (int) ((eb_days_of_date(year, month, 1) + 4) %
							   DAYS_OF_WEEK);
	uint32		days = 0;

	if (!cron->by_weekday)
	{
		days = cron->days & ALL_DAYS(last);
		if (cron->last_day)
			days |= (uint32) 1 << last;
		if (cron->last_weekday)
			days |= (uint32) 1 << nearest_weekday(last, last, first);
		for (int day = 1; day <= last; day++)
			if (cron->near_days >> day & 1)
				days |= (uint32) 1 << nearest_weekday(day, last, first);
		return days;
	}
	for (int day = 1; day <= last; day++)
	{
		int			weekday = (first + day - 1) % DAYS_OF_WEEK + 1;

		if ((cron->weekdays >> weekday & 1) != 0 ||
			((cron->last_weekdays >> weekday & 1) != 0 &&
			 day + DAYS_OF_WEEK > last) ||
			(cron->nth_weekday == weekday &&
			 (day - 1) / DAYS_OF_WEEK + 1 == cron->nth))
			days |= (uint32) 1 << day;
	}
	return days;
}

/* Monday to Friday, in the same month; the month's first day is that weekday. */
static int
nearest_weekday(int day, int last, int first_weekday)
{
	switch ((first_weekday + day - 1) % DAYS_OF_WEEK)
	{
		case 6:					/* Saturday */
			return day > 1 ? day - 1 : day + 2;
		case 0:					/* Sunday */
			return day < last ? day + 1 : day - 2;
		default:
			return day;
	}
}

/* The first minute of a day, not before that one, or -1. */
static int
next_minute(const EbCron *cron, int minute)
{
	for (int hour = minute / 60; hour < 24; hour++)
	{
		int			from = hour == minute / 60 ? minute % 60 : 0;
		uint64		left = cron->minutes >> from;

		if ((cron->hours >> hour & 1) != 0 && left != 0)
			return hour * 60 + from + pg_rightmost_one_pos64(left);
	}
	return -1;
}

/* --- zones ---------------------------------------------------------------- */

/*
 * The first instant at which clocks show that local time. False when they skip
 * it; *resume is then what they show after it.
 */
static bool
to_instant(const EbScheduleZone *zone, int64 local, int64 *instant,
		   int64 *resume)
{
	int64		from = local - ZONE_REACH;

	for (;;)
	{
		int64		until;
		int32		offset = zone->offset(zone, from, &until);

		if (local < from + offset)
		{
			*resume = from + offset;
			return false;
		}
		if (local - offset < until)
		{
			*instant = local - offset;
			return true;
		}
		from = until;
	}
}

static int32
utc_offset(const EbScheduleZone *zone, int64 instant, int64 *until)
{
	*until = PG_INT64_MAX;
	return 0;
}
