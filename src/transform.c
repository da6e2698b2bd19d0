/*-------------------------------------------------------------------------
 *
 * transform.c
 *		What a target gets of an event: Input, InputPath, InputTransformer.
 *
 * A target's parameters are compiled once for as long as they stay, and
 * applied to each event. Three modules do the parts: paths are read and
 * followed in transform_path.c, templates are read in transform_template.c and
 * expanded in transform_expand.c. All of them take single members of a stored
 * event from its columns: its envelope is made only for who wants all of it.
 *
 * Limits, and most texts of errors, are EventBridge's. A path that leads to
 * nothing, or is none, is no error there, nor here: its value is empty. As
 * InputPath it makes null, of which EventBridge's documents do not speak.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "arn.h"
#include "compat.h"
#include "json_write.h"
#include "jsonb_text.h"
#include "transform.h"
#include "transform_template.h"

/* limits of EventBridge, in characters */
#define MAX_INPUT_LEN		8192
#define MAX_PATH_LEN		256
#define MAX_NAME_LEN		256
#define MAX_TEMPLATE_LEN	8192

/* and in entries of a paths map */
#define MAX_PATHS		100

/* how much of a caller's string a message repeats, in bytes */
#define MAX_QUOTED_LEN	256

#define NAME_CHARS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

/* its members, as EventBridge calls them */
#define INPUT			"input"
#define INPUT_PATH		"inputPath"
#define PATHS_MAP		"inputTransformer.inputPathsMap"
#define TEMPLATE		"inputTransformer.inputTemplate"

struct EbTransform
{
	/* one of them is set */
	Jsonb	   *input;
	EbInputPath *path;
	EbTemplate *template;

	/* what there is to warn of: paths that are none */
	const char **bad_paths;
	int			nbad_paths;
};

static bool find_parameter(Jsonb *parameters, const char *name,
						   JsonbValue *value);
static Jsonb *read_input(const char *target_id, JsonbValue *value);
static Jsonb *parse_input(const char *target_id, const char *text, int len);
static void read_path(EbTransform *transform, const JsonbValue *value,
					  const char *parameter, EbInputPath *path);
static void read_transformer(const char *target_id, JsonbValue *value,
							 EbTransform *transform);
static EbVariable *read_paths_map(EbTransform *transform,
								  const JsonbValue *map, int *nvariables);
static void check_name(const char *name, int len);
static void check_length(const char *text, int len, int max,
						 const char *member);
pg_noreturn static void constraint_error(const char *value, int len,
										 const char *member,
										 const char *constraint);
static void apply(const EbTransform *transform,
				  const EbTransformEvent *event, EbPayload *payload);

/* --- compiling ---------------------------------------------------------- */

EbTransform *
eb_transform_compile(const char *target_id, Jsonb *parameters)
{
	JsonbValue	input;
	JsonbValue	path;
	JsonbValue	transformer;
	bool		has_input = find_parameter(parameters, EB_PARAMETER_INPUT,
										   &input);
	bool		has_path = find_parameter(parameters, EB_PARAMETER_INPUT_PATH,
										  &path);
	bool		has_transformer =
		find_parameter(parameters, EB_PARAMETER_INPUT_TRANSFORMER,
					   &transformer);
	EbTransform *transform;

	if (has_input + has_path + has_transformer > 1)
		ereport(ERROR,
		/* EventBridge's text */
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Only one of Input, InputPath, or InputTransformer must be provided for target %s.",
						target_id)));
	if (!has_input && !has_path && !has_transformer)
		return NULL;

	transform = palloc0(sizeof(EbTransform));
	if (has_input)
		transform->input = read_input(target_id, &input);
	else if (has_path)
	{
		transform->path = palloc(sizeof(EbInputPath));
		read_path(transform, &path, INPUT_PATH, transform->path);
	}
	else
		read_transformer(target_id, &transformer, transform);
	return transform;
}

void
eb_transform_warn(const EbTransform *transform)
{
	if (transform == NULL)
		return;
	for (int i = 0; i < transform->nbad_paths; i++)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("\"%s\" is not a path, and finds nothing",
						transform->bad_paths[i]),
				 errhint("Paths are like $.detail.items[0].name, or $.detail.items[*].name for an array of all names.")));
	if (transform->template != NULL && transform->template->is_json &&
		!transform->template->is_certain)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("input template is JSON for some values of its placeholders only"),
				 errdetail("Something stands directly before or after a placeholder that is not between quotes. Events for which the result is not JSON are not delivered.")));
}

/* The parameter of that name; false where there is none, or it is null. */
static bool
find_parameter(Jsonb *parameters, const char *name, JsonbValue *value)
{
	return parameters != NULL && JB_ROOT_IS_OBJECT(parameters) &&
		getKeyJsonValueFromContainer(&parameters->root, name, strlen(name),
									 value) != NULL &&
		value->type != jbvNull;
}

/* A string is EventBridge's Input: the text of some JSON. */
static Jsonb *
read_input(const char *target_id, JsonbValue *value)
{
	StringInfoData buf;

	if (value->type == jbvString)
	{
		check_length(value->val.string.val, value->val.string.len,
					 MAX_INPUT_LEN, INPUT);
		return parse_input(target_id, value->val.string.val,
						   value->val.string.len);
	}
	initStringInfo(&buf);
	eb_json_write_value(&buf, value);
	check_length(buf.data, buf.len, MAX_INPUT_LEN, INPUT);
	pfree(buf.data);
	return JsonbValueToJsonb(value);
}

/* Any JSON, also a scalar, which the parser takes as an element only. */
static Jsonb *
parse_input(const char *target_id, const char *text, int len)
{
	StringInfoData buf;
	Jsonb	   *array;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '[');
	appendBinaryStringInfo(&buf, text, len);
	appendStringInfoChar(&buf, ']');
	array = eb_jsonb_from_text(buf.data, buf.len);
	pfree(buf.data);
	if (array == NULL || JB_ROOT_COUNT(array) != 1)
		ereport(ERROR,
		/* EventBridge's text */
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("JSON syntax error in input for target %s",
						target_id),
				 errdetail("Input is the string \"%.*s\", which does not hold JSON.",
						   pg_mbcliplen(text, len, MAX_QUOTED_LEN), text),
				 errhint("A constant string is written with quotes of its own: \"\\\"text\\\"\".")));
	return JsonbValueToJsonb(getIthJsonbValueFromContainer(&array->root, 0));
}

static void
read_path(EbTransform *transform, const JsonbValue *value,
		  const char *parameter, EbInputPath *path)
{
	char	   *text;
	int			len;

	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a string", parameter)));
	len = value->val.string.len;
	text = pnstrdup(value->val.string.val, len);

	check_length(text, len, MAX_PATH_LEN, parameter);
	eb_input_path_read(text, len, path);
	if (path->valid)
		return;
	if (transform->bad_paths == NULL)
		transform->bad_paths = palloc(sizeof(char *) * MAX_PATHS);
	transform->bad_paths[transform->nbad_paths++] = text;
}

/* Takes InputPathsMap and InputTemplate apart. */
static void
read_transformer(const char *target_id, JsonbValue *value,
				 EbTransform *transform)
{
	JsonbValue	map = {jbvNull};
	JsonbValue	template = {jbvNull};
	EbVariable *variables = NULL;
	int			nvariables = 0;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;

	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("input transformer must be a JSON object"),
				 errhint("It has InputPathsMap, an object, and InputTemplate, a string.")));
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		JsonbValue	member;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &member, true);
		if (key.val.string.len == strlen("InputPathsMap") &&
			memcmp(key.val.string.val, "InputPathsMap",
				   key.val.string.len) == 0)
			map = member;
		else if (key.val.string.len == strlen("InputTemplate") &&
				 memcmp(key.val.string.val, "InputTemplate",
						key.val.string.len) == 0)
			template = member;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized member \"%.*s\" of an input transformer",
							pg_mbcliplen(key.val.string.val,
										 key.val.string.len, MAX_QUOTED_LEN),
							key.val.string.val),
					 errhint("It has InputPathsMap, an object, and InputTemplate, a string.")));
	}

	if (map.type != jbvNull)
		variables = read_paths_map(transform, &map, &nvariables);
	if (template.type == jbvNull)
		eb_arn_null_error(TEMPLATE);
	if (template.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a string", TEMPLATE)));
	if (template.val.string.len == 0)
		constraint_error("", 0, TEMPLATE,
						 "have length greater than or equal to 1");
	check_length(template.val.string.val, template.val.string.len,
				 MAX_TEMPLATE_LEN, TEMPLATE);
	transform->template =
		eb_template_read(target_id,
						 pnstrdup(template.val.string.val,
								  template.val.string.len),
						 template.val.string.len, variables, nvariables);
}

static EbVariable *
read_paths_map(EbTransform *transform, const JsonbValue *map, int *nvariables)
{
	EbVariable *variables;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	path;

	if (map->type != jbvBinary ||
		!JsonContainerIsObject(map->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", PATHS_MAP),
				 errhint("Its members are names of variables and paths: {\"state\": \"$.detail.state\"}.")));
	if (JsonContainerSize(map->val.binary.data) > MAX_PATHS)
		constraint_error("{...}", strlen("{...}"), PATHS_MAP,
						 psprintf("have length less than or equal to %d",
								  MAX_PATHS));

	variables = palloc0(sizeof(EbVariable) * MAX_PATHS);
	iterator = JsonbIteratorInit(map->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		EbVariable *variable = &variables[*nvariables];

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &path, true);
		variable->name = pnstrdup(key.val.string.val, key.val.string.len);
		variable->len = key.val.string.len;
		check_name(variable->name, variable->len);
		read_path(transform, &path, PATHS_MAP ".member", &variable->path);
		if (variable->path.valid && variable->path.nsteps == 0)
			variable->kind = EB_VARIABLE_EVENT;
		(*nvariables)++;
	}
	return variables;
}

static void
check_name(const char *name, int len)
{
	bool		is_reserved = len >= strlen("aws.") &&
		pg_strncasecmp(name, "aws.", strlen("aws.")) == 0;

	/* each character of a name is one byte */
	if (len >= 1 && len <= MAX_NAME_LEN && strspn(name, NAME_CHARS) == len)
		return;
	ereport(ERROR,
	/* EventBridge's text */
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("1 validation error detected: Value '{%.*s=...}' at '%s' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [A-Za-z0-9\\_\\-]+]",
					pg_mbcliplen(name, len, MAX_QUOTED_LEN), name, PATHS_MAP),
			 is_reserved ? errhint("Names that begin with \"aws.\" are those of reserved variables, which need no path.") : 0));
}

static void
check_length(const char *text, int len, int max, const char *member)
{
	if (len > max && pg_mbstrlen_with_len(text, len) > max)
		constraint_error(text, len, member,
						 psprintf("have length less than or equal to %d",
								  max));
}

static void
constraint_error(const char *value, int len, const char *member,
				 const char *constraint)
{
	int			shown = pg_mbcliplen(value, len, MAX_QUOTED_LEN);

	ereport(ERROR,
	/* EventBridge's text */
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("1 validation error detected: Value '%.*s%s' at '%s' failed to satisfy constraint: Member must %s",
					shown, value, shown < len ? "..." : "", member,
					constraint)));
}

/* --- before there is an event ------------------------------------------- */

/*
 * A key can have placeholders between its quotes. Those that two examples with
 * different values share have none.
 */
EbPayloadKind
eb_transform_foresee(const EbTransform *transform, List **members,
					 bool *complete)
{
	const EbTemplate *template = transform->template;
	Jsonb	   *example;
	Jsonb	   *other;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	*members = NIL;
	*complete = false;
	if (transform->path != NULL)
		return EB_PAYLOAD_UNKNOWN;
	example = template == NULL ? transform->input :
		template->is_json ? eb_template_example(template, "x") : NULL;
	other = template == NULL ? transform->input :
		template->is_json ? eb_template_example(template, "y") : NULL;
	if (example == NULL || !JB_ROOT_IS_OBJECT(example))
		return EB_PAYLOAD_NO_OBJECT;

	*complete = JB_ROOT_COUNT(example) == JB_ROOT_COUNT(other);
	iterator = JsonbIteratorInit(&example->root);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		if (getKeyJsonValueFromContainer(&other->root, key.val.string.val,
										 key.val.string.len, &value) != NULL)
			*members = lappend(*members, pnstrdup(key.val.string.val,
												  key.val.string.len));
		else
			*complete = false;
	}
	return EB_PAYLOAD_OBJECT;
}

/* --- applying ----------------------------------------------------------- */

void
eb_transform_apply(const EbTransform *transform, const EbRule *rule,
				   const EbEvent *event, EbPayload *payload)
{
	EbTransformEvent input = {
		.row = event, .ingested_at = event->ingested_at, .rule = rule
	};

	apply(transform, &input, payload);
}

void
eb_transform_apply_jsonb(const EbTransform *transform, const EbRule *rule,
						 Jsonb *event, TimestampTz ingested_at,
						 EbPayload *payload)
{
	EbTransformEvent input = {
		.json = event, .ingested_at = ingested_at, .rule = rule
	};

	apply(transform, &input, payload);
}

static text *
text_of(StringInfo buf)
{
	text	   *result = cstring_to_text_with_len(buf->data, buf->len);

	pfree(buf->data);
	return result;
}

static void
apply_template(const EbTemplate *template, const EbTransformEvent *event,
			   EbPayload *payload)
{
	StringInfoData buf;

	initStringInfo(&buf);
	eb_template_expand(template, event, &buf);
	payload->is_json = template->is_json;
	if (eb_template_must_parse(template))
		payload->json = eb_template_parse(buf.data, buf.len);
	payload->text = text_of(&buf);
}

static void
apply(const EbTransform *transform, const EbTransformEvent *event,
	  EbPayload *payload)
{
	JsonbValue	value = {jbvNull};

	memset(payload, 0, sizeof(EbPayload));
	payload->is_json = true;
	if (transform == NULL ||
		(transform->path != NULL && transform->path->valid &&
		 transform->path->nsteps == 0))
	{
		payload->is_event = true;
		payload->json = eb_transform_event_jsonb(event);
	}
	else if (transform->input != NULL)
		payload->json = transform->input;
	else if (transform->template != NULL)
		apply_template(transform->template, event, payload);
	else
	{
		if (!eb_input_path_find(transform->path, event, &value))
			value.type = jbvNull;
		payload->json = JsonbValueToJsonb(&value);
	}
}

Jsonb *
eb_payload_json(EbPayload *payload)
{
	if (payload->json == NULL && payload->is_json)
		payload->json = eb_template_parse(VARDATA_ANY(payload->text),
										  VARSIZE_ANY_EXHDR(payload->text));
	return payload->json;
}

text *
eb_payload_text(EbPayload *payload)
{
	StringInfoData buf;

	if (payload->text !=NULL)
		return payload->text;
	initStringInfo(&buf);
	if (payload->is_event)
	{
		EbTransformEvent event = {.json = payload->json};

		eb_transform_event_write(&event, &buf);
	}
	else
		eb_json_write_jsonb(&buf, payload->json);
	payload->text = text_of(&buf);
	return payload->text;
}
