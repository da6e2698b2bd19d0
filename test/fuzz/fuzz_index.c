/*-------------------------------------------------------------------------
 *
 * fuzz_index.c
 *		libFuzzer target: many patterns and an event, all as JSON text.
 *
 * The input is texts with zero bytes between them, the last being the event;
 * a text without a bracket is put into {"a": [..]} or {"a": ..}, so that
 * short inputs say much. The index must find the patterns that the plain
 * evaluator finds, in order, however often it is asked.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

#define MAX_PATTERNS	16

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* The text, or an object made of it. */
static const char *
complete(const char *text, int *len, const char *before, const char *after)
{
	char	   *whole;

	if (*len > 0 && text[0] == '{' && text[*len - 1] == '}' &&
		memchr(text, '[', *len) != NULL)
		return text;
	whole = psprintf("%s%.*s%s", before, *len, text, after);
	*len = strlen(whole);
	return whole;
}

static void
compare(EbPattern **patterns, int n, const EbJson *event)
{
	EbMatcher  *matcher = eb_matcher_build(patterns, n);
	EbPathNode *root = eb_matcher_paths(matcher);

	for (int time = 0; time < 2; time++)
	{
		EbFields   *fields = eb_matcher_begin(matcher);
		int			matched[MAX_PATTERNS];
		int			nmatched;
		int			at = 0;

		eb_fields_add_json(fields, root, event);
		if (time == 1 && !eb_matcher_may_match(matcher, NULL))
			nmatched = 0;
		else
			nmatched = eb_matcher_match(matcher, matched);
		for (int i = 0; i < n; i++)
		{
			bool		got = at < nmatched && matched[at] == i;

			check(got == oracle_join(patterns[i], root, fields));
			at += got;
		}
		check(at == nmatched);
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	const char *at = (const char *) data;
	const char *end = at + size;
	const char *zero;
	EbPattern  *patterns[MAX_PATTERNS];
	EbPatternError error;
	EbJson		event;
	EbJsonError json_error;
	int			n = 0;
	int			len;

	while ((zero = memchr(at, 0, end - at)) != NULL && n < MAX_PATTERNS)
	{
		const char *text = at;

		len = zero - at;
		text = complete(text, &len, "{\"a\":[", "]}");
		patterns[n] = compile(text, len, 0, &error);
		n += patterns[n] != NULL;
		at = zero + 1;
	}
	len = end - at;
	at = complete(at, &len, "{\"a\":", "}");
	if (n > 0 && eb_json_parse(at, len, &event, &json_error))
		compare(patterns, n, &event);
	free_all();
	return 0;
}
