/*-------------------------------------------------------------------------
 *
 * catalog_rule.c
 *		Rules: put, enable, disable, delete, describe.
 *
 * Who locks what: a put locks the bus's row FOR KEY SHARE (see catalog_bus.c),
 * then the rule's row FOR NO KEY UPDATE; whoever changes targets locks the
 * rule's row FOR KEY SHARE, whoever deletes the rule FOR UPDATE, and looks for
 * targets only then. So puts of a rule do not wait for puts of its targets,
 * and no target is left without its rule. Two creators of one rule meet in the
 * unique index: the later one finds the rule there and replaces it.
 *
 * A rule belongs to the role that created it: its targets are used with that
 * role's rights, so only who has these may change the rule or its targets. A
 * rule whose role was dropped belongs to whichever superuser puts it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

#include "answer.h"
#include "arn.h"
#include "catalog_sql.h"
#include "catalog_write.h"
#include "eventbus.h"

static void
missing_error(const EbRuleRef *rule)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
	/* EventBridge's text */
			 errmsg("Rule %s does not exist on EventBus %s.",
					rule->name, rule->bus.name)));
}

/*
 * Finds the rule of that name on rule->bus, locked by the clause given, and
 * fills in the rest of *rule. False when there is none; an error when it is
 * another role's.
 */
static bool
lock_rule(EbRuleRef *rule, const char *name, const char *lock)
{
	EbSqlArg	args[] = {eb_sql_int(rule->bus.bus_id), eb_sql_text(name)};
	EbSqlRow	row;
	char	   *command = psprintf("SELECT rule_id, owner FROM eventbus.rule"
								   " WHERE bus_id OPERATOR(pg_catalog.=) $1"
								   " AND name OPERATOR(pg_catalog.=) $2 %s",
								   lock);

	rule->name = name;
	if (eb_sql_run(command, 2, args, &row) == 0)
		return false;
	rule->rule_id = DatumGetInt32(row.values[0]);
	rule->owner = eb_sql_cstring(&row, 1);
	eb_catalog_check_owner(rule->owner, "rule", name);
	return true;
}

static void
check_state(const char *state)
{
	if (state == NULL)
		eb_arn_null_error("state");
	if (strcmp(state, "ENABLED") != 0 && strcmp(state, "DISABLED") != 0 &&
		strcmp(state, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* EventBridge's text */
				 errmsg("1 validation error detected: Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]",
						state)));
}

/* Schedules are kept on the default bus only, as in EventBridge. */
static void
check_schedule_bus(const EbRuleSpec *spec, const EbBusRef *bus)
{
	if (spec->schedule.expression != NULL && bus->bus_id != EB_DEFAULT_BUS_ID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* EventBridge's text */
				 errmsg("ScheduleExpression is supported only on the default event bus.")));
}

/* The owner of a new rule, or of one that has lost its own. */
static const char *
current_role(void)
{
	return GetUserNameFromId(GetUserId(), false);
}

/* $2 to $11 of the commands below: all but what identifies the rule. */
#define NRULE_ARGS	12

static void
set_rule_args(const EbRuleSpec *spec, const EbRuleRef *rule, EbSqlArg *args)
{
	const EbScheduleSpec *schedule = &spec->schedule;

	args[1] = eb_sql_jsonb(spec->event_pattern);
	args[2] = eb_sql_text(spec->state);
	args[3] = eb_sql_text(spec->description);
	args[4] = eb_sql_text(rule->owner);
	args[5] = eb_sql_text(schedule->expression);
	args[6] = eb_sql_text(schedule->timezone);
	args[7] = eb_sql_int(schedule->window);
	args[7].isnull = schedule->window == 0;
	args[8] = eb_sql_time(schedule->start);
	args[9] = eb_sql_time(schedule->end);
	args[10] = eb_sql_text(schedule->missed_runs);
}

/*
 * What a rule's schedule counts from is the time when it was put, unless it is
 * put again as it is; never the same time twice, by which the scheduler knows
 * one schedule of a rule from the next (catalog_schedule.c).
 */
#define NEW_SINCE \
	"GREATEST(pg_catalog.clock_timestamp()," \
	" schedule_since OPERATOR(pg_catalog.+) '1 microsecond'::interval)"

static void
update_rule(const EbRuleSpec *spec, EbRuleRef *rule)
{
	EbSqlArg	args[NRULE_ARGS];

	if (!OidIsValid(get_role_oid(rule->owner, true)))
		rule->owner = current_role();

	set_rule_args(spec, rule, args);
	args[0] = eb_sql_int(rule->rule_id);
	eb_sql_run("UPDATE eventbus.rule SET event_pattern = $2, state = $3,"
			   " description = $4, owner = $5, schedule_expression = $6,"
			   " schedule_timezone = $7,"
			   " flexible_time_window = pg_catalog.make_interval(secs => $8),"
			   " schedule_start = $9, schedule_end = $10, missed_runs = $11,"
			   " schedule_since = CASE WHEN $6 IS NULL THEN NULL"
			   " WHEN pg_catalog.jsonb_build_array(state, schedule_expression,"
			   " schedule_timezone, flexible_time_window, schedule_start,"
			   " schedule_end, missed_runs) OPERATOR(pg_catalog.=)"
			   " pg_catalog.jsonb_build_array($3, $6, $7,"
			   " pg_catalog.make_interval(secs => $8), $9, $10, $11)"
			   " THEN schedule_since ELSE " NEW_SINCE " END"
			   " WHERE rule_id OPERATOR(pg_catalog.=) $1",
			   NRULE_ARGS - 1, args, NULL);
}

/* False when somebody else has just created it. */
static bool
insert_rule(const EbRuleSpec *spec, EbRuleRef *rule)
{
	EbSqlArg	args[NRULE_ARGS];
	EbSqlRow	row;

	rule->owner = current_role();
	set_rule_args(spec, rule, args);
	args[0] = eb_sql_int(rule->bus.bus_id);
	args[NRULE_ARGS - 1] = eb_sql_text(spec->name);
	if (eb_sql_run("INSERT INTO eventbus.rule (bus_id, name, event_pattern,"
				   " state, description, owner, schedule_expression,"
				   " schedule_timezone, flexible_time_window, schedule_start,"
				   " schedule_end, missed_runs, schedule_since)"
				   " VALUES ($1, $12, $2, $3, $4, $5, $6, $7,"
				   " pg_catalog.make_interval(secs => $8), $9, $10, $11,"
				   " CASE WHEN $6 IS NOT NULL"
				   " THEN pg_catalog.clock_timestamp() END)"
				   " ON CONFLICT (bus_id, name) DO NOTHING RETURNING rule_id",
				   NRULE_ARGS, args, &row) == 0)
		return false;
	rule->rule_id = DatumGetInt32(row.values[0]);
	return true;
}

void
eb_catalog_put_rule(const EbRuleSpec *spec, EbRuleRef *rule)
{
	eb_arn_check_name(spec->name, "name", EB_MAX_RULE_NAME, false);
	eb_arn_check_description(spec->description);
	check_state(spec->state);
	eb_catalog_get_bus(spec->event_bus, true, &rule->bus);
	check_schedule_bus(spec, &rule->bus);

	for (;;)
	{
		if (lock_rule(rule, spec->name, "FOR NO KEY UPDATE"))
		{
			update_rule(spec, rule);
			return;
		}
		if (insert_rule(spec, rule))
			return;
		CHECK_FOR_INTERRUPTS();
	}
}

void
eb_catalog_set_rule_state(const char *name, const char *event_bus,
						  const char *state)
{
	EbRuleRef	rule;
	EbSqlArg	args[2];

	eb_arn_check_name(name, "name", EB_MAX_RULE_NAME, false);
	eb_catalog_get_bus(event_bus, false, &rule.bus);
	if (!lock_rule(&rule, name, "FOR NO KEY UPDATE"))
		missing_error(&rule);

	args[0] = eb_sql_int(rule.rule_id);
	args[1] = eb_sql_text(state);
	eb_sql_run("UPDATE eventbus.rule SET state = $2, schedule_since ="
			   " CASE WHEN schedule_since IS NOT NULL THEN " NEW_SINCE " END"
			   " WHERE rule_id OPERATOR(pg_catalog.=) $1"
			   " AND state OPERATOR(pg_catalog.<>) $2", 2, args, NULL);
}

void
eb_catalog_delete_rule(const char *name, const char *event_bus)
{
	EbRuleRef	rule;
	EbSqlArg	arg;

	eb_arn_check_name(name, "name", EB_MAX_RULE_NAME, false);
	eb_catalog_get_bus(event_bus, false, &rule.bus);
	if (!lock_rule(&rule, name, "FOR UPDATE"))
		return;

	arg = eb_sql_int(rule.rule_id);
	if (eb_sql_run("SELECT FROM eventbus.target"
				   " WHERE rule_id OPERATOR(pg_catalog.=) $1 LIMIT 1",
				   1, &arg, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
		/* EventBridge's text */
				 errmsg("Rule can't be deleted since it has targets."),
				 errhint("Remove them with eb_remove_targets() first.")));
	eb_sql_run("DELETE FROM eventbus.rule"
			   " WHERE rule_id OPERATOR(pg_catalog.=) $1", 1, &arg, NULL);
}

/* DescribeRule's ScheduleExpression, and the members of GetSchedule. */
static void
describe_schedule(EbAnswer *answer, const EbSqlRow *row)
{
	if (row->nulls[4])
		return;
	eb_answer_add_text(answer, "ScheduleExpression", eb_sql_cstring(row, 4));
	eb_answer_add_text(answer, "ScheduleExpressionTimezone",
					   eb_sql_cstring(row, 5));
	eb_answer_begin_object(answer, "FlexibleTimeWindow");
	eb_answer_add_text(answer, "Mode", row->nulls[6] ? "OFF" : "FLEXIBLE");
	if (!row->nulls[6])
		eb_answer_add_int(answer, "MaximumWindowInMinutes",
						  (DatumGetInt32(row->values[6]) + 59) / 60);
	eb_answer_end(answer);
	if (!row->nulls[7])
		eb_answer_add_time(answer, "StartDate",
						   DatumGetTimestampTz(row->values[7]));
	if (!row->nulls[8])
		eb_answer_add_time(answer, "EndDate",
						   DatumGetTimestampTz(row->values[8]));
	eb_answer_add_text(answer, "MissedRuns", eb_sql_cstring(row, 9));
}

Jsonb *
eb_catalog_describe_rule(const char *name, const char *event_bus)
{
	EbRuleRef	rule = {.name = name};
	EbAnswer	answer = {0};
	EbSqlArg	args[2];
	EbSqlRow	row;

	eb_arn_check_name(name, "name", EB_MAX_RULE_NAME, false);
	eb_catalog_get_bus(event_bus, false, &rule.bus);
	args[0] = eb_sql_int(rule.bus.bus_id);
	args[1] = eb_sql_text(name);
	if (eb_sql_run("SELECT event_pattern, state, description, owner,"
				   " schedule_expression, schedule_timezone,"
				   " pg_catalog.date_part('epoch', flexible_time_window)"
				   "::pg_catalog.int4,"
				   " schedule_start, schedule_end, missed_runs"
				   " FROM eventbus.rule"
				   " WHERE bus_id OPERATOR(pg_catalog.=) $1"
				   " AND name OPERATOR(pg_catalog.=) $2",
				   2, args, &row) == 0)
		missing_error(&rule);

	eb_answer_begin(&answer);
	eb_answer_add_text(&answer, "Name", name);
	eb_answer_add_text(&answer, "Arn", eb_arn_of_rule(rule.bus.name, name));
	eb_answer_add_jsonb(&answer, "EventPattern",
						row.nulls[0] ? NULL : DatumGetJsonbP(row.values[0]));
	describe_schedule(&answer, &row);
	eb_answer_add_text(&answer, "State", eb_sql_cstring(&row, 1));
	eb_answer_add_text(&answer, "Description", eb_sql_cstring(&row, 2));
	eb_answer_add_text(&answer, "EventBusName", rule.bus.name);
	eb_answer_add_text(&answer, "CreatedBy", eb_sql_cstring(&row, 3));
	eb_answer_end(&answer);
	return eb_answer_result(&answer);
}

void
eb_catalog_get_rule(const char *name, const char *event_bus, EbRuleRef *rule)
{
	eb_arn_check_name(name, "rule", EB_MAX_RULE_NAME, false);
	eb_catalog_get_bus(event_bus, false, &rule->bus);
	if (!lock_rule(rule, name, "FOR KEY SHARE"))
		missing_error(rule);
}
