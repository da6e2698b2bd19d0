/*-------------------------------------------------------------------------
 *
 * api_pattern.c
 *		SQL functions and operators that match events against patterns.
 *
 * A pattern is compiled once per call site: the compiled form is kept in
 * fn_extra with a copy of the pattern, and used again while the pattern's
 * bytes stay the same, which for a constant or a join's outer side they do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "event_match.h"

/* what fn_extra points to */
typedef struct CompiledPattern
{
	MemoryContext context;		/* holds everything, this struct included */
	Jsonb	   *source;
	EbMatcher  *matcher;
	bool		or_is_field;
} CompiledPattern;

/* members that an event must have for eb_test_event_pattern() */
static const char *const required_members[] = {
	"id", "account", "source", "time", "region", "detail-type"
};

static bool matches(FunctionCallInfo fcinfo, Jsonb *event, Jsonb *pattern,
					EbPattern *(*read) (Jsonb *));
static CompiledPattern *compile(FunctionCallInfo fcinfo, Jsonb *pattern,
								EbPattern *(*read) (Jsonb *));
static void check_event(Jsonb *event);

PG_FUNCTION_INFO_V1(eventbus_event_matches);

/* eb_event_matches(event jsonb, pattern jsonb) RETURNS boolean */
Datum
eventbus_event_matches(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, PG_GETARG_JSONB_P(0),
						   PG_GETARG_JSONB_P(1), eb_pattern_from_jsonb));
}

PG_FUNCTION_INFO_V1(eventbus_pattern_matches);

/* eb_pattern_matches(pattern jsonb, event jsonb) RETURNS boolean */
Datum
eventbus_pattern_matches(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, PG_GETARG_JSONB_P(1),
						   PG_GETARG_JSONB_P(0), eb_pattern_from_jsonb));
}

PG_FUNCTION_INFO_V1(eventbus_row_matches);

/*
 * row_matches(id, source, detail_type, time, resources, detail, replay_name,
 * pattern) RETURNS boolean: columns of a stored event, whose envelope need not
 * be made.
 */
Datum
eventbus_row_matches(PG_FUNCTION_ARGS)
{
	EbEvent		event = {0};
	CompiledPattern *compiled;
	int			matched[1];

	for (int i = 0; i < PG_NARGS(); i++)
	{
		/* resources and replay_name may be missing */
		if (PG_ARGISNULL(i) && i != 4 && i != 6)
			PG_RETURN_NULL();
	}
	event.id = *PG_GETARG_UUID_P(0);
	event.source = PG_GETARG_TEXT_PP(1);
	event.detail_type = PG_GETARG_TEXT_PP(2);
	event.time = PG_GETARG_TIMESTAMPTZ(3);
	if (!PG_ARGISNULL(4))
		event.resources = PG_GETARG_ARRAYTYPE_P(4);
	event.detail = PG_GETARG_JSONB_P(5);
	if (!PG_ARGISNULL(6))
		event.replay_name = PG_GETARG_TEXT_PP(6);
	compiled = compile(fcinfo, PG_GETARG_JSONB_P(7), eb_pattern_from_jsonb);
	PG_RETURN_BOOL(eb_match_event(compiled->matcher, &event, matched) == 1);
}

PG_FUNCTION_INFO_V1(eventbus_test_event_pattern);

/* eb_test_event_pattern(event_pattern jsonb, event jsonb) RETURNS boolean */
Datum
eventbus_test_event_pattern(PG_FUNCTION_ARGS)
{
	Jsonb	   *pattern = PG_GETARG_JSONB_P(0);
	Jsonb	   *event = PG_GETARG_JSONB_P(1);

	check_event(event);
	PG_RETURN_BOOL(matches(fcinfo, event, pattern, eb_pattern_check_jsonb));
}

PG_FUNCTION_INFO_V1(eventbus_validate_event_pattern);

/* eb_validate_event_pattern(event_pattern jsonb) RETURNS boolean */
Datum
eventbus_validate_event_pattern(PG_FUNCTION_ARGS)
{
	CompiledPattern *compiled = compile(fcinfo, PG_GETARG_JSONB_P(0),
										eb_pattern_check_jsonb);

	if (compiled->or_is_field)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("\"$or\" is taken as the name of a field"),
				 errdetail("It is an operator only before an array of two or more objects with fields.")));
	PG_RETURN_BOOL(true);
}

static bool
matches(FunctionCallInfo fcinfo, Jsonb *event, Jsonb *pattern,
		EbPattern *(*read) (Jsonb *))
{
	int			matched[1];

	return eb_match_jsonb(compile(fcinfo, pattern, read)->matcher, event,
						  matched) == 1;
}

/* The compiled pattern, kept from the call before if it is the same. */
static CompiledPattern *
compile(FunctionCallInfo fcinfo, Jsonb *pattern,
		EbPattern *(*read) (Jsonb *))
{
	CompiledPattern *compiled = fcinfo->flinfo->fn_extra;
	MemoryContext context;
	MemoryContext caller;
	EbPattern  *parsed;

	if (compiled != NULL)
	{
		if (VARSIZE(compiled->source) == VARSIZE(pattern) &&
			memcmp(compiled->source, pattern, VARSIZE(pattern)) == 0)
			return compiled;
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(compiled->context);
	}
	context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
									"eventbus pattern",
									ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	compiled = palloc(sizeof(CompiledPattern));
	compiled->context = context;
	compiled->source = palloc(VARSIZE(pattern));
	memcpy(compiled->source, pattern, VARSIZE(pattern));
	parsed = read(pattern);
	compiled->matcher = eb_matcher_build(&parsed, 1);
	compiled->or_is_field = parsed->or_is_field;
	MemoryContextSwitchTo(caller);
	fcinfo->flinfo->fn_extra = compiled;
	return compiled;
}

/* What TestEventPattern demands of an event. */
static void
check_event(Jsonb *event)
{
	const char *missing = NULL;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(event))
		ereport(ERROR,
		/* EventBridge's text */
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Parameter Event is not valid."),
				 errdetail("An event is a JSON object.")));
	for (int i = 0; i < lengthof(required_members) && missing == NULL; i++)
	{
		const char *name = required_members[i];

		if (getKeyJsonValueFromContainer(&event->root, name, strlen(name),
										 &value) == NULL)
			missing = name;
	}
	if (missing != NULL)
		ereport(ERROR,
		/* EventBridge's text */
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Parameter Event is not valid."),
				 errdetail("The event has no member \"%s\".", missing)));
}
