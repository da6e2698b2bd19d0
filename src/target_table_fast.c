/*-------------------------------------------------------------------------
 *
 * target_table_fast.c
 *		Multi-insert into a plain table.
 *
 * What COPY does for a plain table: rows are converted and checked one by
 * one, gathered, written by one call of the table access method, and then
 * entered into the indexes. It fires no triggers and knows no rules, policies
 * or generated columns; a table with any of these goes through the executor
 * (target_table_executor.c).
 *
 * User code that can still run here (column defaults, casts, domains, CHECK
 * and index expressions) sees, like in COPY, not yet the rows of the batch.
 * A volatile default or cast might look for them, so a table with one goes
 * through the executor too; only volatile functions known to be harmless are
 * let through.
 *
 * Memory: everything of a call hangs on its executor state. After an error
 * the caller's memory context and subtransaction clean up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "target_table.h"

/* Rows, and bytes of event details, that are gathered at most; as COPY. */
#define MAX_BUFFERED_ROWS	1000
#define MAX_BUFFERED_BYTES	65535

/* One call at work. */
typedef struct FastInsert
{
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *result;
	TupleTableSlot *source_slot;	/* an event's fields */
	TupleTableSlot *row_slot;	/* the row they make */
	ProjectionInfo *projection; /* from the one to the other */
	BulkInsertState bistate;
	CommandId	cid;
	TupleTableSlot **buffer;	/* of max_buffered slots, made when needed */
	int			max_buffered;
	int			nbuffered;
	Size		bytes_buffered;
} FastInsert;

static bool is_plain(Relation rel);
static bool has_insert_trigger(Relation rel);
static bool may_look_at_table(Node *node, void *context);
static bool is_volatile_unknown(Oid function, void *context);
static Expr *default_expression(Relation rel, Form_pg_attribute att);
static void begin_insert(FastInsert *insert, Relation rel,
						 const EbTableMap *map, List *targetlist, int n);
static void insert_row(FastInsert *insert, const EbTableSource *source,
					   int i);
static void flush_buffer(FastInsert *insert);
static void end_insert(FastInsert *insert);

/*
 * The expressions of a new row, one TargetEntry per column of rel, over the
 * source row; not planned yet. NIL when rel needs the executor.
 */
List *
eb_table_fast_targetlist(Relation rel, const EbTableMap *map)
{
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *targetlist = NIL;
	int			next = 0;

	if (!is_plain(rel))
		return NIL;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Expr	   *expr;

		if (att->attgenerated)
			return NIL;
		if (next < map->ncolumns && map->columns[next].attnum == att->attnum)
			expr = (Expr *) eb_table_convert(rel, &map->columns[next++]);
		else
			expr = default_expression(rel, att);
		targetlist = lappend(targetlist,
							 makeTargetEntry(expr, att->attnum, NULL, false));
	}
	if (may_look_at_table((Node *) targetlist, NULL))
		return NIL;
	return targetlist;
}

/* A table without anything that only the executor does? */
static bool
is_plain(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rules == NULL &&
		!has_insert_trigger(rel);
}

/*
 * Has it an INSERT trigger that is not disabled? Foreign keys and unique
 * constraints that can be deferred are such.
 */
static bool
has_insert_trigger(Relation rel)
{
	TriggerDesc *desc = rel->trigdesc;

	for (int i = 0; desc != NULL && i < desc->numtriggers; i++)
	{
		Trigger    *trigger = &desc->triggers[i];

		if (TRIGGER_FOR_INSERT(trigger->tgtype) &&
			trigger->tgenabled != TRIGGER_DISABLED)
			return true;
	}
	return false;
}

/* Does an expression call a volatile function that could look at the table? */
static bool
may_look_at_table(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_volatile_unknown, NULL))
		return true;
	return expression_tree_walker(node, may_look_at_table, context);
}

static bool
is_volatile_unknown(Oid function, void *context)
{
	switch (function)
	{
		case F_NEXTVAL:
		case F_CLOCK_TIMESTAMP:
		case F_GEN_RANDOM_UUID:
			return false;
		default:
			return func_volatile(function) == PROVOLATILE_VOLATILE;
	}
}

/* What a column that takes no field gets: its default, or null. */
static Expr *
default_expression(Relation rel, Form_pg_attribute att)
{
	Node	   *expr = NULL;
	Oid			base;
	int32		typmod = att->atttypmod;

	if (att->attisdropped)
		return (Expr *) makeNullConst(INT4OID, -1, InvalidOid);
	expr = build_column_default(rel, att->attnum);
	if (expr != NULL)
		return (Expr *) expr;
	base = getBaseTypeAndTypmod(att->atttypid, &typmod);
	expr = (Node *) makeNullConst(base, typmod, att->attcollation);
	if (base != att->atttypid)
		expr = coerce_to_domain(expr, base, typmod, att->atttypid,
								COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1,
								false);
	return (Expr *) expr;
}

/*
 * Inserts all rows of source in order. The caller has rel open and locked
 * with RowExclusiveLock, and targetlist is what eb_table_fast_targetlist()
 * made for it, planned. Raises the first error met; nothing then counts but
 * to abort the subtransaction.
 */
void
eb_table_fast_insert(Relation rel, const EbTableMap *map, List *targetlist,
					 const EbTableSource *source)
{
	FastInsert	insert;
	bool		pushed = !ActiveSnapshotSet();

	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	begin_insert(&insert, rel, map, targetlist, source->nitems);
	for (int i = 0; i < source->nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		insert_row(&insert, source, i);
		if (insert.nbuffered >= insert.max_buffered ||
			insert.bytes_buffered >= MAX_BUFFERED_BYTES)
			flush_buffer(&insert);
	}
	flush_buffer(&insert);
	end_insert(&insert);
	if (pushed)
		PopActiveSnapshot();
}

/* Sets up the executor state around a relation that is already open. */
static void
begin_insert(FastInsert *insert, Relation rel, const EbTableMap *map,
			 List *targetlist, int n)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext oldcontext;

	memset(insert, 0, sizeof(*insert));
	insert->rel = rel;
	insert->estate = estate;
	oldcontext = MemoryContextSwitchTo(estate->es_query_cxt);

	/* the range table is for error messages, which show inserted columns */
	eb_init_range_table(estate, rel, map->attnums);
	estate->es_output_cid = insert->cid = GetCurrentCommandId(true);
	insert->result = makeNode(ResultRelInfo);
	InitResultRelInfo(insert->result, rel, 1, NULL, 0);
	ExecOpenIndices(insert->result, false);

	insert->source_slot = ExecAllocTableSlot(&estate->es_tupleTable,
											 eb_table_source_desc(),
											 &TTSOpsVirtual);
	insert->row_slot = ExecAllocTableSlot(&estate->es_tupleTable,
										  RelationGetDescr(rel),
										  &TTSOpsVirtual);
	insert->row_slot->tts_tableOid = RelationGetRelid(rel);
	insert->projection =
		ExecBuildProjectionInfo(targetlist, GetPerTupleExprContext(estate),
								insert->row_slot, NULL, NULL);
	insert->max_buffered = Min(n, MAX_BUFFERED_ROWS);
	insert->buffer = palloc0(insert->max_buffered * sizeof(TupleTableSlot *));
	insert->bistate = GetBulkInsertState();
	MemoryContextSwitchTo(oldcontext);
}

/* Converts and checks one event's row, and keeps a copy in the buffer. */
static void
insert_row(FastInsert *insert, const EbTableSource *source, int i)
{
	EState	   *estate = insert->estate;
	ExprContext *econtext = GetPerTupleExprContext(estate);
	TupleTableSlot *fields = insert->source_slot;
	TupleTableSlot *row;
	TupleTableSlot **kept = &insert->buffer[insert->nbuffered];
	MemoryContext oldcontext;

	ResetPerTupleExprContext(estate);
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	ExecClearTuple(fields);
	eb_table_source_row(source, i, fields->tts_values, fields->tts_isnull);
	ExecStoreVirtualTuple(fields);
	econtext->ecxt_scantuple = fields;
	row = ExecProject(insert->projection);
	MemoryContextSwitchTo(oldcontext);

	if (RelationGetDescr(insert->rel)->constr != NULL)
		ExecConstraints(insert->result, row, estate);
	if (insert->rel->rd_rel->relispartition)
		ExecPartitionCheck(insert->result, row, estate, true);

	if (*kept == NULL)
		*kept = table_slot_create(insert->rel, &estate->es_tupleTable);
	ExecCopySlot(*kept, row);
	insert->nbuffered++;
	insert->bytes_buffered += VARSIZE_ANY(source->items[i].event.detail);
}

/* Writes the buffered rows into the table and its indexes. */
static void
flush_buffer(FastInsert *insert)
{
	EState	   *estate = insert->estate;
	MemoryContext oldcontext;

	if (insert->nbuffered == 0)
		return;

	/* it leaks, as its comment says */
	ResetPerTupleExprContext(estate);
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	table_multi_insert(insert->rel, insert->buffer, insert->nbuffered,
					   insert->cid, 0, insert->bistate);
	MemoryContextSwitchTo(oldcontext);

	for (int i = 0; i < insert->nbuffered; i++)
	{
		ResetPerTupleExprContext(estate);
		if (insert->result->ri_NumIndices > 0)
			eb_insert_index_tuples(insert->result, insert->buffer[i], estate);
		ExecClearTuple(insert->buffer[i]);
	}
	insert->nbuffered = 0;
	insert->bytes_buffered = 0;
}

/* Lets go of what is not freed with memory. */
static void
end_insert(FastInsert *insert)
{
	FreeBulkInsertState(insert->bistate);
	table_finish_bulk_insert(insert->rel, 0);
	ExecCloseIndices(insert->result);
	ExecResetTupleTable(insert->estate->es_tupleTable, true);
	FreeExecutorState(insert->estate);
}
