/*-------------------------------------------------------------------------
 *
 * test_worst.c
 *		Inputs that make other matchers exponential or quadratic.
 *
 * Each is large enough that such a matcher would not end within a day; here
 * the answer comes at once, and is right.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include "lib/stringinfo.h"

typedef char *(*MakeText) (int i);

static char *
repeat(const char *text, int n)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < n; i++)
		appendStringInfoString(&out, text);
	return out.data;
}

/* Matches an event against n patterns; how many match is what is expected. */
static void
expect(const char *what, MakeText make, int n, const char *event, int expected)
{
	EbMatcher  *matcher = eb_matcher_create();
	int		   *matched = palloc(n * sizeof(int));
	EbJson		doc;
	EbJsonError json_error;
	int			got;

	for (int i = 0; i < n; i++)
	{
		EbPatternError error;
		char	   *text = make(i);

		eb_matcher_add(matcher, compile(text, strlen(text), 0, &error));
	}
	eb_matcher_finish(matcher);
	if (!eb_json_parse(event, strlen(event), &doc, &json_error))
		abort();
	eb_fields_add_json(eb_matcher_begin(matcher), eb_matcher_paths(matcher),
					   &doc);
	got = eb_matcher_match(matcher, matched);
	ok(got == expected, "%s: %d of %d match", what, got, n);
	free_all();
}

static char *
many_stars(int i)
{
	return psprintf("{\"a\":[{\"wildcard\":\"*%s%c\"}]}",
					repeat("a*", 50 + i), i % 2 ? 'a' : 'b');
}

static char *
nested_prefix(int i)
{
	return psprintf("{\"a\":[{\"prefix\":\"%s\"}]}", repeat("a", i));
}

static char *
nested_chunk(int i)
{
	return psprintf("{\"a\":[{\"wildcard\":\"*%s*\"}]}", repeat("a", i + 1));
}

static char *
nested_range(int i)
{
	return psprintf("{\"n\":[{\"numeric\":[\">\",%d,\"<\",%d]}]}", -1 - i,
					1 + i);
}

static char *
array_pair(int i)
{
	return psprintf("{\"l\":{\"x\":[%d],\"y\":[%d],\"z\":[{\"exists\":true}]}}", i,
					i % 2 ? i : i + 1);
}

static char *
field_pattern(int i)
{
	return psprintf("{\"f%d\":[{\"exists\":true}],\"f%d\":[%d]}", i, i + 1,
					i + 1);
}

static char *
array_or_scalar(int i)
{
	return psprintf("{\"p\":[%d],\"q\":[%d],\"l.x\":[{\"exists\":false},1]}", i,
					i);
}

static char *
objects(int n)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"l\":[");
	for (int i = 0; i < n; i++)
		appendStringInfo(&out, "%s{\"x\":%d,\"y\":%d,\"z\":%d}", i ? "," : "",
						 i, i, i);
	appendStringInfoString(&out, "]}");
	return out.data;
}

static char *
fields(int n)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < n; i++)
		appendStringInfo(&out, "%s\"f%d\":%d", i ? "," : "{", i, i);
	appendStringInfoChar(&out, '}');
	return out.data;
}

static char *
primitives(int n)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"p\":[0");
	for (int i = 1; i < n; i++)
		appendStringInfo(&out, ",%d", i);
	appendStringInfoString(&out, "],\"q\":[0");
	for (int i = 1; i < n; i++)
		appendStringInfo(&out, ",%d", i);
	appendStringInfoString(&out, "]}");
	return out.data;
}

int
main(void)
{
	char	   *as = repeat("a", 20000);

	expect("wildcards of a hundred stars", many_stars, 100,
		   psprintf("{\"a\":\"%s\"}", as), 50);
	as = repeat("a", 20000);
	expect("prefixes of each other", nested_prefix, 1000,
		   psprintf("{\"a\":\"%s\"}", as), 1000);
	as = repeat("a", 20000);
	expect("strings in each other", nested_chunk, 500,
		   psprintf("{\"a\":\"%s\"}", as), 500);
	expect("ranges in each other", nested_range, 5000, "{\"n\":0}", 5000);
	expect("an array of objects", array_pair, 200, objects(10000), 100);
	expect("thousands of fields", field_pattern, 2462, fields(2463), 2462);
	expect("arrays of numbers, side by side", array_or_scalar, 500,
		   primitives(20000), 500);
	return finish();
}
