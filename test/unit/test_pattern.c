/*-------------------------------------------------------------------------
 *
 * test_pattern.c
 *		Compiling patterns: structure, and where faults are said to be.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

static void
is_refused(const char *pattern, const char *reason, const char *path,
		   const char *hint)
{
	EbPatternError error;
	EbPattern  *compiled = compile(pattern, strlen(pattern),
								   EB_PATTERN_STRICT, &error);

	ok(compiled == NULL, "%s is refused", pattern);
	if (compiled != NULL)
		return;
	is_text(error.reason, reason, "... with its reason");
	is_text(error.path, path, "... with the place");
	is_text(error.hint, hint, "... with %s hint", hint ? "a" : "no");
}

static void
test_faults(void)
{
	is_refused("[]", "Filter is not an object", "$", NULL);
	is_refused("{\"a\":{\"b\":{}}}", "Empty objects are not allowed", "$.a.b",
			   NULL);
	is_refused("{\"a\":{\"b c\":[1,{\"Prefix\":\"x\"}]}}",
			   "Unrecognized match type Prefix", "$.a.\"b c\"[1]",
			   "The operator is written \"prefix\".");
	is_refused("{\"a\":[{\"anything_but\":1}]}",
			   "Unrecognized match type anything_but", "$.a[0]",
			   "The operator is written \"anything-but\".");
	is_refused("{\"a\":[{\"anything-but\":{\"Prefix\":1}}]}",
			   "Unsupported anything-but pattern: Prefix",
			   "$.a[0].\"anything-but\"", "The operator is written \"prefix\".");
	is_refused("{\"a\":[{\"\":1}]}", "Unrecognized match type ", "$.a[0]",
			   NULL);
	is_refused("{\"a\":[{\"numeric\":[]}]}",
			   "Invalid member in numeric match: ]", "$.a[0].numeric", NULL);
	is_refused("{\"a\":[{\"numeric\":[1]}]}",
			   "Invalid member in numeric match: 1", "$.a[0].numeric", NULL);
	is_refused("{\"a\":[{\"numeric\":[[1]]}]}",
			   "Invalid member in numeric match: [", "$.a[0].numeric", NULL);
	is_refused("{\"a\":[{\"numeric\":[\"<\",[1],2]}]}",
			   "Value of < must be numeric", "$.a[0].numeric", NULL);
	is_refused("{\"a\":[{\"anything-but\":[]}]}",
			   "Empty arrays are not allowed", "$.a[0].\"anything-but\"", NULL);
	is_refused("{\"$or\":[{\"a\":[1]},{\"a\":[2],\"b\":3}]}",
			   "\"b\" must be an object or an array", "$.\"$or\"[1].b",
			   "Write the value as a list of alternatives, also when there is only one: [\"x\"].");
	is_refused("{\"a.b\":[1],\"a\":{\"b\":[1]}}",
			   "Path `a.b` cannot be allowed multiple times", "$.a.b",
			   "Write each path once: jsonb has no order of members that could decide which one counts.");
}

static void
test_structure(void)
{
	static const char text[] = "{\"b\":[1],\"$or\":[{\"c\":[1]},{\"a\":{\"x\":[1]},"
		"\"$or\":[{\"d\":[1]},{\"e\":[1]}]}],\"a.b\":[1]}";
	static const char *const paths[3][4] = {
		{"a.b", "b", "c"}, {"a.b", "a.x", "b", "d"}, {"a.b", "a.x", "b", "e"}
	};
	EbPatternError error;
	EbPattern  *pattern = compile(text, strlen(text), 0, &error);

	ok(pattern != NULL && pattern->nconjunctions == 3,
	   "$or inside $or makes three conjunctions");
	for (int c = 0; pattern != NULL && c < pattern->nconjunctions; c++)
	{
		const EbConjunction *conjunction = &pattern->conjunctions[c];
		bool		right = conjunction->nfields == (c == 0 ? 3 : 4);

		for (int f = 0; right && f < conjunction->nfields; f++)
			right = strcmp(conjunction->fields[f]->path, paths[c][f]) == 0;
		ok(right, "conjunction %d has its fields in order", c);
	}
}

/* The later of two fields with one path counts, in document order. */
static void
test_override(void)
{
	ok(verdict("{\"a\":[1],\"a\":[2]}", "{\"a\":2}") == 1, "the later field counts");
	ok(verdict("{\"a\":[1],\"a\":[2]}", "{\"a\":1}") == 0, "... and not the earlier");
	ok(verdict("{\"a\":[1],\"$or\":[{\"a\":[2]},{\"b\":[2]}]}", "{\"a\":2}") == 1,
	   "a branch replaces what was before $or");
	ok(verdict("{\"$or\":[{\"a\":[2]},{\"b\":[2]}],\"a\":[1]}", "{\"a\":2}") == 0,
	   "what comes after $or replaces it in every branch");
}

static void
test_or_as_field(void)
{
	ok(verdict("{\"$or\":[\"x\"]}", "{\"$or\":\"x\"}") == 1, "$or with scalars is a field");
	ok(verdict("{\"$or\":{\"a\":[1]}}", "{\"$or.a\":1}") == 1, "$or with an object is a field");
	ok(verdict("{\"$or\":[{\"a\":[1]},{\"b\":[1]}]}", "{\"$or\":1}") == 0, "$or with objects is not");
}

static void
test_deep(void)
{
	int			depth = EB_PATTERN_MAX_DEPTH;
	char	   *text = palloc(depth * 6 + 10);
	char	   *event = palloc(depth * 6 + 10);
	int			n = 0;

	for (int i = 0; i < depth; i++, n += 5)
		memcpy(text + n, "{\"a\":", 5);
	memcpy(event, text, n);
	memcpy(text + n, "[1]", 3);
	event[n] = '1';
	memset(text + n + 3, '}', depth);
	memset(event + n + 1, '}', depth);
	text[n + 3 + depth] = event[n + 1 + depth] = '\0';

	ok(verdict(text, event) == 1, "%d levels match", depth);
}

int
main(void)
{
	test_faults();
	test_structure();
	test_override();
	test_or_as_field();
	test_deep();
	return finish();
}
