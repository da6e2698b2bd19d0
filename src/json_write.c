/*-------------------------------------------------------------------------
 *
 * json_write.c
 *		jsonb to JSON text without white space.
 *
 * The server's own function puts a blank after each comma and colon, which is
 * not what EventBridge sends. Numbers are written as numeric prints them: with
 * all their digits, and trailing zeros kept.
 *
 * The length is bounded, since a short event can make a long text: 1e131071
 * takes a dozen bytes in jsonb, and 131072 digits as text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "errcodes.h"
#include "json_write.h"

static void write_container(StringInfo buf, JsonbContainer *container);
static void write_scalar(StringInfo buf, const JsonbValue *value);
static void write_number(StringInfo buf, Numeric number);

void
eb_json_write_value(StringInfo buf, const JsonbValue *value)
{
	if (value->type == jbvBinary)
		write_container(buf, value->val.binary.data);
	else
		write_scalar(buf, value);
}

void
eb_json_write_jsonb(StringInfo buf, Jsonb *jsonb)
{
	write_container(buf, &jsonb->root);
}

static void
write_container(StringInfo buf, JsonbContainer *container)
{
	bool		is_scalar = JsonContainerIsScalar(container);
	bool		comma = false;	/* before what comes next in a container */
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		is_end = token == WJB_END_OBJECT ||
			token == WJB_END_ARRAY;

		CHECK_FOR_INTERRUPTS();
		if (comma && !is_end)
			appendStringInfoChar(buf, ',');
		if (token == WJB_BEGIN_OBJECT)
			appendStringInfoChar(buf, '{');
		else if (token == WJB_END_OBJECT)
			appendStringInfoChar(buf, '}');
		else if (token == WJB_BEGIN_ARRAY && !is_scalar)
			appendStringInfoChar(buf, '[');
		else if (token == WJB_END_ARRAY && !is_scalar)
			appendStringInfoChar(buf, ']');
		else if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			write_scalar(buf, &value);
		if (token == WJB_KEY)
			appendStringInfoChar(buf, ':');
		comma = is_end || token == WJB_VALUE || token == WJB_ELEM;
	}
}

static void
write_scalar(StringInfo buf, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			eb_json_write_string(buf, value->val.string.val,
								 value->val.string.len);
			break;
		case jbvNumeric:
			write_number(buf, value->val.numeric);
			break;
		case jbvBool:
			appendStringInfoString(buf,
								   value->val.boolean ? "true" : "false");
			break;
		default:
			Assert(value->type == jbvNull);
			appendStringInfoString(buf, "null");
			break;
	}
}

static void
write_number(StringInfo buf, Numeric number)
{
	Datum text = DirectFunctionCall1(numeric_out,
									 NumericGetDatum(number));
	char	   *digits = DatumGetCString(text);

	eb_json_write_raw(buf, digits, strlen(digits));
	pfree(digits);
}

void
eb_json_write_string(StringInfo buf, const char *chars, int len)
{
	appendStringInfoChar(buf, '"');
	eb_json_write_escaped(buf, chars, len);
	appendStringInfoChar(buf, '"');
}

/* The letter after the backslash of a short escape, 0 where there is none. */
static char
short_escape(char c)
{
	switch (c)
	{
		case '\b':
			return 'b';
		case '\f':
			return 'f';
		case '\n':
			return 'n';
		case '\r':
			return 'r';
		case '\t':
			return 't';
		case '"':
		case '\\':
			return c;
		default:
			return 0;
	}
}

void
eb_json_write_escaped(StringInfo buf, const char *chars, int len)
{
	int			start = 0;		/* of what is not yet written */

	for (int i = 0; i < len; i++)
	{
		char		letter = short_escape(chars[i]);

		if (letter == 0 && (unsigned char) chars[i] >= ' ')
			continue;
		eb_json_write_raw(buf, chars + start, i - start);
		if (letter != 0)
			appendStringInfo(buf, "\\%c", letter);
		else
			appendStringInfo(buf, "\\u%04x", (unsigned char) chars[i]);
		start = i + 1;
	}
	eb_json_write_raw(buf, chars + start, len - start);
}

void
eb_json_write_raw(StringInfo buf, const char *chars, int len)
{
	if (len > EB_MAX_JSON_TEXT - Min(buf->len, EB_MAX_JSON_TEXT))
		ereport(ERROR,
				(errcode(EB_ERRCODE_TRANSFORMATION),
				 errmsg("JSON text exceeds the maximum of %d bytes",
						EB_MAX_JSON_TEXT)));
	appendBinaryStringInfo(buf, chars, len);
}
