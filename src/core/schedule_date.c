/*-------------------------------------------------------------------------
 *
 * schedule_date.c
 *		Dates of the Gregorian calendar as numbers of days.
 *
 * A year is counted from March, so that the leap day is its last; the months
 * from March on have 31, 30, 31, 30, 31 days over and over, which is what the
 * divisions by 5 and 153 know.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/schedule.h"

#define DAYS_IN_400_YEARS	146097
#define EPOCH_DAY			719468	/* 1970-01-01, from 0000-03-01 */

int64
eb_days_of_date(int year, int month, int day)
{
	int64		y = month > 2 ? year : year - 1;
	int			m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 +
		(153 * m + 2) / 5 + day - 1 - EPOCH_DAY;
}

void
eb_date_of_days(int64 days, int *year, int *month, int *day)
{
	int64		n = days + EPOCH_DAY;
	int64		cycle = (n >= 0 ? n : n - (DAYS_IN_400_YEARS - 1)) /
		DAYS_IN_400_YEARS;
	int			rest = (int) (n - cycle * DAYS_IN_400_YEARS);
	int			y = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
	int			of_year = rest - (365 * y + y / 4 - y / 100);
	int			m = (5 * of_year + 2) / 153;

	*day = of_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = (int) (y + cycle * 400) + (*month <= 2);
}

int
eb_days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}
