/*-------------------------------------------------------------------------
 *
 * partition_make.c
 *		Makes generations and leaves.
 *
 * Leaves are made ahead of time with CREATE TABLE and ATTACH PARTITION, which
 * locks the parent weakly (PARTITION OF would lock it against readers and
 * writers); attached empty, they need no scan. Whoever makes them holds a lock
 * on eventbus.leaves that excludes other makers. ATTACH PARTITION has to wait
 * for who holds the subtree's root, ANALYZE for one; the router has no time to.
 *
 * Nothing that is made here is a member of the extension: pg_dump takes it
 * along as it does any table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "partition.h"
#include "partition_registry.h"
#include "schema.h"

PG_FUNCTION_INFO_V1(eventbus_start_generation);

static void ensure_generation(void);
static bool adopt_upgraded(void);
static void start_generation(void);
static void make_cursor(int32 generation);
static void make_root(EbLog log, int32 generation);
static int	make_all_leaves(bool dry_run);
static int	make_leaves_of(EbLog log, TimestampTz now, bool dry_run);
static char *free_leaf_name(EbLog log, int32 generation, TimestampTz start);
static void make_leaf(EbLog log, TimestampTz start, TimestampTz end);
static void revoke_defaults(const char *table);
static int64 leaf_width(EbLog log);
static TimestampTz floor_to(TimestampTz at, int64 width);
static char *utc_text(TimestampTz at, const char *format);

/* --- generations --------------------------------------------------------- */

/*
 * eventbus.start_generation(): called by the install script, whose new tables
 * would become members of the extension.
 */
Datum
eventbus_start_generation(PG_FUNCTION_ARGS)
{
	bool		in_script = creating_extension;

	creating_extension = false;
	PG_TRY();
	{
		(void) eb_make_leaves(true);
	}
	PG_FINALLY();
	{
		creating_extension = in_script;
	}
	PG_END_TRY();
	PG_RETURN_INT32(eb_generation());
}

/* Gives this database a generation of its own, if it has none. */
static void
ensure_generation(void)
{
	if (eb_generation() != 0 || adopt_upgraded())
		return;
	start_generation();
}

/*
 * pg_upgrade makes a cluster with another system identifier, and keeps all
 * that the log depends on: OIDs of databases and tables, transaction ids, rows
 * in their places. Since it does not run the install script, there is then no
 * generation of this cluster, but one of this very table whose cursor is not
 * ahead of our transactions. That one is ours. (A restore always has one of
 * its own: there the script has run.)
 */
static bool
adopt_upgraded(void)
{
	int64		system = (int64) GetSystemIdentifier();
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	uint64		adopted;

	adopted = eb_run_sql("UPDATE eventbus.generations g"
						 " SET system_identifier = " INT64_FORMAT
						 " FROM eventbus.router_cursor c"
						 " WHERE c.generation"
						 " OPERATOR(pg_catalog.=) g.generation"
						 " AND g.state OPERATOR(pg_catalog.=) 'active'"
						 " AND g.system_identifier"
						 " OPERATOR(pg_catalog.<>) " INT64_FORMAT
						 " AND g.database_oid OPERATOR(pg_catalog.=) %u"
						 " AND g.log_oid OPERATOR(pg_catalog.=) %u"
						 " AND pg_catalog.pg_snapshot_xmax(c.last_snapshot)"
						 " OPERATOR(pg_catalog.<=) '" UINT64_FORMAT "'",
						 system, system, MyDatabaseId,
						 eb_relation_oid("event_log"), next);
	if (adopted == 0)
		return false;
	eb_leaves_changed();
	CommandCounterIncrement();
	return eb_generation() != 0;
}

/* Starts a generation: its number, cursor, positions and subtrees. */
static void
start_generation(void)
{
	Oid			log_oid = eb_relation_oid("event_log");
	uint64		seed = GetSystemIdentifier() ^ ((uint64) log_oid << 32) ^
		MyDatabaseId ^ (uint64) GetCurrentTimestamp();
	int32		generation;

	generation = (int32) (hash_bytes_extended((unsigned char *) &seed,
											  sizeof(seed), 0) & 0x7fffffff);
	generation = Max(generation, 1);
	eb_run_sql("INSERT INTO eventbus.generations"
			   " (generation, system_identifier, database_oid, log_oid, state)"
			   " VALUES (%d, " INT64_FORMAT ", %u, %u, 'active')",
			   generation, (int64) GetSystemIdentifier(), MyDatabaseId,
			   log_oid);
	make_cursor(generation);
	eb_run_sql("INSERT INTO eventbus.target_positions (generation, target_id,"
			   " position, delivered, dead_lettered, attempts, state)"
			   " SELECT %d, t.target_id, 0, 0, 0, 0, 'ok'"
			   " FROM eventbus.target t", generation);
	for (int log = 0; log < EB_NLOGS; log++)
		make_root(log, generation);
	eb_leaves_changed();
	CommandCounterIncrement();
}

/*
 * The first cursor. Whatever runs now, this transaction and older ones too,
 * may put events into the new log: all of it counts as not yet routed.
 */
static void
make_cursor(int32 generation)
{
	eb_run_sql("INSERT INTO eventbus.router_cursor"
			   " SELECT %d, pg_catalog.format('%%s:%%s:', x, x)"
			   "::pg_catalog.pg_snapshot, NULL, 0, 0, 0,"
			   " pg_catalog.clock_timestamp()"
			   " FROM pg_catalog.pg_snapshot_xmin("
			   "pg_catalog.pg_current_snapshot()) AS x", generation);
}

/* Makes the root of a log's subtree for one generation. */
static void
make_root(EbLog log, int32 generation)
{
	const EbLogKind *kind = &eb_log_kinds[log];
	const char *root = eb_log_root(log, generation);

	eb_run_sql("CREATE TABLE eventbus.%s PARTITION OF eventbus.%s"
			   " FOR VALUES IN (%d) PARTITION BY RANGE (%s)",
			   root, kind->name, generation, kind->time_column);
	revoke_defaults(root);
}

/* --- leaves --------------------------------------------------------------- */

bool
eb_leaves_lock(bool wait)
{
	Oid			leaves = eb_relation_oid("leaves");

	if (!wait)
		return ConditionalLockRelationOid(leaves, ShareUpdateExclusiveLock);
	LockRelationOid(leaves, ShareUpdateExclusiveLock);
	return true;
}

/* Takes, without waiting, what locks the making of leaves takes. */
static bool
lock_what_leaves_need(void)
{
	if (!eb_leaves_lock(false))
		return false;
	for (int log = 0; log < EB_NLOGS; log++)
	{
		Oid			root = eb_relation_oid(eb_log_root(log, eb_generation()));

		if (OidIsValid(root) &&
			!ConditionalLockRelationOid(root, ShareUpdateExclusiveLock))
			return false;
	}
	return true;
}

int
eb_make_leaves(bool wait)
{
	EbSavedUser saved;
	int			made = 0;

	if (!OidIsValid(eb_relation_oid("leaves")))
		return 0;

	/* most of the time there is nothing to make: then take no lock */
	if (eb_generation() != 0 && make_all_leaves(true) == 0)
		return 0;
	if (!wait && !lock_what_leaves_need())
		return -1;
	saved = eb_owner_enter();

	/* then see what the one before us made */
	(void) eb_leaves_lock(true);
	ensure_generation();
	made = make_all_leaves(false);
	eb_owner_leave(saved);
	return made;
}

static int
make_all_leaves(bool dry_run)
{
	TimestampTz now = GetCurrentTimestamp();
	int			made = 0;

	for (int log = 0; log < EB_NLOGS; log++)
		made += make_leaves_of(log, now, dry_run);
	return made;
}

/*
 * Covers the time from one leaf before now to eventbus.leaves_ahead leaves
 * after it, around the leaves that exist (which may be of another width).
 * Returns how many leaves were, or in a dry run would be, made.
 */
static int
make_leaves_of(EbLog log, TimestampTz now, bool dry_run)
{
	int64		width = leaf_width(log);
	TimestampTz at = floor_to(now, width) - width;
	int			ahead = eb_log_kinds[log].ahead > 0 ?
		eb_log_kinds[log].ahead : eb_guc_leaves_ahead;
	TimestampTz until = floor_to(now, width) + width * (ahead + 1);
	int			made = 0;

	while (at < until)
	{
		const EbLeafArray *array = eb_leaves(eb_generation(), log);
		TimestampTz end = floor_to(at, width) + width;
		bool		covered = false;

		for (int i = 0; i < array->nleaves && !covered; i++)
		{
			const EbLeaf *leaf = &array->leaves[i];

			if (leaf->range_start <= at && at < leaf->range_end)
			{
				covered = true;
				end = leaf->range_end;
			}
			else if (leaf->range_start > at)
				end = Min(end, leaf->range_start);
		}
		if (!covered)
			made++;
		if (!covered && !dry_run)
			make_leaf(log, at, end);
		at = end;
	}
	return made;
}

/*
 * A name that says what the leaf holds. It may be taken by a leaf that was
 * detached and kept: then a number is added.
 */
static char *
free_leaf_name(EbLog log, int32 generation, TimestampTz start)
{
	char	   *base = psprintf("%s_%s", eb_log_root(log, generation),
								utc_text(start, "YYYYMMDD_HH24MI"));
	char	   *name = base;

	for (int i = 2; OidIsValid(eb_relation_oid(name)); i++)
		name = psprintf("%s_%d", base, i);
	return name;
}

static void
make_leaf(EbLog log, TimestampTz start, TimestampTz end)
{
	const EbLogKind *kind = &eb_log_kinds[log];
	int32		generation = eb_generation();
	char	   *name = free_leaf_name(log, generation, start);
	char	   *start_text = utc_text(start, "YYYY-MM-DD HH24:MI:SS+00");
	char	   *end_text = utc_text(end, "YYYY-MM-DD HH24:MI:SS+00");

	eb_run_sql("CREATE TABLE eventbus.%s (LIKE eventbus.%s"
			   " INCLUDING STORAGE) WITH (%s)", name, kind->name, kind->with);
	revoke_defaults(name);
	eb_run_sql("CREATE INDEX ON eventbus.%s (%s)", name, kind->index_columns);
	for (int i = 0; i < lengthof(kind->more_indexes); i++)
		if (kind->more_indexes[i] != NULL)
			eb_run_sql("CREATE INDEX ON eventbus.%s (%s)", name,
					   kind->more_indexes[i]);
	eb_run_sql("ALTER TABLE eventbus.%s ATTACH PARTITION eventbus.%s"
			   " FOR VALUES FROM ('%s') TO ('%s')",
			   eb_log_root(log, generation), name, start_text, end_text);

	/* somebody may have dropped a leaf of that name */
	eb_run_sql("DELETE FROM eventbus.leaves"
			   " WHERE name OPERATOR(pg_catalog.=) '%s'", name);
	eb_run_sql("INSERT INTO eventbus.leaves"
			   " (parent, generation, name, range_start, range_end)"
			   " VALUES ('%s', %d, '%s', '%s', '%s')",
			   kind->name, generation, name, start_text, end_text);
	eb_leaves_changed();
	CommandCounterIncrement();
}

/*
 * Takes back what ALTER DEFAULT PRIVILEGES of the owner gave away: who may
 * read the parent may read the leaf through it, and nobody else.
 */
static void
revoke_defaults(const char *table)
{
	char	   *grantees;

	grantees = eb_query_text("SELECT pg_catalog.string_agg(DISTINCT CASE"
							 " WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid"
							 " THEN 'PUBLIC' ELSE pg_catalog.quote_ident("
							 "pg_catalog.pg_get_userbyid(a.grantee)) END, ', ')"
							 " FROM pg_catalog.pg_class c,"
							 " pg_catalog.aclexplode(c.relacl) a"
							 " WHERE c.oid OPERATOR(pg_catalog.=)"
							 " 'eventbus.%s'::pg_catalog.regclass"
							 " AND a.grantee OPERATOR(pg_catalog.<>) c.relowner",
							 table);
	if (grantees != NULL)
		eb_run_sql("REVOKE ALL ON eventbus.%s FROM %s", table, grantees);
}

/* --- times ---------------------------------------------------------------- */

/* Width of a leaf in microseconds; what is sparse goes by the day at least. */
static int64
leaf_width(EbLog log)
{
	int64		minutes = eb_guc_leaf_width;

	if (log == EB_LOG_DEAD_LETTERS || log == EB_LOG_ATTEMPTS)
		minutes = Max(minutes, 24 * 60);
	return minutes * SECS_PER_MINUTE * USECS_PER_SEC;
}

/* Rounds down to a multiple of width since 2000-01-01 00:00 UTC. */
static TimestampTz
floor_to(TimestampTz at, int64 width)
{
	int64		rest = at % width;

	return at - (rest < 0 ? rest + width : rest);
}

static char *
utc_text(TimestampTz at, const char *format)
{
	/* a timestamp without time zone of the same number reads as UTC */
	Datum		utc = DirectFunctionCall2(timestamp_to_char,
										  TimestampGetDatum(at),
										  CStringGetTextDatum(format));

	return TextDatumGetCString(utc);
}
