/*-------------------------------------------------------------------------
 *
 * api_dead_letter.c
 *		eb_redrive() and eb_discard_dead_letters().
 *
 * Rights: EXECUTE on these functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "api_args.h"
#include "arn.h"
#include "put.h"
#include "redrive.h"

PG_FUNCTION_INFO_V1(eventbus_redrive);
PG_FUNCTION_INFO_V1(eventbus_discard_dead_letters);

/* arguments of both functions */
enum
{
	ARG_IDS,
	ARG_EVENT_BUS,
	ARG_RULE,
	ARG_TARGET,
	ARG_ERROR_CODE,
	ARG_FROM,
	ARG_TO,
	ARG_EVERYTHING,
	ARG_RATE_LIMIT				/* of eb_redrive() */
};

static EbSqlArg
argument(FunctionCallInfo fcinfo, int n, Oid type)
{
	EbSqlArg	arg = {type, PG_ARGISNULL(n) ? (Datum) 0 : PG_GETARG_DATUM(n),
	PG_ARGISNULL(n)};

	return arg;
}

/* The name of an event bus that may be given as an ARN. */
static EbSqlArg
bus_argument(FunctionCallInfo fcinfo)
{
	char	   *bus = eb_arg_text(fcinfo, ARG_EVENT_BUS);
	int			len;

	if (bus == NULL)
		return eb_sql_text(NULL);
	len = strlen(bus);
	return eb_sql_text(pnstrdup(eb_arn_bus_name(bus, &len), len));
}

/* An error where a call would mean all dead letters and does not say so. */
static EbLetterSelection
selection_of(FunctionCallInfo fcinfo)
{
	EbLetterSelection selection = {
		.ids = argument(fcinfo, ARG_IDS, INT8ARRAYOID),
		.event_bus = bus_argument(fcinfo),
		.rule = argument(fcinfo, ARG_RULE, TEXTOID),
		.target = argument(fcinfo, ARG_TARGET, TEXTOID),
		.error_code = argument(fcinfo, ARG_ERROR_CODE, TEXTOID),
		.from = argument(fcinfo, ARG_FROM, TIMESTAMPTZOID),
		.to = argument(fcinfo, ARG_TO, TIMESTAMPTZOID)
	};
	bool		everything = !PG_ARGISNULL(ARG_EVERYTHING) &&
		PG_GETARG_BOOL(ARG_EVERYTHING);

	for (int i = ARG_IDS; i < ARG_EVERYTHING; i++)
		everything |= !PG_ARGISNULL(i);
	if (!everything)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no dead letters are selected"),
				 errhint("Name ids, event_bus, rule, target, error_code, \"from\" or \"to\", or say everything => true.")));
	return selection;
}

static void
warn_of_skipped(int64 skipped)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg_plural("%lld dead letter was not redriven because its target does not exist",
						   "%lld dead letters were not redriven because their targets do not exist",
						   (unsigned long) skipped, (long long) skipped),
			 errhint("Put a target with the same event bus, rule and id, or use eb_discard_dead_letters().")));
}

/* eb_redrive(...): how many are delivered again. */
Datum
eventbus_redrive(PG_FUNCTION_ARGS)
{
	EbLetterSelection selection;
	int64		redriven;
	int64		skipped;

	eb_put_check_writable("eb_redrive()");
	selection = selection_of(fcinfo);
	if (!PG_ARGISNULL(ARG_RATE_LIMIT) &&
		!(PG_GETARG_FLOAT8(ARG_RATE_LIMIT) > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rate_limit must be greater than zero")));
	redriven = eb_redrive(&selection, argument(fcinfo, ARG_RATE_LIMIT,
											   FLOAT8OID), &skipped);
	if (skipped > 0)
		warn_of_skipped(skipped);
	PG_RETURN_INT64(redriven);
}

/* eb_discard_dead_letters(...): how many. */
Datum
eventbus_discard_dead_letters(PG_FUNCTION_ARGS)
{
	EbLetterSelection selection;

	eb_put_check_writable("eb_discard_dead_letters()");
	selection = selection_of(fcinfo);
	PG_RETURN_INT64(eb_discard_letters(&selection));
}
