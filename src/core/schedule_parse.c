/*-------------------------------------------------------------------------
 *
 * schedule_parse.c
 *		Reads schedule expressions as EventBridge writes them.
 *
 *		rate(VALUE UNIT)	minute, hour, day for 1; minutes, hours, days else
 *		at(yyyy-mm-ddThh:mm:ss)
 *		cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR)
 *
 *		field:	item [, item]...
 *		item:	* [/STEP]  value [/STEP]  value-value [/STEP]
 *		value:	a number, or JAN to DEC, SUN to SAT in letters of any case
 *
 * "a/n" goes from a to the end of the field's range. A range may wrap around
 * (22-2 in hours, FRI-MON), but not in years. One of the two fields of days
 * must be "?", and only one. Besides, day-of-month has L (last day), LW (last
 * weekday) and nW (weekday nearest to n, in its month); day-of-week has L
 * (Saturday), nL (last such day of the month) and n#k (k-th such day of the
 * month), of which only one may stand there, alone. Fields are separated by
 * blanks; there are none elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/schedule.h"

#define DAY				86400
#define MAX_DIGITS		9		/* what fits an int */

/* A field of a cron expression. */
typedef struct Field
{
	const char *name;
	int			min;
	int			max;
	const char *names;			/* of three letters each, or NULL */
} Field;

enum
{
	MINUTES, HOURS, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR, NFIELDS
};

static const Field fields[NFIELDS] = {
	{"minutes", 0, 59, NULL},
	{"hours", 0, 23, NULL},
	{"day-of-month", 1, 31, NULL},
	{"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	{"day-of-week", 1, 7, "SUNMONTUEWEDTHUFRISAT"},
	{"year", EB_SCHEDULE_FIRST_YEAR, EB_SCHEDULE_LAST_YEAR, NULL},
};

/* The values of a field: bit n is min + n. */
typedef struct Values
{
	uint64		bits[4];
	bool		none;			/* "?" */
	int			nitems;
} Values;

typedef struct Parser
{
	const char *text;
	int			len;
	int			at;
	EbScheduleError *error;
} Parser;

static bool parse_rate(Parser *p, EbSchedule *schedule);
static bool parse_at(Parser *p, EbSchedule *schedule);
static bool parse_cron(Parser *p, EbCron *cron);
static bool parse_field(Parser *p, int number, EbCron *cron, Values *values);
static bool parse_item(Parser *p, int number, EbCron *cron, Values *values);
static bool parse_special(Parser *p, int number, int value, EbCron *cron,
						  bool *done);
static bool parse_last_day(Parser *p, EbCron *cron);
static bool parse_nth(Parser *p, int weekday, EbCron *cron);
static bool parse_step(Parser *p, const Field *field, int *step);
static bool parse_value(Parser *p, const Field *field, int *value);
static bool parse_number(Parser *p, int *number);
static bool parse_digits(Parser *p, int ndigits, int *number);
static int	letter(const Parser *p, int ahead);
static bool take(Parser *p, char c);
static bool take_text(Parser *p, const char *text);
static bool fail(Parser *p, const char *format,...) pg_attribute_printf(2, 3);

bool
eb_schedule_parse(const char *text, int len, EbSchedule *schedule,
				  EbScheduleError *error)
{
	Parser		p = {text, len, 0, error};
	bool		parsed;

	memset(schedule, 0, sizeof(*schedule));
	if (take_text(&p, "rate("))
		parsed = parse_rate(&p, schedule);
	else if (take_text(&p, "cron("))
	{
		schedule->kind = EB_SCHEDULE_CRON;
		parsed = parse_cron(&p, &schedule->cron);
	}
	else if (take_text(&p, "at("))
		parsed = parse_at(&p, schedule);
	else
		return fail(&p, "expected rate(...), cron(...) or at(...)");
	if (!parsed)
		return false;
	if (!take(&p, ')'))
		return fail(&p, "expected \")\"");
	if (p.at < p.len)
		return fail(&p, "expected nothing after the \")\"");
	return true;
}

/* --- rate, at ------------------------------------------------------------- */

static bool
parse_rate(Parser *p, EbSchedule *schedule)
{
	static const struct
	{
		const char *name;
		int			seconds;
	}			units[] = {{"minute", 60}, {"hour", 3600}, {"day", DAY}};
	int			value;
	int			start = p->at;

	schedule->kind = EB_SCHEDULE_RATE;
	if (!parse_number(p, &value))
		return false;
	if (value == 0)
	{
		p->at = start;
		return fail(p, "the value of a rate must be positive");
	}
	if (!take(p, ' '))
		return fail(p, "expected one blank and a unit of time");
	for (int i = 0; i < lengthof(units); i++)
	{
		start = p->at;
		if (!take_text(p, units[i].name))
			continue;
		if (take(p, 's') != (value > 1))
		{
			p->at = start;
			return fail(p, "expected \"%s%s\" after %d", units[i].name,
						value > 1 ? "s" : "", value);
		}
		schedule->interval = (int64) value * units[i].seconds;
		return true;
	}
	return fail(p, "expected %s", value > 1 ? "minutes, hours or days" :
				"minute, hour or day");
}

static bool
parse_at(Parser *p, EbSchedule *schedule)
{
	int			part[6];
	static const char separators[] = "--T::";

	schedule->kind = EB_SCHEDULE_AT;
	for (int i = 0; i < lengthof(part); i++)
	{
		if (i > 0 && !take(p, separators[i - 1]))
			return fail(p, "expected \"%c\", as in yyyy-mm-ddThh:mm:ss",
						separators[i - 1]);
		if (!parse_digits(p, i == 0 ? 4 : 2, &part[i]))
			return fail(p, "expected %d digits, as in yyyy-mm-ddThh:mm:ss",
						i == 0 ? 4 : 2);
	}
	if (part[0] < EB_SCHEDULE_FIRST_YEAR || part[0] > EB_SCHEDULE_LAST_YEAR)
		return fail(p, "the year must be %d to %d", EB_SCHEDULE_FIRST_YEAR,
					EB_SCHEDULE_LAST_YEAR);
	if (part[1] < 1 || part[1] > 12 || part[2] < 1 ||
		part[2] > eb_days_in_month(part[0], part[1]))
		return fail(p, "there is no such date");
	if (part[3] > 23 || part[4] > 59 || part[5] > 59)
		return fail(p, "there is no such time of day");
	schedule->at = eb_days_of_date(part[0], part[1], part[2]) * DAY +
		part[3] * 3600 + part[4] * 60 + part[5];
	return true;
}

/* --- cron ----------------------------------------------------------------- */

static bool
parse_cron(Parser *p, EbCron *cron)
{
	Values		values[NFIELDS];
	int			start[NFIELDS];

	memset(values, 0, sizeof(values));
	for (int i = 0; i < NFIELDS; i++)
	{
		if (i > 0 && !take(p, ' '))
			return fail(p, "expected a blank and %s", fields[i].name);
		while (i > 0 && take(p, ' '))
			;
		start[i] = p->at;
		if (!parse_field(p, i, cron, &values[i]))
			return false;
	}
	if (values[DAY_OF_MONTH].none == values[DAY_OF_WEEK].none)
	{
		p->at = start[DAY_OF_WEEK];
		return fail(p, values[DAY_OF_WEEK].none ?
					"only one of day-of-month and day-of-week can be \"?\"" :
					"one of day-of-month and day-of-week must be \"?\"");
	}
	cron->minutes = values[MINUTES].bits[0];
	cron->hours = (uint32) values[HOURS].bits[0];
	cron->days = (uint32) (values[DAY_OF_MONTH].bits[0] << 1);
	cron->months = (uint32) (values[MONTH].bits[0] << 1);
	cron->weekdays = (uint32) (values[DAY_OF_WEEK].bits[0] << 1);
	cron->by_weekday = values[DAY_OF_MONTH].none;
	memcpy(cron->years, values[YEAR].bits, sizeof(cron->years));
	return true;
}

static bool
parse_field(Parser *p, int number, EbCron *cron, Values *values)
{
	int			start = p->at;

	if (number == DAY_OF_MONTH || number == DAY_OF_WEEK)
		values->none = take(p, '?');
	if (values->none)
		return true;
	do
	{
		if (!parse_item(p, number, cron, values))
			return false;
		values->nitems++;
	} while (take(p, ','));
	if (number == DAY_OF_WEEK && cron->nth_weekday != 0 && values->nitems > 1)
	{
		p->at = start;
		return fail(p, "an expression with \"#\" must be the only one of day-of-week");
	}
	return true;
}

static bool
parse_item(Parser *p, int number, EbCron *cron, Values *values)
{
	const Field *field = &fields[number];
	int			from = field->min;
	int			to = field->max;
	int			step = 1;
	int			span;

	if (number == DAY_OF_MONTH && take(p, 'L'))
		return parse_last_day(p, cron);
	if (number == DAY_OF_WEEK && take(p, 'L'))
		from = to;				/* Saturday */
	else if (!take(p, '*'))
	{
		bool		done;
		int			start = p->at;

		if (!parse_value(p, field, &from))
			return false;
		if (!parse_special(p, number, from, cron, &done))
			return false;
		if (done)
			return true;
		if (take(p, '-'))
		{
			if (!parse_value(p, field, &to))
				return false;
			if (number == YEAR && from > to)
			{
				p->at = start;
				return fail(p, "a range of years must not end before it begins");
			}
		}
		else if (letter(p, 0) != '/')
			to = from;
	}
	if (take(p, '/') && !parse_step(p, field, &step))
		return false;
	span = to >= from ? to - from : to - from + field->max - field->min + 1;
	for (int i = 0; i <= span; i += step)
	{
		int			bit = (from - field->min + i) %
			(field->max - field->min + 1);

		values->bits[bit / 64] |= UINT64CONST(1) << (bit % 64);
	}
	return true;
}

/* What the fields of days have besides; *done: that was it. */
static bool
parse_special(Parser *p, int number, int value, EbCron *cron, bool *done)
{
	*done = true;
	if (number == DAY_OF_MONTH && take(p, 'W'))
		cron->near_days |= (uint32) 1 << value;
	else if (number == DAY_OF_WEEK && take(p, 'L'))
		cron->last_weekdays |= (uint32) 1 << value;
	else if (number == DAY_OF_WEEK && take(p, '#'))
		return parse_nth(p, value, cron);
	else
		*done = false;
	return true;
}

/* After the L in day-of-month. */
static bool
parse_last_day(Parser *p, EbCron *cron)
{
	if (take(p, 'W'))
		cron->last_weekday = true;
	else
		cron->last_day = true;
	return true;
}

/* After the # in day-of-week. */
static bool
parse_nth(Parser *p, int weekday, EbCron *cron)
{
	int			start = p->at;

	if (!parse_number(p, &cron->nth))
		return false;
	if (cron->nth >= 1 && cron->nth <= 5)
	{
		cron->nth_weekday = weekday;
		return true;
	}
	p->at = start;
	return fail(p, "a month has a weekday 1 to 5 times");
}

static bool
parse_step(Parser *p, const Field *field, int *step)
{
	int			start = p->at;
	int			most = field->max - field->min + 1;

	if (!parse_number(p, step))
		return false;
	if (*step >= 1 && *step <= most)
		return true;
	p->at = start;
	return fail(p, "a step in %s must be 1 to %d", field->name, most);
}

/* --- words ---------------------------------------------------------------- */

/* A number in the range of the field, or a name that stands for one. */
static bool
parse_value(Parser *p, const Field *field, int *value)
{
	int			start = p->at;

	for (int i = 0; field->names != NULL && field->names[3 * i] != '\0'; i++)
	{
		const char *name = &field->names[3 * i];

		if (letter(p, 0) == name[0] && letter(p, 1) == name[1] &&
			letter(p, 2) == name[2])
		{
			p->at += 3;
			*value = field->min + i;
			return true;
		}
	}
	if (letter(p, 0) < '0' || letter(p, 0) > '9')
		return fail(p, "expected a value of %s", field->name);
	if (!parse_number(p, value))
		return false;
	if (*value >= field->min && *value <= field->max)
		return true;
	p->at = start;
	return fail(p, "a value of %s must be %d to %d", field->name, field->min,
				field->max);
}

static bool
parse_number(Parser *p, int *number)
{
	int			start = p->at;

	*number = 0;
	while (letter(p, 0) >= '0' && letter(p, 0) <= '9')
	{
		if (p->at - start == MAX_DIGITS)
		{
			p->at = start;
			return fail(p, "the number has more than %d digits", MAX_DIGITS);
		}
		*number = *number * 10 + p->text[p->at++] - '0';
	}
	if (p->at == start)
		return fail(p, "expected a number");
	return true;
}

/* A number of exactly so many digits; false, without a reason, if it is not. */
static bool
parse_digits(Parser *p, int ndigits, int *number)
{
	*number = 0;
	for (int i = 0; i < ndigits; i++)
	{
		if (letter(p, 0) < '0' || letter(p, 0) > '9')
			return false;
		*number = *number * 10 + p->text[p->at++] - '0';
	}
	return true;
}

/* The character so far ahead, in upper case; 0 at the end. */
static int
letter(const Parser *p, int ahead)
{
	return p->at + ahead >= p->len ? 0 :
		pg_ascii_toupper((unsigned char) p->text[p->at + ahead]);
}

static bool
take(Parser *p, char c)
{
	if (p->at >= p->len || p->text[p->at] != c)
		return false;
	p->at++;
	return true;
}

static bool
take_text(Parser *p, const char *text)
{
	int			len = (int) strlen(text);

	if (p->len - p->at < len || memcmp(p->text + p->at, text, len) != 0)
		return false;
	p->at += len;
	return true;
}

/* Sets the error, with the present position; returns false. */
static bool
fail(Parser *p, const char *format,...)
{
	va_list		args;

	p->error->position = p->at;
	va_start(args, format);
	vsnprintf(p->error->reason, sizeof(p->error->reason), format, args);
	va_end(args);
	return false;
}
