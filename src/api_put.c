/*-------------------------------------------------------------------------
 *
 * api_put.c
 *		SQL functions that publish events, and those behind eventbus.events.
 *
 * eb_put_events() and eb_put_event() turn their arguments into entries
 * (put_entry.c), append what is good (put.c), and answer. All that a call
 * allocates, but its answer, lives in one context of its own: it takes about
 * twice the size of the request, and some 400 bytes for each entry. A request
 * is read with an iterator, so that its cost is linear in its size.
 *
 * EXECUTE on the functions is the right to publish.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "event_row.h"
#include "iso8601.h"
#include "put.h"
#include "put_entry.h"
#include "uuid7.h"

/* How many bad entries an error names. */
#define MAX_NAMED_ENTRIES	20

/* A request as it is worked on. */
typedef struct Request
{
	int			nentries;
	EbPutError *errors;			/* of each entry; code EB_PUT_OK: none */
	int			nerrors;
	EbEvent    *events;			/* of the good entries, in order */
	int			nevents;
	bool		has_ids;		/* some have a deduplication id */
	bool	   *duplicates;		/* of those events; NULL if not has_ids */
} Request;

static bool reports_errors(FunctionCallInfo fcinfo, int argno);
static void check_request(Jsonb *entries);
static Request *read_request(Jsonb *entries);
static void raise_errors(const Request *request);
static void put(Request *request);
static Jsonb *make_result(const Request *request);
static void set_event_id(JsonbValue *answer, const EbEvent *event,
						 bool duplicate);
static void set_error(JsonbValue *answer, const EbPutError *error);
static void set_object(JsonbValue *value, JsonbPair *members, int nmembers);
static void set_string(JsonbValue *value, const char *string);
static void *allocate_array(int n, Size element_size);
static bool entry_from_args(FunctionCallInfo fcinfo, EbPutEntry *entry,
							EbPutError *error);
static EbEntryString string_arg(FunctionCallInfo fcinfo, int argno);

/* --- eb_put_events ------------------------------------------------------ */

PG_FUNCTION_INFO_V1(eventbus_put_events);

/* eb_put_events(entries jsonb, on_error text) RETURNS jsonb */
Datum
eventbus_put_events(PG_FUNCTION_ARGS)
{
	MemoryContext caller_context = CurrentMemoryContext;
	MemoryContext context;
	bool		report = reports_errors(fcinfo, 1);
	Jsonb	   *entries;
	Request    *request;
	Jsonb	   *result;

	eb_put_check_writable("eb_put_events()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("entries must not be null")));

	context = AllocSetContextCreate(caller_context, "eventbus put request",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	entries = PG_GETARG_JSONB_P(0);
	check_request(entries);
	request = read_request(entries);
	if (request->nerrors > 0 && !report)
		raise_errors(request);
	put(request);
	result = make_result(request);

	/* the answer outlives the rest */
	MemoryContextSwitchTo(caller_context);
	result = memcpy(palloc(VARSIZE(result)), result, VARSIZE(result));
	MemoryContextDelete(context);
	PG_RETURN_JSONB_P(result);
}

/* Reads on_error: does the caller want errors in the result? */
static bool
reports_errors(FunctionCallInfo fcinfo, int argno)
{
	char	   *on_error = PG_ARGISNULL(argno) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argno));

	if (on_error != NULL && strcmp(on_error, "report") == 0)
		return true;
	if (on_error != NULL && strcmp(on_error, "raise") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 on_error == NULL ? errmsg("on_error must not be null") :
			 errmsg("unrecognized value for on_error: \"%s\"", on_error),
			 errhint("Available values: raise, report.")));
}

/* What is wrong with a request as a whole is an error in either mode. */
static void
check_request(Jsonb *entries)
{
	if (!JB_ROOT_IS_ARRAY(entries) || JB_ROOT_IS_SCALAR(entries))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entries must be a JSON array"),
				 errhint("Pass an array of entries like {\"Source\": ..., \"DetailType\": ..., \"Detail\": {...}}.")));
	if (JB_ROOT_COUNT(entries) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("1 validation error detected: Value '[]' at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1")));
}

static Request *
read_request(Jsonb *entries)
{
	Request    *request = palloc0(sizeof(Request));
	int			n = JB_ROOT_COUNT(entries);
	JsonbIterator *iterator = JsonbIteratorInit(&entries->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	request->errors = allocate_array(n, sizeof(EbPutError));
	request->events = allocate_array(n, sizeof(EbEvent));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		EbPutError *error = &request->errors[request->nentries];
		EbPutEntry	entry;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		error->code = EB_PUT_OK;
		if (eb_put_entry_read(&value, &entry, error) &&
			eb_put_entry_check(&entry, &request->events[request->nevents],
							   error))
		{
			if (entry.deduplication_id.data != NULL)
				request->has_ids = true;
			request->nevents++;
		}
		else
			request->nerrors++;
		request->nentries++;
	}
	return request;
}

/* Entries are counted from 1, as EventBridge counts members. */
static void
raise_errors(const Request *request)
{
	StringInfoData detail;
	int			named = 0;
	EbPutErrorCode first = EB_PUT_OK;

	initStringInfo(&detail);
	for (int i = 0; i < request->nentries && named < MAX_NAMED_ENTRIES; i++)
	{
		const EbPutError *error = &request->errors[i];

		if (error->code == EB_PUT_OK)
			continue;
		if (named++ == 0)
			first = error->code;
		else
			appendStringInfoChar(&detail, '\n');
		appendStringInfo(&detail, "entry %d: %s: %s", i + 1,
						 eb_put_error_name(error->code), error->message);
	}
	if (named < request->nerrors)
		appendStringInfo(&detail, "\nand %d more", request->nerrors - named);

	ereport(ERROR,
			(errcode(eb_put_error_sqlstate(first)),
			 errmsg("%d of %d event entries cannot be put",
					request->nerrors, request->nentries),
			 errdetail_internal("%s", detail.data),
			 errhint("To put the good entries and have the bad ones reported, use on_error => 'report'.")));
}

static void
put(Request *request)
{
	if (!request->has_ids)
		eb_put_insert(request->events, request->nevents);
	else
	{
		request->duplicates = allocate_array(request->nevents, sizeof(bool));
		memset(request->duplicates, false, request->nevents * sizeof(bool));
		eb_put_insert_once(request->events, request->nevents,
						   request->duplicates);
	}
}

/*
 * The result of PutEvents: an answer to each entry, in order. It is laid out
 * as the tree that pushJsonbValue() would make piece by piece, with keys in
 * jsonb's order: shorter ones first.
 */
static Jsonb *
make_result(const Request *request)
{
	JsonbValue *answers = allocate_array(request->nentries,
										 sizeof(JsonbValue));
	int			nevents = 0;
	JsonbPair	members[2];
	JsonbValue	result;

	for (int i = 0; i < request->nentries; i++)
	{
		const EbPutError *error = &request->errors[i];

		if (error->code == EB_PUT_OK)
		{
			set_event_id(&answers[i], &request->events[nevents],
						 request->has_ids && request->duplicates[nevents]);
			nevents++;
		}
		else
			set_error(&answers[i], error);
	}

	set_string(&members[0].key, "Entries");
	members[0].value.type = jbvArray;
	members[0].value.val.array.nElems = request->nentries;
	members[0].value.val.array.elems = answers;
	members[0].value.val.array.rawScalar = false;
	set_string(&members[1].key, "FailedEntryCount");
	members[1].value.type = jbvNumeric;
	members[1].value.val.numeric = int64_to_numeric(request->nerrors);
	set_object(&result, members, lengthof(members));
	return JsonbValueToJsonb(&result);
}

/* SuccessCode is of the newer buses: for entries that are made for them. */
static void
set_event_id(JsonbValue *answer, const EbEvent *event, bool duplicate)
{
	int			nmembers = event->deduplication_id == NULL ? 1 : 2;
	JsonbPair  *members = palloc(nmembers * sizeof(JsonbPair));
	char	   *id = palloc(EB_UUID_TEXT_SIZE);

	eb_uuid_text(&event->id, id);
	set_string(&members[0].key, "EventId");
	set_string(&members[0].value, id);
	if (nmembers > 1)
	{
		set_string(&members[1].key, "SuccessCode");
		set_string(&members[1].value,
				   duplicate ? "DEDUPLICATED" : "PUBLISHED");
	}
	set_object(answer, members, nmembers);
}

static void
set_error(JsonbValue *answer, const EbPutError *error)
{
	JsonbPair  *members = palloc(2 * sizeof(JsonbPair));

	set_string(&members[0].key, "ErrorCode");
	set_string(&members[0].value, eb_put_error_name(error->code));
	set_string(&members[1].key, "ErrorMessage");
	set_string(&members[1].value, error->message);
	set_object(answer, members, 2);
}

static void
set_object(JsonbValue *value, JsonbPair *members, int nmembers)
{
	value->type = jbvObject;
	value->val.object.nPairs = nmembers;
	value->val.object.pairs = members;
}

/* The string is not copied. */
static void
set_string(JsonbValue *value, const char *string)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, string);
	value->val.string.len = strlen(string);
}

/* An array of that many elements, however large; in CurrentMemoryContext. */
static void *
allocate_array(int n, Size element_size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, n * element_size);
}

/* --- eb_put_event ------------------------------------------------------- */

PG_FUNCTION_INFO_V1(eventbus_put_event);

/*
 * eb_put_event(source text, detail_type text, detail jsonb, event_bus text,
 * resources text[], "time" timestamptz, trace_header text,
 * event_group_id text, deduplication_id text) RETURNS uuid: of the event, or
 * of the first one that had its deduplication id
 */
Datum
eventbus_put_event(PG_FUNCTION_ARGS)
{
	EbPutEntry	entry;
	EbPutError	error;
	EbEvent		event;
	bool		duplicate = false;
	pg_uuid_t  *id;

	eb_put_check_writable("eb_put_event()");
	if (!entry_from_args(fcinfo, &entry, &error) ||
		!eb_put_entry_check(&entry, &event, &error))
		ereport(ERROR,
				(errcode(eb_put_error_sqlstate(error.code)),
				 errmsg("event cannot be put"),
				 errdetail_internal("%s: %s", eb_put_error_name(error.code),
									error.message)));
	if (event.deduplication_id == NULL)
		eb_put_insert(&event, 1);
	else
		eb_put_insert_once(&event, 1, &duplicate);

	id = palloc(sizeof(pg_uuid_t));
	*id = event.id;
	PG_RETURN_UUID_P(id);
}

static bool
entry_from_args(FunctionCallInfo fcinfo, EbPutEntry *entry, EbPutError *error)
{
	memset(entry, 0, sizeof(*entry));
	entry->source = string_arg(fcinfo, 0);
	entry->detail_type = string_arg(fcinfo, 1);
	if (!PG_ARGISNULL(2))
		eb_put_entry_set_detail(entry, PG_GETARG_JSONB_P(2));
	entry->event_bus = string_arg(fcinfo, 3);
	entry->trace_header = string_arg(fcinfo, 6);
	entry->event_group_id = string_arg(fcinfo, 7);
	entry->deduplication_id = string_arg(fcinfo, 8);
	if (!PG_ARGISNULL(4) &&
		!eb_put_entry_set_resources(entry, PG_GETARG_ARRAYTYPE_P(4), error))
		return false;
	return PG_ARGISNULL(5) ||
		eb_put_entry_set_time(entry, PG_GETARG_TIMESTAMPTZ(5), error);
}

static EbEntryString
string_arg(FunctionCallInfo fcinfo, int argno)
{
	EbEntryString string = {NULL, 0};

	if (!PG_ARGISNULL(argno))
	{
		text	   *value = PG_GETARG_TEXT_PP(argno);

		string.data = VARDATA_ANY(value);
		string.len = VARSIZE_ANY_EXHDR(value);
	}
	return string;
}

/* --- behind eventbus.events --------------------------------------------- */

PG_FUNCTION_INFO_V1(eventbus_event_envelope);

/*
 * eb_event_envelope(id uuid, source text, detail_type text,
 * "time" timestamptz, resources text[], detail jsonb, replay_name text)
 * RETURNS jsonb
 */
Datum
eventbus_event_envelope(PG_FUNCTION_ARGS)
{
	EbEvent		event = {0};

	for (int i = 0; i < 6; i++)
		if (i != 4 && PG_ARGISNULL(i))
			PG_RETURN_NULL();
	event.id = *PG_GETARG_UUID_P(0);
	event.source = PG_GETARG_TEXT_PP(1);
	event.detail_type = PG_GETARG_TEXT_PP(2);
	event.time = PG_GETARG_TIMESTAMPTZ(3);
	event.resources = PG_ARGISNULL(4) ? NULL : PG_GETARG_ARRAYTYPE_P(4);
	event.detail = PG_GETARG_JSONB_P(5);
	event.replay_name = PG_ARGISNULL(6) ? NULL : PG_GETARG_TEXT_PP(6);
	if (!eb_iso8601_writable(event.time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("event time is out of range")));
	PG_RETURN_JSONB_P(eb_event_envelope(&event));
}

PG_FUNCTION_INFO_V1(eventbus_event_id_time);

/* eb_event_id_time(id uuid) RETURNS timestamptz; strict */
Datum
eventbus_event_id_time(PG_FUNCTION_ARGS)
{
	TimestampTz at;

	if (!eb_uuid7_time(PG_GETARG_UUID_P(0), &at))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(at);
}
