/*-------------------------------------------------------------------------
 *
 * iso8601.c
 *		Times of event entries: read ISO 8601, write it.
 *
 * An event means the same whoever puts it, so what an entry's Time says may
 * not depend on DateStyle or TimeZone, as timestamptz's input does; nor may a
 * bad one raise an error, which would abort the transaction. Hence a reader
 * for the one format that APIs use. Envelopes say times in UTC and in whole
 * seconds, as EventBridge does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "iso8601.h"

/* What is left to read. */
typedef struct Reader
{
	const char *p;
	const char *end;
} Reader;

static bool read_time(Reader *reader, struct pg_tm *tm, fsec_t *fsec);
static bool read_fraction(Reader *reader, fsec_t *fsec);
static bool read_zone(Reader *reader, int *offset);
static bool read_number(Reader *reader, int digits, int *number);
static bool skip_char(Reader *reader, char c);

bool
eb_iso8601_read(const char *text, int len, TimestampTz *at)
{
	Reader		reader = {text, text + len};
	struct pg_tm tm = {0};
	fsec_t		fsec = 0;
	int			offset = 0;
	int			zone;

	if (!read_number(&reader, 4, &tm.tm_year) || !skip_char(&reader, '-') ||
		!read_number(&reader, 2, &tm.tm_mon) || !skip_char(&reader, '-') ||
		!read_number(&reader, 2, &tm.tm_mday))
		return false;
	if (tm.tm_year < 1 || tm.tm_mon < 1 || tm.tm_mon > MONTHS_PER_YEAR ||
		tm.tm_mday < 1 ||
		tm.tm_mday > day_tab[isleap(tm.tm_year)][tm.tm_mon - 1])
		return false;

	if (skip_char(&reader, 'T') || skip_char(&reader, 't') ||
		skip_char(&reader, ' '))
	{
		if (!read_time(&reader, &tm, &fsec) || !read_zone(&reader, &offset))
			return false;
	}
	if (reader.p != reader.end)
		return false;

	zone = -offset;				/* PostgreSQL counts west of Greenwich */
	return tm2timestamp(&tm, fsec, &zone, at) == 0;
}

static bool
read_time(Reader *reader, struct pg_tm *tm, fsec_t *fsec)
{
	if (!read_number(reader, 2, &tm->tm_hour) || !skip_char(reader, ':') ||
		!read_number(reader, 2, &tm->tm_min))
		return false;
	if (skip_char(reader, ':') &&
		(!read_number(reader, 2, &tm->tm_sec) || !read_fraction(reader, fsec)))
		return false;

	/* a leap second is the first one of the next minute */
	return tm->tm_hour < HOURS_PER_DAY && tm->tm_min < MINS_PER_HOUR &&
		tm->tm_sec <= SECS_PER_MINUTE;
}

static bool
read_fraction(Reader *reader, fsec_t *fsec)
{
	int			digit;
	int			unit = USECS_PER_SEC / 10;

	if (!skip_char(reader, '.'))
		return true;
	if (!read_number(reader, 1, &digit))
		return false;
	do
	{
		*fsec += digit * unit;
		unit /= 10;
	} while (read_number(reader, 1, &digit));
	return true;
}

/* Reads a zone, if there is one, as seconds east of Greenwich. */
static bool
read_zone(Reader *reader, int *offset)
{
	int			sign = 1;
	int			hours;
	int			minutes = 0;

	if (reader->p == reader->end || skip_char(reader, 'Z') ||
		skip_char(reader, 'z'))
		return true;
	if (skip_char(reader, '-'))
		sign = -1;
	else if (!skip_char(reader, '+'))
		return false;

	if (!read_number(reader, 2, &hours))
		return false;
	if (skip_char(reader, ':') || reader->p != reader->end)
	{
		if (!read_number(reader, 2, &minutes))
			return false;
	}
	if (hours > MAX_TZDISP_HOUR || minutes >= MINS_PER_HOUR)
		return false;
	*offset = sign * (hours * SECS_PER_HOUR + minutes * SECS_PER_MINUTE);
	return true;
}

/* Reads exactly that many digits. */
static bool
read_number(Reader *reader, int digits, int *number)
{
	int			value = 0;

	if (reader->end - reader->p < digits)
		return false;
	for (int i = 0; i < digits; i++)
	{
		if (reader->p[i] < '0' || reader->p[i] > '9')
			return false;
		value = value * 10 + (reader->p[i] - '0');
	}
	reader->p += digits;
	*number = value;
	return true;
}

static bool
skip_char(Reader *reader, char c)
{
	if (reader->p == reader->end || *reader->p != c)
		return false;
	reader->p++;
	return true;
}

void
eb_iso8601_write(TimestampTz at, char text[EB_ISO8601_SIZE])
{
	struct pg_tm tm;
	fsec_t		fsec;

	/* without a zone to turn to, the fields are those of UTC */
	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "event time is out of range");
	snprintf(text, EB_ISO8601_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ",
			 (unsigned) tm.tm_year % 10000, (unsigned) tm.tm_mon % 100,
			 (unsigned) tm.tm_mday % 100, (unsigned) tm.tm_hour % 100,
			 (unsigned) tm.tm_min % 100, (unsigned) tm.tm_sec % 100);
}

bool
eb_iso8601_writable(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;

	return !TIMESTAMP_NOT_FINITE(at) &&
		timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) == 0 &&
		tm.tm_year >= 1 && tm.tm_year <= 9999;
}
