/*-------------------------------------------------------------------------
 *
 * api_target.c
 *		SQL functions for one target.
 *
 * A target comes as named arguments (here) or as an entry of a JSON array
 * (api_targets.c). Both become an EbTargetInput, and that an EbTargetSpec: what
 * the type wants beside the resource is one JSON object, parameters, and every
 * other named argument or entry member is a member of it. The type checks the
 * whole, and refuses parameters that it does not have; then catalog_target.c
 * stores it. A new option is a row of eb_target_options and an argument of
 * eb_put_target().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "answer.h"
#include "api_args.h"
#include "api_target.h"
#include "arn.h"
#include "compat.h"
#include "dead_letter_queue.h"
#include "target.h"

const EbTargetOption eb_target_options[EB_NUM_TARGET_OPTIONS] = {
	{"on_conflict", TEXTOID, NULL, "OnConflict"},
	{"input", JSONBOID, NULL, "Input"},
	{"input_path", TEXTOID, NULL, "InputPath"},
	{"input_transformer", JSONBOID, NULL, "InputTransformer"},
	{"maximum_retry_attempts", INT4OID, "RetryPolicy", "MaximumRetryAttempts"},
	{"maximum_event_age", INTERVALOID, "RetryPolicy",
	"MaximumEventAgeInSeconds"},
	{"dead_letters", BOOLOID, NULL, "DeadLetters"},
	{"dead_letter_queue", TEXTOID, "DeadLetterConfig", "Arn"},
	{"fifo", BOOLOID, NULL, "Fifo"},
	{"max_batch_size", INT4OID, NULL, "MaxBatchSize"},
	{"max_batch_window", INTERVALOID, NULL, "MaxBatchWindow"},
	{"timeout", INTERVALOID, NULL, "Timeout"},
	{"log_level", TEXTOID, NULL, "LogLevel"},
	{"message_group_id", TEXTOID, "SqsParameters", "MessageGroupId"},
};

PG_FUNCTION_INFO_V1(eventbus_put_target);
PG_FUNCTION_INFO_V1(eventbus_remove_target);
PG_FUNCTION_INFO_V1(eventbus_pause_target);
PG_FUNCTION_INFO_V1(eventbus_resume_target);


static const EbTargetType *
get_type(const char *name)
{
	const EbTargetType *type;

	if (name == NULL)
		eb_arn_null_error("type");
	type = eb_target_type(name);
	if (type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target type \"%s\" does not exist", name),
				 errhint("Types are: %s.", eb_target_type_names())));
	return type;
}

/* The parameters with the options among them. */
static Jsonb *
merge_parameters(const EbTargetInput *input)
{
	EbAnswer	given = {0};
	Jsonb	   *merged;
	Datum		all;

	eb_answer_begin(&given);
	for (int i = 0; i < EB_NUM_TARGET_OPTIONS; i++)
		eb_answer_add_jsonb(&given, eb_target_options[i].parameter,
							input->options[i]);
	eb_answer_end(&given);
	merged = eb_answer_result(&given);
	if (input->parameters == NULL)
		return merged;

	if (!JB_ROOT_IS_OBJECT(input->parameters))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameters of a target must be a JSON object")));
	for (int i = 0; i < EB_NUM_TARGET_OPTIONS; i++)
	{
		const char *key = eb_target_options[i].parameter;
		JsonbValue	value;

		if (input->options[i] != NULL &&
			getKeyJsonValueFromContainer(&input->parameters->root, key,
										 strlen(key), &value) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("target parameter \"%s\" is given twice", key)));
	}
	all = DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(input->parameters),
							  JsonbPGetDatum(merged));
	return DatumGetJsonbP(all);
}

void
eb_target_put(const EbRuleRef *rule, const EbTargetInput *input)
{
	const EbTargetType *type = get_type(input->type);
	EbTargetOptions options;
	EbTransform *transform;
	EbTargetSpec spec;
	Jsonb	   *parameters;
	Oid			owner;

	spec.id = input->id;
	spec.type = type->name;
	spec.parameters = merge_parameters(input);
	spec.search_path = namespace_search_path;
	eb_target_options_read(spec.parameters, &options);
	transform = eb_transform_compile(spec.id, spec.parameters);
	eb_transform_warn(transform);

	parameters = eb_target_options_strip(spec.parameters);
	owner = get_role_oid(rule->owner, false);
	eb_dead_letter_queue_check(&options, owner);
	spec.resource = type->validate(input->resource, parameters, owner);
	if (type->check_input != NULL)
		type->check_input(spec.resource, parameters, transform, owner);
	eb_catalog_put_target(rule, &spec);
}

/* An argument of an option's type as JSON; intervals become seconds. */
static Jsonb *
option_argument(FunctionCallInfo fcinfo, int n, Oid type)
{
	Datum		arg = PG_GETARG_DATUM(n);
	JsonbValue	value;

	switch (type)
	{
		case JSONBOID:
			return PG_GETARG_JSONB_P(n);
		case TEXTOID:
			value.type = jbvString;
			value.val.string.val = TextDatumGetCString(arg);
			value.val.string.len = strlen(value.val.string.val);
			break;
		case BOOLOID:
			value.type = jbvBool;
			value.val.boolean = DatumGetBool(arg);
			break;
		case INT4OID:
			value.type = jbvNumeric;
			value.val.numeric = int64_to_numeric(DatumGetInt32(arg));
			break;
		case INTERVALOID:
			value.type = jbvNumeric;
			value.val.numeric =
				DatumGetNumeric(DirectFunctionCall2(extract_interval,
													CStringGetTextDatum("epoch"),
													arg));
			break;
		default:
			elog(ERROR, "option of unexpected type %u", type);
	}
	return JsonbValueToJsonb(&value);
}

/*
 * eb_put_target(rule, target_id, type, resource, event_bus, parameters,
 * then the options in the order of the table)
 */
Datum
eventbus_put_target(PG_FUNCTION_ARGS)
{
	const int	first_option = 6;
	EbTargetInput input = {
		.id = eb_arg_text(fcinfo, 1),
		.type = eb_arg_text(fcinfo, 2),
		.resource = eb_arg_text(fcinfo, 3),
		.parameters = eb_arg_jsonb(fcinfo, 5),
	};
	EbRuleRef	rule;

	PreventCommandIfReadOnly("eb_put_target()");
	/* an older version of the extension's SQL may not have all options */
	for (int i = 0; i < EB_NUM_TARGET_OPTIONS; i++)
	{
		int			n = first_option + i;

		if (n < PG_NARGS() && !PG_ARGISNULL(n))
			input.options[i] = option_argument(fcinfo, n,
											   eb_target_options[i].type);
	}

	eb_arn_check_name(input.id, "targetId", EB_MAX_TARGET_ID, false);
	eb_catalog_get_rule(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 4), &rule);
	eb_target_put(&rule, &input);
	PG_RETURN_VOID();
}

/* Arguments 0 to 2 of functions for a target that exists. */
static char *
target_arguments(FunctionCallInfo fcinfo, EbRuleRef *rule)
{
	char	   *id = eb_arg_text(fcinfo, 1);

	eb_arn_check_name(id, "targetId", EB_MAX_TARGET_ID, false);
	eb_catalog_get_rule(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 2), rule);
	return id;
}

pg_noreturn static void
missing_error(const EbRuleRef *rule, const char *id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
	/* EventBridge's text */
			 errmsg("Rule '%s' does not have a target with the Id '%s'.",
					rule->name, id)));
}

/* eb_remove_target(rule, target_id, event_bus) */
Datum
eventbus_remove_target(PG_FUNCTION_ARGS)
{
	EbRuleRef	rule;
	char	   *id;

	PreventCommandIfReadOnly("eb_remove_target()");
	id = target_arguments(fcinfo, &rule);
	if (!eb_catalog_remove_target(&rule, id))
		missing_error(&rule, id);
	PG_RETURN_VOID();
}

/* eb_pause_target(rule, target_id, event_bus) */
Datum
eventbus_pause_target(PG_FUNCTION_ARGS)
{
	EbRuleRef	rule;
	char	   *id;

	PreventCommandIfReadOnly("eb_pause_target()");
	id = target_arguments(fcinfo, &rule);
	if (!eb_catalog_pause_target(&rule, id))
		missing_error(&rule, id);
	PG_RETURN_VOID();
}

/* Is it 'latest', and not 'last_processed'? */
static bool
is_latest(const char *position)
{
	if (position != NULL && pg_strcasecmp(position, "latest") == 0)
		return true;
	if (position == NULL || pg_strcasecmp(position, "last_processed") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("resume position must be \"last_processed\" or \"latest\"")));
	return false;
}

/* eb_resume_target(rule, target_id, event_bus, resume_position) */
Datum
eventbus_resume_target(PG_FUNCTION_ARGS)
{
	bool		latest = is_latest(eb_arg_text(fcinfo, 3));
	bool		was_paused;
	int32		target_id;
	EbRuleRef	rule;
	char	   *id;

	PreventCommandIfReadOnly("eb_resume_target()");
	id = target_arguments(fcinfo, &rule);
	if (!eb_catalog_resume_target(&rule, id, &target_id, &was_paused))
		missing_error(&rule, id);
	if (latest && !was_paused)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target \"%s\" of rule \"%s\" is not paused",
						id, rule.name),
				 errdetail("Only a paused target can be resumed with the latest events.")));
	if (latest)
		eb_catalog_skip_backlog(target_id);
	PG_RETURN_VOID();
}
