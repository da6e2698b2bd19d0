/*-------------------------------------------------------------------------
 *
 * value_match.c
 *		Testing one value of an event against one alternative of a pattern.
 *
 * A value of another type never satisfies a test, and therefore always
 * satisfies an anything-but.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/value_match.h"

static bool match_string(const EbTest *test, const char *text, int len);
static bool match_number(const EbTest *test, const EbValue *value);
static bool match_range(const EbNumberRange *range, const EbNumber *number);
static bool match_ip(const EbIpRange *range, const char *text, int len);
static bool match_anything_but(const EbTest *test, const EbValue *value);

bool
eb_test_match(const EbTest *test, const EbValue *value)
{
	switch (test->kind)
	{
		case EB_TEST_NULL:
			return value->kind == EB_JSON_NULL;
		case EB_TEST_FALSE:
			return value->kind == EB_JSON_FALSE;
		case EB_TEST_TRUE:
			return value->kind == EB_JSON_TRUE;
		case EB_TEST_NUMBER:
			return value->kind == EB_JSON_NUMBER && match_number(test, value);
		case EB_TEST_NUMERIC:
			return value->kind == EB_JSON_NUMBER &&
				match_range(&test->u.range, &value->number);
		case EB_TEST_ANYTHING_BUT:
			return match_anything_but(test, value);
		case EB_TEST_EXISTS:
			return true;
		case EB_TEST_ABSENT:
			return false;
		default:
			return value->kind == EB_JSON_STRING &&
				match_string(test, value->text, value->len);
	}
}

bool
eb_test_looks_at_numbers(const EbTest *test)
{
	if (test->kind == EB_TEST_ANYTHING_BUT)
		return test->u.excluded.ntests > 0 &&
			eb_test_looks_at_numbers(&test->u.excluded.tests[0]);
	return test->kind == EB_TEST_NUMBER || test->kind == EB_TEST_NUMERIC;
}

static bool
match_string(const EbTest *test, const char *text, int len)
{
	switch (test->kind)
	{
		case EB_TEST_STRING:
			return len == test->len && memcmp(text, test->text, len) == 0;
		case EB_TEST_PREFIX:
			return len >= test->len &&
				memcmp(text, test->text, test->len) == 0;
		case EB_TEST_SUFFIX:
			return len >= test->len &&
				memcmp(text + len - test->len, test->text, test->len) == 0;
		case EB_TEST_EQUALS_IGNORE_CASE:
			return eb_fold_match_prefix(&test->u.folded, text, len) == len;
		case EB_TEST_PREFIX_IGNORE_CASE:
			return eb_fold_match_prefix(&test->u.folded, text, len) >= 0;
		case EB_TEST_SUFFIX_IGNORE_CASE:
			return eb_fold_match_suffix(&test->u.folded, text, len) >= 0;
		case EB_TEST_WILDCARD:
			return eb_wildcard_match(&test->u.wildcard, text, len);
		case EB_TEST_CIDR:
			return match_ip(&test->u.ip, text, len);
		default:
			Assert(false);
			return false;
	}
}

/* Equality: of values where both are comparable, of texts where neither is. */
static bool
match_number(const EbTest *test, const EbValue *value)
{
	if (test->u.number.comparable != value->number.comparable)
		return false;
	if (value->number.comparable)
		return value->number.value == test->u.number.value;
	return value->len == test->len &&
		memcmp(value->text, test->text, value->len) == 0;
}

static bool
match_range(const EbNumberRange *range, const EbNumber *number)
{
	double		v = number->value;

	return number->comparable &&
		(range->low_open ? v > range->low : v >= range->low) &&
		(range->high_open ? v < range->high : v <= range->high);
}

static bool
match_ip(const EbIpRange *range, const char *text, int len)
{
	EbIp		ip;

	return eb_ip_read(text, len, &ip) && eb_ip_in_range(&ip, range);
}

static bool
match_anything_but(const EbTest *test, const EbValue *value)
{
	for (int i = 0; i < test->u.excluded.ntests; i++)
	{
		if (eb_test_match(&test->u.excluded.tests[i], value))
			return false;
	}
	return true;
}
