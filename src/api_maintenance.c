/*-------------------------------------------------------------------------
 *
 * api_maintenance.c
 *		eb_run_maintenance() and eb_resume_after_restore().
 *
 * Rights: EXECUTE on these functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "maintenance.h"
#include "put.h"
#include "resume.h"

PG_FUNCTION_INFO_V1(eventbus_run_maintenance);
PG_FUNCTION_INFO_V1(eventbus_resume_after_restore);

static void
push_count(JsonbParseState **state, const char *key, int count)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, key);
	value.val.string.len = strlen(key);
	(void) pushJsonbValue(state, WJB_KEY, &value);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(count);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* eb_run_maintenance(): a round now; says what it did. */
Datum
eventbus_run_maintenance(PG_FUNCTION_ARGS)
{
	EbMaintenanceResult result;
	JsonbParseState *state = NULL;

	eb_put_check_writable("eb_run_maintenance()");
	result = eb_maintenance_run();

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_count(&state, "leaves_made", result.leaves_made);
	push_count(&state, "leaves_sealed", result.leaves_sealed);
	push_count(&state, "leaves_dropped", result.leaves_dropped);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT,
													   NULL)));
}

/*
 * eb_resume_after_restore(deliver): what becomes of logs that came with a dump
 * or a template: delivered from, or not. Says how many deliveries wait now.
 */
Datum
eventbus_resume_after_restore(PG_FUNCTION_ARGS)
{
	eb_put_check_writable("eb_resume_after_restore()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("deliver must not be null")));
	PG_RETURN_INT64(eb_resume(PG_GETARG_BOOL(0)));
}
