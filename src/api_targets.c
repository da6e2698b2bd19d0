/*-------------------------------------------------------------------------
 *
 * api_targets.c
 *		SQL functions for many targets in one call.
 *
 * They answer as EventBridge does: errors that concern the call are raised (a
 * rule that is not there, a bad id), those of one entry are reported in the
 * answer and the others are stored. An entry is put in a subtransaction of its
 * own, so that what its type did before it failed is undone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/resowner.h"

#include "answer.h"
#include "api_args.h"
#include "api_target.h"
#include "arn.h"

/* An entry that could not be put or removed. */
typedef struct FailedEntry
{
	const char *target_id;
	const char *code;
	const char *message;
} FailedEntry;

PG_FUNCTION_INFO_V1(eventbus_put_targets);
PG_FUNCTION_INFO_V1(eventbus_remove_targets);


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

/* The option of that name in that block (NULL: in none); -1: there is none. */
static int
find_option(const char *block, const char *member)
{
	for (int i = 0; i < EB_NUM_TARGET_OPTIONS; i++)
	{
		const EbTargetOption *option = &eb_target_options[i];

		if (strcmp(member, option->member) == 0 &&
			(block == NULL) == (option->block == NULL) &&
			(block == NULL || strcmp(block, option->block) == 0))
			return i;
	}
	return -1;
}

/* Sets an option from a member; false when no option has that name. */
static bool
set_option(EbTargetInput *input, const char *block, const char *member,
		   JsonbValue *value)
{
	int			i = find_option(block, member);

	if (i < 0)
		return false;
	if (value->type == jbvNull)
		return true;
	input->options[i] = JsonbValueToJsonb(value);
	return true;
}

/* Sets options from a block of them; false when there is no such block. */
static bool
set_block(EbTargetInput *input, const char *block, JsonbValue *value)
{
	bool		known = false;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *key = NULL;

	for (int i = 0; i < EB_NUM_TARGET_OPTIONS; i++)
		known |= eb_target_options[i].block != NULL &&
			strcmp(eb_target_options[i].block, block) == 0;
	if (!known || value->type == jbvNull)
		return known;
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("member \"%s\" of a target must be a JSON object",
						block)));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE && !set_option(input, block, key, &v))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized member \"%s\" of \"%s\"",
							key, block)));
	}
	return true;
}

static void
set_member(EbTargetInput *input, const char *key, JsonbValue *value)
{
	if (strcmp(key, "Id") == 0)
		input->id = string_member(value, key);
	else if (strcmp(key, "Type") == 0)
		input->type = string_member(value, key);
	else if (strcmp(key, "Resource") == 0 || strcmp(key, "Arn") == 0)
		input->resource = string_member(value, key);
	else if (strcmp(key, "Parameters") == 0)
		input->parameters = value->type == jbvNull ? NULL :
			JsonbValueToJsonb(value);
	else if (!set_option(input, NULL, key, value) &&
			 !set_block(input, key, value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized member \"%s\" of a target", key),
				 errhint("A target has Id, Type, Resource, Parameters and the options of eb_put_target().")));
}

/* Takes an entry apart. */
static void
read_entry(JsonbContainer *entry, EbTargetInput *input)
{
	JsonbIterator *it = JsonbIteratorInit(entry);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *key = NULL;

	memset(input, 0, sizeof(EbTargetInput));
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
		EbTargetInput input;

		read_entry(entry, &input);
		eb_target_put(rule, &input);
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
