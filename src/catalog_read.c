/*-------------------------------------------------------------------------
 *
 * catalog_read.c
 *		Reads buses, rules and targets into a cache.
 *
 * Sequential scans of the tables under one snapshot, the latest one: a cache
 * lives longer than a transaction's snapshot, and a change that has committed
 * must count at once also in a REPEATABLE READ transaction. Changes of this
 * transaction are seen from the next command on. No SPI: this runs in the
 * middle of puts and in workers, with any user and any search path.
 *
 * Columns are found by name, so that the library also runs with tables of a
 * version of the extension that has more of them. Rows that do not fit
 * together (a target without its rule, a rule without its bus) are left out:
 * that is what a restore looks like while it runs.
 *
 * Locks: AccessShareLock on the tables while they are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog_read.h"
#include "eventbus.h"
#include "partition.h"
#include "schema.h"

/* What is read of each table, in the order that its *_row function takes. */
static const char *const bus_columns[] = {
	"bus_id", "name", "deleted_at", NULL
};
static const char *const rule_columns[] = {
	"rule_id", "bus_id", "name", "owner", NULL
};
static const char *const target_columns[] = {
	"target_id", "rule_id", "id", "type", "resource", "parameters",
	"paused_at", "search_path", NULL
};

#define MAX_COLUMNS	8

typedef void (*RowFunction) (EbCatalog *catalog, const Datum *values,
							 const bool *nulls);


/* ----- hash tables ----- */

static uint32
hash_name(const void *key, Size keysize)
{
	const EbNameKey *name = (const EbNameKey *) key;

	return hash_bytes((const unsigned char *) name->data, name->len);
}

static int
match_names(const void *key1, const void *key2, Size keysize)
{
	const EbNameKey *a = (const EbNameKey *) key1;
	const EbNameKey *b = (const EbNameKey *) key2;

	return a->len == b->len ? memcmp(a->data, b->data, a->len) : 1;
}

static HTAB *
make_name_table(MemoryContext context)
{
	HASHCTL		ctl = {
		.keysize = sizeof(EbNameKey),
		.entrysize = sizeof(EbBusNameItem),
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
bus_row(EbCatalog *catalog, const Datum *values, const bool *nulls)
{
	int32		bus_id = DatumGetInt32(values[0]);
	EbBusItem  *bus = hash_search(catalog->buses, &bus_id, HASH_ENTER, NULL);
	EbBusNameItem *named;
	EbNameKey	key;

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
rule_row(EbCatalog *catalog, const Datum *values, const bool *nulls)
{
	int32		bus_id = DatumGetInt32(values[1]);
	EbBusItem  *bus = hash_search(catalog->buses, &bus_id, HASH_FIND, NULL);
	EbRuleItem *entry;
	EbRule	   *rule;

	if (bus == NULL || bus->deleted)
		return;

	rule = palloc0(sizeof(EbRule));
	rule->rule_id = DatumGetInt32(values[0]);
	rule->bus_id = bus_id;
	rule->name = TextDatumGetCString(values[2]);
	rule->bus_name = bus->name;
	rule->owner = TextDatumGetCString(values[3]);

	entry = hash_search(catalog->rules_by_id, &rule->rule_id, HASH_ENTER,
						NULL);
	entry->rule = rule;
}

static void
target_row(EbCatalog *catalog, const Datum *values, const bool *nulls)
{
	int32		rule_id = DatumGetInt32(values[1]);
	EbRuleItem *rule = hash_search(catalog->rules_by_id, &rule_id, HASH_FIND,
								   NULL);
	EbTargetItem *entry;
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
	target->paused = !nulls[6];
	target->search_path = TextDatumGetCString(values[7]);

	entry = hash_search(catalog->targets, &target->target_id, HASH_ENTER,
						NULL);
	entry->target = target;
}

static const struct
{
	const char *name;
	const char *const *columns;
	RowFunction row;
}			catalog_tables[EB_CATALOG_NTABLES] = {
	[EB_BUS_TABLE] = {"event_bus", bus_columns, bus_row},
	[EB_RULE_TABLE] = {"rule", rule_columns, rule_row},
	[EB_TARGET_TABLE] = {"target", target_columns, target_row},
};

/* Reads one table; memory of the rows goes to the catalog's context. */
static void
read_table(EbCatalog *catalog, EbCatalogTable table, Relation rel,
		   Snapshot snapshot)
{
	const char *const *columns = catalog_tables[table].columns;
	AttrNumber	attnums[MAX_COLUMNS];
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	int			ncolumns = 0;

	for (; columns[ncolumns] != NULL; ncolumns++)
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
		catalog_tables[table].row(catalog, values, nulls);
		MemoryContextSwitchTo(caller);
	}

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* An empty catalog in a context that dies with the transaction. */
static EbCatalog *
make_catalog(void)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext,
												  "eventbus catalog",
												  ALLOCSET_DEFAULT_SIZES);
	EbCatalog  *catalog = MemoryContextAllocZero(context, sizeof(EbCatalog));
	int32		default_id = EB_DEFAULT_BUS_ID;
	EbBusItem  *bus;

	catalog->context = context;
	catalog->buses_by_name = make_name_table(context);
	catalog->buses = make_number_table(context, "eventbus buses",
									   sizeof(EbBusItem));
	catalog->rules_by_id = make_number_table(context, "eventbus rules",
											 sizeof(EbRuleItem));
	catalog->targets = make_number_table(context, "eventbus targets",
										 sizeof(EbTargetItem));

	bus = hash_search(catalog->buses, &default_id, HASH_ENTER, NULL);
	bus->name = EB_DEFAULT_BUS_NAME;
	bus->deleted = false;
	return catalog;
}

/* Opens a table whatever the caller's rights on schema and table. */
Relation
eb_catalog_open_table(EbCatalogTable table, Oid *oid)
{
	const char *name = catalog_tables[table].name;

	*oid = eb_relation_oid(name);
	if (!OidIsValid(*oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", EB_SCHEMA, name)));
	return table_open(*oid, AccessShareLock);
}

EbCatalog *
eb_catalog_read(int ntables, Oid *oids, const uint64 *invalidations)
{
	EbCatalog  *catalog = make_catalog();
	Relation	rels[EB_CATALOG_NTABLES];
	Snapshot	snapshot;

	for (int i = 0; i < ntables; i++)
		rels[i] = eb_catalog_open_table(i, &oids[i]);

	/* whatever is counted from here on, the snapshot may not have seen */
	catalog->ntables = ntables;
	memcpy(catalog->invalidations, invalidations,
		   sizeof(catalog->invalidations));
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int i = 0; i < ntables; i++)
		read_table(catalog, i, rels[i], snapshot);
	UnregisterSnapshot(snapshot);

	for (int i = 0; i < ntables; i++)
		table_close(rels[i], AccessShareLock);

	return catalog;
}
