/*-------------------------------------------------------------------------
 *
 * fuzz_number.c
 *		libFuzzer target: the text of a number.
 *
 * Checks the short cuts of number.c against its definition: a number is
 * comparable if it is finite in binary64, and the shortest decimal that reads
 * back as the same binary64 has its digits and its power of ten.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <math.h>

#include "common/shortest_dec.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/*
 * Writes the value in one way only: digits without zeros at the ends, and the
 * power of ten. The text has at most 64 bytes and a small exponent.
 */
static void
normalize(const char *text, char *out, int size)
{
	char		digits[80];
	int			n = 0;
	int			first = 0;
	int			power = 0;
	bool		point = false;

	for (; *text != '\0' && *text != 'e' && *text != 'E'; text++)
	{
		if (*text == '.')
			point = true;
		else if (*text != '-')
		{
			digits[n++] = *text;
			power -= point;
		}
	}
	if (*text != '\0')
		power += atoi(text + 1);
	while (n > 0 && digits[n - 1] == '0')
	{
		n--;
		power++;
	}
	while (first < n && digits[first] == '0')
		first++;
	snprintf(out, size, "%.*se%d", n - first, digits + first,
			 n == first ? 0 : power);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char		text[65];
	char		shortest[DOUBLE_SHORTEST_DECIMAL_LEN];
	char		want[128];
	char		got[128];
	const char *e;
	EbJson		doc;
	EbJsonError error;
	EbNumber	number;
	double		value;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';

	e = strpbrk(text, "eE");
	if (!eb_json_parse(text, size, &doc, &error) ||
		doc.nodes[0].kind != EB_JSON_NUMBER || strlen(text) != size ||
		strpbrk(text, " \t\r\n") != NULL || (e != NULL && strlen(e) > 6))
	{
		free_all();
		return 0;
	}
	number = eb_number_read(text, size);
	value = strtod(text, NULL);
	if (isinf(value))
	{
		if (number.comparable)
			abort();
	}
	else
	{
		double_to_shortest_decimal_buf(value, shortest);
		normalize(text, want, sizeof(want));
		normalize(shortest, got, sizeof(got));
		/* an even shorter one is half way between two values: number.c */
		if (number.comparable != (strcmp(want, got) == 0 ||
								  strcspn(want, "e") < strcspn(got, "e")))
			abort();
		if (number.comparable && number.value != value)
			abort();
	}
	free_all();
	return 0;
}
