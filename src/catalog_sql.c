/*-------------------------------------------------------------------------
 *
 * catalog_sql.c
 *		Runs one SQL command of the catalog's own as the owner of its tables.
 *
 * Configuration changes are rare: they go through SPI, whose executor follows
 * concurrent updates, keeps indexes and fires the triggers that invalidate
 * the caches. Who may do what was checked before; the tables themselves give
 * rights to nobody, so commands run as their owner.
 *
 * Commands run under the latest snapshot also in a REPEATABLE READ
 * transaction, as foreign keys do: "this bus has no rules" must be true when
 * it is deleted, not when the transaction began. Only a row that changes
 * between snapshot and lock is then a serialization failure.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog_sql.h"
#include "partition.h"
#include "schema.h"

#define MAX_ARGS	12

EbSqlArg
eb_sql_int(int32 value)
{
	EbSqlArg	arg = {INT4OID, Int32GetDatum(value), false};

	return arg;
}

EbSqlArg
eb_sql_text(const char *value)
{
	EbSqlArg	arg = {TEXTOID, (Datum) 0, value == NULL};

	if (value != NULL)
		arg.value = CStringGetTextDatum(value);
	return arg;
}

EbSqlArg
eb_sql_jsonb(Jsonb *value)
{
	EbSqlArg	arg = {JSONBOID, PointerGetDatum(value), value == NULL};

	return arg;
}

EbSqlArg
eb_sql_time(const TimestampTz *value)
{
	EbSqlArg	arg = {TIMESTAMPTZOID, (Datum) 0, value == NULL};

	if (value != NULL)
		arg.value = TimestampTzGetDatum(*value);
	return arg;
}

char *
eb_sql_cstring(const EbSqlRow *row, int column)
{
	return row->nulls[column] ? NULL :
		TextDatumGetCString(row->values[column]);
}

/* Copies the first row of SPI's result to the context given. */
static void
copy_row(EbSqlRow *row, MemoryContext context)
{
	TupleDesc	tupdesc = SPI_tuptable->tupdesc;
	MemoryContext caller = MemoryContextSwitchTo(context);

	Assert(tupdesc->natts <= EB_SQL_MAX_COLUMNS);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], tupdesc,
										  i + 1, &row->nulls[i]);

		if (!row->nulls[i])
			row->values[i] = datumCopy(value, att->attbyval, att->attlen);
	}
	MemoryContextSwitchTo(caller);
}

uint64
eb_sql_run(const char *command, int nargs, const EbSqlArg *args, EbSqlRow *row)
{
	MemoryContext caller = CurrentMemoryContext;
	EbSavedUser saved = eb_owner_enter();
	Oid			types[MAX_ARGS];
	Datum		values[MAX_ARGS];
	char		nulls[MAX_ARGS];
	SPIPlanPtr	plan;
	uint64		processed;
	int			result;

	Assert(nargs <= MAX_ARGS);
	for (int i = 0; i < nargs; i++)
	{
		types[i] = args[i].type;
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}

	SPI_connect();
	plan = SPI_prepare(command, nargs, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare catalog command: %s",
			 SPI_result_code_string(SPI_result));
	result = SPI_execute_snapshot(plan, values, nulls, GetLatestSnapshot(),
								  InvalidSnapshot, false, true, 0);
	if (result < 0)
		elog(ERROR, "could not run catalog command: %s",
			 SPI_result_code_string(result));

	processed = SPI_processed;
	if (row != NULL && processed > 0 && SPI_tuptable != NULL)
		copy_row(row, caller);
	SPI_finish();
	eb_owner_leave(saved);
	return processed;
}
