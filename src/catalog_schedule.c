/*-------------------------------------------------------------------------
 *
 * catalog_schedule.c
 *		Rules with a schedule, and when they fire next.
 *
 * What a schedule is stands in eventbus.rule, which users change through
 * eb_put_rule() and a dump takes along. When it fires next is in
 * eventbus.rule_schedules, which nobody but the router of the database writes:
 * so the router never waits for a user's transaction here. A row of the second
 * table counts as long as it was computed from the first one as it is: both
 * have the same "since", which changes with every change of a schedule and when
 * a rule is enabled; and only in the generation that it was computed in, so
 * that a copy of a database does not make up for what the original did.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog_schedule.h"
#include "catalog_sql.h"
#include "partition.h"
#include "schema.h"

/* what make_rule() reads, and of which rules */
#define RULE_COLUMNS \
	"SELECT r.rule_id, r.name, r.schedule_expression, r.schedule_timezone," \
	" COALESCE(pg_catalog.date_part('epoch', r.flexible_time_window), 0)" \
	"::pg_catalog.int4," \
	" r.schedule_start, r.schedule_end, r.missed_runs, r.schedule_since," \
	" s.computed_at, s.scheduled_for, s.fire_at" \
	" FROM eventbus.rule r "
#define IS_SCHEDULED \
	" r.schedule_expression IS NOT NULL" \
	" AND r.bus_id OPERATOR(pg_catalog.=) 0" \
	" AND r.state OPERATOR(pg_catalog.<>) 'DISABLED'"
#define IS_CURRENT \
	" s.since OPERATOR(pg_catalog.=) r.schedule_since" \
	" AND s.generation OPERATOR(pg_catalog.=) $1"

static int	read_rules(const char *query, TimestampTz at, int limit,
					   EbScheduledRule **rules);
static void make_rule(HeapTuple tuple, TupleDesc tupdesc,
					  EbScheduledRule *rule);
static char *text_of(Datum value, bool isnull);

int
eb_catalog_schedules_to_begin(TimestampTz horizon, int limit,
							  EbScheduledRule **rules)
{
	return read_rules(RULE_COLUMNS
					  "LEFT JOIN eventbus.rule_schedules s"
					  " ON s.rule_id OPERATOR(pg_catalog.=) r.rule_id"
					  " WHERE" IS_SCHEDULED
					  " AND (s.rule_id IS NULL OR NOT (" IS_CURRENT ")"
					  " OR s.computed_at OPERATOR(pg_catalog.>) $2)"
					  " ORDER BY r.rule_id LIMIT $3", horizon, limit, rules);
}

int
eb_catalog_schedules_due(TimestampTz now, int limit, EbScheduledRule **rules)
{
	return read_rules(RULE_COLUMNS
					  "JOIN eventbus.rule_schedules s"
					  " ON s.rule_id OPERATOR(pg_catalog.=) r.rule_id"
					  " WHERE" IS_SCHEDULED " AND" IS_CURRENT
					  " AND s.fire_at OPERATOR(pg_catalog.<=) $2"
					  " ORDER BY s.fire_at, r.rule_id LIMIT $3",
					  now, limit, rules);
}

/* $1 is the generation, $2 a time, $3 how many at most. */
static int
read_rules(const char *query, TimestampTz at, int limit,
		   EbScheduledRule **rules)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {INT4OID, TIMESTAMPTZOID, INT4OID};
	Datum		values[] = {
		Int32GetDatum(eb_generation()), TimestampTzGetDatum(at),
		Int32GetDatum(limit)
	};
	int			n;

	SPI_connect();
	if (SPI_execute_with_args(query, lengthof(values), types, values, NULL,
							  true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read schedules");
	n = (int) SPI_processed;
	MemoryContextSwitchTo(caller);
	*rules = palloc0(Max(n, 1) * sizeof(EbScheduledRule));
	for (int i = 0; i < n; i++)
		make_rule(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &(*rules)[i]);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	return n;
}

static void
make_rule(HeapTuple tuple, TupleDesc tupdesc, EbScheduledRule *rule)
{
	Datum		values[12];
	bool		nulls[12];

	Assert(tupdesc->natts == lengthof(values));
	heap_deform_tuple(tuple, tupdesc, values, nulls);
	rule->rule_id = DatumGetInt32(values[0]);
	rule->name = text_of(values[1], nulls[1]);
	rule->spec.expression = text_of(values[2], nulls[2]);
	rule->spec.timezone = text_of(values[3], nulls[3]);
	rule->spec.window = DatumGetInt32(values[4]);
	rule->start = nulls[5] ? 0 : DatumGetTimestampTz(values[5]);
	rule->spec.start = nulls[5] ? NULL : &rule->start;
	rule->end = nulls[6] ? 0 : DatumGetTimestampTz(values[6]);
	rule->spec.end = nulls[6] ? NULL : &rule->end;
	rule->spec.missed_runs = text_of(values[7], nulls[7]);
	rule->since = nulls[8] ? 0 : DatumGetTimestampTz(values[8]);
	rule->is_known = !nulls[9];
	rule->computed_at = nulls[9] ? 0 : DatumGetTimestampTz(values[9]);
	rule->scheduled_for = nulls[10] ? 0 : DatumGetTimestampTz(values[10]);
	rule->fire_at = nulls[11] ? 0 : DatumGetTimestampTz(values[11]);
}

/* What must not be null, but may be in a table that somebody else wrote. */
static char *
text_of(Datum value, bool isnull)
{
	return isnull ? pstrdup("") : TextDatumGetCString(value);
}

void
eb_catalog_schedule_store(const EbScheduledRule *rule,
						  const EbScheduledRun *next, TimestampTz fired_for,
						  TimestampTz now)
{
	EbSqlArg	args[] = {
		eb_sql_int(rule->rule_id),
		eb_sql_int(eb_generation()),
		eb_sql_time(&rule->since),
		eb_sql_time(next == NULL ? NULL : &next->scheduled_for),
		eb_sql_time(next == NULL ? NULL : &next->fire_at),
		eb_sql_time(&now),
		eb_sql_time(fired_for == 0 ? NULL : &fired_for)
	};

	eb_sql_run("INSERT INTO eventbus.rule_schedules AS s (rule_id, generation,"
			   " since, scheduled_for, fire_at, computed_at, last_fired_for)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7)"
			   " ON CONFLICT (rule_id) DO UPDATE SET generation = $2,"
			   " since = $3, scheduled_for = $4, fire_at = $5,"
			   " computed_at = $6,"
			   " last_fired_for = COALESCE($7, s.last_fired_for)",
			   lengthof(args), args, NULL);
}

TimestampTz
eb_catalog_schedule_first(void)
{
	EbSqlArg	arg = eb_sql_int(eb_generation());
	EbSqlRow	row;

	if (eb_sql_run("SELECT s.fire_at FROM eventbus.rule_schedules s"
				   " JOIN eventbus.rule r"
				   " ON r.rule_id OPERATOR(pg_catalog.=) s.rule_id"
				   " WHERE s.fire_at IS NOT NULL AND" IS_SCHEDULED
				   " AND" IS_CURRENT
				   " ORDER BY s.fire_at LIMIT 1", 1, &arg, &row) == 0)
		return DT_NOEND;
	return DatumGetTimestampTz(row.values[0]);
}

void
eb_catalog_schedules_clean(void)
{
	eb_run_sql("DELETE FROM eventbus.rule_schedules s"
			   " WHERE NOT EXISTS (SELECT FROM eventbus.rule r"
			   " WHERE r.rule_id OPERATOR(pg_catalog.=) s.rule_id"
			   " AND r.schedule_expression IS NOT NULL)");
}

TimestampTz
eb_catalog_generation_began(void)
{
	EbSqlArg	arg = eb_sql_int(eb_generation());
	EbSqlRow	row;

	if (eb_sql_run("SELECT created_at FROM eventbus.generations"
				   " WHERE generation OPERATOR(pg_catalog.=) $1",
				   1, &arg, &row) == 0)
		elog(ERROR, "generation %d of the event log does not exist",
			 eb_generation());
	return DatumGetTimestampTz(row.values[0]);
}
