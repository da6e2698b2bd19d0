/*-------------------------------------------------------------------------
 *
 * judge.c
 *		Short ways from JSON text to a compiled pattern and to a verdict.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

EbPattern *
compile(const char *text, int len, int flags, EbPatternError *error)
{
	EbPatternLimits limits = EB_PATTERN_EVENTBRIDGE_LIMITS;
	EbJson		doc;
	EbJsonError json_error;

	limits.complexity = 0;		/* the service's limit, not the library's */
	memset(error, 0, sizeof(*error));
	if (!eb_json_parse(text, len, &doc, &json_error))
		return NULL;
	return eb_pattern_compile(&doc, flags, &limits, error);
}

bool
match_one(EbPattern *pattern, const char *event, int len)
{
	EbMatcher  *matcher = eb_matcher_build(&pattern, 1);
	EbFields   *fields = eb_matcher_begin(matcher);
	EbJson		doc;
	EbJsonError json_error;
	int			matched[1];

	if (!eb_json_parse(event, len, &doc, &json_error))
		return false;
	eb_fields_add_json(fields, eb_matcher_paths(matcher), &doc);
	return eb_matcher_match(matcher, matched) == 1;
}

int
verdict(const char *pattern, const char *event)
{
	EbPatternError error;
	EbPattern  *compiled = compile(pattern, strlen(pattern), 0, &error);

	if (compiled == NULL)
		return -1;
	return match_one(compiled, event, strlen(event));
}
