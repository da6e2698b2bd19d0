/*-------------------------------------------------------------------------
 *
 * test_value.c
 *		Leaf tests: strings, wildcards, case, addresses. A table of pattern,
 *		event and verdict; what the conformance cases do not reach.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

typedef struct Case
{
	const char *alternative;	/* of {"a": [..]} */
	const char *value;			/* of {"a": ..} */
	int			verdict;
} Case;

static const Case cases[] = {
	/* types never mix */
	{"1", "\"1\"", 0}, {"\"1\"", "1", 0}, {"true", "\"true\"", 0},
	{"null", "\"null\"", 0}, {"false", "null", 0}, {"0", "false", 0},
	{"{\"prefix\":\"\"}", "0", 0}, {"{\"prefix\":\"\"}", "\"\"", 1},
	{"{\"suffix\":\"\"}", "null", 0}, {"{\"suffix\":\"\"}", "\"x\"", 1},
	/* anything-but takes every type, but a value there must be */
	{"{\"anything-but\":\"x\"}", "null", 1}, {"{\"anything-but\":\"x\"}", "5", 1},
	{"{\"anything-but\":\"x\"}", "\"x\"", 0}, {"{\"anything-but\":1}", "1.0", 0},
	{"{\"anything-but\":1}", "\"1\"", 1}, {"{\"anything-but\":\"x\"}", "[]", 0},
	{"{\"anything-but\":\"x\"}", "{}", 0},
	{"{\"anything-but\":\"x\"}", "[\"x\",\"y\"]", 1},
	{"{\"anything-but\":[\"x\",\"y\"]}", "[\"x\",\"y\"]", 0},
	{"{\"anything-but\":{\"suffix\":[\"a\",\"b\"]}}", "\"xb\"", 0},
	{"{\"anything-but\":{\"suffix\":[\"a\",\"b\"]}}", "\"xc\"", 1},
	{"{\"anything-but\":{\"wildcard\":\"*\"}}", "7", 1},
	{"{\"anything-but\":{\"wildcard\":\"*\"}}", "\"7\"", 0},
	{"{\"anything-but\":{\"equals-ignore-case\":\"abc\"}}", "\"ABC\"", 0},
	/* an address inside anything-but is text */
	{"{\"anything-but\":\"10.0.0.1\"}", "\"010.0.0.1\"", 1},
	/* exists looks at leaves */
	{"{\"exists\":true}", "null", 1}, {"{\"exists\":true}", "[[]]", 0},
	{"{\"exists\":true}", "[[1]]", 1}, {"{\"exists\":true}", "{\"b\":1}", 0},
	{"{\"exists\":false}", "{\"b\":1}", 1}, {"{\"exists\":false}", "[{}]", 1},
	/* wildcards */
	{"{\"wildcard\":\"\"}", "\"\"", 1}, {"{\"wildcard\":\"\"}", "\"a\"", 0},
	{"{\"wildcard\":\"*\"}", "\"\"", 1}, {"{\"wildcard\":\"a*\"}", "\"a\"", 1},
	{"{\"wildcard\":\"*a\"}", "\"a\"", 1}, {"{\"wildcard\":\"a*a\"}", "\"a\"", 0},
	{"{\"wildcard\":\"a*a\"}", "\"aa\"", 1},
	{"{\"wildcard\":\"*aab*\"}", "\"xaaab\"", 1},
	{"{\"wildcard\":\"*abab*b\"}", "\"ababab\"", 1},
	{"{\"wildcard\":\"*abab*b\"}", "\"abab\"", 0},
	{"{\"wildcard\":\"a*b*a\"}", "\"aba\"", 1},
	{"{\"wildcard\":\"a*b*c*d\"}", "\"a.b.c.b.d\"", 1},
	{"{\"wildcard\":\"a\\\\*b\"}", "\"a*b\"", 1},
	{"{\"wildcard\":\"a\\\\*b\"}", "\"axb\"", 0},
	{"{\"wildcard\":\"a\\\\\\\\b\"}", "\"a\\\\b\"", 1},
	{"{\"wildcard\":\"a\\\\**\"}", "\"a*bc\"", 1},
	{"{\"wildcard\":\"a**\"}", "\"a\"", -1},
	/* case: pattern characters accept their forms, not the other way round */
	{"{\"equals-ignore-case\":\"\"}", "\"\"", 1},
	{"{\"equals-ignore-case\":\"stra\xC3\x9F" "e\"}", "\"STRASSE\"", 1},
	{"{\"equals-ignore-case\":\"STRASSE\"}", "\"stra\xC3\x9F" "e\"", 0},
	{"{\"equals-ignore-case\":\"\xE2\x84\xAA\"}", "\"k\"", 1},
	{"{\"equals-ignore-case\":\"k\"}", "\"\xE2\x84\xAA\"", 0},
	{"{\"equals-ignore-case\":\"\xC7\x85\"}", "\"\xC7\x85\"", 1},
	{"{\"equals-ignore-case\":\"\xF0\x90\x90\x80\"}", "\"\xF0\x90\x90\xA8\"", 1},
	{"{\"prefix\":{\"equals-ignore-case\":\"\xC3\x9F\"}}", "\"SSx\"", 1},
	{"{\"suffix\":{\"equals-ignore-case\":\"\xC3\x9F\"}}", "\"xss\"", 0},
	{"{\"suffix\":{\"equals-ignore-case\":\"\xC3\x9F\"}}", "\"xSS\"", 1},
	{"{\"suffix\":{\"equals-ignore-case\":\"abc\"}}", "\"bc\"", 0},
	/* addresses */
	{"\"10.0.0.1\"", "\"010.0.0.1\"", 1}, {"\"10.0.0.1\"", "\"::ffff:0a00:0001\"", 1},
	{"\"10.0.0.1\"", "\"0a00:0001::\"", 0}, {"\"::1\"", "\"0:0:0:0:0:0:0:1\"", 1},
	{"\"2001:db8::A\"", "\"2001:DB8::a\"", 1}, {"\"10.0.0.256\"", "\"10.0.0.256\"", 1},
	{"{\"exactly\":\"10.0.0.1\"}", "\"010.0.0.1\"", 0},
	{"{\"cidr\":\"10.0.0.5/24\"}", "\"10.0.0.255\"", 1},
	{"{\"cidr\":\"10.0.0.5/24\"}", "\"10.0.1.0\"", 0},
	{"{\"cidr\":\"0.0.0.0/0\"}", "\"255.255.255.255\"", 1},
	{"{\"cidr\":\"0.0.0.0/0\"}", "\"::1\"", 0},
	{"{\"cidr\":\"10.0.0.0/8\"}", "\"0a01:0203::1\"", 0},
	{"{\"cidr\":\"10.0.0.0/9\"}", "\"10.128.0.0\"", 0},
	{"{\"cidr\":\"2001:db8::/33\"}", "\"2001:db8:7fff::1\"", 1},
	{"{\"cidr\":\"2001:db8::/33\"}", "\"2001:db8:8000::1\"", 0},
	{"{\"cidr\":\"::/0\"}", "\"::ffff:0a00:0001\"", 0},
	{"{\"cidr\":\"10.0.0.0/32\"}", "\"\"", -1},
	{"{\"cidr\":\"10.0.0.0/-1\"}", "\"\"", -1},
	{"{\"cidr\":\"1:2:3:4:5:6:7:8/64\"}", "\"1:2:3:4:8:7:6:5\"", 1},
	{"{\"cidr\":\"10.0.0.0/8\"}", "\"10.0.0\"", 0},
	{"{\"cidr\":\"10.0.0.0/8\"}", "\"10.0.0.1 \"", 0},
	{"{\"cidr\":\"::/1\"}", "\":\"", 0}, {"{\"cidr\":\"::/1\"}", "\"::\"", 1},
	{"{\"cidr\":\"::/1\"}", "\":::\"", 0}, {"{\"cidr\":\"::/1\"}", "\"1::2::3\"", 0},
	{"{\"cidr\":\"::/1\"}", "\"1:2:3:4:5:6:7\"", 0},
	{"{\"cidr\":\"::/1\"}", "\"1:2:3:4:5:6:7:8:9\"", 0},
	{"{\"cidr\":\"::/1\"}", "\"1:2:3:4:5:6:7::\"", 1},
	{"{\"cidr\":\"::/1\"}", "\"1:2:3:4:5:6:7:8::\"", 0},
	{"{\"cidr\":\"::/1\"}", "\"1:\"", 0}, {"{\"cidr\":\"::/1\"}", "\"12345::\"", 0},
	/* numbers */
	{"{\"numeric\":[\"=\",1]}", "1.0", 1}, {"{\"numeric\":[\"=\",1]}", "\"1\"", 0},
	{"{\"numeric\":[\">\",0,\"<\",1]}", "0", 0},
	{"{\"numeric\":[\">=\",0,\"<\",1]}", "-0.0", 1},
	{"{\"numeric\":[\">\",0,\"<=\",1]}", "1", 1},
	{"{\"numeric\":[\">\",0]}", "1e400", 0},
	{"{\"numeric\":[\"<\",0.1]}", "0.10000000000000001", 0},
	{"12345678901234567890", "12345678901234567890", 1},
	{"12345678901234567890", "12345678901234567891", 0},
	{"{\"anything-but\":1}", "1e400", 1},
};

int
main(void)
{
	for (int i = 0; i < lengthof(cases); i++)
	{
		const Case *c = &cases[i];
		char	   *pattern = psprintf("{\"a\":[%s]}", c->alternative);
		char	   *event = psprintf("{\"a\":%s}", c->value);

		ok(verdict(pattern, event) == c->verdict, "%s %s %s", c->alternative,
		   c->verdict < 0 ? "is refused for" : c->verdict ? "matches" :
		   "does not match", c->value);
	}
	return finish();
}
