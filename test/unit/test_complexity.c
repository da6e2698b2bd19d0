/*-------------------------------------------------------------------------
 *
 * test_complexity.c
 *		How complex wildcards are held to be.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include "lib/stringinfo.h"

#include "core/complexity.h"

typedef struct Case
{
	const char *pattern;
	int			complexity;
} Case;

static const Case cases[] = {
	{"{\"a\":[\"abc\"]}", 0},
	{"{\"a\":[{\"wildcard\":\"abc\"}]}", 1},
	{"{\"a\":[{\"wildcard\":\"*\"}]}", 1},
	{"{\"a\":[{\"wildcard\":\"a*bc\"}]}", 2},
	{"{\"a\":[{\"wildcard\":\"a*aa\"}]}", 3},
	{"{\"a\":[{\"wildcard\":\"*:*:\"}]}", 4},
	{"{\"a\":[{\"wildcard\":\"a*a*a*a*a*a*\"}]}", 11},
	/* recorded: the first is refused by EventBridge, so is the second */
	{"{\"a\":[{\"wildcard\":\"*:*:*:*:*:event-bus/*\"}]}", 11},
	{"{\"a\":[{\"wildcard\":\"*:stack/A/*\"},{\"wildcard\":\"*:stack/B/*\"},"
	"{\"wildcard\":\"*:stack/C/*\"},{\"wildcard\":\"*:stack/D/*\"}]}", 12},
	{"{\"a\":[{\"wildcard\":\"*:stack/A/*\"},{\"wildcard\":\"*:stack/B/*\"},"
	"{\"wildcard\":\"*:stack/C/*\"}]}", 9},
	/* wildcards of one path are one, those of several are not */
	{"{\"a\":[{\"wildcard\":\"*a\"}],\"b\":[{\"wildcard\":\"*a\"}]}", 2},
	{"{\"$or\":[{\"a\":[{\"wildcard\":\"*a\"}]},{\"a\":[{\"wildcard\":\"*xa\"}]}]}", 4},
	{"{\"a\":[{\"anything-but\":{\"wildcard\":[\"*a\",\"*ba\"]}}]}", 4},
};

/* A pattern whose sets of heads are exponentially many. */
static void
test_bound(void)
{
	StringInfoData text;
	EbPatternError error;
	EbPattern  *pattern;

	initStringInfo(&text);
	appendStringInfoString(&text, "{\"a\":[{\"wildcard\":\"");
	for (int i = 0; i < 200; i++)
		appendStringInfo(&text, "*%c%c", 'a' + i % 2, 'a' + i / 2 % 26);
	appendStringInfoString(&text, "\"}]}");
	pattern = compile(text.data, text.len, 0, &error);
	(void) eb_wildcards_too_complex(pattern, 1000);
	ok(true, "the search ends for a wildcard of 200 stars");
}

int
main(void)
{
	for (int i = 0; i < lengthof(cases); i++)
	{
		EbPatternError error;
		EbPattern  *pattern = compile(cases[i].pattern,
									  strlen(cases[i].pattern), 0, &error);
		int			complexity = 0;

		while (eb_wildcards_too_complex(pattern, complexity) != NULL)
			complexity++;
		ok(complexity == cases[i].complexity, "%s: %d", cases[i].pattern,
		   complexity);
	}
	test_bound();
	return finish();
}
