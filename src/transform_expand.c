/*-------------------------------------------------------------------------
 *
 * transform_expand.c
 *		What a template of an input transformer makes of an event.
 *
 *					JSON template			JSON template		text template
 *					unquoted				between quotes
 *	string			JSON string				its characters,		its characters
 *											escaped
 *	number, true,	as JSON					as JSON				as JSON
 *	false
 *	object, array	as JSON					as JSON, if that	as JSON, with
 *											has no quotes		its quotes removed
 *	null, nothing	""						nothing				nothing
 *
 * EventBridge does not escape strings between quotes. A publisher whose string
 * has a quote in it then makes the result invalid, or adds members to it that
 * the author of the template did not mean; so here they are escaped, unless
 * eventbus.input_transformer_escape says otherwise. In the same way an object
 * or array whose text has quotes is refused between quotes, where EventBridge
 * would look at the result as a whole. That is parsed here only where nothing
 * else makes sure that it is JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "arn.h"
#include "errcodes.h"
#include "guc.h"
#include "iso8601.h"
#include "json_write.h"
#include "jsonb_text.h"
#include "transform_template.h"

/* The value of a variable, once it is known. */
typedef struct Value
{
	bool		is_known;
	bool		is_nothing;		/* no such value, or null */
	JsonbValue	json;			/* unless the variable is an event */
} Value;

static void expand_text(const EbVariable *variable, const Value *value,
						const EbTransformEvent *event, StringInfo buf);
static void expand_json(const EbVariable *variable, const Value *value,
						const EbTransformEvent *event, StringInfo buf);
static void expand_quoted(const EbVariable *variable, const Value *value,
						  StringInfo buf);
static void evaluate(const EbVariable *variable,
					 const EbTransformEvent *event, Value *value);
static void set_string(Value *value, char *chars);
static void remove_quotes(StringInfo buf, int start);

void
eb_template_expand(const EbTemplate *template, const EbTransformEvent *event,
				   StringInfo buf)
{
	Value	   *values = palloc0(sizeof(Value) * Max(template->nvariables, 1));

	for (int i = 0; i < template->ntokens; i++)
	{
		const EbTemplateToken *token = &template->tokens[i];
		const EbVariable *variable;
		Value	   *value;

		CHECK_FOR_INTERRUPTS();
		eb_json_write_raw(buf, token->text, token->len);
		if (token->variable < 0)
			continue;
		variable = &template->variables[token->variable];
		value = &values[token->variable];
		if (!value->is_known)
			evaluate(variable, event, value);
		if (!template->is_json)
			expand_text(variable, value, event, buf);
		else if (token->in_string)
			expand_quoted(variable, value, buf);
		else
			expand_json(variable, value, event, buf);
	}
	pfree(values);
}

bool
eb_template_must_parse(const EbTemplate *template)
{
	return template->is_json &&
		!(template->is_certain && eb_guc_input_transformer_escape);
}

Jsonb *
eb_template_parse(const char *text, int len)
{
	Jsonb	   *jsonb = eb_jsonb_from_text(text, len);

	if (jsonb == NULL)
		ereport(ERROR,
				(errcode(EB_ERRCODE_TRANSFORMATION),
				 errmsg("input transformer does not make valid JSON of the event"),
				 errdetail("The result is not JSON, or is nested more than %d levels deep.",
						   EB_MAX_NESTING)));
	return jsonb;
}

/* --- writing values ----------------------------------------------------- */

/* In a text template. */
static void
expand_text(const EbVariable *variable, const Value *value,
			const EbTransformEvent *event, StringInfo buf)
{
	int			start = buf->len;

	if (value->is_nothing)
		return;
	if (value->json.type == jbvString)
	{
		eb_json_write_raw(buf, value->json.val.string.val,
						  value->json.val.string.len);
		return;
	}
	expand_json(variable, value, event, buf);
	remove_quotes(buf, start);
}

/* In a JSON template, where a value may stand. */
static void
expand_json(const EbVariable *variable, const Value *value,
			const EbTransformEvent *event, StringInfo buf)
{
	if (value->is_nothing)
		appendStringInfoString(buf, "\"\"");
	else if (variable->kind == EB_VARIABLE_EVENT)
		eb_transform_event_write(event, buf);
	else if (variable->kind == EB_VARIABLE_BRIEF_EVENT)
		eb_transform_event_write_brief(event, buf);
	else
		eb_json_write_value(buf, &value->json);
}

/* In a JSON template, within a string. Never an event: see the reader. */
static void
expand_quoted(const EbVariable *variable, const Value *value, StringInfo buf)
{
	const JsonbValue *json = &value->json;
	int			start = buf->len;

	if (value->is_nothing)
		return;
	if (json->type == jbvString && eb_guc_input_transformer_escape)
		eb_json_write_escaped(buf, json->val.string.val,
							  json->val.string.len);
	else if (json->type == jbvString)
		eb_json_write_raw(buf, json->val.string.val, json->val.string.len);
	else
		eb_json_write_value(buf, json);

	if (json->type == jbvBinary && eb_guc_input_transformer_escape &&
		memchr(buf->data + start, '"', buf->len - start) != NULL)
		ereport(ERROR,
				(errcode(EB_ERRCODE_TRANSFORMATION),
				 errmsg("input transformer does not make valid JSON of the event"),
				 errdetail("The value of <%.*s> is an object or an array with strings, and stands between quotes.",
						   variable->len, variable->name),
				 errhint("Remove the quotes around the placeholder.")));
}

/*
 * Takes all double quotes out of the JSON that buf holds from start on, those
 * within strings with their backslashes.
 */
static void
remove_quotes(StringInfo buf, int start)
{
	const char *from = buf->data + start;
	const char *end = buf->data + buf->len;
	char	   *to = buf->data + start;

	while (from < end)
	{
		if (from[0] == '\\' && from[1] != '"')
			*to++ = *from++;
		else if (from[0] == '\\')
			from++;
		if (*from != '"')
			*to++ = *from;
		from++;
	}
	buf->len = to - buf->data;
	*to = '\0';
}

/* --- values ------------------------------------------------------------- */

static void
evaluate(const EbVariable *variable, const EbTransformEvent *event,
		 Value *value)
{
	char		time[EB_ISO8601_SIZE];

	value->is_known = true;
	switch (variable->kind)
	{
		case EB_VARIABLE_PATH:
			value->is_nothing =
				!eb_input_path_find(&variable->path, event, &value->json) ||
				value->json.type == jbvNull;
			break;
		case EB_VARIABLE_RULE_ARN:
			set_string(value, eb_arn_of_rule(event->rule->bus_name,
											 event->rule->name));
			break;
		case EB_VARIABLE_RULE_NAME:
			set_string(value, pstrdup(event->rule->name));
			break;
		case EB_VARIABLE_INGESTION_TIME:
			eb_iso8601_write(event->ingested_at, time);
			set_string(value, pstrdup(time));
			break;
		case EB_VARIABLE_BRIEF_EVENT:
		case EB_VARIABLE_EVENT:
			value->json.type = jbvBinary;
			break;
	}
}

static void
set_string(Value *value, char *chars)
{
	value->json.type = jbvString;
	value->json.val.string.val = chars;
	value->json.val.string.len = strlen(chars);
}
