/*-------------------------------------------------------------------------
 *
 * partition.c
 *		Generations and leaves of the log, the stream and the dead letters.
 *
 * The three parents (eventbus.event_log, deliveries, dead_letters) are
 * partitioned by LIST of generation, and each generation by RANGE of time:
 *
 *		event_log -> event_log_GEN -> event_log_GEN_20260131_0000, ...
 *
 * A generation is one life of the log in one cluster. CREATE EXTENSION starts
 * one; a log that pg_restore or a physical copy brought along belongs to a
 * generation that eventbus.generations knows under another system identifier
 * or another OID of event_log, and is left alone. That is why leaves of a
 * restored log and leaves made here never collide, in name or in range.
 *
 * Leaves are ordinary tables, made ahead of time with CREATE TABLE and ATTACH
 * PARTITION (which locks the parent weakly), registered in eventbus.leaves.
 * Each process keeps the registry of the current generation in memory; making
 * or sealing leaves invalidates the relcache entry of a subtree's root, and
 * with it those copies.
 *
 * A sealed leaf takes no more rows. The one way into a past leaf is a clock
 * that steps back; eb_leaf_open() then moves the row's time on to the next
 * leaf. Since sealing holds a lock that conflicts with RowExclusiveLock until
 * its commit, looking again after the lock is granted is enough.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_index.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "eventbus.h"
#include "guc.h"
#include "partition.h"

/* columns of eventbus.generations and eventbus.leaves */
#define GENERATIONS_GENERATION			1
#define GENERATIONS_SYSTEM_IDENTIFIER	2
#define GENERATIONS_LOG_OID				3
#define LEAVES_LEAF_ID		1
#define LEAVES_PARENT		2
#define LEAVES_GENERATION	3
#define LEAVES_NAME			4
#define LEAVES_RANGE_START	5
#define LEAVES_RANGE_END	6
#define LEAVES_SEAL_XID		7
#define LEAVES_SEALED_AT	8
#define LEAVES_FROZEN_AT	9

typedef struct LogKind
{
	const char *name;			/* parent table */
	const char *time_column;	/* what leaves are divided by */
	const char *index_columns;	/* the one index of a leaf */
	const char *with;			/* its storage parameters */
} LogKind;

static const LogKind log_kinds[EB_NLOGS] = {
	[EB_LOG_EVENTS] = {"event_log", "ingested_at", "xid",
	"autovacuum_enabled = off, toast.autovacuum_enabled = off"},
	[EB_LOG_DELIVERIES] = {"deliveries", "routed_at", "target_id, last_seq",
	"autovacuum_enabled = off"},
	[EB_LOG_DEAD_LETTERS] = {"dead_letters", "dead_lettered_at", "target_id",
	"fillfactor = 100"},
};

/* The registry of one generation, as this process knows it. */
typedef struct Registry
{
	MemoryContext context;		/* of leaves; child of CacheMemoryContext */
	bool		valid;
	Oid			log_oid;		/* eventbus.event_log when it was read */
	int32		generation;
	Oid			roots[EB_NLOGS];	/* subtree roots, to hear of changes */
	EbLeafArray logs[EB_NLOGS];
} Registry;

static Registry registry;

static void load_registry(Oid log_oid);
static int32 find_generation(Oid log_oid, Snapshot snapshot);
static void read_leaves(Snapshot snapshot);
static void add_leaf(TupleTableSlot *slot);
static int	compare_leaves(const void *a, const void *b);
static void registry_invalidated(Datum arg, Oid relid);
static const EbLeaf *leaf_to_append(EbLog log, TimestampTz *at);
static int	make_leaves_of(EbLog log, TimestampTz now, bool dry_run);
static int	make_all_leaves(bool dry_run);
static char *free_leaf_name(const LogKind *kind, int32 generation,
							TimestampTz start);
static void make_leaf(EbLog log, TimestampTz start, TimestampTz end);
static void make_cursor(int32 generation);
static void make_root(EbLog log, int32 generation);
static int64 leaf_width(EbLog log);
static TimestampTz floor_to(TimestampTz at, int64 width);
static char *utc_text(TimestampTz at, const char *format);
static void run_utility(const char *sql);

/* --- lookups ------------------------------------------------------------ */

Oid
eb_relation_oid(const char *name)
{
	Oid			schema = get_namespace_oid(EB_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* Reads the registry if it is stale. False when there is no generation. */
static bool
registry_ready(void)
{
	Oid			log_oid = eb_relation_oid("event_log");

	if (!OidIsValid(log_oid))
		return false;
	if (!registry.valid || registry.log_oid != log_oid)
		load_registry(log_oid);
	return registry.generation != 0;
}

int32
eb_generation(void)
{
	return registry_ready() ? registry.generation : 0;
}

const EbLeafArray *
eb_leaves(EbLog log)
{
	static const EbLeafArray none = {0, NULL};

	return registry_ready() ? &registry.logs[log] : &none;
}

const EbLeaf *
eb_leaf_by_id(EbLog log, int32 leaf_id)
{
	const EbLeafArray *array = eb_leaves(log);

	/* newest first: that is where most references lead */
	for (int i = array->nleaves - 1; i >= 0; i--)
		if (array->leaves[i].leaf_id == leaf_id)
			return &array->leaves[i];
	return NULL;
}

Oid
eb_leaf_for(EbLog log, TimestampTz at)
{
	const EbLeaf *leaf = leaf_to_append(log, &at);

	return leaf ? leaf->relid : InvalidOid;
}

Relation
eb_leaf_open(EbLog log, TimestampTz *at)
{
	for (;;)
	{
		const EbLeaf *leaf = leaf_to_append(log, at);
		Oid			relid;
		Relation	rel;

		if (leaf == NULL)
			return NULL;

		/* The lock takes in invalidations: look whether it still holds. */
		relid = leaf->relid;
		rel = try_table_open(relid, RowExclusiveLock);
		leaf = leaf_to_append(log, at);
		if (rel != NULL && leaf != NULL && leaf->relid == relid)
			return rel;
		if (rel != NULL)
			table_close(rel, RowExclusiveLock);
	}
}

Relation
eb_leaf_open_or_make(EbLog log, TimestampTz *at)
{
	Relation	leaf = eb_leaf_open(log, at);

	if (leaf == NULL)
	{
		(void) eb_make_leaves();
		leaf = eb_leaf_open(log, at);
	}
	if (leaf == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no partition of table \"%s\" for the current time",
						log_kinds[log].name),
				 errdetail("The time is %s.", timestamptz_to_str(*at)),
				 errhint("Check the system clock.")));
	return leaf;
}

/* The leaf for *at, or the first one after it if that one is sealed. */
static const EbLeaf *
leaf_to_append(EbLog log, TimestampTz *at)
{
	const EbLeafArray *array = eb_leaves(log);
	int			low = 0;
	int			high = array->nleaves;

	/* first leaf that ends after *at */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (array->leaves[middle].range_end > *at)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == array->nleaves || array->leaves[low].range_start > *at)
		return NULL;
	while (low < array->nleaves && array->leaves[low].sealed)
		low++;
	if (low == array->nleaves)
		return NULL;
	*at = Max(*at, array->leaves[low].range_start);
	return &array->leaves[low];
}

Relation
eb_leaf_index(Relation leaf, int ncolumns, const AttrNumber *columns)
{
	List	   *oids = RelationGetIndexList(leaf);
	ListCell   *cell;

	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_rel->relam == BTREE_AM_OID &&
			index->rd_index->indisvalid &&
			index->rd_index->indnatts == ncolumns &&
			memcmp(index->rd_index->indkey.values, columns,
				   sizeof(AttrNumber) * ncolumns) == 0 &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		{
			list_free(oids);
			return index;
		}
		index_close(index, AccessShareLock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("partition \"%s\" lacks the index that eventbus made for it",
					RelationGetRelationName(leaf)),
			 errhint("Create a btree index on column \"%s\"%s.",
					 get_attname(RelationGetRelid(leaf), columns[0], false),
					 ncolumns > 1 ? " and the other columns it had" : "")));
}

/* --- the registry in memory --------------------------------------------- */

static void
load_registry(Oid log_oid)
{
	static bool registered = false;
	Snapshot	snapshot;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(registry_invalidated, (Datum) 0);
		registered = true;
	}
	if (registry.context == NULL)
		registry.context = AllocSetContextCreate(CacheMemoryContext,
												 "eventbus leaves",
												 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(registry.context);
	memset(registry.logs, 0, sizeof(registry.logs));
	registry.log_oid = log_oid;

	/* An invalidation that arrives while reading makes it stale again. */
	registry.valid = true;
	PG_TRY();
	{
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		registry.generation = find_generation(log_oid, snapshot);
		if (registry.generation != 0)
			read_leaves(snapshot);
		UnregisterSnapshot(snapshot);
	}
	PG_CATCH();
	{
		registry.valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* The generation that this cluster started with that event_log; 0: none. */
static int32
find_generation(Oid log_oid, Snapshot snapshot)
{
	Relation	rel = table_open(eb_relation_oid("generations"),
								 AccessShareLock);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	int32		generation = 0;
	Datum	   *values;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		values = slot->tts_values;
		if (DatumGetInt64(values[GENERATIONS_SYSTEM_IDENTIFIER - 1]) ==
			(int64) GetSystemIdentifier() &&
			DatumGetObjectId(values[GENERATIONS_LOG_OID - 1]) == log_oid)
			generation =
				DatumGetInt32(values[GENERATIONS_GENERATION - 1]);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return generation;
}

static void
read_leaves(Snapshot snapshot)
{
	Relation	rel = table_open(eb_relation_oid("leaves"), AccessShareLock);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		add_leaf(slot);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	table_close(rel, AccessShareLock);

	for (int log = 0; log < EB_NLOGS; log++)
	{
		char		root[NAMEDATALEN];

		if (registry.logs[log].nleaves > 1)
			qsort(registry.logs[log].leaves, registry.logs[log].nleaves,
				  sizeof(EbLeaf), compare_leaves);
		snprintf(root, sizeof(root), "%s_%08x", log_kinds[log].name,
				 (uint32) registry.generation);
		registry.roots[log] = eb_relation_oid(root);
	}
}

/* Adds a row of eventbus.leaves, if it is of our generation and attached. */
static void
add_leaf(TupleTableSlot *slot)
{
	EbLeafArray *array = NULL;
	EbLeaf	   *leaf;
	char	   *parent;
	char	   *name;
	Oid			relid;

	slot_getallattrs(slot);
	if (DatumGetInt32(slot->tts_values[LEAVES_GENERATION - 1]) !=
		registry.generation)
		return;
	parent = TextDatumGetCString(slot->tts_values[LEAVES_PARENT - 1]);
	for (int log = 0; log < EB_NLOGS; log++)
		if (strcmp(parent, log_kinds[log].name) == 0)
			array = &registry.logs[log];
	name = TextDatumGetCString(slot->tts_values[LEAVES_NAME - 1]);
	relid = eb_relation_oid(name);
	if (array == NULL || !OidIsValid(relid) || !get_rel_relispartition(relid))
		return;

	if (array->leaves == NULL)
		array->leaves = MemoryContextAlloc(registry.context,
										   16 * sizeof(EbLeaf));
	else if (array->nleaves >= 16 &&
			 (array->nleaves & (array->nleaves - 1)) == 0)
		array->leaves = repalloc(array->leaves,
								 2 * array->nleaves * sizeof(EbLeaf));
	leaf = &array->leaves[array->nleaves++];
	leaf->leaf_id = DatumGetInt32(slot->tts_values[LEAVES_LEAF_ID - 1]);
	leaf->relid = relid;
	leaf->range_start =
		DatumGetTimestampTz(slot->tts_values[LEAVES_RANGE_START - 1]);
	leaf->range_end =
		DatumGetTimestampTz(slot->tts_values[LEAVES_RANGE_END - 1]);
	leaf->seal_xid = InvalidFullTransactionId;
	if (!slot->tts_isnull[LEAVES_SEAL_XID - 1])
		leaf->seal_xid.value =
			DatumGetUInt64(slot->tts_values[LEAVES_SEAL_XID - 1]);
	leaf->sealed = !slot->tts_isnull[LEAVES_SEALED_AT - 1];
	leaf->frozen = !slot->tts_isnull[LEAVES_FROZEN_AT - 1];
}

static int
compare_leaves(const void *a, const void *b)
{
	TimestampTz left = ((const EbLeaf *) a)->range_start;
	TimestampTz right = ((const EbLeaf *) b)->range_start;

	return left < right ? -1 : left > right ? 1 : 0;
}

static void
registry_invalidated(Datum arg, Oid relid)
{
	if (!registry.valid)
		return;
	if (!OidIsValid(relid) || relid == registry.log_oid)
		registry.valid = false;
	for (int log = 0; log < EB_NLOGS; log++)
		if (relid == registry.roots[log])
			registry.valid = false;
}

void
eb_leaves_changed(void)
{
	if (registry_ready())
		CacheInvalidateRelcacheByRelid(registry.roots[EB_LOG_EVENTS]);
}

/* --- making generations and leaves -------------------------------------- */

PG_FUNCTION_INFO_V1(eventbus_start_generation);

/*
 * eventbus.start_generation(): called by the install script. Gives this
 * cluster's log its number, subtrees, first leaves and cursor. What it makes
 * is not a member of the extension, so that a dump carries it.
 */
Datum
eventbus_start_generation(PG_FUNCTION_ARGS)
{
	Oid			log_oid = eb_relation_oid("event_log");
	uint64		seed = GetSystemIdentifier() ^ ((uint64) log_oid << 32) ^
		(uint64) GetCurrentTimestamp();
	int32		generation;
	bool		in_script = creating_extension;

	generation = (int32) (hash_bytes_extended((unsigned char *) &seed,
											  sizeof(seed), 0) & 0x7fffffff);
	generation = Max(generation, 1);

	creating_extension = false;
	PG_TRY();
	{
		SPI_connect();
		run_utility(psprintf("INSERT INTO eventbus.generations"
							 " (generation, system_identifier, log_oid)"
							 " VALUES (%d, " INT64_FORMAT ", %u)",
							 generation, (int64) GetSystemIdentifier(),
							 log_oid));
		make_cursor(generation);
		for (int log = 0; log < EB_NLOGS; log++)
			make_root(log, generation);
		SPI_finish();
		registry.valid = false;
		(void) eb_make_leaves();
	}
	PG_FINALLY();
	{
		creating_extension = in_script;
	}
	PG_END_TRY();
	PG_RETURN_INT32(generation);
}

/*
 * The first cursor. Whatever runs now, this transaction and older ones too,
 * may put events into the new log: all of it counts as not yet routed.
 */
static void
make_cursor(int32 generation)
{
	run_utility(psprintf("INSERT INTO eventbus.router_cursor"
						 " SELECT %d, pg_catalog.format('%%s:%%s:', x, x)"
						 "::pg_catalog.pg_snapshot, NULL, 0, 0, 0,"
						 " pg_catalog.clock_timestamp()"
						 " FROM pg_catalog.pg_snapshot_xmin("
						 "pg_catalog.pg_current_snapshot()) AS x", generation));
}

/* Makes the root of a log's subtree for one generation. */
static void
make_root(EbLog log, int32 generation)
{
	const LogKind *kind = &log_kinds[log];

	run_utility(psprintf("CREATE TABLE eventbus.%s_%08x PARTITION OF eventbus.%s"
						 " FOR VALUES IN (%d) PARTITION BY RANGE (%s)",
						 kind->name, (uint32) generation, kind->name,
						 generation, kind->time_column));
	run_utility(psprintf("REVOKE ALL ON eventbus.%s_%08x FROM PUBLIC",
						 kind->name, (uint32) generation));
}

int
eb_make_leaves(void)
{
	EbSavedUser saved;
	int			made = 0;

	/* most of the time there is nothing to make: then take no lock */
	if (!registry_ready() || make_all_leaves(true) == 0)
		return 0;
	saved = eb_owner_enter();

	/* one maker at a time; then see what the one before us made */
	LockRelationOid(eb_relation_oid("leaves"), ShareUpdateExclusiveLock);
	SPI_connect();
	made = make_all_leaves(false);
	SPI_finish();
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
	TimestampTz until = floor_to(now, width) +
		width * (eb_guc_leaves_ahead + 1);
	int			made = 0;

	while (at < until)
	{
		const EbLeafArray *array = eb_leaves(log);
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
		{
			make_leaf(log, at, end);
			CommandCounterIncrement();
		}
		at = end;
	}
	return made;
}

/*
 * A name that says what the leaf holds. It may be taken by a leaf that was
 * detached and kept: then a number is added.
 */
static char *
free_leaf_name(const LogKind *kind, int32 generation, TimestampTz start)
{
	char	   *base = psprintf("%s_%08x_%s", kind->name, (uint32) generation,
								utc_text(start, "YYYYMMDD_HH24MI"));
	char	   *name = base;

	for (int i = 2; OidIsValid(eb_relation_oid(name)); i++)
		name = psprintf("%s_%d", base, i);
	return name;
}

static void
make_leaf(EbLog log, TimestampTz start, TimestampTz end)
{
	const LogKind *kind = &log_kinds[log];
	int32		generation = registry.generation;
	char	   *name = free_leaf_name(kind, generation, start);
	char	   *start_text = utc_text(start, "YYYY-MM-DD HH24:MI:SS+00");
	char	   *end_text = utc_text(end, "YYYY-MM-DD HH24:MI:SS+00");

	run_utility(psprintf("CREATE TABLE eventbus.%s (LIKE eventbus.%s"
						 " INCLUDING STORAGE) WITH (%s)",
						 name, kind->name, kind->with));
	run_utility(psprintf("REVOKE ALL ON eventbus.%s FROM PUBLIC", name));
	run_utility(psprintf("CREATE INDEX ON eventbus.%s (%s)",
						 name, kind->index_columns));
	run_utility(psprintf("ALTER TABLE eventbus.%s_%08x ATTACH PARTITION"
						 " eventbus.%s FOR VALUES FROM ('%s') TO ('%s')",
						 kind->name, (uint32) generation, name,
						 start_text, end_text));

	/* somebody may have dropped a leaf of that name */
	run_utility(psprintf("DELETE FROM eventbus.leaves"
						 " WHERE name OPERATOR(pg_catalog.=) '%s'", name));
	run_utility(psprintf("INSERT INTO eventbus.leaves"
						 " (parent, generation, name, range_start, range_end)"
						 " VALUES ('%s', %d, '%s', '%s', '%s')",
						 kind->name, generation, name, start_text, end_text));
}

/* Width of a leaf in microseconds; dead letters go by the day at least. */
static int64
leaf_width(EbLog log)
{
	int64		minutes = eb_guc_leaf_width;

	if (log == EB_LOG_DEAD_LETTERS)
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

/* Runs one statement of our own through SPI (the caller is connected). */
static void
run_utility(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql,
			 SPI_result_code_string(result));
}

/* --- the owner's rights ------------------------------------------------- */

EbSavedUser
eb_owner_enter(void)
{
	EbSavedUser saved;
	Relation	rel = table_open(eb_relation_oid("leaves"), AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;

	table_close(rel, AccessShareLock);
	GetUserIdAndSecContext(&saved.userid, &saved.sec_context);
	SetUserIdAndSecContext(owner,
						   saved.sec_context | SECURITY_LOCAL_USERID_CHANGE);
	return saved;
}

void
eb_owner_leave(EbSavedUser saved)
{
	SetUserIdAndSecContext(saved.userid, saved.sec_context);
}
