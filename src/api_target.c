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

#include "miscadmin.h"
#include "utils/acl.h"

#include "answer.h"
#include "api_args.h"
#include "api_target.h"
#include "arn.h"
#include "target.h"

const EbTargetOption eb_target_options[EB_NUM_TARGET_OPTIONS] = {
	{"on_conflict", "OnConflict"},
};

PG_FUNCTION_INFO_V1(eventbus_put_target);
PG_FUNCTION_INFO_V1(eventbus_remove_target);


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
		eb_answer_add_text(&given, eb_target_options[i].parameter,
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
	EbTargetSpec spec;

	spec.id = input->id;
	spec.type = type->name;
	spec.parameters = merge_parameters(input);
	spec.resource = type->validate(input->resource, spec.parameters,
								   get_role_oid(rule->owner, false));
	eb_catalog_put_target(rule, &spec);
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
		if (first_option + i < PG_NARGS())
			input.options[i] = eb_arg_text(fcinfo, first_option + i);

	eb_arn_check_name(input.id, "targetId", EB_MAX_TARGET_ID, false);
	eb_catalog_get_rule(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 4), &rule);
	eb_target_put(&rule, &input);
	PG_RETURN_VOID();
}

/* eb_remove_target(rule, target_id, event_bus) */
Datum
eventbus_remove_target(PG_FUNCTION_ARGS)
{
	char	   *id = eb_arg_text(fcinfo, 1);
	EbRuleRef	rule;

	PreventCommandIfReadOnly("eb_remove_target()");
	eb_arn_check_name(id, "targetId", EB_MAX_TARGET_ID, false);
	eb_catalog_get_rule(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 2), &rule);
	if (!eb_catalog_remove_target(&rule, id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
		/* EventBridge's text */
				 errmsg("Rule '%s' does not have a target with the Id '%s'.",
						rule.name, id)));
	PG_RETURN_VOID();
}
