/*-------------------------------------------------------------------------
 *
 * redrive.c
 *		Has dead letters delivered again, or done with.
 *
 * A dead letter that is redriven becomes a row of eventbus.delivery_retries: a
 * delivery of its own, with no attempt made, which the dispatchers find as they
 * find any retry. It goes to the target that the dead letter names by number,
 * or, where that is gone, to the one that now has its id in a rule of that name
 * on an event bus of that name.
 *
 * A row of eventbus.resolved_dead_letters says that a dead letter was redriven,
 * or discarded. Its key decides: of two commands that want the same one, the
 * second waits for the first, and leaves it out. (They take them in order of
 * their numbers, so they do not deadlock.) Marks and deliveries are made by one
 * statement, in the caller's transaction: all of them or none. It takes memory
 * for no more than work_mem allows; what it writes is one row of each table for
 * each dead letter, with a copy of the event.
 *
 * The new delivery keeps the number of the old one, and its count of redrives
 * goes up: together they name it (eb_delivery_id()). A dead letter of a log that
 * a restore brought along has a number of that log; the delivery is one of this
 * log, so it gets a number that no other has, made of the dead letter's: below
 * all others, as it is older than they are.
 *
 * In a FIFO target, the first one of each event group gets a time; the others
 * get theirs when those before them are done (delivery_retry.c). Whatever else
 * of the group is tried again meanwhile: each delivery that ends gives the
 * oldest one of its group a time, so none of them waits for nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/inval.h"

#include "partition.h"
#include "redrive.h"
#include "schema.h"
#include "wake.h"

/* dead letters d that are selected by $1 to $7 and wait */
#define SELECTED \
	" ($1 IS NULL OR d.dead_letter_id OPERATOR(pg_catalog.=) ANY ($1))" \
	" AND ($2 IS NULL OR d.event_bus OPERATOR(pg_catalog.=) $2)" \
	" AND ($3 IS NULL OR d.rule OPERATOR(pg_catalog.=) $3)" \
	" AND ($4 IS NULL OR d.target OPERATOR(pg_catalog.=) $4)" \
	" AND ($5 IS NULL OR d.error_code OPERATOR(pg_catalog.=) $5)" \
	" AND ($6 IS NULL OR d.dead_lettered_at OPERATOR(pg_catalog.>=) $6)" \
	" AND ($7 IS NULL OR d.dead_lettered_at OPERATOR(pg_catalog.<) $7)" \
	" AND NOT EXISTS (SELECT FROM eventbus.resolved_dead_letters r" \
	" WHERE r.dead_letter_id OPERATOR(pg_catalog.=) d.dead_letter_id)"

/* %d: the current generation */
static const char redrive_command[] =
"WITH begun AS MATERIALIZED ("
"SELECT pg_catalog.clock_timestamp() AS at"
"), named AS ("
"SELECT t.target_id, t.id, t.parameters, r.name AS rule, b.name AS event_bus"
" FROM eventbus.target t"
" JOIN eventbus.rule r ON r.rule_id OPERATOR(pg_catalog.=) t.rule_id"
" JOIN eventbus.event_bus_ids b ON b.bus_id OPERATOR(pg_catalog.=) r.bus_id"
"), chosen AS MATERIALIZED ("
"SELECT d.dead_letter_id, d.dead_lettered_at, d.target_id AS old_target_id,"
" COALESCE(t.target_id, n.target_id) AS target_id,"
" CASE WHEN COALESCE(t.parameters, n.parameters)"
" OPERATOR(pg_catalog.@>) '{\"fifo\": true}'"
" THEN COALESCE(d.event_group_id, '') END AS event_group,"
" CASE WHEN d.delivery_generation OPERATOR(pg_catalog.=) %d"
" THEN d.delivery_seq ELSE d.dead_letter_id"
" OPERATOR(pg_catalog.-) 4611686018427387904 END AS delivery_seq"
" FROM eventbus.dead_letter_log d"
" LEFT JOIN eventbus.target t ON t.target_id OPERATOR(pg_catalog.=) d.target_id"
" LEFT JOIN named n ON n.event_bus OPERATOR(pg_catalog.=) d.event_bus"
" AND n.rule OPERATOR(pg_catalog.=) d.rule"
" AND n.id OPERATOR(pg_catalog.=) d.target"
" WHERE" SELECTED
"), marked AS ("
"INSERT INTO eventbus.resolved_dead_letters"
" (dead_letter_id, target_id, dead_lettered_at, resolution, resolved_at)"
" SELECT c.dead_letter_id, c.old_target_id, c.dead_lettered_at, 'redriven', b.at"
" FROM chosen c CROSS JOIN begun b WHERE c.target_id IS NOT NULL"
" ORDER BY c.dead_letter_id ON CONFLICT DO NOTHING RETURNING dead_letter_id"
"), placed AS MATERIALIZED ("
"SELECT c.*, c.event_group IS NOT NULL AND pg_catalog.row_number()"
" OVER (PARTITION BY c.target_id, c.event_group ORDER BY c.delivery_seq)"
" OPERATOR(pg_catalog.>) 1 AS behind,"
" b.at OPERATOR(pg_catalog.+) (COALESCE((pg_catalog.row_number()"
" OVER (ORDER BY c.dead_letter_id) OPERATOR(pg_catalog.-) 1)"
" OPERATOR(pg_catalog./) $8, 0) OPERATOR(pg_catalog.*)"
" '1 second'::pg_catalog.interval) AS at"
" FROM chosen c CROSS JOIN begun b JOIN marked m"
" ON m.dead_letter_id OPERATOR(pg_catalog.=) c.dead_letter_id"
"), moved AS ("
"INSERT INTO eventbus.delivery_retries (xid, seq, ingested_at, \"time\", ord,"
" bus_id, generation, hop_count, id, source, detail_type, resources, detail,"
" trace_header, event_group_id, deduplication_id, replay_name, causation_id,"
" target_id, delivery_seq, redrive, accepted_at, attempts, next_attempt_at)"
" SELECT d.xid, d.seq, d.ingested_at, d.\"time\", d.ord,"
" d.bus_id, %d, d.hop_count, d.id, d.source, d.detail_type, d.resources,"
" d.detail, d.trace_header, d.event_group_id, d.deduplication_id,"
" d.replay_name, d.causation_id, p.target_id, p.delivery_seq,"
" d.redrive OPERATOR(pg_catalog.+) 1, p.at, 0,"
" CASE WHEN NOT p.behind THEN p.at END"
" FROM placed p JOIN eventbus.dead_letter_log d"
" ON d.dead_letter_id OPERATOR(pg_catalog.=) p.dead_letter_id"
" AND d.dead_lettered_at OPERATOR(pg_catalog.=) p.dead_lettered_at"
" ORDER BY p.dead_letter_id) "
"SELECT (SELECT pg_catalog.count(*) FROM placed),"
" (SELECT pg_catalog.count(*) FROM chosen c WHERE c.target_id IS NULL)";

static const char discard_command[] =
"WITH marked AS ("
"INSERT INTO eventbus.resolved_dead_letters"
" (dead_letter_id, target_id, dead_lettered_at, resolution, resolved_at)"
" SELECT d.dead_letter_id, d.target_id, d.dead_lettered_at, 'discarded',"
" pg_catalog.clock_timestamp()"
" FROM eventbus.dead_letter_log d WHERE" SELECTED
" ORDER BY d.dead_letter_id ON CONFLICT DO NOTHING RETURNING 1) "
"SELECT pg_catalog.count(*) FROM marked";

#define NSELECTORS	7

static void
set_selectors(EbSqlArg *args, const EbLetterSelection *selection)
{
	args[0] = selection->ids;
	args[1] = selection->event_bus;
	args[2] = selection->rule;
	args[3] = selection->target;
	args[4] = selection->error_code;
	args[5] = selection->from;
	args[6] = selection->to;
}

int64
eb_redrive(const EbLetterSelection *selection, EbSqlArg rate_limit,
		   int64 *skipped)
{
	EbSqlArg	args[NSELECTORS + 1];
	EbSqlRow	row;
	int32		generation;
	int64		redriven;

	/* a copy of a database has no log of its own before somebody needs it */
	if (eb_generation() == 0)
		(void) eb_make_leaves(true);
	generation = eb_generation();
	set_selectors(args, selection);
	args[NSELECTORS] = rate_limit;
	(void) eb_sql_run(psprintf(redrive_command, generation, generation),
					  lengthof(args), args, &row);
	redriven = DatumGetInt64(row.values[0]);
	*skipped = DatumGetInt64(row.values[1]);
	if (redriven > 0)
	{
		/* the router has every target looked at when the catalog has changed */
		CacheInvalidateRelcacheByRelid(eb_relation_oid("target"));
		eb_wake_at_commit();
	}
	return redriven;
}

int64
eb_discard_letters(const EbLetterSelection *selection)
{
	EbSqlArg	args[NSELECTORS];
	EbSqlRow	row;

	set_selectors(args, selection);
	(void) eb_sql_run(discard_command, lengthof(args), args, &row);
	return DatumGetInt64(row.values[0]);
}
