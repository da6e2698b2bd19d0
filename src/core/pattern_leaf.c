/*-------------------------------------------------------------------------
 *
 * pattern_leaf.c
 *		An event pattern, validated and taken apart: the tests.
 *
 * A list of alternatives holds literals and match expressions, objects with
 * one key, the operator. Reasons are EventBridge's own words, oddities
 * included, and faults are looked for in its order, so that what users find
 * when they search for a message holds here too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include <math.h>

#include "core/pattern_compile.h"

typedef bool (*CompileOperator) (EbPatternCompiler *c, int value,
								 EbTest *test);

typedef struct Operator
{
	const char *name;
	CompileOperator compile;
	const char *too_many;		/* reason when the object has another key */
} Operator;

/* bytes of a number that a reason quotes */
#define MAX_SHOWN	40

#define ONE_KEY		"Only one key allowed in match expression"
#define ONE_KEY_BUT	"Too many elements in numeric expression"

static bool compile_literal(EbPatternCompiler *c, int node, EbTest *test);
static bool compile_expression(EbPatternCompiler *c, int node, EbTest *test);
static bool compile_operator(EbPatternCompiler *c, int object, int key,
							 const Operator *op, EbTest *test);
static bool compile_exactly(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_prefix(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_suffix(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_affix(EbPatternCompiler *c, int value, EbTest *test,
						  bool is_prefix);
static bool compile_ignore_case(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_wildcard(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_exists(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_cidr(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_address(EbPatternCompiler *c, const char *text, int len,
							const char *slash, EbTest *test);
static bool compile_numeric(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_numeric_top(EbPatternCompiler *c, int array, int member,
								EbNumberRange *range);
static bool read_bound(EbPatternCompiler *c, int array, int member,
					   const char *op, EbNumber *number);
static bool compile_anything_but(EbPatternCompiler *c, int value,
								 EbTest *test);
static bool compile_but_literal(EbPatternCompiler *c, int node, EbTest *test);
static bool compile_but_prefix(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_but_suffix(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_but_affix(EbPatternCompiler *c, int value, EbTest *test);
static bool compile_but_ignore_case(EbPatternCompiler *c, int value,
									EbTest *test);
static bool compile_list(EbPatternCompiler *c, int value, EbTest **tests,
						 int *ntests, CompileOperator compile);
static void set_string(EbTest *test, EbTestKind kind, const EbJsonNode *node);
static const Operator *find_operator(const Operator *ops,
									 const EbJsonNode *name);
static int	choose_key(EbPatternCompiler *c, int object, const Operator *ops);
static const char *near_miss(const Operator *ops, const EbJsonNode *name);
static const char *token_text(EbPatternCompiler *c, int array, int member);
static bool invalid(EbPatternCompiler *c, const char *reason);

static const Operator operators[] = {
	{"exactly", compile_exactly, ONE_KEY},
	{"prefix", compile_prefix, ONE_KEY},
	{"suffix", compile_suffix, ONE_KEY},
	{"equals-ignore-case", compile_ignore_case, ONE_KEY},
	{"wildcard", compile_wildcard, ONE_KEY},
	{"numeric", compile_numeric, ONE_KEY},
	{"cidr", compile_cidr, ONE_KEY},
	{"exists", compile_exists, ONE_KEY},
	{"anything-but", compile_anything_but, ONE_KEY_BUT},
	{NULL}
};

/* inside {"prefix": {..}} and {"suffix": {..}} */
static const Operator affix_operators[] = {
	{"equals-ignore-case", compile_ignore_case, ONE_KEY},
	{NULL}
};

/* inside {"anything-but": {..}}; each is given one string of the list */
static const Operator but_operators[] = {
	{"prefix", compile_but_prefix, ONE_KEY_BUT},
	{"suffix", compile_but_suffix, ONE_KEY_BUT},
	{"equals-ignore-case", compile_but_ignore_case, ONE_KEY_BUT},
	{"wildcard", compile_wildcard, ONE_KEY_BUT},
	{NULL}
};

bool
eb_pattern_compile_tests(EbPatternCompiler *compiler, int node,
						 EbPatternField *field)
{
	return compile_list(compiler, node, &field->tests, &field->ntests,
						compile_literal);
}

/* One member of a list of alternatives. */
static bool
compile_literal(EbPatternCompiler *c, int node, EbTest *test)
{
	const EbJsonNode *value = &c->doc->nodes[node];

	switch (value->kind)
	{
		case EB_JSON_NULL:
			test->kind = EB_TEST_NULL;
			return true;
		case EB_JSON_FALSE:
			test->kind = EB_TEST_FALSE;
			return true;
		case EB_JSON_TRUE:
			test->kind = EB_TEST_TRUE;
			return true;
		case EB_JSON_NUMBER:
			set_string(test, EB_TEST_NUMBER, value);
			test->u.number = eb_number_read(value->text, value->len);
			return true;
		case EB_JSON_STRING:
			set_string(test, EB_TEST_STRING, value);
			/* an address stands for every way to write it */
			if (eb_ip_read(value->text, value->len, &test->u.ip.base))
			{
				test->kind = EB_TEST_CIDR;
				test->u.ip.bits = test->u.ip.base.nbytes * 8;
			}
			return true;
		case EB_JSON_OBJECT:
			return compile_expression(c, node, test);
		case EB_JSON_ARRAY:
			break;
	}
	return invalid(c, "Match value must be String, number, true, false, or null");
}

static bool
compile_expression(EbPatternCompiler *c, int node, EbTest *test)
{
	const EbJsonNode *nodes = c->doc->nodes;
	int			key;
	const Operator *op;

	if (nodes[node].end == node + 1)
		return invalid(c, "Match expression name not found");
	key = choose_key(c, node, operators);
	op = find_operator(operators, &nodes[key]);
	if (op == NULL)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   psprintf("Unrecognized match type %.*s",
										nodes[key].len, nodes[key].text),
							   near_miss(operators, &nodes[key]));
	return compile_operator(c, node, key, op, test);
}

/* Compiles the operator at key, and sees that it is the object's only key. */
static bool
compile_operator(EbPatternCompiler *c, int object, int key,
				 const Operator *op, EbTest *test)
{
	const EbJsonNode *nodes = c->doc->nodes;
	EbPatternPlace place = {c->place, nodes[key].text, nodes[key].len, 0};
	bool		ok;

	c->place = &place;
	ok = op->compile(c, key + 1, test);
	c->place = place.outer;
	if (!ok)
		return false;
	if (key != object + 1 || nodes[key + 1].end != nodes[object].end)
		return eb_pattern_fail(c, EB_PATTERN_INVALID, op->too_many,
							   "Write each match expression as an object of its own.");
	return true;
}

static bool
compile_exactly(EbPatternCompiler *c, int value, EbTest *test)
{
	const EbJsonNode *node = &c->doc->nodes[value];

	if (node->kind != EB_JSON_STRING)
		return invalid(c, "exact match pattern must be a string");
	set_string(test, EB_TEST_STRING, node);
	return true;
}

static bool
compile_prefix(EbPatternCompiler *c, int value, EbTest *test)
{
	return compile_affix(c, value, test, true);
}

static bool
compile_suffix(EbPatternCompiler *c, int value, EbTest *test)
{
	return compile_affix(c, value, test, false);
}

/* A string, or {"equals-ignore-case": string}. */
static bool
compile_affix(EbPatternCompiler *c, int value, EbTest *test, bool is_prefix)
{
	const EbJsonNode *nodes = c->doc->nodes;
	const char *name = is_prefix ? "prefix" : "suffix";
	int			key;
	const Operator *op;

	if (nodes[value].kind == EB_JSON_STRING)
	{
		set_string(test, is_prefix ? EB_TEST_PREFIX : EB_TEST_SUFFIX,
				   &nodes[value]);
		return true;
	}
	if (nodes[value].kind != EB_JSON_OBJECT)
		return invalid(c, psprintf("%s match pattern must be a string", name));
	if (nodes[value].end == value + 1)
		return invalid(c, psprintf("%s expression name not found",
								   is_prefix ? "Prefix" : "Suffix"));
	key = choose_key(c, value, affix_operators);
	op = find_operator(affix_operators, &nodes[key]);
	if (op == NULL)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   psprintf("Unsupported %s pattern: %.*s", name,
										nodes[key].len, nodes[key].text),
							   near_miss(affix_operators, &nodes[key]));
	if (!compile_operator(c, value, key, op, test))
		return false;
	test->kind = is_prefix ? EB_TEST_PREFIX_IGNORE_CASE :
		EB_TEST_SUFFIX_IGNORE_CASE;
	return true;
}

static bool
compile_ignore_case(EbPatternCompiler *c, int value, EbTest *test)
{
	const EbJsonNode *node = &c->doc->nodes[value];

	if (node->kind != EB_JSON_STRING)
		return invalid(c, "equals-ignore-case match pattern must be a string");
	set_string(test, EB_TEST_EQUALS_IGNORE_CASE, node);
	eb_fold_compile(test->text, test->len, &test->u.folded);
	return true;
}

static bool
compile_wildcard(EbPatternCompiler *c, int value, EbTest *test)
{
	const EbJsonNode *node = &c->doc->nodes[value];
	int			position;

	if (node->kind != EB_JSON_STRING)
		return invalid(c, "wildcard match pattern must be a string");
	set_string(test, EB_TEST_WILDCARD, node);
	switch (eb_wildcard_compile(test->text, test->len, &test->u.wildcard,
								&position))
	{
		case EB_WILDCARD_OK:
			return true;
		case EB_WILDCARD_BAD_ESCAPE:
			return eb_pattern_fail(c, EB_PATTERN_INVALID,
								   psprintf("Invalid escape character at pos %d",
											position + 1),
								   "A backslash may only stand before * or another backslash.");
		case EB_WILDCARD_CONSECUTIVE:
			break;
	}
	/* positions count from the opening quote of the value */
	return invalid(c, psprintf("Consecutive wildcard characters at pos %d",
							   position + 1));
}

static bool
compile_exists(EbPatternCompiler *c, int value, EbTest *test)
{
	EbJsonKind	kind = c->doc->nodes[value].kind;

	if (kind != EB_JSON_TRUE && kind != EB_JSON_FALSE)
		return invalid(c, "exists match pattern must be either true or false.");
	test->kind = kind == EB_JSON_TRUE ? EB_TEST_EXISTS : EB_TEST_ABSENT;
	return true;
}

static bool
compile_cidr(EbPatternCompiler *c, int value, EbTest *test)
{
	const EbJsonNode *node = &c->doc->nodes[value];
	const char *slash;

	if (node->kind != EB_JSON_STRING)
		return invalid(c, "prefix match pattern must be a string");
	set_string(test, EB_TEST_CIDR, node);
	slash = memchr(test->text, '/', test->len);
	if (slash == NULL || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
		return invalid(c, "Malformed CIDR, one '/' required");
	return compile_address(c, test->text, slash - test->text, slash, test);
}

/* The parts of a range: address of len bytes at text, mask after slash. */
static bool
compile_address(EbPatternCompiler *c, const char *text, int len,
				const char *slash, EbTest *test)
{
	const char *mask = slash + 1;
	bool		negative = *mask == '-';
	int			bits = 0;
	EbIp	   *ip = &test->u.ip.base;

	if (*mask == '-' || *mask == '+')
		mask++;
	if (*mask == '\0')
		return invalid(c, "Malformed CIDR, mask bits must be an integer");
	for (; *mask != '\0'; mask++)
	{
		if (*mask < '0' || *mask > '9' || bits > 100000000)
			return invalid(c, "Malformed CIDR, mask bits must be an integer");
		bits = bits * 10 + (*mask - '0');
	}
	if (negative && bits > 0)
		return invalid(c, "Malformed CIDR, mask bits must not be negative");
	if (!eb_ip_looks_like(text, len))
		return invalid(c, psprintf("Nonstandard IP address: %.*s", len, text));
	if (!eb_ip_read(text, len, ip))
		return invalid(c, psprintf("Invalid IP address: %.*s", len, text));
	if (bits >= ip->nbytes * 8)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   ip->nbytes == 4 ?
							   "IPv4 mask bits must be < 32" :
							   "IPv6 mask bits must be < 128",
							   "Write a single address as a plain string.");
	test->u.ip.bits = bits;
	return true;
}

/* ["=", n], ["<", n], [">", n], or [">", n, "<", m], each also with "=". */
static bool
compile_numeric(EbPatternCompiler *c, int value, EbTest *test)
{
	const EbJsonNode *nodes = c->doc->nodes;
	int			member = value + 1;
	bool		is_last = nodes[value].end <= value + 3;
	EbNumberRange *range = &test->u.range;
	EbNumber	number;
	const char *op;
	bool		open;

	if (nodes[value].kind != EB_JSON_ARRAY)
		return invalid(c, "Value of numeric must be an array.");
	op = token_text(c, value, member);
	if (nodes[value].end == member || nodes[member].kind != EB_JSON_STRING)
		return invalid(c, psprintf("Invalid member in numeric match: %s", op));
	open = strlen(op) == 1;
	if (strcmp(op, "=") == 0)
	{
		if (!read_bound(c, value, member + 1, "equals", &number))
			return false;
		if (!is_last)
			return invalid(c, "Too many elements in numeric expression");
		set_string(test, EB_TEST_NUMBER, &nodes[member + 1]);
		test->u.number = number;
		return true;
	}
	if (strcmp(op, "<") != 0 && strcmp(op, "<=") != 0 &&
		strcmp(op, ">") != 0 && strcmp(op, ">=") != 0)
		return invalid(c, psprintf("Unrecognized numeric range operator: %s", op));
	if (!read_bound(c, value, member + 1, op, &number))
		return false;
	test->kind = EB_TEST_NUMERIC;
	if (*op == '<')
	{
		if (!is_last)
			return invalid(c, "Too many elements in numeric expression");
		range->low = -INFINITY;
		range->high = number.value;
		range->low_open = false;
		range->high_open = open;
		return true;
	}
	range->low = number.value;
	range->high = INFINITY;
	range->low_open = open;
	range->high_open = false;
	return is_last || compile_numeric_top(c, value, member + 2, range);
}

/* The second half of a range: an operator, a number, and no more. */
static bool
compile_numeric_top(EbPatternCompiler *c, int array, int member,
					EbNumberRange *range)
{
	const EbJsonNode *nodes = c->doc->nodes;
	const char *op = token_text(c, array, member);
	EbNumber	number;

	if (nodes[member].kind != EB_JSON_STRING)
		return invalid(c, psprintf("Bad value in numeric range: %s", op));
	if (!read_bound(c, array, member + 1, op, &number))
		return false;
	if (nodes[array].end > member + 2)
		return invalid(c, "Too many terms in numeric range expression");
	if (strcmp(op, "<") != 0 && strcmp(op, "<=") != 0)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   psprintf("Bad numeric range operator: %s", op),
							   "A range starts with > or >= and ends with < or <=.");
	range->high = number.value;
	range->high_open = strlen(op) == 1;
	if (range->low >= range->high)
		return invalid(c, "Bottom must be less than top");
	return true;
}

/* The number that must be the array's member, and comparable. */
static bool
read_bound(EbPatternCompiler *c, int array, int member, const char *op,
		   EbNumber *number)
{
	const EbJsonNode *node = &c->doc->nodes[member];

	if (member >= c->doc->nodes[array].end || node->kind != EB_JSON_NUMBER)
		return invalid(c, psprintf("Value of %s must be numeric", op));
	*number = eb_number_read(node->text, node->len);
	if (!number->comparable)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   psprintf("Cannot compare number : %.*s%s",
										Min(node->len, MAX_SHOWN), node->text,
										node->len > MAX_SHOWN ? "..." : ""),
							   "Numbers are compared as double precision; this one has more digits than that.");
	return true;
}

static bool
compile_anything_but(EbPatternCompiler *c, int value, EbTest *test)
{
	const EbJsonNode *nodes = c->doc->nodes;
	EbTest	  **tests = &test->u.excluded.tests;
	int		   *ntests = &test->u.excluded.ntests;
	EbPatternPlace place = {c->place};
	const Operator *op;
	int			key;

	test->kind = EB_TEST_ANYTHING_BUT;
	if (nodes[value].kind != EB_JSON_OBJECT)
		return compile_list(c, value, tests, ntests, compile_but_literal);
	if (nodes[value].end == value + 1)
		return invalid(c, "Anything-But expression name not found");
	key = choose_key(c, value, but_operators);
	op = find_operator(but_operators, &nodes[key]);
	if (op == NULL)
		return eb_pattern_fail(c, EB_PATTERN_INVALID,
							   psprintf("Unsupported anything-but pattern: %.*s",
										nodes[key].len, nodes[key].text),
							   near_miss(but_operators, &nodes[key]));
	place.key = nodes[key].text;
	place.len = nodes[key].len;
	c->place = &place;
	if (!compile_list(c, key + 1, tests, ntests, op->compile))
		return false;
	c->place = place.outer;
	if (key != value + 1 || nodes[key + 1].end != nodes[value].end)
		return invalid(c, op->too_many);
	return true;
}

/* A single value, or a member of a list, that is excluded. */
static bool
compile_but_literal(EbPatternCompiler *c, int node, EbTest *test)
{
	const EbJsonNode *value = &c->doc->nodes[node];
	bool		in_list = c->place->key == NULL;

	if (value->kind == EB_JSON_STRING || value->kind == EB_JSON_NUMBER)
	{
		set_string(test, value->kind == EB_JSON_STRING ? EB_TEST_STRING :
				   EB_TEST_NUMBER, value);
		if (value->kind == EB_JSON_NUMBER)
			test->u.number = eb_number_read(value->text, value->len);
		/* all of a list must be of the kind of its first */
		if (in_list && c->place->index > 0 && test->kind != test[-1].kind)
			return invalid(c, "Inside anything but list, either all values are number or string, mixed type is not supported");
		return true;
	}
	return invalid(c, in_list ?
				   "Inside anything but list, start|null|boolean is not supported." :
				   "Value of anything-but must be an array or single string/number value.");
}

static bool
compile_but_prefix(EbPatternCompiler *c, int value, EbTest *test)
{
	test->kind = EB_TEST_PREFIX;
	return compile_but_affix(c, value, test);
}

static bool
compile_but_suffix(EbPatternCompiler *c, int value, EbTest *test)
{
	test->kind = EB_TEST_SUFFIX;
	return compile_but_affix(c, value, test);
}

static bool
compile_but_affix(EbPatternCompiler *c, int value, EbTest *test)
{
	const EbJsonNode *node = &c->doc->nodes[value];

	if (node->kind == EB_JSON_OBJECT)
		return invalid(c, "Value of anything-but must be an array or single string/number value.");
	if (node->kind != EB_JSON_STRING)
		return invalid(c, "prefix/suffix match pattern must be a string");
	if (node->len == 0)
		return invalid(c, "Null prefix/suffix not allowed");
	set_string(test, test->kind, node);
	return true;
}

static bool
compile_but_ignore_case(EbPatternCompiler *c, int value, EbTest *test)
{
	if (c->doc->nodes[value].kind != EB_JSON_STRING)
		return invalid(c, "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.");
	return compile_ignore_case(c, value, test);
}

/* Compiles a value, or each member of the array that it is. */
static bool
compile_list(EbPatternCompiler *c, int value, EbTest **tests, int *ntests,
			 CompileOperator compile)
{
	const EbJsonNode *nodes = c->doc->nodes;
	int			n = 0;

	*ntests = 1;
	if (nodes[value].kind != EB_JSON_ARRAY)
	{
		*tests = palloc0(sizeof(EbTest));
		return compile(c, value, *tests);
	}
	for (int e = value + 1; e < nodes[value].end; e = nodes[e].end)
		n++;
	if (n == 0)
		return invalid(c, "Empty arrays are not allowed");
	*ntests = n;
	*tests = palloc0(n * sizeof(EbTest));
	n = 0;
	for (int e = value + 1; e < nodes[value].end; e = nodes[e].end, n++)
	{
		EbPatternPlace place = {c->place, NULL, 0, n};

		c->place = &place;
		if (!compile(c, e, &(*tests)[n]))
			return false;
		c->place = place.outer;
	}
	return true;
}

/* Copies the operand into the test. */
static void
set_string(EbTest *test, EbTestKind kind, const EbJsonNode *node)
{
	char	   *copy = palloc(node->len + 1);

	memcpy(copy, node->text, node->len);
	copy[node->len] = '\0';
	test->kind = kind;
	test->text = copy;
	test->len = node->len;
}

static const Operator *
find_operator(const Operator *ops, const EbJsonNode *name)
{
	for (; ops->name != NULL; ops++)
	{
		if (strlen(ops->name) == name->len &&
			memcmp(ops->name, name->text, name->len) == 0)
			return ops;
	}
	return NULL;
}

/*
 * The key of a match expression: the first that is an operator, since jsonb
 * does not keep the order of keys, or else just the first.
 */
static int
choose_key(EbPatternCompiler *c, int object, const Operator *ops)
{
	const EbJsonNode *nodes = c->doc->nodes;

	for (int key = object + 1; key < nodes[object].end;
		 key = nodes[key + 1].end)
	{
		if (find_operator(ops, &nodes[key]) != NULL)
			return key;
	}
	return object + 1;
}

/* A hint if name is an operator but for case, hyphens and the like. */
static const char *
near_miss(const Operator *ops, const EbJsonNode *name)
{
	for (; ops->name != NULL; ops++)
	{
		const char *want = ops->name;
		const char *at = name->text;
		const char *end = name->text + name->len;

		for (;;)
		{
			while (at < end && (*at == '-' || *at == '_' || *at == ' '))
				at++;
			while (*want == '-')
				want++;
			if (at == end || *want == '\0' ||
				pg_ascii_tolower((unsigned char) *at) != (unsigned char) *want)
				break;
			at++;
			want++;
		}
		if (at == end && *want == '\0')
			return psprintf("The operator is written \"%s\".", ops->name);
	}
	return NULL;
}

/* A member of an array as messages show it; "]" past its end. */
static const char *
token_text(EbPatternCompiler *c, int array, int member)
{
	const EbJsonNode *node = &c->doc->nodes[member];

	if (member >= c->doc->nodes[array].end)
		return "]";
	switch (node->kind)
	{
		case EB_JSON_NULL:
			return "null";
		case EB_JSON_FALSE:
			return "false";
		case EB_JSON_TRUE:
			return "true";
		case EB_JSON_ARRAY:
			return "[";
		case EB_JSON_OBJECT:
			return "{";
		default:
			return psprintf("%.*s", node->len, node->text);
	}
}

static bool
invalid(EbPatternCompiler *c, const char *reason)
{
	return eb_pattern_fail(c, EB_PATTERN_INVALID, reason, NULL);
}
