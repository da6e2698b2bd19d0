/*-------------------------------------------------------------------------
 *
 * api_rule.c
 *		SQL functions for rules; the work is done in catalog_rule.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "api_args.h"
#include "arn.h"
#include "catalog_write.h"
#include "event_match.h"

PG_FUNCTION_INFO_V1(eventbus_put_rule);
PG_FUNCTION_INFO_V1(eventbus_enable_rule);
PG_FUNCTION_INFO_V1(eventbus_disable_rule);
PG_FUNCTION_INFO_V1(eventbus_delete_rule);
PG_FUNCTION_INFO_V1(eventbus_describe_rule);
PG_FUNCTION_INFO_V1(eventbus_rule_arn);

static void
read_schedule(FunctionCallInfo fcinfo, EbScheduleSpec *schedule)
{
	schedule->expression = eb_arg_text(fcinfo, 5);
	schedule->timezone = eb_arg_text(fcinfo, 6);
	if (!PG_ARGISNULL(7))
		schedule->window = eb_schedule_window(PG_GETARG_INTERVAL_P(7));
	schedule->start = eb_arg_time(fcinfo, 8);
	schedule->end = eb_arg_time(fcinfo, 9);
	schedule->missed_runs = eb_arg_text(fcinfo, 10);
	eb_schedule_spec_check(schedule);
}

/* What was put may be a mistake: EventBridge takes it, and so do we. */
static void
tell_if_never_fires(const EbRuleSpec *spec)
{
	TimestampTz now = GetCurrentTimestamp();
	EbScheduleClock clock;

	if (spec->schedule.expression == NULL)
		return;
	eb_schedule_spec_open(&spec->schedule, now, &clock);
	if (!eb_schedule_clock_next(&clock, now, &now))
		ereport(NOTICE,
				(errmsg("schedule of rule \"%s\" will never fire",
						spec->name)));
}

/*
 * eb_put_rule(name, event_pattern, event_bus, state, description,
 * schedule_expression, schedule_timezone, flexible_time_window,
 * schedule_start, schedule_end, missed_runs) returns the ARN
 */
Datum
eventbus_put_rule(PG_FUNCTION_ARGS)
{
	EbRuleSpec	spec = {
		.name = eb_arg_text(fcinfo, 0),
		.event_pattern = eb_arg_jsonb(fcinfo, 1),
		.event_bus = eb_arg_text(fcinfo, 2),
		.state = eb_arg_text(fcinfo, 3),
		.description = eb_arg_text(fcinfo, 4),
	};
	EbRuleRef	rule;

	PreventCommandIfReadOnly("eb_put_rule()");
	read_schedule(fcinfo, &spec.schedule);
	if (spec.event_pattern == NULL && spec.schedule.expression == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* EventBridge's text */
				 errmsg("Parameter(s) EventPattern or ScheduleExpression must be specified.")));
	if (spec.event_pattern != NULL)
		(void) eb_pattern_check_jsonb(spec.event_pattern);

	eb_catalog_put_rule(&spec, &rule);
	tell_if_never_fires(&spec);
	PG_RETURN_TEXT_P(cstring_to_text(eb_arn_of_rule(rule.bus.name,
													rule.name)));
}

/* eb_enable_rule(name, event_bus) */
Datum
eventbus_enable_rule(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("eb_enable_rule()");
	eb_catalog_set_rule_state(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 1),
							  "ENABLED");
	PG_RETURN_VOID();
}

/* eb_disable_rule(name, event_bus) */
Datum
eventbus_disable_rule(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("eb_disable_rule()");
	eb_catalog_set_rule_state(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 1),
							  "DISABLED");
	PG_RETURN_VOID();
}

/* eb_delete_rule(name, event_bus) */
Datum
eventbus_delete_rule(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("eb_delete_rule()");
	eb_catalog_delete_rule(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 1));
	PG_RETURN_VOID();
}

/* eb_describe_rule(name, event_bus) */
Datum
eventbus_describe_rule(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(eb_catalog_describe_rule(eb_arg_text(fcinfo, 0),
											   eb_arg_text(fcinfo, 1)));
}

/* eb_rule_arn(name, event_bus), strict */
Datum
eventbus_rule_arn(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(eb_arn_of_rule(eb_arg_text(fcinfo, 1),
													eb_arg_text(fcinfo, 0))));
}
