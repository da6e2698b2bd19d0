/*-------------------------------------------------------------------------
 *
 * target_table_payload.c
 *		Rows of what a target's input, input path or input transformer makes.
 *
 * Each payload is a JSON object. Its members go to the columns of the same
 * names, whatever these are (a column named "id" takes a member "id", and not
 * the event's id); a column without a member gets its default, one whose
 * member is null is null.
 *
 * How: jsonb_populate_record() makes a row of the table of each payload, so
 * columns are converted as the server itself does it. The rows of consecutive
 * payloads with the same members go into a tuplestore, and one statement
 * inserts their columns (target_table_executor.c); the others get their
 * defaults there. An error of the conversion is known to be that of one event.
 * The record that is populated is a row of nulls and not NULL: the server then
 * leaves columns without a member alone, which may be of a domain that does
 * not allow nulls.
 *
 * Whose fault: a payload that is not an object is that of its event, for good.
 * A member that no column can take is likely that of the target (42703, 428C9),
 * and is found when it is put, where the transform says what all payloads
 * have.
 *
 * Memory: plans are kept for the sets of columns that were used last. An input
 * path may lead to members that change all the time, so their number is
 * bounded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "errcodes.h"
#include "target_table.h"

/* for so many sets of columns plans are kept */
#define MAX_PLANS	16

/* Columns are numbered as RangeTblEntry.insertedCols numbers them. */
#define column_number(attnum) \
	((attnum) - FirstLowInvalidHeapAttributeNumber)

/* The plan for payloads that have just these columns. */
typedef struct PayloadPlan
{
	Bitmapset  *columns;
	SPIPlanPtr	plan;
} PayloadPlan;

struct EbTablePayloads
{
	MemoryContext context;		/* of sets of columns */
	bool		ignore_conflicts;
	int			nplans;
	PayloadPlan plans[MAX_PLANS];	/* used last: first */
};

/* Rows being made of payloads. */
typedef struct RowMaker
{
	Relation	rel;
	EbTargetRun *run;
	FmgrInfo	populate;		/* jsonb_populate_record() */
	Datum		nulls;			/* a row of nulls */
	MemoryContext context;		/* of one row */
} RowMaker;

static void begin_rows(RowMaker *maker, Relation rel, EbTargetRun *run);
static int	insert_alike(EbTablePayloads *payloads, RowMaker *maker,
						 int first);
static Jsonb *payload_of(EbTargetRun *run, int i);
static void add_row(RowMaker *maker, Jsonb *payload, Tuplestorestate *rows);
static Bitmapset *columns_of_payload(Relation rel, Jsonb *payload);
static Bitmapset *columns_of_names(Relation rel, List *names);
static Form_pg_attribute find_column(Relation rel, const char *name, int len);
static void check_takes_value(Relation rel, Form_pg_attribute att);
static void check_all_filled(Relation rel, const Bitmapset *columns);
static SPIPlanPtr plan_for(EbTablePayloads *payloads, Relation rel,
						   const Bitmapset *columns);
static char *insert_statement(Relation rel, const Bitmapset *columns,
							  bool ignore_conflicts);

/* In CurrentMemoryContext; free it with eb_table_payloads_free() before. */
EbTablePayloads *
eb_table_payloads_create(bool ignore_conflicts)
{
	EbTablePayloads *payloads = palloc0(sizeof(EbTablePayloads));

	payloads->context = CurrentMemoryContext;
	payloads->ignore_conflicts = ignore_conflicts;
	return payloads;
}

static void
free_last_plan(EbTablePayloads *payloads)
{
	PayloadPlan *last = &payloads->plans[--payloads->nplans];

	SPI_freeplan(last->plan);
	bms_free(last->columns);
}

void
eb_table_payloads_free(EbTablePayloads *payloads)
{
	while (payloads->nplans > 0)
		free_last_plan(payloads);
	pfree(payloads);
}

/* --- when a target is put ----------------------------------------------- */

/*
 * Refuses what is known to fail for each event: that payloads are no objects,
 * have members which are no columns, leave a column null that must not be, or
 * that the owner must not insert.
 */
void
eb_table_payloads_check(Relation rel, const EbTransform *transform, Oid owner,
						bool ignore_conflicts)
{
	Bitmapset  *columns;
	List	   *members;
	bool		complete;
	EbPayloadKind kind = eb_transform_foresee(transform, &members, &complete);

	if (kind == EB_PAYLOAD_NO_OBJECT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a table takes JSON objects, and the input of the target is not one"),
				 errhint("An input template makes an object if it begins with \"{\".")));
	columns = columns_of_names(rel, members);
	eb_table_check_rights(rel, columns, owner);
	if (complete)
		check_all_filled(rel, columns);
	if (kind == EB_PAYLOAD_OBJECT)
		eb_table_executor_check(insert_statement(rel, columns,
												 ignore_conflicts),
								RelationGetDescr(rel));
}

/* A trigger may fill what is null. */
static void
check_all_filled(Relation rel, const Bitmapset *columns)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (rel->trigdesc != NULL && rel->trigdesc->trig_insert_before_row)
		return;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!bms_is_member(column_number(att->attnum), columns) &&
			eb_table_stays_null(rel, att))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
					 errmsg("column \"%s\" of relation \"%s\" would be null in every row",
							NameStr(att->attname),
							RelationGetRelationName(rel)),
					 errdetail("The column is NOT NULL, has no default, and the input of the target has no member of that name."),
					 errhint("Give the column a default, drop its NOT NULL constraint, or add a member to the input.")));
	}
}

/* --- columns ------------------------------------------------------------ */

/* NULL where there is none of that name. */
static Form_pg_attribute
find_column(Relation rel, const char *name, int len)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strlen(NameStr(att->attname)) == len &&
			memcmp(NameStr(att->attname), name, len) == 0)
			return att;
	}
	return NULL;
}

pg_noreturn static void
missing_column_error(Relation rel, const char *name, int len)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%.*s\" of relation \"%s\" does not exist",
					len, name, RelationGetRelationName(rel)),
			 errdetail("The input of the target has a member \"%.*s\".",
					   len, name),
			 errhint("Add the column, or put the target with an input whose members are columns of the table.")));
}

static void
check_takes_value(Relation rel, Form_pg_attribute att)
{
	if (att->attgenerated || att->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("column \"%s\" of relation \"%s\" is generated always",
						NameStr(att->attname), RelationGetRelationName(rel)),
				 errdetail("The input of the target has a member \"%s\".",
						   NameStr(att->attname)),
				 errhint("Leave the member out of the input.")));
}

static Bitmapset *
columns_of_names(Relation rel, List *names)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		Form_pg_attribute att = find_column(rel, name, strlen(name));

		if (att == NULL)
			missing_column_error(rel, name, strlen(name));
		check_takes_value(rel, att);
		columns = bms_add_member(columns, column_number(att->attnum));
	}
	return columns;
}

/* The first member that is no column. */
pg_noreturn static void
refuse_members(Relation rel, Jsonb *payload)
{
	JsonbIterator *iterator = JsonbIteratorInit(&payload->root);
	JsonbIteratorToken token;
	JsonbValue	key;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token == WJB_KEY &&
			find_column(rel, key.val.string.val, key.val.string.len) == NULL)
			missing_column_error(rel, key.val.string.val, key.val.string.len);
	}
	elog(ERROR, "all members of the input are columns");
}

static Bitmapset *
columns_of_payload(Relation rel, Jsonb *payload)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Bitmapset  *columns = NULL;
	int			nfound = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		JsonbValue	value;

		if (att->attisdropped ||
			getKeyJsonValueFromContainer(&payload->root,
										 NameStr(att->attname),
										 strlen(NameStr(att->attname)),
										 &value) == NULL)
			continue;
		check_takes_value(rel, att);
		columns = bms_add_member(columns, column_number(att->attnum));
		nfound++;
	}
	if (nfound < JB_ROOT_COUNT(payload))
		refuse_members(rel, payload);
	return columns;
}

/* --- inserting ---------------------------------------------------------- */

/*
 * Inserts what is sent of all items of a run, in order, as the current user.
 * rel is open and locked.
 */
void
eb_table_payloads_insert(EbTablePayloads *payloads, Relation rel,
						 EbTargetRun *run)
{
	RowMaker	maker;
	int			done = 0;

	begin_rows(&maker, rel, run);
	while (done < run->n)
		done += insert_alike(payloads, &maker, done);
	MemoryContextDelete(maker.context);
}

static void
begin_rows(RowMaker *maker, Relation rel, EbTargetRun *run)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Oid			rowtype = rel->rd_rel->reltype;
	Datum	   *values = palloc0(sizeof(Datum) * Max(desc->natts, 1));
	bool	   *isnull = palloc(sizeof(bool) * Max(desc->natts, 1));
	List	   *args;

	memset(isnull, true, sizeof(bool) * desc->natts);
	maker->rel = rel;
	maker->run = run;
	maker->nulls = HeapTupleGetDatum(heap_form_tuple(desc, values, isnull));
	maker->context = AllocSetContextCreate(CurrentMemoryContext,
										   "eventbus payload row",
										   ALLOCSET_DEFAULT_SIZES);

	/* it takes the type of the row from the expression that calls it */
	args = list_make2(makeNullConst(rowtype, -1, InvalidOid),
					  makeNullConst(JSONBOID, -1, InvalidOid));
	fmgr_info(F_JSONB_POPULATE_RECORD, &maker->populate);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, rowtype,
											 args, InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL),
					   &maker->populate);
}

/*
 * Inserts what has the same members as the payload of item first, from that
 * one on, and returns how many items that is.
 */
static int
insert_alike(EbTablePayloads *payloads, RowMaker *maker, int first)
{
	EbTargetRun *run = maker->run;
	Jsonb	   *payload = payload_of(run, first);
	Bitmapset  *columns = columns_of_payload(maker->rel, payload);
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	bool		alike;
	int			n = 0;

	eb_table_check_rights(maker->rel, columns, GetUserId());
	do
	{
		Bitmapset  *others;

		CHECK_FOR_INTERRUPTS();
		add_row(maker, payload, rows);
		if (first + ++n == run->n)
			break;
		payload = payload_of(run, first + n);
		others = columns_of_payload(maker->rel, payload);
		alike = bms_equal(others, columns);
		bms_free(others);
	} while (alike);

	run->at = n == 1 ? first : -1;
	eb_table_executor_insert(plan_for(payloads, maker->rel, columns),
							 RelationGetDescr(maker->rel), rows);
	return n;
}

/* What item i is sent, in CurrentMemoryContext. */
static Jsonb *
payload_of(EbTargetRun *run, int i)
{
	Jsonb	   *payload;

	run->at = i;
	payload = eb_delivery_json(&run->items[i]);
	if (!JB_ROOT_IS_OBJECT(payload))
		ereport(ERROR,
				(errcode(EB_ERRCODE_TRANSFORMATION),
				 errmsg("a table takes a JSON object, whose members are its columns"),
				 errdetail("The input of the target makes something else of the event.")));
	return payload;
}

/* Makes a row of a payload and adds it to rows. */
static void
add_row(RowMaker *maker, Jsonb *payload, Tuplestorestate *rows)
{
	LOCAL_FCINFO(fcinfo, 2);
	MemoryContext caller = MemoryContextSwitchTo(maker->context);
	HeapTupleData tuple = {0};

	InitFunctionCallInfoData(*fcinfo, &maker->populate, 2, InvalidOid, NULL,
							 NULL);
	fcinfo->args[0].value = maker->nulls;
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = JsonbPGetDatum(payload);
	fcinfo->args[1].isnull = false;
	tuple.t_data = DatumGetHeapTupleHeader(FunctionCallInvoke(fcinfo));
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	ItemPointerSetInvalid(&tuple.t_self);
	tuplestore_puttuple(rows, &tuple);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(maker->context);
}

/* --- statements --------------------------------------------------------- */

/* The plan that inserts those columns, which is then the first one. */
static SPIPlanPtr
plan_for(EbTablePayloads *payloads, Relation rel, const Bitmapset *columns)
{
	PayloadPlan found = {NULL};
	int			i;

	for (i = 0; i < payloads->nplans; i++)
		if (bms_equal(payloads->plans[i].columns, columns))
			break;
	if (i < payloads->nplans)
		found = payloads->plans[i];
	else
	{
		char	   *statement = insert_statement(rel, columns,
												 payloads->ignore_conflicts);
		MemoryContext caller;

		found.plan = eb_table_executor_prepare(statement,
											   RelationGetDescr(rel));
		caller = MemoryContextSwitchTo(payloads->context);
		found.columns = bms_copy(columns);
		MemoryContextSwitchTo(caller);
		if (payloads->nplans == MAX_PLANS)
			free_last_plan(payloads);
		i = payloads->nplans++;
	}
	memmove(&payloads->plans[1], &payloads->plans[0],
			i * sizeof(PayloadPlan));
	payloads->plans[0] = found;
	return found.plan;
}

static char *
insert_statement(Relation rel, const Bitmapset *columns,
				 bool ignore_conflicts)
{
	StringInfoData names;
	StringInfoData values;
	int			column = -1;

	initStringInfo(&names);
	initStringInfo(&values);
	while ((column = bms_next_member(columns, column)) >= 0)
	{
		int			attnum = column + FirstLowInvalidHeapAttributeNumber;
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
											  attnum - 1);
		const char *name = quote_identifier(NameStr(att->attname));

		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", name);
		appendStringInfo(&values, "%ss.%s", values.len > 0 ? ", " : "", name);
	}
	return eb_table_statement(rel, names.data, values.data,
							  ignore_conflicts);
}
