/*-------------------------------------------------------------------------
 *
 * target.c
 *		The kinds of targets that there are, and what they have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "causation.h"
#include "jsonb_text.h"
#include "target.h"

static const EbTargetType *const target_types[] = {
	&eb_target_bus,
	&eb_target_function,
	&eb_target_log,
	&eb_target_notify,
	&eb_target_queue,
	&eb_target_table,
};

const EbTargetType *
eb_target_type(const char *name)
{
	for (int i = 0; i < lengthof(target_types); i++)
		if (strcmp(target_types[i]->name, name) == 0)
			return target_types[i];
	return NULL;
}

char *
eb_target_type_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(target_types); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 target_types[i]->name);
	return names.data;
}

/* --- what types have in common --------------------------------------------- */

void
eb_target_shape(EbTargetRun *run)
{
	if (run->transform == NULL)
		return;
	for (int i = 0; i < run->n; i++)
	{
		EbDelivery *item = &run->items[i];

		CHECK_FOR_INTERRUPTS();
		run->at = i;
		item->payload = palloc0(sizeof(EbPayload));
		eb_transform_apply(run->transform, run->target->rule, &item->event,
						   item->payload);
	}
	run->at = -1;
}

/*
 * What a text template made, as a string: where it has quotes around it, as
 * EventBridge's documents want it to have, and is JSON, what JSON makes of it.
 */
static Jsonb *
json_string(const text *text)
{
	const char *chars = VARDATA_ANY(text);
	int			len = VARSIZE_ANY_EXHDR(text);
	JsonbValue	string;

	if (len >= 2 && chars[0] == '"' && chars[len - 1] == '"')
	{
		/* the parser takes a string as an element only */
		char	   *element = psprintf("[%.*s]", len, chars);
		Jsonb	   *array = eb_jsonb_from_text(element, len + 2);

		if (array != NULL && JB_ROOT_COUNT(array) == 1)
		{
			JsonbContainer *root = &array->root;

			return JsonbValueToJsonb(getIthJsonbValueFromContainer(root, 0));
		}
	}
	string.type = jbvString;
	string.val.string.val = unconstify(char *, chars);
	string.val.string.len = len;
	return JsonbValueToJsonb(&string);
}

Jsonb *
eb_delivery_json(const EbDelivery *item)
{
	Jsonb	   *json;

	if (item->payload == NULL)
		return eb_event_envelope(&item->event);
	json = eb_payload_json(item->payload);
	return json != NULL ? json : json_string(eb_payload_text(item->payload));
}

char *
eb_delivery_text(const EbDelivery *item)
{
	Jsonb	   *json;

	if (item->payload != NULL)
		return text_to_cstring(eb_payload_text(item->payload));
	json = eb_event_envelope(&item->event);
	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

char *
eb_delivery_id(const EbDelivery *item)
{
	if (item->redrive > 0)
		return psprintf("%d-" INT64_FORMAT "-%d", item->generation,
						item->delivery_seq, item->redrive);
	return psprintf("%d-" INT64_FORMAT, item->generation, item->delivery_seq);
}

void
eb_target_set_cause(const EbDelivery *items, int n)
{
	EbCause		cause = {.event_id = items[0].event.id};

	for (int i = 0; i < n; i++)
		cause.hop_count = Max(cause.hop_count, items[i].event.hop_count);
	eb_causation_set(&cause);
}

void
eb_target_no_parameters(const char *type, Jsonb *parameters)
{
	JsonbIterator *it = JsonbIteratorInit(&parameters->root);
	JsonbIteratorToken token;
	JsonbValue	v;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized parameter \"%.*s\" for a target of type \"%s\"",
							v.val.string.len, v.val.string.val, type),
					 errhint("It has no parameters but those of all types.")));
	}
}

void
eb_target_need_resource(const char *type, const char *resource,
						const char *what)
{
	if (resource == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a target of type \"%s\" needs a resource", type),
				 errhint("Name %s.", what)));
}

void
eb_target_lower_rights(Oid owner)
{
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	if (superuser_arg(userid) && !superuser_arg(owner))
		SetUserIdAndSecContext(owner, sec_context);
}
