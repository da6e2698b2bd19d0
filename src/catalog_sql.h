/*-------------------------------------------------------------------------
 *
 * catalog_sql.h
 *		Runs one SQL command of the catalog's own as the owner of its tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CATALOG_SQL_H
#define EB_CATALOG_SQL_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* A parameter of a command. */
typedef struct EbSqlArg
{
	Oid			type;
	Datum		value;
	bool		isnull;
} EbSqlArg;

extern EbSqlArg eb_sql_int(int32 value);
extern EbSqlArg eb_sql_text(const char *value); /* NULL: null */
extern EbSqlArg eb_sql_jsonb(Jsonb *value); /* NULL: null */
extern EbSqlArg eb_sql_time(const TimestampTz *value);	/* NULL: null */

/* The first row that a command returned; unset when it returned none. */
#define EB_SQL_MAX_COLUMNS	12

typedef struct EbSqlRow
{
	Datum		values[EB_SQL_MAX_COLUMNS];
	bool		nulls[EB_SQL_MAX_COLUMNS];
} EbSqlRow;

/*
 * Runs command, which may have parameters $1 to $nargs, under the latest
 * snapshot, whatever the isolation level of the transaction, and makes its
 * effects visible to what follows. Returns how many rows it returned or
 * changed; the first one is copied to *row (which may be NULL), values in
 * CurrentMemoryContext.
 */
extern uint64 eb_sql_run(const char *command, int nargs, const EbSqlArg *args,
						 EbSqlRow *row);

/* A text column of row as a C string, NULL for null. */
extern char *eb_sql_cstring(const EbSqlRow *row, int column);

#endif							/* EB_CATALOG_SQL_H */
