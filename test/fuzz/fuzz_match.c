/*-------------------------------------------------------------------------
 *
 * fuzz_match.c
 *		libFuzzer target: a pattern and an event, both as JSON text.
 *
 * The input is the two texts with a zero byte between them. Beyond crashes
 * and sanitizer reports, these must hold:
 *
 *	 - a pattern is either compiled, or refused with a reason and a place;
 *	 - what matches alone matches among other patterns, and the other way
 *	   round, however often it is asked;
 *	 - a pattern that strict mode accepts means the same without it.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

#define NEIGHBOURS	4

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Patterns to stand beside the one at test: hashed, tested always, nested. */
static EbPattern *
neighbour(int number)
{
	static const char *const text[NEIGHBOURS] = {
		"{\"a\":[\"x\",\"y\"]}",
		"{\"a\":[{\"exists\":false}]}",
		"{\"a\":{\"b\":[1,{\"prefix\":\"x\"}],\"c\":[{\"anything-but\":\"y\"}]}}",
		"{\"$or\":[{\"f\":[1]},{\"f\":[\"A\"],\"l\":[{\"exists\":true}]}]}"
	};
	EbPatternError error;

	return compile(text[number], strlen(text[number]), 0, &error);
}

static bool
match_among(EbPattern *pattern, const EbJson *event)
{
	EbPattern  *patterns[NEIGHBOURS + 1];
	int			matched[NEIGHBOURS + 1];
	int			again[NEIGHBOURS + 1];
	EbMatcher  *matcher;
	int			n;
	bool		found = false;

	for (int i = 0; i < NEIGHBOURS; i++)
		patterns[i < 2 ? i : i + 1] = neighbour(i);
	patterns[2] = pattern;
	matcher = eb_matcher_build(patterns, NEIGHBOURS + 1);
	eb_fields_add_json(eb_matcher_begin(matcher), eb_matcher_paths(matcher),
					   event);
	n = eb_matcher_match(matcher, matched);
	check(n == 0 || eb_matcher_may_match(matcher, NULL));
	eb_fields_add_json(eb_matcher_begin(matcher), eb_matcher_paths(matcher),
					   event);
	check(eb_matcher_match(matcher, again) == n);
	for (int i = 0; i < n; i++)
	{
		check(matched[i] == again[i]);
		check(i == 0 || matched[i] > matched[i - 1]);
		found |= matched[i] == 2;
	}
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	const char *text = (const char *) data;
	const char *zero = size > 0 ? memchr(text, 0, size) : NULL;
	EbPatternError error;
	EbPattern  *pattern;
	EbPattern  *strict;
	EbJson		event;
	EbJsonError json_error;
	bool		match;

	if (zero == NULL)
		return 0;
	pattern = compile(text, zero - text, 0, &error);
	strict = compile(text, zero - text, EB_PATTERN_STRICT, &error);
	if (strict == NULL && error.reason != NULL)
		check(error.reason[0] != '\0' && error.path[0] == '$');
	check(pattern != NULL || strict == NULL);
	if (pattern != NULL &&
		eb_json_parse(zero + 1, text + size - (zero + 1), &event, &json_error))
	{
		match = match_one(pattern, zero + 1, text + size - (zero + 1));
		check(match_among(pattern, &event) == match);
		if (strict != NULL && !strict->or_is_field && !pattern->or_is_field)
			check(match_among(strict, &event) == match);
	}
	free_all();
	return 0;
}
