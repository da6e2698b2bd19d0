/*-------------------------------------------------------------------------
 *
 * target_function_call.c
 *		Calls the function of a target.
 *
 * Directly through fmgr: there is nothing to plan. Each call is given what a
 * statement of its own would have in a session, and what it leaves behind is
 * taken away, so that no event's call sees anything of another one's but what
 * it wrote to the database:
 *
 *		before						after
 *		---------------------------	------------------------------------------
 *		command counter, snapshot
 *		constraints IMMEDIATE
 *		its event is the cause		set again by the next (causation.c)
 *		the clock					stopped
 *		level for settings			settings undone
 *		query for AFTER triggers	those that are queued fire
 *									cursors closed
 *									advisory locks of the session released
 *									memory freed
 *
 * All calls of a run share a subtransaction (attempt.c): when one fails, none
 * has happened.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "answer.h"
#include "arn.h"
#include "target_clock.h"
#include "target_function.h"

struct EbFunctionCalls
{
	const EbFunction *function;
	EbTargetRun *run;
	FmgrInfo	flinfo;
	FunctionCallInfo fcinfo;
	EState	   *estate;			/* what AFTER triggers need */
	MemoryContext context;		/* of one call */
};

static void start_call(EbFunctionCalls *calls, int first, int n);
static void clean_up(EbFunctionCalls *calls, int guc_level);
static void set_arguments(EbFunctionCalls *calls, int first, int n);
static void invoke(FunctionCallInfo fcinfo);
static Datum events_array(const EbDelivery *items, int n);
static Jsonb *context_of_event(const EbTarget *target, const EbDelivery *item);
static Jsonb *context_of_events(const EbTarget *target,
								const EbDelivery *items, int n);

EbFunctionCalls *
eb_function_calls_begin(const EbFunction *function, EbTargetRun *run)
{
	EbFunctionCalls *calls = palloc0(sizeof(EbFunctionCalls));
	int			nargs = function->takes_context ? 2 : 1;

	calls->function = function;
	calls->run = run;
	fmgr_info(function->oid, &calls->flinfo);
	InvokeFunctionExecuteHook(function->oid);
	calls->fcinfo = palloc0(SizeForFunctionCallInfo(nargs));
	InitFunctionCallInfoData(*calls->fcinfo, &calls->flinfo, nargs, InvalidOid,
							 NULL, NULL);
	calls->estate = CreateExecutorState();
	calls->context = AllocSetContextCreate(CurrentMemoryContext,
										   "eventbus function call",
										   ALLOCSET_DEFAULT_SIZES);
	return calls;
}

void
eb_function_call(EbFunctionCalls *calls, int first, int n)
{
	MemoryContext caller = MemoryContextSwitchTo(calls->context);
	int			guc_level = NewGUCNestLevel();

	start_call(calls, first, n);
	PushActiveSnapshot(GetTransactionSnapshot());
	AfterTriggerBeginQuery();
	set_arguments(calls, first, n);
	invoke(calls->fcinfo);
	AfterTriggerEndQuery(calls->estate);
	PopActiveSnapshot();
	clean_up(calls, guc_level);
	MemoryContextSwitchTo(caller);
}

void
eb_function_calls_end(EbFunctionCalls *calls)
{
	FreeExecutorState(calls->estate);
}

/* --- around a call ------------------------------------------------------- */

static void
start_call(EbFunctionCalls *calls, int first, int n)
{
	EbTargetRun *run = calls->run;
	ConstraintsSetStmt *immediate = makeNode(ConstraintsSetStmt);

	run->at = n == 1 ? first : -1;
	eb_target_set_cause(&run->items[first], n);
	eb_target_clock_start(run->options->timeout);
	CommandCounterIncrement();

	/* the last call may have deferred them */
	immediate->constraints = NIL;
	immediate->deferred = false;
	AfterTriggerSetState(immediate);
}

static void
clean_up(EbFunctionCalls *calls, int guc_level)
{
	eb_target_clock_stop();
	AtEOXact_GUC(false, guc_level);

	/* relations that had triggers to fire */
	ExecCloseResultRelations(calls->estate);
	calls->estate->es_opened_result_relations = NIL;
	calls->estate->es_trig_target_relations = NIL;
	PortalHashTableDeleteAll();
	LockReleaseSession(USER_LOCKMETHOD);
	MemoryContextReset(calls->context);
}

static void
invoke(FunctionCallInfo fcinfo)
{
	PgStat_FunctionCallUsage usage;

	pgstat_init_function_usage(fcinfo, &usage);
	fcinfo->isnull = false;
	(void) FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
}

/* --- arguments ----------------------------------------------------------- */

static void
set_arguments(EbFunctionCalls *calls, int first, int n)
{
	const EbFunction *function = calls->function;
	const EbTarget *target = calls->run->target;
	const EbDelivery *items = &calls->run->items[first];
	NullableDatum *args = calls->fcinfo->args;

	args[0].isnull = false;
	args[0].value = function->takes_array ? events_array(items, n) :
		JsonbPGetDatum(eb_delivery_json(items));
	if (!function->takes_context)
		return;
	args[1].isnull = false;
	args[1].value =
		JsonbPGetDatum(function->takes_array ?
					   context_of_events(target, items, n) :
					   context_of_event(target, items));
}

static Datum
events_array(const EbDelivery *items, int n)
{
	Datum	   *events = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		events[i] = JsonbPGetDatum(eb_delivery_json(&items[i]));
	return PointerGetDatum(construct_array(events, n, JSONBOID, -1, false,
										   TYPALIGN_INT));
}

/* Whose delivery it is. */
static void
add_target(EbAnswer *context, const EbTarget *target)
{
	const EbRule *rule = target->rule;

	eb_answer_add_text(context, "event_bus", rule->bus_name);
	eb_answer_add_text(context, "rule", rule->name);
	eb_answer_add_text(context, "rule_arn",
					   eb_arn_of_rule(rule->bus_name, rule->name));
	eb_answer_add_text(context, "target", target->id);
}

static const char *
string_or_null(const text *t)
{
	return t == NULL ? NULL : text_to_cstring(t);
}

/* What the envelope does not say of an event, and of its delivery. */
static void
add_item(EbAnswer *context, const EbDelivery *item)
{
	const EbEvent *event = &item->event;

	eb_answer_add_text(context, "delivery_id", eb_delivery_id(item));
	eb_answer_add_int(context, "attempt", item->attempt);
	eb_answer_add_time(context, "ingestion_time", event->ingested_at);
	eb_answer_add_int(context, "hop_count", event->hop_count);
	eb_answer_add_text(context, "replay_name",
					   string_or_null(event->replay_name));
	eb_answer_add_text(context, "trace_header",
					   string_or_null(event->trace_header));
	eb_answer_add_text(context, "event_group_id",
					   string_or_null(event->event_group_id));
}

static Jsonb *
context_of_event(const EbTarget *target, const EbDelivery *item)
{
	EbAnswer	context = {0};

	eb_answer_begin(&context);
	add_target(&context, target);
	add_item(&context, item);
	eb_answer_end(&context);
	return eb_answer_result(&context);
}

/* The same of several: what they share, and an array in their order. */
static Jsonb *
context_of_events(const EbTarget *target, const EbDelivery *items, int n)
{
	EbAnswer	context = {0};

	eb_answer_begin(&context);
	add_target(&context, target);
	eb_answer_begin_array(&context, "events");
	for (int i = 0; i < n; i++)
	{
		eb_answer_begin(&context);
		add_item(&context, &items[i]);
		eb_answer_end(&context);
	}
	eb_answer_end_array(&context);
	eb_answer_end(&context);
	return eb_answer_result(&context);
}
