/*-------------------------------------------------------------------------
 *
 * api_schedule.c
 *		SQL function for schedules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api_args.h"
#include "schedule_spec.h"

PG_FUNCTION_INFO_V1(eventbus_next_fire_times);

/* What one call remembers for the next. */
typedef struct FireTimes
{
	EbScheduleClock clock;
	TimestampTz last;
} FireTimes;

static FireTimes *
begin(FunctionCallInfo fcinfo)
{
	FireTimes  *times = palloc(sizeof(FireTimes));
	TimestampTz *after = eb_arg_time(fcinfo, 3);
	EbScheduleSpec spec = {
		.expression = eb_arg_text(fcinfo, 0),
		.timezone = eb_arg_text(fcinfo, 2),
	};

	if (PG_GETARG_INT32(1) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of fire times must not be negative")));
	if (TIMESTAMP_NOT_FINITE(*after))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time after which a schedule is to fire must be finite")));
	eb_schedule_spec_open(&spec, *after, &times->clock);
	times->last = *after;
	return times;
}

/*
 * eb_next_fire_times(schedule_expression text, n int, timezone text,
 * after timestamptz) RETURNS SETOF timestamptz; strict
 */
Datum
eventbus_next_fire_times(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	FireTimes  *times;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext caller;

		call = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->user_fctx = begin(fcinfo);
		call->max_calls = PG_GETARG_INT32(1);
		MemoryContextSwitchTo(caller);
	}
	call = SRF_PERCALL_SETUP();
	times = call->user_fctx;
	if (call->call_cntr >= call->max_calls ||
		!eb_schedule_clock_next(&times->clock, times->last, &times->last))
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call, TimestampTzGetDatum(times->last));
}
