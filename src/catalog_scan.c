/*-------------------------------------------------------------------------
 *
 * catalog_scan.c
 *		Rules and targets row by row, for who keeps them in a form of its own.
 *
 * The router has no use for the cache of catalog.c: of a hundred thousand
 * rules it needs the patterns once, when it compiles them, and must not stop
 * to copy them all when one of them has changed. It scans the table and asks
 * for the rows whose version (place and inserting transaction) it does not
 * know; the others cost a look at the head of the tuple.
 *
 * Rows that do not fit together are for the caller to leave out.
 *
 * Locks: AccessShareLock on each table that is read, while it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog_read.h"
#include "catalog_scan.h"

/* columns, in the order that the functions below take them */
static const char *const bus_columns[] = {"bus_id", "deleted_at", NULL};
static const char *const rule_columns[] = {
	"rule_id", "bus_id", "state", "event_pattern", "name",
	"schedule_expression", NULL
};
static const char *const target_columns[] = {"rule_id", "target_id", NULL};

#define MAX_COLUMNS	6

typedef void (*SlotFunction) (TupleTableSlot *slot, const AttrNumber *columns,
							  const EbCatalogVisitor *visitor);

static void scan_table(EbCatalogTable table, const char *const *columns,
					   SlotFunction visit, Snapshot snapshot,
					   const EbCatalogVisitor *visitor);
static void visit_bus(TupleTableSlot *slot, const AttrNumber *columns,
					  const EbCatalogVisitor *visitor);
static void visit_rule(TupleTableSlot *slot, const AttrNumber *columns,
					   const EbCatalogVisitor *visitor);
static void visit_target(TupleTableSlot *slot, const AttrNumber *columns,
						 const EbCatalogVisitor *visitor);

void
eb_catalog_scan(const EbCatalogVisitor *visitor)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	if (visitor->bus != NULL)
		scan_table(EB_BUS_TABLE, bus_columns, visit_bus, snapshot, visitor);
	if (visitor->rule != NULL)
		scan_table(EB_RULE_TABLE, rule_columns, visit_rule, snapshot,
				   visitor);
	if (visitor->target != NULL)
		scan_table(EB_TARGET_TABLE, target_columns, visit_target, snapshot,
				   visitor);
	UnregisterSnapshot(snapshot);
}

static void
scan_table(EbCatalogTable table, const char *const *columns,
		   SlotFunction visit, Snapshot snapshot,
		   const EbCatalogVisitor *visitor)
{
	Oid			oid;
	Relation	rel = eb_catalog_open_table(table, &oid);
	AttrNumber	attnums[MAX_COLUMNS];
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);

	for (int i = 0; columns[i] != NULL; i++)
	{
		attnums[i] = get_attnum(oid, columns[i]);
		if (attnums[i] == InvalidAttrNumber)
			elog(ERROR, "table \"%s\" has no column \"%s\"",
				 RelationGetRelationName(rel), columns[i]);
	}
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		visit(slot, attnums, visitor);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

static void
visit_bus(TupleTableSlot *slot, const AttrNumber *columns,
		  const EbCatalogVisitor *visitor)
{
	bool		is_live;
	bool		isnull;

	(void) slot_getattr(slot, columns[1], &is_live);
	if (is_live)
		visitor->bus(DatumGetInt32(slot_getattr(slot, columns[0], &isnull)),
					 visitor->arg);
}

static void
visit_rule(TupleTableSlot *slot, const AttrNumber *columns,
		   const EbCatalogVisitor *visitor)
{
	MemoryContext row_context;
	MemoryContext caller;
	EbRowVersion version;
	Jsonb	   *pattern = NULL;
	const char *scheduled = NULL;
	int32		rule_id;
	bool		isnull;
	Datum		value;

	rule_id = DatumGetInt32(slot_getattr(slot, columns[0], &isnull));
	version.tid = slot->tts_tid;
	value = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);
	version.xmin = DatumGetTransactionId(value);
	if (!visitor->rule(rule_id, &version, visitor->arg))
		return;

	row_context = AllocSetContextCreate(CurrentMemoryContext, "eventbus rule",
										ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(row_context);
	value = slot_getattr(slot, columns[2], &isnull);
	if (strcmp(TextDatumGetCString(value), "DISABLED") != 0)
	{
		value = slot_getattr(slot, columns[3], &isnull);
		pattern = isnull ? NULL : DatumGetJsonbP(value);
		(void) slot_getattr(slot, columns[5], &isnull);
		if (!isnull)
		{
			value = slot_getattr(slot, columns[4], &isnull);
			scheduled = TextDatumGetCString(value);
		}
	}
	visitor->pattern(rule_id,
					 DatumGetInt32(slot_getattr(slot, columns[1], &isnull)),
					 pattern, scheduled, visitor->arg);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(row_context);
}

static void
visit_target(TupleTableSlot *slot, const AttrNumber *columns,
			 const EbCatalogVisitor *visitor)
{
	bool		isnull;
	int32		rule_id = DatumGetInt32(slot_getattr(slot, columns[0],
													 &isnull));

	visitor->target(rule_id,
					DatumGetInt32(slot_getattr(slot, columns[1], &isnull)),
					visitor->arg);
}
