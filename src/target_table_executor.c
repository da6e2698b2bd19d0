/*-------------------------------------------------------------------------
 *
 * target_table_executor.c
 *		INSERT ... SELECT into anything that takes INSERT.
 *
 * Triggers, foreign keys, row security, rules, partitions, generated columns,
 * foreign tables, views, ON CONFLICT: all of it is the executor's. The source
 * rows of a call go into a tuplestore that the statement scans under a name
 * of its own, as triggers see their transition tables. So the rows keep their
 * order and types, and the plan is the same for any number of rows and is
 * saved. (target_table_payload.c has rows of another kind: those of the table
 * itself.)
 *
 * One call is one statement: statement triggers fire once for all its rows.
 * Triggers at the end of the statement fire within the call. Deferred ones do
 * too, once the caller has made all constraints of its transaction IMMEDIATE.
 *
 * A foreign table's rows are as safe as its wrapper makes them: what a remote
 * server commits just before this one crashes is delivered again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "target_table.h"

/* what the statement calls the source rows */
#define SOURCE_NAME		"eventbus_delivery"

/* planned for so many rows; nothing but cost estimates depends on it */
#define SOURCE_ROWS		100

static SPIPlanPtr prepare(const char *statement, TupleDesc source);
static void append_columns(StringInfo sql, Relation rel,
						   const EbTableMap *map);
static void append_values(StringInfo sql, Relation rel,
						  const EbTableMap *map);
static void register_source(TupleDesc source, Tuplestorestate *rows);
static void execute(SPIPlanPtr plan);
static bool is_policy_violation(MemoryContext context);
pg_noreturn static void rethrow_as(MemoryContext context, int sqlerrcode);

/*
 * Prepares a statement that inserts the rows of a source into a relation which
 * the caller has open and locked, and returns the saved plan, to be freed with
 * SPI_freeplan(). Raises an error where the relation does not take it.
 */
SPIPlanPtr
eb_table_executor_prepare(const char *statement, TupleDesc source)
{
	SPIPlanPtr	plan;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = prepare(statement, source);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	SPI_finish();
	return plan;
}

/* Only finds out whether the relation takes it; raises an error if not. */
void
eb_table_executor_check(const char *statement, TupleDesc source)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	prepare(statement, source);
	SPI_finish();
}

/*
 * Within SPI: parses, analyzes and rewrites the statement. Its result does
 * not depend on events, so a feature that the relation does not support (a
 * column of a view, ON CONFLICT with a rule) is the fault of the target.
 */
static SPIPlanPtr
prepare(const char *statement, TupleDesc source)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan = NULL;

	register_source(source, NULL);
	PG_TRY();
	{
		plan = SPI_prepare(statement, 0, NULL);
	}
	PG_CATCH();
	{
		if (geterrcode() == ERRCODE_FEATURE_NOT_SUPPORTED)
			rethrow_as(context, ERRCODE_WRONG_OBJECT_TYPE);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	return plan;
}

/* Raises the error that was caught again, with another SQLSTATE. */
static void
rethrow_as(MemoryContext context, int sqlerrcode)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	error->sqlerrcode = sqlerrcode;
	ReThrowError(error);
}

/* INSERT INTO s.t (columns) SELECT values FROM source */
char *
eb_table_statement(Relation rel, const char *columns,
				   const char *values, bool ignore_conflicts)
{
	const char *schema = get_namespace_name(RelationGetNamespace(rel));
	const char *name = RelationGetRelationName(rel);
	bool		no_columns = columns[0] == '\0';

	return psprintf("INSERT INTO %s %s%s%s SELECT %s FROM " SOURCE_NAME " s%s",
					quote_qualified_identifier(schema, name),
					no_columns ? "" : "(", columns,
					no_columns ? "" : ")", values,
					ignore_conflicts ? " ON CONFLICT DO NOTHING" : "");
}

/* The same for events: their fields in the columns that the map says. */
char *
eb_table_event_statement(Relation rel, const EbTableMap *map,
						 bool ignore_conflicts)
{
	StringInfoData columns;
	StringInfoData values;

	initStringInfo(&columns);
	append_columns(&columns, rel, map);
	initStringInfo(&values);
	append_values(&values, rel, map);
	return eb_table_statement(rel, columns.data, values.data,
							  ignore_conflicts);
}

static void
append_columns(StringInfo sql, Relation rel, const EbTableMap *map)
{
	for (int i = 0; i < map->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
											  map->columns[i].attnum - 1);

		appendStringInfo(sql, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(NameStr(att->attname)));
	}
}

/* The fields, with a cast to the bare type where assignment does not do. */
static void
append_values(StringInfo sql, Relation rel, const EbTableMap *map)
{
	TupleDesc	fields = eb_table_source_desc();

	for (int i = 0; i < map->ncolumns; i++)
	{
		const EbTableColumn *column = &map->columns[i];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
											  column->attnum - 1);
		Form_pg_attribute field = TupleDescAttr(fields, column->field - 1);
		const char *name = quote_identifier(NameStr(field->attname));

		if (i > 0)
			appendStringInfoString(sql, ", ");
		if (column->explicit_cast)
			appendStringInfo(sql, "CAST(s.%s AS %s)", name,
							 format_type_extended(att->atttypid, -1,
												  FORMAT_TYPE_TYPEMOD_GIVEN |
												  FORMAT_TYPE_FORCE_QUALIFY));
		else
			appendStringInfo(sql, "s.%s", name);
	}
}

/*
 * Makes rows known to the statements of this SPI connection; NULL where they
 * are only parsed.
 */
static void
register_source(TupleDesc source, Tuplestorestate *rows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(*enr));

	enr->md.name = SOURCE_NAME;
	enr->md.tupdesc = source;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = SOURCE_ROWS;
	enr->reldata = rows;
	if (SPI_register_relation(enr) != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed");
}

/*
 * Inserts the rows in order, by a plan of eb_table_executor_prepare(), and
 * frees them. Raises the first error met.
 */
void
eb_table_executor_insert(SPIPlanPtr plan, TupleDesc source,
						 Tuplestorestate *rows)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	register_source(source, rows);
	execute(plan);
	SPI_finish();
	tuplestore_end(rows);
}

/*
 * Executes the plan. A row that a policy of row security refuses is the fault
 * of that event, yet has the SQLSTATE of a missing privilege, which would be
 * the fault of the target: it is raised as with_check_option_violation, as by
 * a view.
 */
static void
execute(SPIPlanPtr plan)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		int			result = SPI_execute_plan(plan, NULL, NULL, false, 0);

		if (result < 0)
			elog(ERROR, "SPI_execute_plan failed: %s",
				 SPI_result_code_string(result));
	}
	PG_CATCH();
	{
		if (geterrcode() == ERRCODE_INSUFFICIENT_PRIVILEGE &&
			is_policy_violation(context))
			rethrow_as(context, ERRCODE_WITH_CHECK_OPTION_VIOLATION);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * Is the error that was caught about a policy? Only its message, before
 * translation, tells it from a missing privilege.
 */
static bool
is_policy_violation(MemoryContext context)
{
	static const char start[] = "new row violates row-level security policy";
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	ErrorData  *error = CopyErrorData();

	MemoryContextSwitchTo(oldcontext);
	return error->message_id != NULL &&
		strncmp(error->message_id, start, strlen(start)) == 0;
}

/* A tuplestore of events as source rows, in CurrentMemoryContext. */
Tuplestorestate *
eb_table_event_rows(const EbTableSource *source)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	TupleDesc	desc = eb_table_source_desc();
	MemoryContext rowcontext;
	Datum		values[EB_TABLE_NFIELDS];
	bool		nulls[EB_TABLE_NFIELDS];

	rowcontext = AllocSetContextCreate(CurrentMemoryContext,
									   "eventbus source row",
									   ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < source->nitems; i++)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(rowcontext);

		eb_table_source_row(source, i, values, nulls);
		MemoryContextSwitchTo(oldcontext);
		tuplestore_putvalues(rows, desc, values, nulls);
		MemoryContextReset(rowcontext);
	}
	MemoryContextDelete(rowcontext);
	return rows;
}
