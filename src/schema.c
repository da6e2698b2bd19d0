/*-------------------------------------------------------------------------
 *
 * schema.c
 *		The extension's own relations: finding them, and their owner's rights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "eventbus.h"
#include "schema.h"

Oid
eb_relation_oid(const char *name)
{
	Oid			schema = get_namespace_oid(EB_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

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

/* Formats a statement, as psprintf() does but for arguments in a va_list. */
#define FORMAT_SQL(sql, format) \
	do { \
		va_list		args; \
		int			needed; \
		initStringInfo(&(sql)); \
		for (;;) \
		{ \
			va_start(args, format); \
			needed = appendStringInfoVA(&(sql), format, args); \
			va_end(args); \
			if (needed == 0) \
				break; \
			enlargeStringInfo(&(sql), needed); \
		} \
	} while (0)

/* Connects to SPI and runs a statement. */
static void
execute(const char *sql)
{
	int			result;

	SPI_connect();
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql,
			 SPI_result_code_string(result));
}

uint64
eb_run_sql(const char *format,...)
{
	StringInfoData sql;
	uint64		rows;

	FORMAT_SQL(sql, format);
	execute(sql.data);
	rows = SPI_processed;
	SPI_finish();
	pfree(sql.data);
	return rows;
}

char *
eb_query_text(const char *format,...)
{
	MemoryContext context = CurrentMemoryContext;
	StringInfoData sql;
	char	   *text = NULL;

	FORMAT_SQL(sql, format);
	execute(sql.data);
	if (SPI_processed > 0)
		text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (text != NULL)
		text = MemoryContextStrdup(context, text);
	SPI_finish();
	pfree(sql.data);
	return text;
}

List *
eb_query_list(const char *query)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *list = NIL;

	SPI_connect();
	if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", query);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *text = SPI_getvalue(SPI_tuptable->vals[i],
										SPI_tuptable->tupdesc, 1);
		MemoryContext context = MemoryContextSwitchTo(caller);

		list = lappend(list, pstrdup(text));
		MemoryContextSwitchTo(context);
	}
	SPI_finish();
	return list;
}
