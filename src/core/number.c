/*-------------------------------------------------------------------------
 *
 * number.c
 *		JSON numbers as event patterns compare them.
 *
 * EventBridge compares numbers as binary64, but only those that binary64
 * holds without loss: the decimal value must equal the shortest decimal that
 * reads back as the same binary64. So 0.1 compares and 0.10000000000000001
 * does not; 9007199254740993 (2^53 + 1) does not; 1e400 does not.
 *
 * A text is first reduced to digits without zeros at either end, and a power
 * of ten. Then:
 *
 *	 more than 17 digits	never the shortest decimal of anything
 *	 at most 15 digits		always is, away from the ends of the range: two
 *							decimals that short never share a binary64
 *	 otherwise				read, print the shortest decimal, compare
 *
 * so that work is bounded whatever the length of the text, and the usual
 * number needs one multiplication or division (both operands are exact, so
 * the result is correctly rounded: Clinger 1990).
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include <math.h>

#include "common/shortest_dec.h"

#include "core/number.h"

#define MAX_DIGITS		17		/* of any shortest decimal */
#define SAFE_DIGITS		15		/* always their own shortest decimal */
#define SAFE_EXPONENT	290		/* ... if the power of ten is within this */
#define EXACT_POWER		22		/* largest power of ten exact in binary64 */
#define EXPONENT_CAP	100000000	/* beyond any text we can be given */

/* value = (negative ? -1 : 1) * digits * 10^exponent */
typedef struct Decimal
{
	bool		negative;
	bool		too_long;		/* more than MAX_DIGITS digits */
	int			ndigits;		/* 0: the value is zero */
	int			exponent;
	char		digits[MAX_DIGITS];
} Decimal;

static void reduce(const char *text, int len, Decimal *d);
static int	read_exponent(const char *at, const char *end);
static bool is_shortest(const Decimal *d, double value);
static double read_safe(const Decimal *d);
static double read_any(const Decimal *d);

EbNumber
eb_number_read(const char *text, int len)
{
	EbNumber	number = {false, 0.0};
	Decimal		d;

	reduce(text, len, &d);
	if (d.too_long)
		return number;
	if (d.ndigits == 0)
		number.comparable = true;	/* zero, of either sign */
	else if (d.ndigits <= SAFE_DIGITS && abs(d.exponent) <= SAFE_EXPONENT)
	{
		number.value = read_safe(&d);
		number.comparable = true;
	}
	else if (abs(d.exponent) <= 400)
	{
		number.value = read_any(&d);
		number.comparable = !isinf(number.value) &&
			is_shortest(&d, number.value);
	}
	return number;
}

static void
reduce(const char *text, int len, Decimal *d)
{
	const char *end = text + len;
	bool		point = false;
	int			zeros = 0;		/* seen after a digit, not yet written */

	memset(d, 0, sizeof(*d));
	for (const char *at = text; at < end; at++)
	{
		if (*at == '-')
			d->negative = true;
		else if (*at == '.')
			point = true;
		else if (*at == 'e' || *at == 'E')
		{
			d->exponent += read_exponent(at + 1, end);
			break;
		}
		else
		{
			if (point)
				d->exponent--;
			if (*at == '0')
				zeros += d->ndigits > 0;
			else if (d->ndigits + zeros >= MAX_DIGITS)
			{
				d->too_long = true;
				return;
			}
			else
			{
				memset(d->digits + d->ndigits, '0', zeros);
				d->ndigits += zeros;
				zeros = 0;
				d->digits[d->ndigits++] = *at;
			}
		}
	}
	d->exponent += zeros;
}

/* An exponent without its "e", cut to EXPONENT_CAP either way. */
static int
read_exponent(const char *at, const char *end)
{
	bool		negative = at < end && *at == '-';
	int			exponent = 0;

	for (; at < end; at++)
	{
		if (*at >= '0' && *at <= '9' && exponent < EXPONENT_CAP)
			exponent = exponent * 10 + (*at - '0');
	}
	return negative ? -exponent : exponent;
}

/*
 * Is d, which reads as value, the shortest decimal that does? The server's
 * function never takes a decimal half way between two binary64 values, even
 * if that is the shortest and reads back right; so one with fewer digits than
 * it finds is such a decimal, and wins.
 */
static bool
is_shortest(const Decimal *d, double value)
{
	char		shortest[DOUBLE_SHORTEST_DECIMAL_LEN];
	Decimal		s;

	reduce(shortest, double_to_shortest_decimal_buf(value, shortest), &s);
	return d->ndigits < s.ndigits ||
		(d->ndigits == s.ndigits && d->exponent == s.exponent &&
		 memcmp(d->digits, s.digits, d->ndigits) == 0);
}

/* Reads a decimal of at most SAFE_DIGITS digits. */
static double
read_safe(const Decimal *d)
{
	static const double power[EXACT_POWER + 1] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
		1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
	};
	int64		integer = 0;
	double		value;

	if (abs(d->exponent) > EXACT_POWER)
		return read_any(d);
	for (int i = 0; i < d->ndigits; i++)
		integer = integer * 10 + (d->digits[i] - '0');
	value = (double) integer;
	if (d->exponent >= 0)
		value *= power[d->exponent];
	else
		value /= power[-d->exponent];
	return d->negative ? -value : value;
}

static double
read_any(const Decimal *d)
{
	char		text[MAX_DIGITS + 16];

	snprintf(text, sizeof(text), "%s%.*se%d", d->negative ? "-" : "",
			 d->ndigits, d->digits, d->exponent);
	return strtod(text, NULL);
}
