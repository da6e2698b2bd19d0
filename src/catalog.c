/*-------------------------------------------------------------------------
 *
 * catalog.c
 *		The cache of buses, rules and targets that every process keeps.
 *
 * The three tables are small and read all the time (each put resolves a bus),
 * so a process reads them whole into one memory context, a child of
 * CacheMemoryContext, and hands out pointers into it. There are two caches: of
 * buses alone, which is all that publishers need, and of everything. Thousands
 * of rules then cost a publisher nothing, nor does a change of one.
 *
 * Reading: sequential scans of the three tables under one snapshot, the latest
 * one: a cache lives longer than a transaction's snapshot, and a change that
 * has committed must count at once also in a REPEATABLE READ transaction.
 * Changes of this transaction are seen from the next command on. Columns are
 * found by name, so that the library also runs with tables of a version of
 * the extension that has more of them. Rows that do not fit together (a target
 * without its rule, a rule without its bus) are left out: that is what a
 * restore looks like while it runs.
 *
 * Invalidation: a statement trigger on each table (eventbus_catalog_changed)
 * sends a relcache invalidation for it. Here a callback counts those; a cache
 * is current while the counts of the tables that it was read from are what they
 * were before its snapshot was taken.
 * Counting works at any moment, also while a cache is being built: a change
 * that the snapshot did not see sends its message after the snapshot was
 * taken. Each access takes in pending messages (cheap when there are none),
 * since a put opens no relation that would do so.
 *
 * Memory: what a caller got must stay valid until its transaction ends or a
 * command counter increment, so a cache that is replaced is retired to a
 * context under TopTransactionContext. Long transactions that change and use
 * the catalog in turn would pile caches up there; those retired by earlier
 * commands are freed when another one is. Background workers, which run user
 * code (triggers) while they hold pointers, keep them until the end.
 *
 * Locks: AccessShareLock on the three tables while they are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "arn.h"
#include "catalog.h"
#include "eventbus.h"
#include "partition.h"
#include "wake.h"

#define MAX_COLUMNS	8

/* A cache is read from the first one, or from all of them. */
typedef enum CatalogTable
{
	BUS_TABLE,
	RULE_TABLE,
	TARGET_TABLE,
	NUM_TABLES
} CatalogTable;

#define ONLY_BUSES	1
#define EVERYTHING	NUM_TABLES

/* What is read of each table; the *_row functions take it in this order. */
static const struct
{
	const char *name;
	const char *columns[MAX_COLUMNS];
}			catalog_tables[NUM_TABLES] = {
	[BUS_TABLE] = {"event_bus", {"bus_id", "name", "deleted_at"}},
	[RULE_TABLE] = {"rule", {"rule_id", "bus_id", "name", "owner", "state",
	"event_pattern"}},
	[TARGET_TABLE] = {"target", {"target_id", "rule_id", "id", "type",
	"resource", "parameters"}},
};

/* A name that need not end in a zero byte: the key of buses_by_name. */
typedef struct NameKey
{
	const char *data;
	Size		len;
} NameKey;

typedef struct BusNameItem
{
	NameKey		key;
	int32		bus_id;
} BusNameItem;

typedef struct BusItem
{
	int32		bus_id;
	const char *name;
	bool		deleted;
} BusItem;

typedef struct RuleItem
{
	int32		rule_id;
	EbRule	   *rule;
} RuleItem;

typedef struct TargetItem
{
	int32		target_id;
	EbTarget   *target;
} TargetItem;

typedef struct Catalog
{
	MemoryContext context;		/* holds everything, this struct too */
	int			ntables;		/* ONLY_BUSES or EVERYTHING */
	uint64		invalidations[NUM_TABLES];	/* before the snapshot was taken */
	HTAB	   *buses_by_name;	/* of BusNameItem; not deleted ones */
	HTAB	   *buses;			/* of BusItem, by bus_id; deleted ones too */
	HTAB	   *rules_by_id;	/* of RuleItem */
	HTAB	   *targets;		/* of TargetItem, by target_id */
	List	   *rules;			/* of EbRule *, by bus_id, rule_id */
} Catalog;

typedef void (*RowFunction) (Catalog *catalog, const Datum *values,
							 const bool *nulls);

static Catalog *buses_only = NULL;
static Catalog *everything = NULL;
static uint64 version = 0;		/* of everything */

/* Counted by the callback, for each table. */
static uint64 invalidations[NUM_TABLES];
static Oid	table_oids[NUM_TABLES];

/* Replaced caches of this transaction, and when the last one came there. */
static MemoryContext retired = NULL;
static CommandId retired_command;

PG_FUNCTION_INFO_V1(eventbus_catalog_changed);


/* ----- invalidation ----- */

/*
 * Statement trigger on the three tables: their caches are out of date, here
 * from the next command on, elsewhere once this transaction has committed.
 * The router is woken then: a target that was mended has its backlog tried.
 */
Datum
eventbus_catalog_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by a trigger")));

	CacheInvalidateRelcacheByRelid(RelationGetRelid(trigger->tg_relation));
	eb_wake_at_commit();
	return PointerGetDatum(NULL);
}

/* Relcache callback: may come at any time, so it does nothing but count. */
static void
count_invalidation(Datum arg, Oid relid)
{
	for (int i = 0; i < NUM_TABLES; i++)
		if (!OidIsValid(relid) || relid == table_oids[i])
			invalidations[i]++;
}


/* ----- hash tables ----- */

static uint32
hash_name(const void *key, Size keysize)
{
	const NameKey *name = (const NameKey *) key;

	return hash_bytes((const unsigned char *) name->data, name->len);
}

static int
match_names(const void *key1, const void *key2, Size keysize)
{
	const NameKey *a = (const NameKey *) key1;
	const NameKey *b = (const NameKey *) key2;

	return a->len == b->len ? memcmp(a->data, b->data, a->len) : 1;
}

static HTAB *
make_name_table(MemoryContext context)
{
	HASHCTL		ctl = {
		.keysize = sizeof(NameKey),
		.entrysize = sizeof(BusNameItem),
		.hash = hash_name,
		.match = match_names,
		.hcxt = context
	};

	return hash_create("eventbus buses by name", 64, &ctl,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
					   HASH_CONTEXT);
}

static HTAB *
make_number_table(MemoryContext context, const char *name, Size entrysize)
{
	HASHCTL		ctl = {
		.keysize = sizeof(int32),
		.entrysize = entrysize,
		.hcxt = context
	};

	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}


/* ----- reading ----- */

static void
bus_row(Catalog *catalog, const Datum *values, const bool *nulls)
{
	int32		bus_id = DatumGetInt32(values[0]);
	BusItem    *bus = hash_search(catalog->buses, &bus_id, HASH_ENTER, NULL);
	BusNameItem *named;
	NameKey		key;

	bus->name = TextDatumGetCString(values[1]);
	bus->deleted = !nulls[2];
	if (bus->deleted)
		return;

	key.data = bus->name;
	key.len = strlen(bus->name);
	named = hash_search(catalog->buses_by_name, &key, HASH_ENTER, NULL);
	named->bus_id = bus_id;
}

static void
rule_row(Catalog *catalog, const Datum *values, const bool *nulls)
{
	int32		bus_id = DatumGetInt32(values[1]);
	BusItem    *bus = hash_search(catalog->buses, &bus_id, HASH_FIND, NULL);
	RuleItem   *entry;
	EbRule	   *rule;

	if (bus == NULL || bus->deleted)
		return;

	rule = palloc0(sizeof(EbRule));
	rule->rule_id = DatumGetInt32(values[0]);
	rule->bus_id = bus_id;
	rule->name = TextDatumGetCString(values[2]);
	rule->bus_name = bus->name;
	rule->owner = TextDatumGetCString(values[3]);
	rule->enabled = strcmp(TextDatumGetCString(values[4]), "DISABLED") != 0;
	rule->event_pattern = nulls[5] ? NULL : DatumGetJsonbPCopy(values[5]);

	entry = hash_search(catalog->rules_by_id, &rule->rule_id, HASH_ENTER,
						NULL);
	entry->rule = rule;
	catalog->rules = lappend(catalog->rules, rule);
}

static void
target_row(Catalog *catalog, const Datum *values, const bool *nulls)
{
	int32		rule_id = DatumGetInt32(values[1]);
	RuleItem   *rule = hash_search(catalog->rules_by_id, &rule_id, HASH_FIND,
								   NULL);
	TargetItem *entry;
	EbTarget   *target;

	if (rule == NULL)
		return;

	target = palloc0(sizeof(EbTarget));
	target->target_id = DatumGetInt32(values[0]);
	target->rule = rule->rule;
	target->id = TextDatumGetCString(values[2]);
	target->type = TextDatumGetCString(values[3]);
	target->resource = nulls[4] ? NULL : TextDatumGetCString(values[4]);
	target->parameters = DatumGetJsonbPCopy(values[5]);

	entry = hash_search(catalog->targets, &target->target_id, HASH_ENTER,
						NULL);
	entry->target = target;
	rule->rule->targets = lappend(rule->rule->targets, target);
}

static const RowFunction row_functions[NUM_TABLES] = {
	[BUS_TABLE] = bus_row,
	[RULE_TABLE] = rule_row,
	[TARGET_TABLE] = target_row,
};

/* Reads one table; memory of the rows goes to the catalog's context. */
static void
read_table(Catalog *catalog, CatalogTable table, Relation rel,
		   Snapshot snapshot)
{
	const char *const *columns = catalog_tables[table].columns;
	AttrNumber	attnums[MAX_COLUMNS];
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	int			ncolumns = 0;

	for (; ncolumns < MAX_COLUMNS && columns[ncolumns] != NULL; ncolumns++)
	{
		attnums[ncolumns] = get_attnum(RelationGetRelid(rel),
									   columns[ncolumns]);
		if (attnums[ncolumns] == InvalidAttrNumber)
			elog(ERROR, "table \"%s\" has no column \"%s\"",
				 RelationGetRelationName(rel), columns[ncolumns]);
	}

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < ncolumns; i++)
			values[i] = slot_getattr(slot, attnums[i], &nulls[i]);

		caller = MemoryContextSwitchTo(catalog->context);
		row_functions[table] (catalog, values, nulls);
		MemoryContextSwitchTo(caller);
	}

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

static int
compare_rules(const ListCell *a, const ListCell *b)
{
	const EbRule *rule1 = (const EbRule *) lfirst(a);
	const EbRule *rule2 = (const EbRule *) lfirst(b);

	if (rule1->bus_id != rule2->bus_id)
		return rule1->bus_id < rule2->bus_id ? -1 : 1;
	return rule1->rule_id < rule2->rule_id ? -1 :
		rule1->rule_id > rule2->rule_id ? 1 : 0;
}

static int
compare_targets(const ListCell *a, const ListCell *b)
{
	int32		id1 = ((const EbTarget *) lfirst(a))->target_id;
	int32		id2 = ((const EbTarget *) lfirst(b))->target_id;

	return id1 < id2 ? -1 : id1 > id2 ? 1 : 0;
}

/* An empty catalog in a context that dies with the transaction. */
static Catalog *
make_catalog(void)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext,
												  "eventbus catalog",
												  ALLOCSET_DEFAULT_SIZES);
	Catalog    *catalog = MemoryContextAllocZero(context, sizeof(Catalog));
	int32		default_id = EB_DEFAULT_BUS_ID;
	BusItem    *bus;

	catalog->context = context;
	catalog->buses_by_name = make_name_table(context);
	catalog->buses = make_number_table(context, "eventbus buses",
									   sizeof(BusItem));
	catalog->rules_by_id = make_number_table(context, "eventbus rules",
											 sizeof(RuleItem));
	catalog->targets = make_number_table(context, "eventbus targets",
										 sizeof(TargetItem));

	bus = hash_search(catalog->buses, &default_id, HASH_ENTER, NULL);
	bus->name = EB_DEFAULT_BUS_NAME;
	bus->deleted = false;
	return catalog;
}

/* Opens a catalog table whatever the caller's rights on schema and table. */
static Relation
open_table(CatalogTable table)
{
	const char *name = catalog_tables[table].name;
	Oid			relid = eb_relation_oid(name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", EB_SCHEMA, name)));
	table_oids[table] = relid;
	return table_open(relid, AccessShareLock);
}

static Catalog *
read_catalog(int ntables)
{
	Catalog    *catalog = make_catalog();
	Relation	rels[NUM_TABLES];
	Snapshot	snapshot;
	ListCell   *lc;

	for (int i = 0; i < ntables; i++)
		rels[i] = open_table(i);

	/* whatever is counted from here on, the snapshot may not have seen */
	catalog->ntables = ntables;
	memcpy(catalog->invalidations, invalidations, sizeof(invalidations));
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int i = 0; i < ntables; i++)
		read_table(catalog, i, rels[i], snapshot);
	UnregisterSnapshot(snapshot);

	for (int i = 0; i < ntables; i++)
		table_close(rels[i], AccessShareLock);

	list_sort(catalog->rules, compare_rules);
	foreach(lc, catalog->rules)
		list_sort(((EbRule *) lfirst(lc))->targets, compare_targets);
	return catalog;
}


/* ----- replacing ----- */

static void
forget_retired(void *arg)
{
	retired = NULL;
}

/* Keeps a replaced cache for as long as a caller may hold pointers into it. */
static void
retire(Catalog *catalog)
{
	CommandId	command = GetCurrentCommandId(false);

	if (retired != NULL && retired_command != command &&
		MyBackendType != B_BG_WORKER)
		MemoryContextDelete(retired);

	if (retired == NULL)
	{
		MemoryContext context = AllocSetContextCreate(TopTransactionContext,
													  "eventbus catalog, replaced",
													  ALLOCSET_SMALL_SIZES);
		MemoryContextCallback *callback;

		callback = MemoryContextAllocZero(context,
										  sizeof(MemoryContextCallback));
		callback->func = forget_retired;
		MemoryContextRegisterResetCallback(context, callback);
		retired = context;
	}
	retired_command = command;
	MemoryContextSetParent(catalog->context, retired);
}

/* Does catalog say what the first ntables tables say? */
static bool
is_current(const Catalog *catalog, int ntables)
{
	return catalog != NULL && catalog->ntables >= ntables &&
		memcmp(catalog->invalidations, invalidations,
			   ntables * sizeof(uint64)) == 0;
}

/*
 * A cache of (at least) the first ntables tables, read (again) if there is
 * none or something has changed.
 */
static Catalog *
get_catalog(int ntables)
{
	static bool registered = false;
	Catalog   **place = ntables == EVERYTHING ? &everything : &buses_only;
	Catalog    *fresh;

	Assert(IsTransactionState());

	if (!registered)
	{
		CacheRegisterRelcacheCallback(count_invalidation, (Datum) 0);
		registered = true;
	}

	AcceptInvalidationMessages();
	if (is_current(everything, ntables))
		return everything;
	if (is_current(*place, ntables))
		return *place;

	fresh = read_catalog(ntables);
	if (*place != NULL)
		retire(*place);
	MemoryContextSetParent(fresh->context, CacheMemoryContext);
	*place = fresh;
	if (ntables == EVERYTHING)
		version++;
	return fresh;
}


/* ----- what others call ----- */

bool
eb_catalog_find_bus(const char *name, int len, int32 *bus_id)
{
	NameKey		key;
	BusNameItem *entry;
	int			bare_len = len;

	key.data = eb_arn_bus_name(name, &bare_len);
	key.len = bare_len;
	if (key.len == sizeof(EB_DEFAULT_BUS_NAME) - 1 &&
		memcmp(key.data, EB_DEFAULT_BUS_NAME, key.len) == 0)
	{
		*bus_id = EB_DEFAULT_BUS_ID;
		return true;
	}

	entry = hash_search(get_catalog(ONLY_BUSES)->buses_by_name, &key,
						HASH_FIND, NULL);
	if (entry == NULL)
		return false;
	*bus_id = entry->bus_id;
	return true;
}

const char *
eb_catalog_bus_name(int32 bus_id)
{
	BusItem    *entry;

	if (bus_id == EB_DEFAULT_BUS_ID)
		return EB_DEFAULT_BUS_NAME;
	entry = hash_search(get_catalog(ONLY_BUSES)->buses, &bus_id, HASH_FIND,
						NULL);
	return entry == NULL ? NULL : entry->name;
}

const EbRule *
eb_catalog_rule(int32 rule_id)
{
	Catalog    *catalog = get_catalog(EVERYTHING);
	RuleItem   *entry = hash_search(catalog->rules_by_id, &rule_id, HASH_FIND,
									NULL);

	return entry == NULL ? NULL : entry->rule;
}

const EbTarget *
eb_catalog_target(int32 target_id)
{
	Catalog    *catalog = get_catalog(EVERYTHING);
	TargetItem *entry = hash_search(catalog->targets, &target_id, HASH_FIND,
									NULL);

	return entry == NULL ? NULL : entry->target;
}

List *
eb_catalog_rules(void)
{
	return get_catalog(EVERYTHING)->rules;
}

uint64
eb_catalog_version(void)
{
	(void) get_catalog(EVERYTHING);
	return version;
}
