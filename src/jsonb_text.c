/*-------------------------------------------------------------------------
 *
 * jsonb_text.c
 *		JSON text to jsonb, without raising an error for bad text.
 *
 * One malformed entry of a put must not abort the caller's transaction, and
 * PostgreSQL 15 has no soft errors: jsonb's input function raises. Its parser
 * (common/jsonapi.h) does not, however, so the text is parsed here with
 * actions that build a jsonb. What jsonb refuses beyond syntax is met thus:
 *
 *	- \u0000 and lone surrogates: the lexer reports them, since it is asked
 *	  to resolve escapes;
 *	- numbers that numeric cannot hold: told by their digits and exponent
 *	  before numeric's input function sees them;
 *	- nesting: counted before parsing, so that neither the parser's recursion
 *	  nor that of whoever reads the event later runs out of stack.
 *
 * Still raised, as there is no way around them: a \u escape of a character
 * that the database's encoding lacks (never in UTF-8), and a jsonb beyond
 * its maximum of 256 MB, which eventbus.max_event_bytes keeps away.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "jsonb_text.h"

/*
 * What numeric can hold, whatever its digits are: so many before the decimal
 * point, so many behind it.
 */
#define MAX_INTEGER_DIGITS	131072
#define MAX_FRACTION_DIGITS	16383

/* No exponent that fits is longer. */
#define MAX_EXPONENT_LEN	7

/* Least bytes of a jsonb that one level of nesting takes. */
#define MIN_LEVEL_SIZE		(sizeof(uint32) + sizeof(JEntry))

typedef struct Builder
{
	JsonbParseState *state;
	JsonbValue *result;
	bool		refused;		/* met what jsonb cannot hold */
} Builder;

static bool text_too_deep(const char *text, int len);
static void build_scalar(Builder *builder, char *token,
						 JsonTokenType token_type);
static Numeric make_numeric(char *token);
static bool numeric_holds(const char *token);
static int64 scalar_text_size(const JsonbValue *value);

/* --- actions of the parser ---------------------------------------------- */

static EbJsonActionResult
object_start(void *arg)
{
	Builder    *builder = arg;

	builder->result = pushJsonbValue(&builder->state, WJB_BEGIN_OBJECT, NULL);
	EB_JSON_ACTION_DONE();
}

static EbJsonActionResult
object_end(void *arg)
{
	Builder    *builder = arg;

	builder->result = pushJsonbValue(&builder->state, WJB_END_OBJECT, NULL);
	EB_JSON_ACTION_DONE();
}

static EbJsonActionResult
array_start(void *arg)
{
	Builder    *builder = arg;

	builder->result = pushJsonbValue(&builder->state, WJB_BEGIN_ARRAY, NULL);
	EB_JSON_ACTION_DONE();
}

static EbJsonActionResult
array_end(void *arg)
{
	Builder    *builder = arg;

	builder->result = pushJsonbValue(&builder->state, WJB_END_ARRAY, NULL);
	EB_JSON_ACTION_DONE();
}

static EbJsonActionResult
field_start(void *arg, char *name, bool isnull)
{
	Builder    *builder = arg;
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = name;
	key.val.string.len = strlen(name);
	builder->result = pushJsonbValue(&builder->state, WJB_KEY, &key);
	EB_JSON_ACTION_DONE();
}

static EbJsonActionResult
scalar(void *arg, char *token, JsonTokenType token_type)
{
	build_scalar(arg, token, token_type);
	EB_JSON_ACTION_DONE();
}

static void
build_scalar(Builder *builder, char *token, JsonTokenType token_type)
{
	JsonbValue	value = {jbvNull};

	switch (token_type)
	{
		case JSON_TOKEN_STRING:
			value.type = jbvString;
			value.val.string.val = token;
			value.val.string.len = strlen(token);
			break;
		case JSON_TOKEN_NUMBER:
			if (!numeric_holds(token))
			{
				builder->refused = true;
				break;
			}
			value.type = jbvNumeric;
			value.val.numeric = make_numeric(token);
			break;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			value.type = jbvBool;
			value.val.boolean = token_type == JSON_TOKEN_TRUE;
			break;
		default:
			Assert(token_type == JSON_TOKEN_NULL);
			break;
	}

	/* A scalar on its own is of no use to us: the caller wants an object. */
	if (builder->state == NULL)
		builder->refused = true;
	else
	{
		bool		in_array = builder->state->contVal.type == jbvArray;

		builder->result = pushJsonbValue(&builder->state,
										 in_array ? WJB_ELEM : WJB_VALUE,
										 &value);
	}
}

static Numeric
make_numeric(char *token)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(token),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/*
 * Can numeric hold this JSON number? Counts digits as written, so a zero with
 * a huge exponent is refused, too.
 */
static bool
numeric_holds(const char *token)
{
	int			integer_digits = 0;
	int			fraction_digits = 0;
	int			exponent = 0;

	if (*token == '-')
		token++;
	for (; *token >= '0' && *token <= '9'; token++)
		integer_digits++;
	if (*token == '.')
		for (token++; *token >= '0' && *token <= '9'; token++)
			fraction_digits++;
	if (*token == 'e' || *token == 'E')
	{
		if (strlen(token + 1) > MAX_EXPONENT_LEN)
			return false;
		exponent = atoi(token + 1);
	}
	return integer_digits + exponent <= MAX_INTEGER_DIGITS &&
		fraction_digits - exponent <= MAX_FRACTION_DIGITS;
}

/* --- entry points ------------------------------------------------------- */

Jsonb *
eb_jsonb_from_text(const char *text, int len)
{
	Builder		builder = {0};
	JsonSemAction actions = {
		.semstate = &builder,
		.object_start = object_start,
		.object_end = object_end,
		.array_start = array_start,
		.array_end = array_end,
		.object_field_start = field_start,
		.scalar = scalar,
	};
	JsonLexContext *lex;

	if (text_too_deep(text, len))
		return NULL;
	lex = eb_make_json_lexer(text, len, GetDatabaseEncoding());
	if (pg_parse_json(lex, &actions) != JSON_SUCCESS || builder.refused)
		return NULL;
	return JsonbValueToJsonb(builder.result);
}

/* Counts brackets outside of strings; whether they match is not looked at. */
static bool
text_too_deep(const char *text, int len)
{
	int			depth = 0;
	bool		in_string = false;

	for (int i = 0; i < len; i++)
	{
		char		c = text[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
		{
			if (++depth > EB_MAX_NESTING)
				return true;
		}
		else if (c == '}' || c == ']')
			depth--;
	}
	return false;
}

bool
eb_jsonb_too_deep(Jsonb *jsonb)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			depth = 0;

	/* nearly always */
	if (VARSIZE(jsonb) < EB_MAX_NESTING * MIN_LEVEL_SIZE)
		return false;

	iterator = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY)
		{
			if (++depth > EB_MAX_NESTING)
				return true;
		}
		else if (token == WJB_END_OBJECT || token == WJB_END_ARRAY)
			depth--;
	}
	return false;
}

bool
eb_jsonb_text_fits(Jsonb *jsonb, int64 limit)
{
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	int64		size = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		/* a colon or a comma after each key and value, a bracket otherwise */
		size++;
		if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			size += scalar_text_size(&value);
		if (size > limit)
			return false;
	}
	return true;
}

/* Bytes of a scalar as JSON text; escapes are not looked at. */
static int64
scalar_text_size(const JsonbValue *value)
{
	char	   *text;
	int64		size;

	switch (value->type)
	{
		case jbvString:
			return value->val.string.len + strlen("\"\"");
		case jbvNumeric:
			text = numeric_normalize(value->val.numeric);

			size = strlen(text);
			pfree(text);
			return size;
		case jbvBool:
			return strlen(value->val.boolean ? "true" : "false");
		default:
			return strlen("null");
	}
}
