/*-------------------------------------------------------------------------
 *
 * test_json.c
 *		The reader of JSON text.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

static const char *
reason_of(const char *text, int len)
{
	EbJson		doc;
	EbJsonError error;

	return eb_json_parse(text, len, &doc, &error) ? NULL : error.reason;
}

static void
test_layout(void)
{
	static const char text[] = "{\"a\": [1, 2], \"b\": true}";
	static const EbJsonKind kinds[] = {
		EB_JSON_OBJECT, EB_JSON_STRING, EB_JSON_ARRAY, EB_JSON_NUMBER,
		EB_JSON_NUMBER, EB_JSON_STRING, EB_JSON_TRUE
	};
	static const int ends[] = {7, 2, 5, 4, 5, 6, 7};
	EbJson		doc;
	EbJsonError error;

	ok(eb_json_parse(text, strlen(text), &doc, &error), "%s is read", text);
	ok(doc.nnodes == lengthof(kinds), "into %d nodes", (int) lengthof(kinds));
	for (int i = 0; i < lengthof(kinds); i++)
		ok(doc.nodes[i].kind == kinds[i] && doc.nodes[i].end == ends[i],
		   "node %d has its kind and its end", i);
}

static void
test_strings(void)
{
	static const struct
	{
		const char *text;
		const char *value;
	}			cases[] = {
		{"\"\"", ""},
		{"\"plain\"", "plain"},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
		{"\"a\\u0041b\"", "aAb"},
		{"\"\\u00e9\\u20AC\"", "\xC3\xA9\xE2\x82\xAC"},
		{"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80"},
		{"\"\xC3\xA9\\n\xF0\x9F\x98\x80\"", "\xC3\xA9\n\xF0\x9F\x98\x80"},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		EbJson		doc;
		EbJsonError error;
		bool		read = eb_json_parse(cases[i].text, strlen(cases[i].text),
										 &doc, &error);

		is_text(read ? psprintf("%.*s", doc.nodes[0].len, doc.nodes[0].text) :
				error.reason, cases[i].value, "%s is decoded", cases[i].text);
	}
}

static void
test_refused(void)
{
	static const char *const texts[] = {
		"", " ", "{", "[", "[1", "[1,", "[1,]", "[,]", "{\"a\"}", "{\"a\":}",
		"{\"a\":1,}", "{a:1}", "{'a':1}", "{1:1}", "[1}", "{\"a\":1]", "1 2",
		"[] []", "tru", "nul", "True", "01", "-", "1.", ".5", "1e", "1e+",
		"+1", "0x10", "NaN", "Infinity", "\"", "\"a", "\"\\", "\"\\x\"",
		"\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
		"\"\\udc00\"", "\"\n\"", "\"\xff\"", "\"\xC3\"", "\"\xC0\x80\"",
		"\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE2\x82\"", "// 1"
	};

	for (int i = 0; i < lengthof(texts); i++)
		ok(reason_of(texts[i], strlen(texts[i])) != NULL, "refused: %s",
		   strchr(texts[i], '\n') ? "(a newline)" : texts[i]);
}

static void
test_depth(void)
{
	int			depth = EB_JSON_MAX_DEPTH;
	char	   *text = palloc(2 * (depth + 1));

	memset(text, '[', depth + 1);
	memset(text + depth, ']', depth);
	ok(reason_of(text, 2 * depth) == NULL, "%d arrays inside each other",
	   depth);
	memset(text, '[', depth + 1);
	memset(text + depth + 1, ']', depth + 1);
	is_text(reason_of(text, 2 * (depth + 1)), "nested too deeply",
			"and no more");
}

int
main(void)
{
	test_layout();
	test_strings();
	test_refused();
	test_depth();
	return finish();
}
