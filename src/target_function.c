/*-------------------------------------------------------------------------
 *
 * target_function.c
 *		Target type "function": a function is called with each event.
 *
 * A function takes an event, or an array of them, and what is known of the
 * delivery if it wants to:
 *
 *		f(event jsonb)		f(event jsonb, context jsonb)
 *		f(events jsonb[])	f(events jsonb[], context jsonb)
 *
 * What it returns is of no interest. It is called in the dispatcher's
 * transaction, so what it does in this database is done once, together with
 * the position. When it raises an error, nothing of the run is done.
 *
 * The catalog knows it by schema, name and argument types. It is looked up for
 * each run, in PostgreSQL's own caches: one that is replaced, or dropped and
 * made again, is called as it is now, and one that is gone makes the target
 * fail until there is one of that signature again.
 *
 * A run ends after ENOUGH_MS, even if there are more events: what is done is
 * then committed, so that a slow function holds no transaction open for
 * longer than that, or than one call takes.
 *
 * Rights: it runs as the rule's owner, who needs EXECUTE and USAGE on the
 * schema. Where a superuser owns the rule and somebody else the function, it
 * runs as the function's owner (eb_target_lower_rights). SECURITY DEFINER
 * means what it always does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "portability/instr_time.h"

#include "target_function.h"

/* a run that took so long is enough for one transaction */
#define ENOUGH_MS			100

/* how many events are in one array, unless max_batch_size says otherwise */
#define DEFAULT_BATCH_SIZE	100

static const char *validate(const char *resource, Jsonb *parameters,
							Oid owner);
static int	deliver(EbTargetRun *run);
static int	events_per_call(const EbFunction *function,
							const EbTargetOptions *options);
static bool took_enough(instr_time start);

const EbTargetType eb_target_function = {
	.name = EB_FUNCTION_TYPE_NAME,
	.validate = validate,
	.deliver = deliver,
};

/* Returns the name with its schema and argument types. */
static const char *
validate(const char *resource, Jsonb *parameters, Oid owner)
{
	EbFunction	function;

	eb_target_no_parameters(EB_FUNCTION_TYPE_NAME, parameters);
	eb_target_need_resource(EB_FUNCTION_TYPE_NAME, resource,
							"the function that takes the events");
	eb_function_find(resource, &function);
	eb_function_check_rights(&function, owner);
	return function.name;
}

static int
deliver(EbTargetRun *run)
{
	EbFunction	function;
	EbFunctionCalls *calls;
	instr_time	start;
	int			size;
	int			done = 0;

	INSTR_TIME_SET_CURRENT(start);
	eb_function_open(run->target->resource, &function);
	eb_target_lower_rights(function.owner);
	eb_function_check_rights(&function, GetUserId());
	size = events_per_call(&function, run->options);
	calls = eb_function_calls_begin(&function, run);
	do
	{
		int			n = Min(size, run->n - done);

		CHECK_FOR_INTERRUPTS();
		eb_function_call(calls, done, n);
		done += n;
	} while (done < run->n && !took_enough(start));
	eb_function_calls_end(calls);
	return done;
}

static int
events_per_call(const EbFunction *function, const EbTargetOptions *options)
{
	if (!function->takes_array)
		return 1;
	return options->max_batch_size > 0 ? options->max_batch_size :
		DEFAULT_BATCH_SIZE;
}

static bool
took_enough(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now) >= ENOUGH_MS;
}
