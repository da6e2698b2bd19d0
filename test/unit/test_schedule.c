/*-------------------------------------------------------------------------
 *
 * test_schedule.c
 *		Which schedule expressions are valid, and when they fire.
 *
 * Arguments: the directory of conformance cases. Besides constants, random
 * cron expressions are compared with an oracle that looks at every minute of
 * some years, in UTC and in zones whose clocks do odd things. The oracle knows
 * what each expression means from how it was made, not from its text, and asks
 * the C library for calendar and zones. EB_SCHEDULE_EXPRESSIONS is how many
 * for each zone (25), EB_SCHEDULE_YEARS how many years of each (10).
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <time.h>

#include "core/schedule.h"

#define MAX_CHANGES		1000
#define DAY				86400

static const EbScheduleSpan no_span;

/* ----- zones, as the C library has them ----- */

typedef struct Changes
{
	int			n;
	int64		from[MAX_CHANGES];	/* the first one: since ever */
	int32		offset[MAX_CHANGES];
} Changes;

static int32
library_offset(int64 instant)
{
	time_t		at = (time_t) instant;
	struct tm	local;

	localtime_r(&at, &local);
	return (int32) local.tm_gmtoff;
}

/* All changes of offset in 1968 to 2201, looked for every six hours. */
static void
find_changes(const char *name, Changes *changes)
{
	int64		at = eb_days_of_date(1968, 1, 1) * DAY;
	int64		end = eb_days_of_date(2201, 1, 1) * DAY;

	setenv("TZ", name, 1);
	tzset();
	changes->n = 1;
	changes->from[0] = at;
	changes->offset[0] = library_offset(at);
	for (; at < end; at += DAY / 4)
	{
		int64		low = at;
		int64		high = at + DAY / 4;

		if (library_offset(high) == changes->offset[changes->n - 1])
			continue;
		while (high - low > 1)
		{
			int64		middle = (low + high) / 2;

			if (library_offset(middle) == changes->offset[changes->n - 1])
				low = middle;
			else
				high = middle;
		}
		changes->from[changes->n] = high;
		changes->offset[changes->n++] = library_offset(high);
	}
}

static int32
offset_of_changes(const EbScheduleZone *zone, int64 instant, int64 *until)
{
	const Changes *changes = zone->data;
	int			low = 0;
	int			high = changes->n;

	while (high - low > 1)
	{
		int			middle = (low + high) / 2;

		if (changes->from[middle] <= instant)
			low = middle;
		else
			high = middle;
	}
	*until = high < changes->n ? changes->from[high] : PG_INT64_MAX;
	return changes->offset[low];
}

/* ----- constants ----- */

static int64
at_utc(const char *text)
{
	struct tm	tm = {0};

	sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

static void
utc_text(int64 instant, char *out, int size)
{
	time_t		at = (time_t) instant;
	struct tm	tm;

	gmtime_r(&at, &tm);
	strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm);
}

/* Checks the times after one of them, as UTC, separated by commas. */
static void
fires(const char *zone_name, const char *expression, const char *after,
	  const char *expected)
{
	static Changes changes;
	EbScheduleZone zone = {offset_of_changes, &changes};
	EbSchedule	schedule;
	EbScheduleError error;
	char		got[400] = "";
	int			n = 1;
	int64		at = at_utc(after);
	EbScheduleSpan span = {.since = at};

	for (const char *c = expected; *c != '\0'; c++)
		n += *c == ',';
	find_changes(zone_name, &changes);
	if (!eb_schedule_parse(expression, strlen(expression), &schedule, &error))
		snprintf(got, sizeof(got), "%d: %s", error.position, error.reason);
	else
	{
		for (int i = 0; i < n; i++)
		{
			int			len = strlen(got);

			if (!eb_schedule_next(&schedule, &zone, &span, at, &at))
			{
				snprintf(got + len, sizeof(got) - len, "%snone",
						 i > 0 ? ", " : "");
				break;
			}
			if (i > 0)
				len += snprintf(got + len, sizeof(got) - len, ", ");
			utc_text(at, got + len, sizeof(got) - len);
		}
	}
	is_text(got, expected, "%s in %s after %s", expression, zone_name, after);
}

static void
test_times(void)
{
	fires("UTC", "rate(1 minute)", "2026-01-31 23:59:30", "2026-02-01 00:00:30, 2026-02-01 00:01:30");
	fires("UTC", "rate(36 hours)", "2026-01-31 12:00:00", "2026-02-02 00:00:00, 2026-02-03 12:00:00");
	fires("Europe/Berlin", "rate(1 day)", "2026-03-28 12:00:00", "2026-03-29 12:00:00, 2026-03-30 12:00:00");
	fires("UTC", "at(2026-11-20T13:00:01)", "2026-11-20 13:00:00", "2026-11-20 13:00:01, none");
	fires("UTC", "at(2026-11-20T13:00:00)", "2026-11-20 13:00:00", "none");
	fires("America/New_York", "at(2026-07-04T09:00:00)", "2026-01-01 00:00:00", "2026-07-04 13:00:00, none");

	fires("UTC", "cron(0 10 * * ? *)", "2026-11-20 10:00:00", "2026-11-21 10:00:00, 2026-11-22 10:00:00");
	fires("UTC", "cron(0 10 * * ? *)", "2026-11-20 09:59:59", "2026-11-20 10:00:00");
	fires("UTC", "cron(0 18 ? * MON-FRI *)", "2026-11-20 12:00:00", "2026-11-20 18:00:00, 2026-11-23 18:00:00");
	fires("UTC", "cron(5,35 14 * * ? *)", "2026-11-20 14:05:00", "2026-11-20 14:35:00, 2026-11-21 14:05:00");
	fires("UTC", "cron(50/20 20-2/3 ? * 2/4 *)", "2026-11-20 12:00:00",
		  "2026-11-20 20:50:00, 2026-11-20 23:50:00, 2026-11-23 02:50:00, 2026-11-23 20:50:00");
	fires("UTC", "cron(0 0 L * ? *)", "2027-12-31 00:00:00", "2028-01-31 00:00:00, 2028-02-29 00:00:00, 2028-03-31 00:00:00");
	fires("UTC", "cron(0 0 LW * ? *)", "2026-01-01 00:00:00", "2026-01-30 00:00:00, 2026-02-27 00:00:00, 2026-03-31 00:00:00, 2026-04-30 00:00:00, 2026-05-29 00:00:00");
	fires("UTC", "cron(0 0 1W * ? *)", "2026-01-15 00:00:00", "2026-02-02 00:00:00, 2026-03-02 00:00:00, 2026-04-01 00:00:00, 2026-05-01 00:00:00");
	fires("UTC", "cron(0 0 15W,31W * ? *)", "2026-02-01 00:00:00", "2026-02-16 00:00:00, 2026-03-16 00:00:00, 2026-03-31 00:00:00, 2026-04-15 00:00:00, 2026-05-15 00:00:00, 2026-05-29 00:00:00");
	fires("UTC", "cron(0 0 ? * L *)", "2026-11-20 00:00:00", "2026-11-21 00:00:00, 2026-11-28 00:00:00");
	fires("UTC", "cron(0 0 ? * 6L,mon *)", "2026-11-20 00:00:00", "2026-11-23 00:00:00, 2026-11-27 00:00:00, 2026-11-30 00:00:00");
	fires("UTC", "cron(0 0 ? * SAT#5 *)", "2026-01-01 00:00:00", "2026-01-31 00:00:00, 2026-05-30 00:00:00");
	fires("UTC", "cron(0 0 29 2 ? *)", "2096-03-01 00:00:00", "2104-02-29 00:00:00");
	fires("UTC", "cron(0 0 1 NOV-FEB ? 2199)", "2026-01-01 00:00:00", "2199-01-01 00:00:00, 2199-02-01 00:00:00, 2199-11-01 00:00:00, 2199-12-01 00:00:00, none");
	fires("UTC", "cron(59 23 31 12 ? 1970,2199)", "1969-01-01 00:00:00", "1970-12-31 23:59:00, 2199-12-31 23:59:00, none");

	/* these never do */
	fires("UTC", "cron(0 0 30 2 ? *)", "2026-01-01 00:00:00", "none");
	fires("UTC", "cron(0 0 31 4,6,9,11 ? *)", "2026-01-01 00:00:00", "none");
	fires("UTC", "cron(15 10 ? * 6L 2002-2005)", "2026-01-01 00:00:00", "none");
}

static void
test_clock_changes(void)
{
	/* forward: 02:30 is skipped; backward: once, the first time */
	fires("Europe/Berlin", "cron(30 2 * * ? *)", "2026-03-28 00:00:00", "2026-03-28 01:30:00, 2026-03-30 00:30:00");
	fires("Europe/Berlin", "cron(30 2 * * ? *)", "2026-10-24 12:00:00", "2026-10-25 00:30:00, 2026-10-26 01:30:00");
	fires("Europe/Berlin", "cron(0/30 * * * ? *)", "2026-10-25 00:00:00", "2026-10-25 00:30:00, 2026-10-25 02:00:00");
	fires("Europe/Berlin", "cron(0/30 * * * ? *)", "2026-10-25 01:15:00", "2026-10-25 02:00:00");
	fires("Europe/Berlin", "at(2026-03-29T02:30:00)", "2026-01-01 00:00:00", "none");
	fires("Europe/Berlin", "at(2026-10-25T02:30:00)", "2026-01-01 00:00:00", "2026-10-25 00:30:00, none");
	fires("America/New_York", "cron(30 2 ? 3 1#2 *)", "2026-01-01 00:00:00", "none");
	/* half an hour forward and backward */
	fires("Australia/Lord_Howe", "cron(0/15 2 * * ? *)", "2026-10-03 15:00:00", "2026-10-03 15:30:00, 2026-10-03 15:45:00, 2026-10-04 15:00:00");
	fires("Australia/Lord_Howe", "cron(45 1 * * ? *)", "2026-04-04 12:00:00", "2026-04-04 14:45:00, 2026-04-05 15:15:00");
	/* no 30 December 2011 */
	fires("Pacific/Apia", "cron(0 12 * * ? *)", "2011-12-29 00:00:00", "2011-12-29 22:00:00, 2011-12-30 22:00:00, 2011-12-31 22:00:00");
	fires("Pacific/Apia", "cron(0 12 30 12 ? *)", "2011-01-01 00:00:00", "2012-12-29 22:00:00");
	/* a day that began at one */
	fires("America/Sao_Paulo", "cron(0 0 * * ? *)", "2018-11-03 00:00:00", "2018-11-03 03:00:00, 2018-11-05 02:00:00");
	fires("America/Sao_Paulo", "cron(30 23 * * ? *)", "2019-02-16 12:00:00", "2019-02-17 01:30:00, 2019-02-18 02:30:00");
	fires("Asia/Kathmandu", "cron(0 6 * * ? *)", "1985-12-30 12:00:00", "1985-12-31 00:30:00, 1986-01-01 00:15:00");
	fires("Europe/Dublin", "cron(30 1 * * ? *)", "2026-10-24 12:00:00", "2026-10-25 00:30:00, 2026-10-26 01:30:00");
	fires("Europe/Dublin", "cron(30 1 * * ? *)", "2026-03-28 12:00:00", "2026-03-30 00:30:00");
	/* an offset with seconds: -0:44:30 */
	fires("Africa/Monrovia", "cron(0 0 * * ? *)", "1972-01-05 12:00:00", "1972-01-06 00:44:30, 1972-01-08 00:00:00");
}

/* Bounds: since, start, end. */
static void
test_span(void)
{
	EbSchedule	schedule;
	EbScheduleError error;
	EbScheduleSpan span = {.since = 1000};
	int64		next = 0;

	eb_schedule_parse("rate(1 minute)", 14, &schedule, &error);
	ok(eb_schedule_next(&schedule, &eb_schedule_utc, &span, 0, &next) &&
	   next == 1060, "a rate counts from when it was made");
	ok(eb_schedule_next(&schedule, &eb_schedule_utc, &span, 1119, &next) &&
	   next == 1120, "and keeps its distance");
	span.has_start = true;
	span.start = 5000;
	ok(eb_schedule_next(&schedule, &eb_schedule_utc, &span, 0, &next) &&
	   next == 5000, "or begins with its start");
	span.has_end = true;
	span.end = 5060;
	ok(eb_schedule_next(&schedule, &eb_schedule_utc, &span, 5000, &next) &&
	   next == 5060, "it may fire at its end");
	ok(!eb_schedule_next(&schedule, &eb_schedule_utc, &span, 5060, &next),
	   "and not after it");
	eb_schedule_parse("cron(* * * * ? *)", 17, &schedule, &error);
	span.start = 6000;
	span.end = 6060;
	ok(eb_schedule_next(&schedule, &eb_schedule_utc, &span, 0, &next) &&
	   next == 6000, "cron may fire at its start");
	ok(!eb_schedule_next(&schedule, &eb_schedule_utc, &span, 6060, &next),
	   "and does not after its end");
	eb_schedule_parse("at(1970-01-01T00:30:00)", 23, &schedule, &error);
	ok(eb_schedule_next(&schedule, &eb_schedule_utc, &span, 0, &next) &&
	   next == 1800, "an at knows no start and end");
	span.since = 1800;
	ok(!eb_schedule_next(&schedule, &eb_schedule_utc, &span, 0, &next),
	   "but must be later than when it was made");
	ok(!eb_schedule_next(&schedule, &eb_schedule_utc, &no_span, PG_INT64_MAX,
						 &next) &&
	   eb_schedule_next(&schedule, &eb_schedule_utc, &no_span, PG_INT64_MIN,
						&next), "any instant can be asked for");
}

static void
test_dates(void)
{
	int64		expected = eb_days_of_date(1000, 1, 1);
	int			nfailed = 0;

	for (int year = 1000; year < 3000; year++)
		for (int month = 1; month <= 12; month++)
			for (int day = 1; day <= eb_days_in_month(year, month); day++)
			{
				int			y,
							m,
							d;

				eb_date_of_days(expected, &y, &m, &d);
				if (y != year || m != month || d != day ||
					eb_days_of_date(year, month, day) != expected++)
					nfailed++;
			}
	ok(nfailed == 0 && eb_days_of_date(1970, 1, 1) == 0,
	   "dates of 2000 years and their numbers");
}

/* ----- what is valid ----- */

static void
refused(const char *expression, int position, const char *reason)
{
	EbSchedule	schedule;
	EbScheduleError error;
	char		want[200];
	char		got[200] = "valid";

	snprintf(want, sizeof(want), "%d: %s", position, reason);
	if (!eb_schedule_parse(expression, strlen(expression), &schedule, &error))
		snprintf(got, sizeof(got), "%d: %s", error.position, error.reason);
	is_text(got, want, "%s is refused", expression);
}

static void
test_refused(void)
{
	refused("", 0, "expected rate(...), cron(...) or at(...)");
	refused("Rate(1 minute)", 0, "expected rate(...), cron(...) or at(...)");
	refused("rate(1  minute)", 7, "expected minute, hour or day");
	refused("rate(2 minute)", 7, "expected \"minutes\" after 2");
	refused("rate(1 hours)", 7, "expected \"hour\" after 1");
	refused("rate(0 minutes)", 5, "the value of a rate must be positive");
	refused("rate(1.5 days)", 6, "expected one blank and a unit of time");
	refused("rate(1234567890 days)", 5, "the number has more than 9 digits");
	refused("rate(1 minute) ", 14, "expected nothing after the \")\"");
	refused("rate(1 minute", 13, "expected \")\"");
	refused("at(2026-02-29T00:00:00)", 22, "there is no such date");
	refused("at(2026-02-28T24:00:00)", 22, "there is no such time of day");
	refused("at(2026-02-28)", 13, "expected \"T\", as in yyyy-mm-ddThh:mm:ss");
	refused("at(2026-2-28T00:00:00)", 9, "expected 2 digits, as in yyyy-mm-ddThh:mm:ss");
	refused("at(1969-02-28T00:00:00)", 22, "the year must be 1970 to 2199");
	refused("at(2026-12-31T23:59:59Z)", 22, "expected \")\"");
	refused("cron(0 10 * * ?)", 15, "expected a blank and year");
	refused("cron(0 10 * * ? * *)", 17, "expected \")\"");
	refused("cron( 0 10 * * ? *)", 5, "expected a value of minutes");
	refused("cron(60 10 * * ? *)", 5, "a value of minutes must be 0 to 59");
	refused("cron(0 24 * * ? *)", 7, "a value of hours must be 0 to 23");
	refused("cron(0 0 0 * ? *)", 9, "a value of day-of-month must be 1 to 31");
	refused("cron(0 0 ? 13 ? *)", 11, "a value of month must be 1 to 12");
	refused("cron(0 0 ? * 0 *)", 13, "a value of day-of-week must be 1 to 7");
	refused("cron(0 0 ? * MOO *)", 13, "expected a value of day-of-week");
	refused("cron(0 0 * * ? 2200)", 15, "a value of year must be 1970 to 2199");
	refused("cron(0 0 * * ? 2030-2020)", 15, "a range of years must not end before it begins");
	refused("cron(0 0 ? * ? *)", 13, "only one of day-of-month and day-of-week can be \"?\"");
	refused("cron(0 0 1 * 1 *)", 13, "one of day-of-month and day-of-week must be \"?\"");
	refused("cron(? 0 1 * ? *)", 5, "expected a value of minutes");
	refused("cron(0/0 0 1 * ? *)", 7, "a step in minutes must be 1 to 60");
	refused("cron(0/90 0 1 * ? *)", 7, "a step in minutes must be 1 to 60");
	refused("cron(0 0 ? * 3#6 *)", 15, "a month has a weekday 1 to 5 times");
	refused("cron(0 0 ? * 3#1,6#3 *)", 13, "an expression with \"#\" must be the only one of day-of-week");
	refused("cron(0 0 1,, * ? *)", 11, "expected a value of day-of-month");
	refused("cron(0 0 W * ? *)", 9, "expected a value of day-of-month");
	refused("cron(0 0 1 * ? 99999999999)", 15, "the number has more than 9 digits");
}

/* A member of a case; their values have no quotes or backslashes. */
static bool
get_member(const char *line, const char *name, char *value, int size)
{
	char		key[40];
	const char *at;
	int			len;

	snprintf(key, sizeof(key), "\"%s\": ", name);
	at = strstr(line, key);
	if (at == NULL)
		return false;
	at += strlen(key);
	at += *at == '"';
	len = strcspn(at, name[0] == 'v' ? ",}" : "\"");
	snprintf(value, size, "%.*s", len, at);
	return true;
}

static void
test_conformance(const char *directory)
{
	char		path[1024];
	char		line[1024];
	int			ncases = 0;
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/schedule.jsonl", directory);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
	{
		char		expression[200];
		char		valid[10];
		EbSchedule	schedule;
		EbScheduleError error;

		if (!get_member(line, "expression", expression, sizeof(expression)) ||
			!get_member(line, "valid", valid, sizeof(valid)))
			break;
		ncases++;
		ok(eb_schedule_parse(expression, strlen(expression), &schedule,
							 &error) == (strcmp(valid, "true") == 0),
		   "case %d: %s: %s", ncases, expression, valid);
	}
	ok(ncases == 62, "all cases of %s", path);
	if (file != NULL)
		fclose(file);
}

/* ----- random cron expressions ----- */

typedef enum DayKind
{
	SOME_DAYS, SOME_WEEKDAYS, LAST_DAY, LAST_WEEKDAY, NEAR_DAY,
	LAST_OF_WEEKDAY, NTH_OF_WEEKDAY, NDAYKINDS
} DayKind;

/* An expression, and what it means. */
typedef struct Expression
{
	char		text[600];
	bool		minutes[60];
	bool		hours[24];
	bool		months[13];
	bool		years[231];		/* from 1970 on */
	DayKind		kind;
	bool		days[32];		/* of the month or of the week */
	int			day;			/* for the kinds of one day */
	int			nth;
} Expression;

static uint64 random_state = 1;

/* A number from 0 to n - 1. */
static int
chance(int n)
{
	random_state = random_state * UINT64CONST(6364136223846793005) +
		UINT64CONST(1442695040888963407);
	return (int) ((random_state >> 33) % n);
}

static const char *
name_of(int value, int max)
{
	static const char *const months[] = {"JAN", "feb", "Mar", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
	static const char *const days[] = {"SUN", "MON", "TUE", "wed", "THU", "Fri", "SAT"};

	if (max == 12 && chance(3) == 0)
		return months[value - 1];
	if (max == 7 && chance(3) == 0)
		return days[value - 1];
	return psprintf("%d", value);
}

/* Appends a field of random items; set[n - base] is true where it has n. */
static void
make_field(Expression *e, bool *set, int base, int min, int max)
{
	char	   *end = e->text + strlen(e->text);
	int			size = e->text + sizeof(e->text) - end;
	int			nitems = chance(4) == 0 ? 1 + chance(4) : 1;

	for (int i = 0; i < nitems; i++)
	{
		int			from = min + chance(max - min + 1);
		int			to = min + chance(max - min + 1);
		int			step = 1 + chance(chance(2) ? 5 : max - min + 1);
		int			n = 0;

		if (max > 2000 && from > to)
		{
			int			swap = from;

			from = to;
			to = swap;
		}
		if (i > 0)
			n = snprintf(end, size, ",");
		switch (chance(6))
		{
			case 0:
				n += snprintf(end + n, size - n, "*");
				from = min;
				to = max;
				step = 1;
				break;
			case 1:
				n += snprintf(end + n, size - n, "*/%d", step);
				from = min;
				to = max;
				break;
			case 2:
				n += snprintf(end + n, size - n, "%s/%d", name_of(from, max), step);
				to = max;
				break;
			case 3:
				n += snprintf(end + n, size - n, "%s-%s", name_of(from, max), name_of(to, max));
				step = 1;
				break;
			case 4:
				n += snprintf(end + n, size - n, "%s-%s/%d", name_of(from, max), name_of(to, max), step);
				break;
			default:
				n += snprintf(end + n, size - n, "%s", name_of(from, max));
				to = from;
				break;
		}
		end += n;
		size -= n;
		/* walks one by one, around the end if need be */
		for (int value = from, count = 0;; count++)
		{
			if (count % step == 0)
				set[value - base] = true;
			if (value == to)
				break;
			value = value == max ? min : value + 1;
		}
	}
	snprintf(end, size, " ");
}

static void
add(Expression *e, const char *format,...)
{
	int			len = strlen(e->text);
	va_list		args;

	va_start(args, format);
	vsnprintf(e->text + len, sizeof(e->text) - len, format, args);
	va_end(args);
}

static void
make_expression(Expression *e)
{
	memset(e, 0, sizeof(*e));
	e->kind = chance(NDAYKINDS + 6);
	if (e->kind >= NDAYKINDS)
		e->kind = e->kind % 2 == 0 ? SOME_DAYS : SOME_WEEKDAYS;
	e->day = e->kind == NEAR_DAY ? 1 + chance(31) : 1 + chance(7);
	e->nth = 1 + chance(5);
	add(e, "cron(");
	make_field(e, e->minutes, 0, 0, 59);
	make_field(e, e->hours, 0, 0, 23);
	if (e->kind == SOME_DAYS)
		make_field(e, e->days, 0, 1, 31);
	else
		add(e, e->kind == LAST_DAY ? "L " : e->kind == LAST_WEEKDAY ? "LW " :
			e->kind == NEAR_DAY ? "%dW " : "? ", e->day);
	make_field(e, e->months, 0, 1, 12);
	if (e->kind == SOME_WEEKDAYS)
		make_field(e, e->days, 0, 1, 7);
	else
		add(e, e->kind == LAST_OF_WEEKDAY ? "%dL " :
			e->kind == NTH_OF_WEEKDAY ? "%d#%d " : "? ", e->day, e->nth);
	if (chance(3) > 0)
	{
		add(e, "*)");
		memset(e->years, true, sizeof(e->years));
	}
	else
	{
		make_field(e, e->years, 1970, 1970, 2199);
		e->text[strlen(e->text) - 1] = ')';
	}
}

/* Is the local day, a midnight in UTC, one of the expression? */
static bool
is_day(const Expression *e, int64 midnight)
{
	time_t		at = (time_t) midnight;
	time_t		other;
	struct tm	tm;
	struct tm	tomorrow;
	struct tm	near;
	int			last;

	gmtime_r(&at, &tm);
	if (tm.tm_year < 70 || tm.tm_year > 299 || !e->months[tm.tm_mon + 1] ||
		!e->years[tm.tm_year - 70])
		return false;
	last = eb_days_in_month(tm.tm_year + 1900, tm.tm_mon + 1);
	other = at + DAY;
	gmtime_r(&other, &tomorrow);
	switch (e->kind)
	{
		case SOME_DAYS:
			return e->days[tm.tm_mday];
		case SOME_WEEKDAYS:
			return e->days[tm.tm_wday + 1];
		case LAST_DAY:
			return tomorrow.tm_mday == 1;
		case LAST_WEEKDAY:
			/* Monday to Friday, and none such between it and the end */
			return tm.tm_wday >= 1 && tm.tm_wday <= 5 &&
				(tm.tm_mday == last ||
				 (tm.tm_wday == 5 && tm.tm_mday + 2 >= last));
		case NEAR_DAY:
			if (e->day > last || tm.tm_wday == 0 || tm.tm_wday == 6)
				return false;
			/* the wanted day of this month, and the first choice for it */
			other = at + (int64) (e->day - tm.tm_mday) * DAY;
			gmtime_r(&other, &near);
			if (near.tm_wday == 6)
				other += e->day > 1 ? -DAY : 2 * DAY;
			else if (near.tm_wday == 0)
				other += e->day < last ? DAY : -2 * DAY;
			return other == at;
		case LAST_OF_WEEKDAY:
			other = at + 7 * DAY;
			gmtime_r(&other, &near);
			return tm.tm_wday + 1 == e->day && near.tm_mon != tm.tm_mon;
		default:
			return tm.tm_wday + 1 == e->day && (tm.tm_mday + 6) / 7 == e->nth;
	}
}

/*
 * Walks through the minutes of an expression's years, and compares. Returns
 * how often it fires, -1 where that is not what was expected.
 */
static int
compare_minutes(const Expression *e, const EbSchedule *schedule,
				const EbScheduleZone *zone, int64 from, int64 to)
{
	int64		shown = PG_INT64_MIN;	/* clocks have shown this already */
	int64		at = from - 3 * DAY;
	int64		expected = from;
	int64		day = 0;		/* the last one looked at: not 1970-01-01 */
	bool		good_day = false;
	bool		found = true;
	int			n = 0;
	EbScheduleSpan span = {.since = from};

	found = eb_schedule_next(schedule, zone, &span, from, &expected);
	while (at <= to)
	{
		int64		until;
		int64		offset = zone->offset(zone, at, &until);
		int64		local = at + offset + 59;

		/* full minutes until clocks change */
		for (local -= local % 60;
			 local - offset < until && local - offset <= to; local += 60)
		{
			if (local <= shown)
				continue;
			shown = local;
			if (local - day >= DAY || local < day)
			{
				day = local - local % DAY;
				good_day = is_day(e, day);
			}
			if (!good_day || !e->hours[local % DAY / 3600] ||
				!e->minutes[local % 3600 / 60] || local - offset <= from)
				continue;
			if (!found || expected != local - offset)
			{
				char		text[40];

				utc_text(local - offset, text, sizeof(text));
				note("%s fires at %s", e->text, text);
				return -1;
			}
			n++;
			found = eb_schedule_next(schedule, zone, &span, expected,
									 &expected);
		}
		at = until;
	}
	if (found && expected <= to)
	{
		note("%s does not fire at " INT64_FORMAT, e->text, expected);
		return -1;
	}
	return n;
}

static int
setting(const char *name, int value)
{
	return getenv(name) == NULL ? value : atoi(getenv(name));
}

static void
test_random(const char *zone_name)
{
	static Changes changes;
	EbScheduleZone zone = {offset_of_changes, &changes};
	int			nexpressions = setting("EB_SCHEDULE_EXPRESSIONS", 25);
	int			nyears = setting("EB_SCHEDULE_YEARS", 10);
	int64		nfired = 0;
	int			nfailed = 0;

	find_changes(zone_name, &changes);
	for (int i = 0; i < nexpressions; i++)
	{
		int			year = 1971 + chance(Max(2100 - nyears - 1971, 1));
		int64		from = eb_days_of_date(year, 1 + chance(12), 1) * DAY;
		Expression	e;
		EbSchedule	schedule;
		EbScheduleError error;
		int			n = -1;

		make_expression(&e);
		if (eb_schedule_parse(e.text, strlen(e.text), &schedule, &error))
			n = compare_minutes(&e, &schedule, &zone, from,
								from + (int64) nyears * 365 * DAY);
		else
			note("%s is refused: %s", e.text, error.reason);
		if (n < 0)
			nfailed++;
		else
			nfired += n;
		free_all();
	}
	ok(nfailed == 0, "%d expressions in %s fire " INT64_FORMAT " times in %d years, by the minute",
	   nexpressions, zone_name, nfired, nyears);
}

/* Does it fire again, in UTC? */
static bool
next_in_utc(const EbSchedule *schedule, int64 after, int64 *next)
{
	return eb_schedule_next(schedule, &eb_schedule_utc, &no_span, after, next);
}

/* The last of many, by asking for each of them. */
static void
test_last(void)
{
	int			nfailed = 0;

	for (int i = 0; i < 300; i++)
	{
		Expression	e;
		EbSchedule	schedule;
		EbScheduleError error;
		int64		first,
					at,
					last,
					next;
		int			nsteps = chance(200);

		make_expression(&e);
		if (!eb_schedule_parse(e.text, strlen(e.text), &schedule, &error) ||
			!next_in_utc(&schedule, chance(2000000000), &first))
			continue;
		at = first;
		while (nsteps-- > 0 && next_in_utc(&schedule, at, &next))
			at = next;
		last = at;
		if (next_in_utc(&schedule, at, &next))
			last += chance(Min(next - at, 100000));
		if (eb_schedule_last(&schedule, &eb_schedule_utc, &no_span, first,
							 last) != at)
			nfailed++;
		free_all();
	}
	ok(nfailed == 0, "the last time before an instant");
}

int
main(int argc, char **argv)
{
	static const char *const zones[] = {
		"UTC", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo",
		"Asia/Kathmandu", "Europe/Dublin", "America/New_York",
		"Africa/Casablanca", "Asia/Gaza", "Africa/Monrovia"
	};

	test_dates();
	test_refused();
	test_conformance(argc > 1 ? argv[1] : ".");
	test_times();
	test_clock_changes();
	test_span();
	test_last();
	random_state = setting("EB_SCHEDULE_SEED", 1);
	for (int i = 0; i < lengthof(zones); i++)
		test_random(zones[i]);
	return finish();
}
