/*-------------------------------------------------------------------------
 *
 * api_args.h
 *		Arguments of SQL functions that are not strict.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_API_ARGS_H
#define EB_API_ARGS_H

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* A text argument as a C string, NULL when it is null. */
static inline char *
eb_arg_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* A jsonb argument, NULL when it is null. */
static inline Jsonb *
eb_arg_jsonb(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n);
}

/* A timestamptz argument, copied; NULL when it is null. */
static inline TimestampTz *
eb_arg_time(FunctionCallInfo fcinfo, int n)
{
	TimestampTz *time;

	if (PG_ARGISNULL(n))
		return NULL;
	time = palloc(sizeof(TimestampTz));
	*time = PG_GETARG_TIMESTAMPTZ(n);
	return time;
}

#endif							/* EB_API_ARGS_H */
