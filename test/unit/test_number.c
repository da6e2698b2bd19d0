/*-------------------------------------------------------------------------
 *
 * test_number.c
 *		Which numbers compare, and as what.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

static void
test_comparable(void)
{
	static const struct
	{
		const char *text;
		double		value;
	}			cases[] = {
		{"0", 0}, {"-0", 0}, {"0.000", 0}, {"0e99999999999", 0}, {"1", 1},
		{"-1", -1}, {"1.0", 1}, {"1e0", 1}, {"10e-1", 1}, {"0.1", 0.1},
		{"0.10", 0.1}, {"100", 100}, {"1e2", 100}, {"1E+2", 100},
		{"123456789012345", 123456789012345.0},
		{"9007199254740992", 9007199254740992.0},
		{"9007199254740994", 9007199254740994.0},
		{"0.1234567890123456", 0.1234567890123456},
		{"1.7976931348623157e308", 1.7976931348623157e308},
		{"5e-324", 5e-324}, {"2.2250738585072014e-308", 2.2250738585072014e-308},
		{"1e23", 1e23}, {"1e22", 1e22}, {"-1.5e-7", -1.5e-7},
		{"0.00000000000000000000000000000000000001", 1e-38},
		{"100000000000000000000000000000000000000", 1e38},
		/* half way between two values, and shorter than what is between */
		{"90071585948198600", 90071585948198600.0},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		EbNumber	number = eb_number_read(cases[i].text,
											strlen(cases[i].text));

		ok(number.comparable && number.value == cases[i].value,
		   "%s is comparable", cases[i].text);
	}
}

static void
test_not_comparable(void)
{
	static const char *const texts[] = {
		"0.10000000000000001", "9007199254740993", "12345678901234567890",
		"12345678901234567890.0", "1e309", "-1e309", "1e400", "1e-325",
		"1e99999999999999999999", "1e-99999999999999999999",
		"37.807807921694092", "0.30000000000000004441", "1.0000000000000000001"
	};

	for (int i = 0; i < lengthof(texts); i++)
		ok(!eb_number_read(texts[i], strlen(texts[i])).comparable,
		   "%s is not comparable", texts[i]);
}

/* What printf makes of a value with 15 digits must come back as itself. */
static void
test_random(void)
{
	uint64		state = 42;
	int			nfailed = 0;

	for (int i = 0; i < 200000; i++)
	{
		char		text[64];
		int			exponent;
		uint64		digits;
		EbNumber	number;

		state = state * UINT64CONST(6364136223846793005) +
			UINT64CONST(1442695040888963407);
		exponent = (int) ((state >> 8) % 560) - 280;
		digits = (state >> 15) % UINT64CONST(1000000000000000);
		snprintf(text, sizeof(text), "%llue%d", (unsigned long long) digits,
				 exponent);
		number = eb_number_read(text, strlen(text));
		if (!number.comparable || number.value != strtod(text, NULL))
			nfailed++;
	}
	ok(nfailed == 0, "200000 numbers of 15 digits compare as strtod reads them");
}

int
main(void)
{
	test_comparable();
	test_not_comparable();
	test_random();
	return finish();
}
