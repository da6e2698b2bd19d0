/*-------------------------------------------------------------------------
 *
 * catalog_target.c
 *		Targets: put, remove; and the positions that come and go with them.
 *
 * A target has one row in eventbus.target_positions from its creation on: what
 * the router matches from then on is delivered to it. A trigger makes the row,
 * so that targets which a restore brings have one too: the positions that come
 * with them belong to the generation of the log that they were dumped from,
 * whose numbers mean nothing in this one. A replaced target keeps target_id and
 * position, so nothing is lost or repeated, and its failures are forgotten, so
 * that it is tried at once.
 *
 * Who locks what: the caller holds the rule's row FOR KEY SHARE
 * (eb_catalog_get_rule), so the rule stays. A dispatcher updates the position
 * at the end of its batch; the commands here wait for it and then act on the
 * new version of the row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "catalog_sql.h"
#include "catalog_write.h"
#include "partition.h"
#include "schema.h"

PG_FUNCTION_INFO_V1(eventbus_target_created);

/*
 * Row trigger on eventbus.target: a new target starts at the beginning of the
 * delivery stream, which holds nothing for it yet. Where there is no stream,
 * targets get their positions when it is made.
 */
Datum
eventbus_target_created(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	int32		generation = eb_generation();
	Relation	rel;
	EbSqlArg	args[2];
	AttrNumber	column;
	bool		isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		RelationGetRelid(trigger->tg_relation) != eb_relation_oid("target"))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by a trigger of eventbus.target, for each row that is inserted")));
	if (generation == 0)
		return PointerGetDatum(NULL);

	rel = trigger->tg_relation;
	column = get_attnum(RelationGetRelid(rel), "target_id");
	args[0] = eb_sql_int(generation);
	args[1] = eb_sql_int(DatumGetInt32(heap_getattr(trigger->tg_trigtuple,
													column,
													RelationGetDescr(rel),
													&isnull)));
	eb_sql_run("INSERT INTO eventbus.target_positions (generation, target_id,"
			   " position, delivered, dead_lettered, attempts, state)"
			   " VALUES ($1, $2, 0, 0, 0, 0, 'ok')", 2, args, NULL);
	return PointerGetDatum(NULL);
}

/* True when there is one of that id, which is replaced. */
static bool
update_target(const EbRuleRef *rule, const EbTargetSpec *spec)
{
	EbSqlArg	args[6];
	EbSqlRow	row;

	args[0] = eb_sql_int(rule->rule_id);
	args[1] = eb_sql_text(spec->id);
	args[2] = eb_sql_text(spec->type);
	args[3] = eb_sql_text(spec->resource);
	args[4] = eb_sql_jsonb(spec->parameters);
	args[5] = eb_sql_text(spec->search_path);
	if (eb_sql_run("UPDATE eventbus.target SET type = $3, resource = $4,"
				   " parameters = $5, search_path = $6"
				   " WHERE rule_id OPERATOR(pg_catalog.=) $1"
				   " AND id OPERATOR(pg_catalog.=) $2 RETURNING target_id",
				   6, args, &row) == 0)
		return false;

	args[0] = eb_sql_int(DatumGetInt32(row.values[0]));
	eb_sql_run("UPDATE eventbus.target_positions SET attempts = 0,"
			   " state = 'ok', last_error = NULL, last_error_at = NULL,"
			   " dead_lettered_at = NULL"
			   " WHERE target_id OPERATOR(pg_catalog.=) $1", 1, args, NULL);
	eb_sql_run("UPDATE eventbus.delivery_retries"
			   " SET next_attempt_at = pg_catalog.clock_timestamp()"
			   " WHERE target_id OPERATOR(pg_catalog.=) $1"
			   " AND attempts OPERATOR(pg_catalog.>) 0"
			   " AND next_attempt_at OPERATOR(pg_catalog.>)"
			   " pg_catalog.clock_timestamp()", 1, args, NULL);
	return true;
}

/* False when somebody else has just created it. */
static bool
insert_target(const EbRuleRef *rule, const EbTargetSpec *spec)
{
	EbSqlArg	args[6];

	/* a copy of a database has no stream before somebody has seen it */
	if (eb_generation() == 0)
		(void) eb_make_leaves(true);

	args[0] = eb_sql_int(rule->rule_id);
	args[1] = eb_sql_text(spec->id);
	args[2] = eb_sql_text(spec->type);
	args[3] = eb_sql_text(spec->resource);
	args[4] = eb_sql_jsonb(spec->parameters);
	args[5] = eb_sql_text(spec->search_path);
	return eb_sql_run("INSERT INTO eventbus.target"
					  " (rule_id, id, type, resource, parameters, search_path)"
					  " VALUES ($1, $2, $3, $4, $5, $6)"
					  " ON CONFLICT (rule_id, id) DO NOTHING",
					  6, args, NULL) > 0;
}

void
eb_catalog_put_target(const EbRuleRef *rule, const EbTargetSpec *spec)
{
	while (!update_target(rule, spec) && !insert_target(rule, spec))
		CHECK_FOR_INTERRUPTS();
}

bool
eb_catalog_remove_target(const EbRuleRef *rule, const char *id)
{
	EbSqlArg	args[2];
	EbSqlRow	row;

	args[0] = eb_sql_int(rule->rule_id);
	args[1] = eb_sql_text(id);
	if (eb_sql_run("DELETE FROM eventbus.target"
				   " WHERE rule_id OPERATOR(pg_catalog.=) $1"
				   " AND id OPERATOR(pg_catalog.=) $2 RETURNING target_id",
				   2, args, &row) == 0)
		return false;

	args[0] = eb_sql_int(DatumGetInt32(row.values[0]));
	eb_sql_run("DELETE FROM eventbus.target_positions"
			   " WHERE target_id OPERATOR(pg_catalog.=) $1", 1, args, NULL);
	eb_sql_run("DELETE FROM eventbus.delivery_retries"
			   " WHERE target_id OPERATOR(pg_catalog.=) $1", 1, args, NULL);
	return true;
}

bool
eb_catalog_pause_target(const EbRuleRef *rule, const char *id)
{
	EbSqlArg	args[2];

	args[0] = eb_sql_int(rule->rule_id);
	args[1] = eb_sql_text(id);
	return eb_sql_run("UPDATE eventbus.target"
					  " SET paused_at = COALESCE(paused_at,"
					  " pg_catalog.clock_timestamp())"
					  " WHERE rule_id OPERATOR(pg_catalog.=) $1"
					  " AND id OPERATOR(pg_catalog.=) $2",
					  2, args, NULL) > 0;
}

/*
 * Ends a pause, which is kept: events do not age in it. Should the clock have
 * been set back meanwhile, the pause was none.
 */
bool
eb_catalog_resume_target(const EbRuleRef *rule, const char *id,
						 int32 *target_id, bool *was_paused)
{
	EbSqlArg	args[2];
	EbSqlRow	row;

	args[0] = eb_sql_int(rule->rule_id);
	args[1] = eb_sql_text(id);
	if (eb_sql_run("SELECT target_id, paused_at IS NOT NULL FROM eventbus.target"
				   " WHERE rule_id OPERATOR(pg_catalog.=) $1"
				   " AND id OPERATOR(pg_catalog.=) $2 FOR UPDATE",
				   2, args, &row) == 0)
		return false;
	*target_id = DatumGetInt32(row.values[0]);
	*was_paused = DatumGetBool(row.values[1]);
	if (!*was_paused)
		return true;
	args[0] = eb_sql_int(*target_id);
	eb_sql_run("UPDATE eventbus.target SET paused_at = NULL,"
			   " pauses = pauses OPERATOR(pg_catalog.+)"
			   " pg_catalog.tstzmultirange(pg_catalog.tstzrange(paused_at,"
			   " GREATEST(paused_at, pg_catalog.clock_timestamp())))"
			   " WHERE target_id OPERATOR(pg_catalog.=) $1", 1, args, NULL);
	return true;
}

/*
 * The dispatcher that may have been at work when the pause began updates the
 * position at the end of its batch; this waits for it.
 */
void
eb_catalog_skip_backlog(int32 target_id)
{
	EbSqlArg	args[1];

	args[0] = eb_sql_int(target_id);
	eb_sql_run("UPDATE eventbus.target_positions p SET position = c.delivery_seq,"
			   " attempts = 0, state = 'ok'"
			   " FROM eventbus.router_cursor c"
			   " WHERE p.target_id OPERATOR(pg_catalog.=) $1"
			   " AND c.generation OPERATOR(pg_catalog.=) p.generation",
			   1, args, NULL);
	eb_sql_run("DELETE FROM eventbus.delivery_retries"
			   " WHERE target_id OPERATOR(pg_catalog.=) $1", 1, args, NULL);
}
