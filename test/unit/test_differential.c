/*-------------------------------------------------------------------------
 *
 * test_differential.c
 *		The index against the plain evaluator, on random patterns and events.
 *
 * Patterns and events are made of the same few words, so that they meet and
 * nearly meet: strings that are heads, tails, other cases and neighbours of
 * each other, also outside ASCII; numbers at the edge of what compares;
 * addresses and their ranges; arrays of objects, nested. Each round makes a
 * set of patterns and some events, and compares every pair.
 *
 * DIFFERENTIAL_PAIRS in the environment says how many pairs (300,000).
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include "lib/stringinfo.h"

#define NPATTERNS	40
#define NEVENTS		25
#define MAX_VALUES	16			/* of an event that oracle_search is for */

static uint64 state = 20260723;

static const char *const words[] = {
	"", "a", "A", "ab", "aB", "AB", "abc", "abcd", "bcd", "cd", "abab",
	"ababab", "aab", "b", "xyz", "stack/NAME/1", "stack/NAME/12", "NAME",
	"\xC3\xA9t\xC3\xA9", "\xC3\x89T\xC3\x89", "e\xCC\x81", "stra\xC3\x9F" "e",
	"STRASSE", "\xE1\xBA\x9E", "\xC3\x9F", "k", "K", "\xE2\x84\xAA", "\xCF\x82",
	"\xCE\xA3", "\xCF\x83", "\xC7\x85", "\xC7\x84", "\xC4\xB1", "I", "i",
	"\xC4\xB0", "\xF0\x90\x90\x80", "\xF0\x90\x90\xA8", "\xC5\xBF", "s",
	"\xE1\xBE\xB3x", "\xCE\x91\xCE\x99X", "10.0.0.1", "010.0.0.1", "10.0.0.255",
	"10.1.2.3", "192.168.0.1", "256.0.0.1", "::1", "0:0::1", "::ffff:0a00:0001",
	"2001:db8::1", "2001:DB8:0::1", "0a00:0001::", "1", "1.0", "true", "null"
};

static const char *const numbers[] = {
	"0", "-0", "0.0", "1", "1.0", "1e0", "10", "1e1", "100", "0.1",
	"0.10000000000000001", "9007199254740992", "9007199254740993",
	"9007199254740994", "12345678901234567890", "12345678901234567890.0",
	"1e400", "10e399", "-1", "-1.5", "5e-324", "1.7976931348623157e308",
	"37.807807921694092", "37.80780792169409", "299", "300", "300.5", "1e22",
	"1e23"
};

static const char *const ranges[] = {
	"10.0.0.0/8", "10.0.0.0/24", "10.0.0.5/24", "10.0.0.0/31", "0.0.0.0/0",
	"10.1.0.0/16", "2001:db8::/32", "::/0", "::/64", "2001:db8::/127"
};

static const char *const keys[] = {"a", "b", "c", "a.b", "", "ab"};
static const char *const paths[] = {
	"s", "n", "a", "a.a", "a.b", "a.c", "a.a.b", "a.b.c", "b", "b.a", "b.c",
	"c", "a.", "ab"
};

static int
pick(int n)
{
	state = state * UINT64CONST(6364136223846793005) +
		UINT64CONST(1442695040888963407);
	return (int) ((state >> 33) % n);
}

#define ONE_OF(list)	((list)[pick(lengthof(list))])

static void
put_string(StringInfo out, const char *text)
{
	appendStringInfo(out, "\"%s\"", text);
}

static void
put_scalar(StringInfo out)
{
	static const char *const literals[] = {"null", "true", "false"};
	int			kind = pick(10);

	if (kind < 6)
	{
		const char *word = ONE_OF(words);

		put_string(out, pick(8) > 0 ? word :
				   psprintf("%s%s", word, ONE_OF(words)));
	}
	else if (kind < 9)
		appendStringInfoString(out, ONE_OF(numbers));
	else
		appendStringInfoString(out, ONE_OF(literals));
}

static void
put_value(StringInfo out, int depth)
{
	int			kind = depth > 3 ? 0 : pick(6);
	int			n = pick(4);

	if (kind <= 2)
		put_scalar(out);
	else if (kind <= 4)
	{
		appendStringInfoChar(out, '[');
		for (int i = 0; i < n; i++)
		{
			appendStringInfoString(out, i > 0 ? "," : "");
			put_value(out, depth + 1);
		}
		appendStringInfoChar(out, ']');
	}
	else
	{
		appendStringInfoChar(out, '{');
		for (int i = 0; i < n; i++)
		{
			appendStringInfo(out, "%s\"%s\":", i > 0 ? "," : "", ONE_OF(keys));
			put_value(out, depth + 1);
		}
		appendStringInfoChar(out, '}');
	}
}

static void
put_wildcard(StringInfo out)
{
	static const char *const pieces[] = {
		"a", "ab", "b", "NAME", "/", "\\\\*", "\\\\\\\\", "\xC3\xA9", "abab"
	};
	int			n = pick(4);

	appendStringInfoString(out, pick(2) ? "\"*" : "\"");
	for (int i = 0; i < n; i++)
		appendStringInfo(out, "%s%s", ONE_OF(pieces),
						 i + 1 < n || pick(2) ? "*" : "");
	appendStringInfoChar(out, '"');
}

static void
put_range(StringInfo out)
{
	static const int bounds[] = {-10, -1, 0, 1, 10, 100, 299, 300, 301, 1000};
	int			low = pick(lengthof(bounds) - 1);
	int			high = low + 1 + pick(lengthof(bounds) - 1 - low);
	const char *equal = pick(2) ? "=" : "";

	switch (pick(4))
	{
		case 0:
			appendStringInfo(out, "[\"<%s\",%d]", equal, bounds[high]);
			break;
		case 1:
			appendStringInfo(out, "[\">%s\",%d]", equal, bounds[low]);
			break;
		case 2:
			appendStringInfo(out, "[\"=\",%d]", bounds[low]);
			break;
		default:
			appendStringInfo(out, "[\">%s\",%d,\"<%s\",%d]", equal, bounds[low],
							 pick(2) ? "=" : "", bounds[high]);
	}
}

/* The operand of an operator on strings, in or outside anything-but. */
static void
put_operand(StringInfo out, const char *name)
{
	if (strcmp(name, "wildcard") == 0)
		put_wildcard(out);
	else
		put_string(out, ONE_OF(words));
}

static void
put_anything_but(StringInfo out)
{
	static const char *const names[] = {
		"prefix", "suffix", "equals-ignore-case", "wildcard"
	};
	const char *name = ONE_OF(names);

	switch (pick(4))
	{
		case 0:
			put_string(out, ONE_OF(words));
			break;
		case 1:
			appendStringInfo(out, "[%s,%s]", ONE_OF(numbers), ONE_OF(numbers));
			break;
		case 2:
			appendStringInfo(out, "[\"%s\",\"%s\"]", ONE_OF(words),
							 ONE_OF(words));
			break;
		default:
			appendStringInfo(out, "{\"%s\":", name);
			put_operand(out, name);
			appendStringInfoChar(out, '}');
	}
}

static void
put_test(StringInfo out)
{
	static const char *const names[] = {
		"prefix", "suffix", "equals-ignore-case", "wildcard", "exactly"
	};
	const char *name = ONE_OF(names);

	switch (pick(11))
	{
		case 0:
			appendStringInfo(out, "{\"exists\":%s}", pick(2) ? "true" : "false");
			break;
		case 1:
			appendStringInfoString(out, "{\"numeric\":");
			put_range(out);
			appendStringInfoChar(out, '}');
			break;
		case 2:
			appendStringInfo(out, "{\"cidr\":\"%s\"}", ONE_OF(ranges));
			break;
		case 3:
			appendStringInfoString(out, "{\"anything-but\":");
			put_anything_but(out);
			appendStringInfoChar(out, '}');
			break;
		case 4:
			appendStringInfo(out, "{\"%s\":{\"equals-ignore-case\":\"%s\"}}",
							 pick(2) ? "prefix" : "suffix", ONE_OF(words));
			break;
		case 5:
		case 6:
		case 7:
			appendStringInfo(out, "{\"%s\":", name);
			put_operand(out, name);
			appendStringInfoChar(out, '}');
			break;
		default:
			put_scalar(out);
	}
}

static void
put_pattern(StringInfo out, bool may_branch)
{
	int			n = 1 + pick(3);

	appendStringInfoChar(out, '{');
	for (int i = 0; i < n; i++)
	{
		int			ntests = pick(3) == 0 ? 2 : 1;

		appendStringInfo(out, "%s\"%s\":[", i > 0 ? "," : "", ONE_OF(paths));
		for (int t = 0; t < ntests; t++)
		{
			appendStringInfoString(out, t > 0 ? "," : "");
			put_test(out);
		}
		appendStringInfoChar(out, ']');
	}
	if (may_branch && pick(8) == 0)
	{
		appendStringInfoString(out, ",\"$or\":[");
		put_pattern(out, false);
		appendStringInfoChar(out, ',');
		put_pattern(out, false);
		appendStringInfoChar(out, ']');
	}
	appendStringInfoChar(out, '}');
}

static char *
random_pattern(void)
{
	StringInfoData text;

	initStringInfo(&text);
	put_pattern(&text, true);
	return text.data;
}

static char *
random_event(void)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "{\"s\":");
	put_scalar(&text);
	appendStringInfo(&text, ",\"n\":%s,\"a\":", ONE_OF(numbers));
	put_value(&text, 0);
	appendStringInfoString(&text, ",\"b\":");
	put_value(&text, 1);
	if (pick(2))
	{
		appendStringInfo(&text, ",\"%s\":", ONE_OF(keys));
		put_value(&text, 1);
	}
	appendStringInfoChar(&text, '}');
	return text.data;
}

/* Compares all patterns on one event; returns how many differ. */
static int
compare(EbMatcher *matcher, EbPattern **patterns, char **texts,
		const char *event, int *nmatched)
{
	EbFields   *fields = eb_matcher_begin(matcher);
	EbPathNode *root = eb_matcher_paths(matcher);
	int			matched[NPATTERNS];
	EbJson		doc;
	EbJsonError error;
	int			nwrong = 0;
	int			at = 0;
	int			n;

	if (!eb_json_parse(event, strlen(event), &doc, &error))
		abort();
	eb_fields_add_json(fields, root, &doc);
	n = eb_matcher_match(matcher, matched);
	for (int i = 0; i < NPATTERNS; i++)
	{
		bool		got = at < n && matched[at] == i;
		bool		expected = patterns[i] != NULL &&
			oracle_join(patterns[i], root, fields);

		if (patterns[i] != NULL && fields->nfields <= MAX_VALUES &&
			oracle_search(patterns[i], root, fields) != expected)
		{
			note("the evaluators differ: %s %s", texts[i], event);
			nwrong++;
		}
		at += got;
		*nmatched += got;
		if (got != expected && nwrong++ < 5)
			note("%s %s %s", texts[i], got ? "matches" : "does not match",
				 event);
	}
	return nwrong;
}

int
main(void)
{
	const char *wanted = getenv("DIFFERENTIAL_PAIRS");
	int64		npairs = wanted != NULL ? atoll(wanted) : 300000;
	int64		done = 0;
	int			nwrong = 0;
	int			nmatched = 0;

	while (done < npairs)
	{
		EbPattern  *patterns[NPATTERNS];
		char	   *texts[NPATTERNS];
		EbMatcher  *matcher;

		for (int i = 0; i < NPATTERNS; i++)
		{
			EbPatternError error;

			texts[i] = random_pattern();
			patterns[i] = compile(texts[i], strlen(texts[i]), 0, &error);
			done += patterns[i] != NULL ? NEVENTS : 0;
		}
		matcher = eb_matcher_build(patterns, NPATTERNS);
		for (int i = 0; i < NEVENTS; i++)
			nwrong += compare(matcher, patterns, texts, random_event(),
							  &nmatched);
		free_all();
	}
	ok(nwrong == 0, "%lld pairs are judged alike, of which %d match",
	   (long long) done, nmatched);
	ok(nmatched > done / 50, "enough of them match to say so");
	return finish();
}
