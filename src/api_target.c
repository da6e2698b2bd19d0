/*-------------------------------------------------------------------------
 *
 * api_target.c
 *		SQL functions for targets.
 *
 * A target comes as named arguments (eb_put_target) or as an entry of a JSON
 * array (eb_put_targets). Both become an EbTargetSpec: what the type wants
 * beside the resource is one JSON object, parameters, and every other named
 * argument or entry member is a member of it (the table options says which).
 * The type checks the whole, and refuses parameters that it does not have;
 * then catalog_target.c stores it. A new option is a row of the table and an
 * argument of eb_put_target().
 *
 * eb_put_targets() and eb_remove_targets() answer as EventBridge does: errors
 * that concern the call are raised (a rule that is not there, a bad id), those
 * of one entry are reported in the answer and the others are stored. An entry
 * is stored in a subtransaction of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/resowner.h"

#include "answer.h"
#include "api_args.h"
#include "arn.h"
#include "catalog_write.h"
#include "target.h"

/* Options: arguments that are members of the parameters. */
#define NUM_OPTIONS	1

static const struct
{
	const char *parameter;
	const char *member;			/* of an entry of eb_put_targets() */
}			options[NUM_OPTIONS] = {
	{"on_conflict", "OnConflict"},
};

/* A target as it was given: nothing checked yet, NULL for what is missing. */
typedef struct TargetInput
{
	const char *id;
	const char *type;
	const char *resource;
	Jsonb	   *parameters;
	const char *options[NUM_OPTIONS];
} TargetInput;

/* An entry that could not be put or removed. */
typedef struct FailedEntry
{
	const char *target_id;
	const char *code;
	const char *message;
} FailedEntry;

PG_FUNCTION_INFO_V1(eventbus_put_target);
PG_FUNCTION_INFO_V1(eventbus_put_targets);
PG_FUNCTION_INFO_V1(eventbus_remove_target);
PG_FUNCTION_INFO_V1(eventbus_remove_targets);


/* ----- from what was given to what is stored ----- */

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
merge_parameters(const TargetInput *input)
{
	EbAnswer	given = {0};
	Jsonb	   *merged;
	Datum		all;

	eb_answer_begin(&given);
	for (int i = 0; i < NUM_OPTIONS; i++)
		eb_answer_add_text(&given, options[i].parameter, input->options[i]);
	eb_answer_end(&given);
	merged = eb_answer_result(&given);
	if (input->parameters == NULL)
		return merged;

	if (!JB_ROOT_IS_OBJECT(input->parameters))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameters of a target must be a JSON object")));
	for (int i = 0; i < NUM_OPTIONS; i++)
	{
		const char *key = options[i].parameter;
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

/* Checks a target whose id was checked, and stores it. */
static void
put_target(const EbRuleRef *rule, const TargetInput *input)
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
	TargetInput input = {
		.id = eb_arg_text(fcinfo, 1),
		.type = eb_arg_text(fcinfo, 2),
		.resource = eb_arg_text(fcinfo, 3),
		.parameters = eb_arg_jsonb(fcinfo, 5),
	};
	EbRuleRef	rule;

	PreventCommandIfReadOnly("eb_put_target()");
	/* an older version of the extension's SQL may not have all options */
	for (int i = 0; i < NUM_OPTIONS && first_option + i < PG_NARGS(); i++)
		input.options[i] = eb_arg_text(fcinfo, first_option + i);

	eb_arn_check_name(input.id, "targetId", EB_MAX_TARGET_ID, false);
	eb_catalog_get_rule(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 4), &rule);
	put_target(&rule, &input);
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


/* ----- answers with failed entries ----- */

static List *
add_failure(List *failures, const char *target_id, const char *code,
			const char *message)
{
	FailedEntry *entry = palloc(sizeof(FailedEntry));

	entry->target_id = target_id;
	entry->code = code;
	entry->message = message;
	return lappend(failures, entry);
}

static Jsonb *
answer_failures(List *failures)
{
	EbAnswer	answer = {0};
	ListCell   *lc;

	eb_answer_begin(&answer);
	eb_answer_add_int(&answer, "FailedEntryCount", list_length(failures));
	eb_answer_begin_array(&answer, "FailedEntries");
	foreach(lc, failures)
	{
		FailedEntry *entry = lfirst(lc);

		eb_answer_begin(&answer);
		eb_answer_add_text(&answer, "TargetId", entry->target_id);
		eb_answer_add_text(&answer, "ErrorCode", entry->code);
		eb_answer_add_text(&answer, "ErrorMessage", entry->message);
		eb_answer_end(&answer);
	}
	eb_answer_end_array(&answer);
	eb_answer_end(&answer);
	return eb_answer_result(&answer);
}

/*
 * EventBridge's code for an error that is the entry's fault; NULL for one
 * that concerns the whole call (cancel, deadlock, read-only, out of memory).
 */
static const char *
error_code(const ErrorData *edata)
{
	switch (ERRCODE_TO_CATEGORY(edata->sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			return "ValidationException";
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
			break;
		default:
			return edata->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ?
				"ConcurrentModificationException" : NULL;
	}

	switch (edata->sqlerrcode)
	{
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			return "AccessDeniedException";
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_FUNCTION:
		case ERRCODE_UNDEFINED_COLUMN:
			return "ResourceNotFoundException";
		default:
			return "ValidationException";
	}
}

/* Message and detail in one. */
static const char *
error_text(const ErrorData *edata)
{
	int			len = strlen(edata->message);
	bool		has_period = len > 0 && edata->message[len - 1] == '.';

	if (edata->detail == NULL)
		return edata->message;
	return psprintf("%s%s %s", edata->message, has_period ? "" : ".",
					edata->detail);
}


/* ----- many targets in one call ----- */

/* A member of an entry that must be a string; NULL when it is not there. */
static const char *
string_member(const JsonbValue *value, const char *key)
{
	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("member \"%s\" of a target must be a string", key)));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static void
set_member(TargetInput *input, const char *key, JsonbValue *value)
{
	if (strcmp(key, "Id") == 0)
		input->id = string_member(value, key);
	else if (strcmp(key, "Type") == 0)
		input->type = string_member(value, key);
	else if (strcmp(key, "Resource") == 0)
		input->resource = string_member(value, key);
	else if (strcmp(key, "Parameters") == 0)
		input->parameters = value->type == jbvNull ? NULL :
			JsonbValueToJsonb(value);
	else
	{
		for (int i = 0; i < NUM_OPTIONS; i++)
		{
			if (strcmp(key, options[i].member) == 0)
			{
				input->options[i] = string_member(value, key);
				return;
			}
		}
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized member \"%s\" of a target", key),
				 errhint("A target has Id, Type, Resource, Parameters and the options of eb_put_target().")));
	}
}

/* Takes an entry apart. */
static void
read_entry(JsonbContainer *entry, TargetInput *input)
{
	JsonbIterator *it = JsonbIteratorInit(entry);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *key = NULL;

	memset(input, 0, sizeof(TargetInput));
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			set_member(input, key, &value);
	}
}

/* The entry's id, checked: a bad one is the whole call's error. */
static const char *
entry_id(const JsonbValue *entry, int number)
{
	char	   *member = psprintf("targets.%d.member.id", number);
	JsonbValue	value;

	if (entry->type != jbvBinary ||
		!JsonContainerIsObject(entry->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target %d is not a JSON object", number)));

	if (getKeyJsonValueFromContainer(entry->val.binary.data, "Id", 2,
									 &value) == NULL)
		eb_arn_null_error(member);
	else
	{
		const char *id = string_member(&value, "Id");

		eb_arn_check_name(id, member, EB_MAX_TARGET_ID, false);
		return id;
	}
	return NULL;
}

/*
 * Puts one entry in a subtransaction. Returns the error, in the caller's
 * memory context, when that fails and is the entry's fault.
 */
static ErrorData *
put_entry(const EbRuleRef *rule, JsonbContainer *entry)
{
	MemoryContext caller_context = CurrentMemoryContext;
	ResourceOwner caller_owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller_context);
	PG_TRY();
	{
		TargetInput input;

		read_entry(entry, &input);
		put_target(rule, &input);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller_context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller_context);
	CurrentResourceOwner = caller_owner;

	if (error != NULL && error_code(error) == NULL)
		ReThrowError(error);
	return error;
}

/* eb_put_targets(rule, targets, event_bus) */
Datum
eventbus_put_targets(PG_FUNCTION_ARGS)
{
	Jsonb	   *targets = eb_arg_jsonb(fcinfo, 1);
	List	   *failures = NIL;
	const char **ids;
	EbRuleRef	rule;
	int			ntargets;

	PreventCommandIfReadOnly("eb_put_targets()");
	if (targets == NULL)
		eb_arn_null_error("targets");
	if (!JB_ROOT_IS_ARRAY(targets) || JB_ROOT_IS_SCALAR(targets))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("targets must be a JSON array")));
	ntargets = JB_ROOT_COUNT(targets);
	if (ntargets == 0)
		eb_arn_empty_error("targets");

	ids = palloc(ntargets * sizeof(char *));
	for (int i = 0; i < ntargets; i++)
		ids[i] = entry_id(getIthJsonbValueFromContainer(&targets->root, i),
						  i + 1);
	eb_catalog_get_rule(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 2), &rule);

	for (int i = 0; i < ntargets; i++)
	{
		JsonbValue *entry = getIthJsonbValueFromContainer(&targets->root, i);
		ErrorData  *error = put_entry(&rule, entry->val.binary.data);

		if (error != NULL)
			failures = add_failure(failures, ids[i], error_code(error),
								   error_text(error));
	}
	PG_RETURN_JSONB_P(answer_failures(failures));
}

/* eb_remove_targets(rule, ids, event_bus) */
Datum
eventbus_remove_targets(PG_FUNCTION_ARGS)
{
	List	   *failures = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			nids;
	EbRuleRef	rule;

	PreventCommandIfReadOnly("eb_remove_targets()");
	if (PG_ARGISNULL(1))
		eb_arn_null_error("ids");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &values, &nulls, &nids);
	if (nids == 0)
		eb_arn_empty_error("ids");
	for (int i = 0; i < nids; i++)
		eb_arn_check_name(nulls[i] ? NULL : TextDatumGetCString(values[i]),
						  psprintf("ids.%d.member", i + 1),
						  EB_MAX_TARGET_ID, false);
	eb_catalog_get_rule(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 2), &rule);

	for (int i = 0; i < nids; i++)
	{
		char	   *id = TextDatumGetCString(values[i]);

		if (!eb_catalog_remove_target(&rule, id))
			failures = add_failure(failures, id, "ResourceNotFoundException",
								   psprintf("Rule '%s' does not have a target with the Id '%s'.",
											rule.name, id));
	}
	PG_RETURN_JSONB_P(answer_failures(failures));
}
