/*-------------------------------------------------------------------------
 *
 * value_match.h
 *		Testing one value of an event against one alternative of a pattern.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_VALUE_MATCH_H
#define EB_CORE_VALUE_MATCH_H

#include "core/ignore_case.h"
#include "core/ip.h"
#include "core/json.h"
#include "core/number.h"
#include "core/wildcard.h"

/* a scalar of an event */
typedef struct EbValue
{
	EbJsonKind	kind;
	int			len;
	const char *text;			/* string or number; a number's may be NULL if
								 * no test of its path looks at numbers */
	EbNumber	number;			/* of a number */
} EbValue;

typedef enum EbTestKind
{
	EB_TEST_NULL,
	EB_TEST_FALSE,
	EB_TEST_TRUE,
	EB_TEST_NUMBER,				/* text, number */
	EB_TEST_STRING,				/* text */
	EB_TEST_PREFIX,				/* text */
	EB_TEST_SUFFIX,				/* text */
	EB_TEST_EQUALS_IGNORE_CASE, /* folded */
	EB_TEST_PREFIX_IGNORE_CASE, /* folded */
	EB_TEST_SUFFIX_IGNORE_CASE, /* folded */
	EB_TEST_WILDCARD,			/* wildcard */
	EB_TEST_NUMERIC,			/* range */
	EB_TEST_CIDR,				/* ip */
	EB_TEST_ANYTHING_BUT,		/* excluded */
	EB_TEST_EXISTS,
	EB_TEST_ABSENT				/* exists: false; no value satisfies it */
} EbTestKind;

typedef struct EbNumberRange
{
	double		low;			/* may be -infinity */
	double		high;			/* may be infinity */
	bool		low_open;		/* low itself is outside */
	bool		high_open;
} EbNumberRange;

typedef struct EbTest
{
	EbTestKind	kind;
	int			len;
	const char *text;			/* the operand as written, where it is text */
	union
	{
		EbNumber	number;
		EbNumberRange range;
		EbIpRange	ip;
		EbFolded	folded;
		EbWildcard	wildcard;
		struct
		{
			int			ntests;
			struct EbTest *tests;
		}			excluded;
	}			u;
} EbTest;

/* Does the value satisfy the test? */
extern bool eb_test_match(const EbTest *test, const EbValue *value);

/* Does the test's outcome depend on what number a value is? */
extern bool eb_test_looks_at_numbers(const EbTest *test);

#endif							/* EB_CORE_VALUE_MATCH_H */
