/*-------------------------------------------------------------------------
 *
 * test_matcher.c
 *		Many patterns at a time, and array consistency, against a slow and
 *		simple judge of random events.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#define NROUNDS		3000
#define NPATTERNS	12
#define ROOM		65536

static uint64 state = 1;

static int
pick(int n)
{
	state = state * UINT64CONST(6364136223846793005) +
		UINT64CONST(1442695040888963407);
	return (int) ((state >> 33) % n);
}

/* Appends to a text of fixed room. */
static void
put(char *text, const char *more)
{
	strlcat(text, more, ROOM);
}

static void
put_value(char *text, int depth)
{
	static const char *const scalars[] = {"\"x\"", "\"y\"", "1", "2", "null"};
	static const char *const keys[] = {"a", "b", "c", "a.b"};
	int			kind = depth > 3 ? 0 : pick(4);
	int			n;

	if (kind <= 1)
		put(text, scalars[pick(lengthof(scalars))]);
	else if (kind == 2)
	{
		put(text, "[");
		n = depth == 0 && pick(2) == 0 ? pick(30) : pick(4);
		for (int i = 0; i < n; i++)
		{
			if (i > 0)
				put(text, ",");
			put_value(text, depth + 1);
		}
		put(text, "]");
	}
	else
	{
		put(text, "{");
		n = 1 + pick(3);
		for (int i = 0; i < n; i++)
		{
			put(text, i > 0 ? ",\"" : "\"");
			put(text, keys[pick(lengthof(keys))]);
			put(text, "\":");
			put_value(text, depth + 1);
		}
		put(text, "}");
	}
}

static char *
random_event(void)
{
	char	   *text = palloc(ROOM);

	strlcpy(text, "{\"s\":", ROOM);
	put_value(text, 3);
	put(text, ",\"t\":");
	put_value(text, 0);
	put(text, ",\"a\":");
	put_value(text, 0);
	put(text, "}");
	return text;
}

static char *
random_pattern(void)
{
	static const char *const paths[] = {
		"s", "a", "a.a", "a.b", "a.c", "a.a.b", "a.b.c", "t", "t.a", "t.b"
	};
	static const char *const tests[] = {
		"\"x\"", "\"y\"", "\"x\",\"y\"", "1", "null", "{\"exists\":true}",
		"{\"exists\":false}", "{\"anything-but\":\"x\"}",
		"{\"exists\":false},\"x\"", "{\"numeric\":[\">\",1]}",
		"{\"prefix\":\"x\"}"
	};
	char	   *text = palloc(ROOM);
	int			n = 1 + pick(4);

	strlcpy(text, "{", ROOM);
	for (int i = 0; i < n; i++)
	{
		put(text, i > 0 ? ",\"" : "\"");
		put(text, paths[pick(lengthof(paths))]);
		put(text, "\":[");
		put(text, tests[pick(lengthof(tests))]);
		put(text, "]");
	}
	put(text, "}");
	return text;
}

static void
test_random(void)
{
	int			nmatched = 0;
	int			nwrong = 0;

	for (int round = 0; round < NROUNDS; round++)
	{
		EbPattern  *patterns[NPATTERNS];
		char	   *texts[NPATTERNS];
		int			matched[NPATTERNS];
		char	   *event = random_event();
		EbMatcher  *matcher;
		EbFields   *fields;
		EbJson		doc;
		EbJsonError json_error;
		int			n;
		int			at = 0;

		for (int i = 0; i < NPATTERNS; i++)
		{
			EbPatternError error;

			texts[i] = random_pattern();
			patterns[i] = compile(texts[i], strlen(texts[i]), 0, &error);
		}
		matcher = eb_matcher_build(patterns, NPATTERNS);
		fields = eb_matcher_begin(matcher);
		if (!eb_json_parse(event, strlen(event), &doc, &json_error))
			abort();
		eb_fields_add_json(fields, eb_matcher_paths(matcher), &doc);
		n = eb_matcher_match(matcher, matched);
		if (n > 0 && !eb_matcher_may_match(matcher, NULL))
			nwrong++;
		for (int i = 0; i < NPATTERNS; i++)
		{
			bool		expected = oracle_search(patterns[i],
												 eb_matcher_paths(matcher),
												 fields);
			bool		got = at < n && matched[at] == i;

			at += got;
			nmatched += got;
			if (expected != got && nwrong++ < 5)
				note("%s %s %s", texts[i], got ? "matches" : "does not match",
					 event);
		}
		free_all();
	}
	ok(nwrong == 0, "%d patterns are judged right, of which %d match",
	   NROUNDS * NPATTERNS, nmatched);
	ok(nmatched > NROUNDS, "enough of them match to say so");
}

static void
test_none(void)
{
	EbMatcher  *matcher = eb_matcher_build(NULL, 0);
	EbPattern  *nothing = NULL;
	int			matched[1];

	eb_matcher_begin(matcher);
	ok(!eb_matcher_may_match(matcher, NULL), "no patterns: nothing may match");
	ok(eb_matcher_match(matcher, NULL) == 0, "no patterns: nothing matches");
	matcher = eb_matcher_build(&nothing, 1);
	eb_matcher_begin(matcher);
	ok(eb_matcher_match(matcher, matched) == 0, "a missing pattern matches nothing");
}

/* Many patterns that differ in one string each. */
static void
test_many(void)
{
	const int	many = 20000;
	EbPattern **patterns = palloc(many * sizeof(EbPattern *));
	int		   *matched = palloc(many * sizeof(int));
	EbMatcher  *matcher;
	int			nwrong = 0;

	for (int i = 0; i < many; i++)
	{
		EbPatternError error;
		char	   *text = psprintf("{\"s\":[\"app\"],\"d\":{\"user\":[\"u%d\"],"
									"\"n\":[{\"numeric\":[\">\",%d]}]}}", i / 2, i % 2);

		patterns[i] = compile(text, strlen(text), 0, &error);
	}
	matcher = eb_matcher_build(patterns, many);
	for (int i = 0; i < 1000; i++)
	{
		char	   *event = psprintf("{\"s\":\"app\",\"d\":{\"user\":\"u%d\",\"n\":1}}", i * 9);
		EbJson		doc;
		EbJsonError error;

		if (!eb_json_parse(event, strlen(event), &doc, &error))
			abort();
		eb_fields_add_json(eb_matcher_begin(matcher),
						   eb_matcher_paths(matcher), &doc);
		if (eb_matcher_match(matcher, matched) != 1 || matched[0] != i * 18)
			nwrong++;
	}
	ok(nwrong == 0, "one of %d patterns is found for each of 1000 events", many);
}

int
main(void)
{
	test_none();
	test_many();
	test_random();
	return finish();
}
