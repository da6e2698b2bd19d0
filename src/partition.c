/*-------------------------------------------------------------------------
 *
 * partition.c
 *		Generations and leaves of the log, the stream, the dead letters and
 *		what is logged of deliveries, the messages of queues.
 *
 * The parents (eventbus.event_log, deliveries, dead_letter_log, delivery_log,
 * messages) are
 * partitioned by LIST of generation, and each generation by RANGE of time:
 *
 *		event_log -> event_log_GEN -> event_log_GEN_20260131_0000, ...
 *
 * A generation is one life of the log in one database of one cluster, told by
 * the system identifier, the database's OID and the OID of event_log. A log
 * that pg_restore or CREATE DATABASE ... TEMPLATE brought along is of another
 * generation than the one that this database then writes to: its leaves never
 * collide with those made here, in name or in range, and it is left alone
 * (parked) until eb_resume_after_restore() says what is to become of it.
 *
 * Leaves are ordinary tables, registered in eventbus.leaves; how they are made
 * is in partition_make.c. Each process keeps the registry of the generations
 * that are of use in memory. Making or sealing leaves invalidates the relcache
 * entry of the current subtree's root, and with it those copies.
 *
 * A sealed leaf takes no more rows. The one way into a past leaf is a clock
 * that steps back; eb_leaf_open() then moves the row's time on to the next
 * leaf. Since sealing holds a lock that conflicts with RowExclusiveLock until
 * its commit, looking again after the lock is granted is enough. That may take
 * long, so a leaf that is being sealed is not waited for, but passed over, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "partition.h"
#include "partition_registry.h"
#include "schema.h"

/* columns of eventbus.generations */
enum
{
	GENERATIONS_GENERATION = 1,
	GENERATIONS_SYSTEM_IDENTIFIER,
	GENERATIONS_DATABASE_OID,
	GENERATIONS_LOG_OID,
	GENERATIONS_STATE,
	GENERATIONS_CREATED_AT
};

/* columns of eventbus.leaves */
enum
{
	LEAVES_LEAF_ID = 1,
	LEAVES_PARENT,
	LEAVES_GENERATION,
	LEAVES_NAME,
	LEAVES_RANGE_START,
	LEAVES_RANGE_END,
	LEAVES_SEAL_XID,
	LEAVES_SEALED_AT,
	LEAVES_FROZEN_AT
};

const EbLogKind eb_log_kinds[EB_NLOGS] = {
	[EB_LOG_EVENTS] = {"event_log", "ingested_at", "xid",
	"autovacuum_enabled = off, toast.autovacuum_enabled = off"},
	[EB_LOG_DELIVERIES] = {"deliveries", "routed_at", "target_id, last_seq",
	"autovacuum_enabled = off"},
	[EB_LOG_DEAD_LETTERS] = {"dead_letter_log", "dead_lettered_at",
	"target_id", "fillfactor = 100", {"dead_letter_id", "id"}},
	[EB_LOG_ATTEMPTS] = {"delivery_log", "logged_at", "event_id",
	"fillfactor = 100", .ahead = 1},
	[EB_LOG_MESSAGES] = {"messages", "appended_at", "queue_id, number",
	"autovacuum_enabled = off, toast.autovacuum_enabled = off"},
};

/* A generation that is of use: the current one, or one that was resumed. */
typedef struct Generation
{
	int32		generation;
	TimestampTz created_at;
	EbLeafArray logs[EB_NLOGS];
} Generation;

/* The registry as this process knows it. */
typedef struct Registry
{
	MemoryContext context;		/* of what follows; under CacheMemoryContext */
	bool		valid;
	Oid			log_oid;		/* eventbus.event_log when it was read */
	int32		current;		/* 0: none */
	Oid			roots[EB_NLOGS];	/* of the current one's subtrees */
	int			ngenerations;
	Generation *generations;	/* resumed ones by age, the current one last */
	int32	   *numbers;		/* the same, their numbers */
} Registry;

static Registry registry;

typedef void (*RowVisitor) (TupleTableSlot *slot);

static void load_registry(Oid log_oid);
static void visit_rows(const char *table, Snapshot snapshot,
					   RowVisitor visitor);
static void add_generation(TupleTableSlot *slot);
static void sort_generations(void);
static void add_leaf(TupleTableSlot *slot);
static void registry_invalidated(Datum arg, Oid relid);
static const EbLeaf *leaf_to_append(EbLog log, TimestampTz *at);

/* --- lookups ------------------------------------------------------------ */

const char *
eb_log_root(EbLog log, int32 generation)
{
	static char name[NAMEDATALEN];

	snprintf(name, sizeof(name), "%s_%08x", eb_log_kinds[log].name,
			 (uint32) generation);
	return name;
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
	return registry.current != 0;
}

int32
eb_generation(void)
{
	return registry_ready() ? registry.current : 0;
}

int
eb_generations(const int32 **generations)
{
	if (!registry_ready())
		return 0;
	*generations = registry.numbers;
	return registry.ngenerations;
}

const EbLeafArray *
eb_leaves(int32 generation, EbLog log)
{
	static const EbLeafArray none = {0, NULL};

	if (!registry_ready())
		return &none;
	for (int i = registry.ngenerations - 1; i >= 0; i--)
		if (registry.generations[i].generation == generation)
			return &registry.generations[i].logs[log];
	return &none;
}

const EbLeaf *
eb_leaf_by_id(int32 generation, EbLog log, int32 leaf_id)
{
	const EbLeafArray *array = eb_leaves(generation, log);

	/* newest first: that is where most references lead */
	for (int i = array->nleaves - 1; i >= 0; i--)
		if (array->leaves[i].leaf_id == leaf_id)
			return &array->leaves[i];
	return NULL;
}

/* --- opening ------------------------------------------------------------ */

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
		(void) eb_make_leaves(true);
		leaf = eb_leaf_open(log, at);
	}
	if (leaf == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no partition of table \"%s\" for the current time",
						eb_log_kinds[log].name),
				 errdetail("The time is %s.", timestamptz_to_str(*at)),
				 errhint("Check the system clock.")));
	return leaf;
}

Relation
eb_leaf_open_restored(int32 generation, EbLog log, TimestampTz *at)
{
	const EbLeafArray *array = eb_leaves(generation, log);
	const EbLeaf *leaf = NULL;

	for (int i = 0; i < array->nleaves; i++)
	{
		leaf = &array->leaves[i];
		if (*at < leaf->range_end)
			break;
	}
	if (leaf == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("restored log has no partition of table \"%s\"",
						eb_log_kinds[log].name)));
	*at = Max(Min(*at, leaf->range_end - 1), leaf->range_start);
	return table_open(leaf->relid, RowExclusiveLock);
}

/* Does it take rows, and without having us wait until it is sealed? */
static bool
is_open(const EbLeaf *leaf)
{
	if (leaf->sealed)
		return false;
	return !FullTransactionIdIsValid(leaf->seal_xid) ||
		ConditionalLockRelationOid(leaf->relid, RowExclusiveLock);
}

/* The leaf for *at, or the first one after it if that one is not open. */
static const EbLeaf *
leaf_to_append(EbLog log, TimestampTz *at)
{
	const EbLeafArray *array = eb_leaves(eb_generation(), log);
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
	while (low < array->nleaves && !is_open(&array->leaves[low]))
		low++;
	if (low == array->nleaves)
		return NULL;
	*at = Max(*at, array->leaves[low].range_start);
	return &array->leaves[low];
}

/* Is it a plain, valid btree index on just these columns? */
static bool
is_index_on(Relation index, int ncolumns, const AttrNumber *columns)
{
	return index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_index->indisvalid &&
		index->rd_index->indnatts == ncolumns &&
		memcmp(index->rd_index->indkey.values, columns,
			   sizeof(AttrNumber) * ncolumns) == 0 &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

Relation
eb_leaf_index(Relation leaf, int ncolumns, const AttrNumber *columns,
			  bool missing_ok)
{
	List	   *oids = RelationGetIndexList(leaf);
	ListCell   *cell;

	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (is_index_on(index, ncolumns, columns))
		{
			list_free(oids);
			return index;
		}
		index_close(index, AccessShareLock);
	}
	if (!missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("partition \"%s\" lacks the index that eventbus made for it",
						RelationGetRelationName(leaf)),
				 errhint("Create a btree index on column \"%s\"%s.",
						 get_attname(RelationGetRelid(leaf), columns[0],
									 false),
						 ncolumns > 1 ? " and the other columns it had" : "")));
	return NULL;
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
	registry.log_oid = log_oid;
	registry.current = 0;
	registry.ngenerations = 0;
	registry.generations = NULL;

	/* An invalidation that arrives while reading makes it stale again. */
	registry.valid = true;
	PG_TRY();
	{
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		visit_rows("generations", snapshot, add_generation);
		sort_generations();
		visit_rows("leaves", snapshot, add_leaf);
		UnregisterSnapshot(snapshot);
	}
	PG_CATCH();
	{
		registry.valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
visit_rows(const char *table, Snapshot snapshot, RowVisitor visitor)
{
	Relation	rel = table_open(eb_relation_oid(table), AccessShareLock);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		visitor(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Adds a row of eventbus.generations, if it is ours or was resumed. */
static void
add_generation(TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;
	char	   *state = TextDatumGetCString(values[GENERATIONS_STATE - 1]);
	Generation *generation;
	int64		system;
	Oid			database;
	Oid			log;
	bool		ours;

	system = DatumGetInt64(values[GENERATIONS_SYSTEM_IDENTIFIER - 1]);
	database = DatumGetObjectId(values[GENERATIONS_DATABASE_OID - 1]);
	log = DatumGetObjectId(values[GENERATIONS_LOG_OID - 1]);
	ours = strcmp(state, "active") == 0 &&
		system == (int64) GetSystemIdentifier() &&
		database == MyDatabaseId && log == registry.log_oid;
	if (!ours && strcmp(state, "resumed") != 0)
		return;

	/* there are few of them: one more each time */
	if (registry.generations == NULL)
		registry.generations = MemoryContextAlloc(registry.context,
												  sizeof(Generation));
	else
		registry.generations = repalloc(registry.generations,
										(registry.ngenerations + 1) *
										sizeof(Generation));
	generation = &registry.generations[registry.ngenerations++];
	memset(generation, 0, sizeof(Generation));
	generation->generation =
		DatumGetInt32(values[GENERATIONS_GENERATION - 1]);
	generation->created_at =
		DatumGetTimestampTz(values[GENERATIONS_CREATED_AT - 1]);
	if (ours)
		registry.current = generation->generation;
}

static int
compare_generations(const void *a, const void *b)
{
	const Generation *left = a;
	const Generation *right = b;
	bool		left_last = left->generation == registry.current;
	bool		right_last = right->generation == registry.current;

	if (left_last != right_last)
		return left_last ? 1 : -1;
	return left->created_at < right->created_at ? -1 :
		left->created_at > right->created_at ? 1 : 0;
}

/* Puts the generations in order, and notes the roots of the current one. */
static void
sort_generations(void)
{
	if (registry.ngenerations > 1)
		qsort(registry.generations, registry.ngenerations,
			  sizeof(Generation), compare_generations);
	registry.numbers = MemoryContextAlloc(registry.context, sizeof(int32) *
										  Max(registry.ngenerations, 1));
	for (int i = 0; i < registry.ngenerations; i++)
		registry.numbers[i] = registry.generations[i].generation;
	for (int log = 0; log < EB_NLOGS; log++)
		registry.roots[log] = eb_relation_oid(eb_log_root(log,
														  registry.current));
}

/* The array that a row of eventbus.leaves belongs to; NULL: none of ours. */
static EbLeafArray *
array_of_leaf(int32 generation, const char *parent)
{
	for (int i = 0; i < registry.ngenerations; i++)
	{
		if (registry.generations[i].generation != generation)
			continue;
		for (int log = 0; log < EB_NLOGS; log++)
			if (strcmp(parent, eb_log_kinds[log].name) == 0)
				return &registry.generations[i].logs[log];
	}
	return NULL;
}

/* Makes room for one more leaf at the place where its start belongs. */
static EbLeaf *
insert_leaf(EbLeafArray *array, TimestampTz range_start)
{
	int			at = array->nleaves;

	if (array->leaves == NULL)
		array->leaves = MemoryContextAlloc(registry.context,
										   16 * sizeof(EbLeaf));
	else if (array->nleaves >= 16 &&
			 (array->nleaves & (array->nleaves - 1)) == 0)
		array->leaves = repalloc(array->leaves,
								 2 * array->nleaves * sizeof(EbLeaf));
	while (at > 0 && array->leaves[at - 1].range_start > range_start)
		at--;
	memmove(&array->leaves[at + 1], &array->leaves[at],
			(array->nleaves - at) * sizeof(EbLeaf));
	array->nleaves++;
	return &array->leaves[at];
}

/* Adds a row of eventbus.leaves, if its generation is known and it exists. */
static void
add_leaf(TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;
	EbLeafArray *array;
	EbLeaf	   *leaf;
	Oid			relid;

	array = array_of_leaf(DatumGetInt32(values[LEAVES_GENERATION - 1]),
						  TextDatumGetCString(values[LEAVES_PARENT - 1]));
	relid = eb_relation_oid(TextDatumGetCString(values[LEAVES_NAME - 1]));
	if (array == NULL || !OidIsValid(relid) || !get_rel_relispartition(relid))
		return;

	leaf = insert_leaf(array,
					   DatumGetTimestampTz(values[LEAVES_RANGE_START - 1]));
	leaf->leaf_id = DatumGetInt32(values[LEAVES_LEAF_ID - 1]);
	leaf->relid = relid;
	leaf->range_start = DatumGetTimestampTz(values[LEAVES_RANGE_START - 1]);
	leaf->range_end = DatumGetTimestampTz(values[LEAVES_RANGE_END - 1]);
	leaf->seal_xid = InvalidFullTransactionId;
	if (!isnull[LEAVES_SEAL_XID - 1])
		leaf->seal_xid.value = DatumGetUInt64(values[LEAVES_SEAL_XID - 1]);
	leaf->sealed = !isnull[LEAVES_SEALED_AT - 1];
	leaf->frozen = !isnull[LEAVES_FROZEN_AT - 1];
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
	if (OidIsValid(eb_relation_oid("event_log")))
		CacheInvalidateRelcacheByRelid(eb_relation_oid("event_log"));
}
