/*-------------------------------------------------------------------------
 *
 * schedule_spec.c
 *		The schedule of a rule: its options, checked and taken apart.
 *
 * The core knows seconds since 1970 and asks for offsets of zones. Here are
 * the server's times, and its time zones: those that SET timezone knows, with
 * the rules of the time zone data that the server was started with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/timestamp.h"

#include "schedule_spec.h"

/* EventBridge's limits */
#define MAX_TIMEZONE		50
#define MIN_WINDOW			60
#define MAX_WINDOW			(1440 * 60)

#define UNIX_EPOCH \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static void check_alone(const EbScheduleSpec *spec);
static void read_expression(const char *expression, EbSchedule *schedule);
static void find_zone(const char *name, EbScheduleZone *zone);
static int32 zone_offset(const EbScheduleZone *zone, int64 instant,
						 int64 *until);
static void check_time(const char *name, const TimestampTz *time);

/* --- instants ------------------------------------------------------------- */

/* The full second that is not later. */
static int64
to_instant(TimestampTz time)
{
	int64		seconds = time / USECS_PER_SEC;

	if (time % USECS_PER_SEC < 0)
		seconds--;
	return seconds + UNIX_EPOCH;
}

static TimestampTz
from_instant(int64 instant)
{
	return (instant - UNIX_EPOCH) * USECS_PER_SEC;
}

bool
eb_schedule_clock_next(const EbScheduleClock *clock, TimestampTz after,
					   TimestampTz *next)
{
	int64		instant;

	if (!eb_schedule_next(&clock->schedule, &clock->zone, &clock->span,
						  to_instant(after), &instant))
		return false;
	*next = from_instant(instant);
	return true;
}

TimestampTz
eb_schedule_clock_last(const EbScheduleClock *clock, TimestampTz first,
					   TimestampTz last)
{
	return from_instant(eb_schedule_last(&clock->schedule, &clock->zone,
										 &clock->span, to_instant(first),
										 to_instant(last)));
}

/* --- options -------------------------------------------------------------- */

int32
eb_schedule_window(const Interval *interval)
{
	int64		seconds = interval->day * (int64) SECS_PER_DAY +
		interval->time / USECS_PER_SEC;

	if (interval->month != 0 || interval->time % USECS_PER_SEC != 0 ||
		seconds < MIN_WINDOW || seconds > MAX_WINDOW)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("flexible_time_window must be 1 minute to 24 hours, in whole seconds")));
	return (int32) seconds;
}

void
eb_schedule_spec_check(EbScheduleSpec *spec)
{
	EbScheduleClock clock;

	if (spec->expression == NULL)
	{
		check_alone(spec);
		return;
	}
	if (spec->timezone == NULL)
		spec->timezone = EB_DEFAULT_TIMEZONE;
	if (spec->missed_runs == NULL)
		spec->missed_runs = EB_MISSED_LAST;
	if (strcmp(spec->missed_runs, EB_MISSED_LAST) != 0 &&
		strcmp(spec->missed_runs, EB_MISSED_SKIP) != 0 &&
		strcmp(spec->missed_runs, EB_MISSED_ALL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized value for missed_runs: \"%s\"",
						spec->missed_runs),
				 errhint("Available values: last, skip, all.")));
	check_time("schedule_start", spec->start);
	check_time("schedule_end", spec->end);
	if (spec->start != NULL && spec->end != NULL && *spec->start >= *spec->end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("schedule_end must be later than schedule_start")));
	eb_schedule_spec_open(spec, 0, &clock);
}

/* There are no options without an expression. */
static void
check_alone(const EbScheduleSpec *spec)
{
	if (spec->timezone == NULL && spec->window == 0 && spec->start == NULL &&
		spec->end == NULL && spec->missed_runs == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("options of a schedule need a schedule_expression")));
}

void
eb_schedule_spec_open(const EbScheduleSpec *spec, TimestampTz since,
					  EbScheduleClock *clock)
{
	memset(clock, 0, sizeof(*clock));
	read_expression(spec->expression, &clock->schedule);
	find_zone(spec->timezone, &clock->zone);
	clock->span.since = to_instant(since);
	if (spec->start != NULL)
	{
		clock->span.has_start = true;
		/* the first full second in it */
		clock->span.start = to_instant(*spec->start + USECS_PER_SEC - 1);
	}
	if (spec->end != NULL)
	{
		clock->span.has_end = true;
		clock->span.end = to_instant(*spec->end);
	}
}

static void
read_expression(const char *expression, EbSchedule *schedule)
{
	EbScheduleError error;

	/* all before the fault is ASCII: bytes are characters */
	if (!eb_schedule_parse(expression, strlen(expression), schedule, &error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* EventBridge's text */
				 errmsg("Parameter ScheduleExpression is not valid."),
				 errdetail("At character %d of \"%s\": %s.",
						   error.position + 1, expression, error.reason)));
}

static void
check_time(const char *name, const TimestampTz *time)
{
	if (time != NULL && TIMESTAMP_NOT_FINITE(*time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("%s must be finite", name)));
}

/* --- zones ---------------------------------------------------------------- */

static void
find_zone(const char *name, EbScheduleZone *zone)
{
	pg_tz	   *tz = strlen(name) <= MAX_TIMEZONE ? pg_tzset(name) : NULL;

	if (tz == NULL || !pg_tz_acceptable(tz))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name),
				 errhint("The names are in view pg_timezone_names.")));
	zone->offset = zone_offset;
	zone->data = tz;
}

static int32
zone_offset(const EbScheduleZone *zone, int64 instant, int64 *until)
{
	pg_time_t	at = instant;
	pg_time_t	boundary;
	long		before;
	long		after;
	int			isdst;
	int			result;

	result = pg_next_dst_boundary(&at, &before, &isdst, &boundary, &after,
								  &isdst, zone->data);
	if (result < 0)
		elog(ERROR, "could not find the offset of a time zone");
	*until = result > 0 ? boundary : PG_INT64_MAX;
	return (int32) before;
}
