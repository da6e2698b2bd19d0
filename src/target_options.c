/*-------------------------------------------------------------------------
 *
 * target_options.c
 *		What every type of target can be told: how to retry, in which order,
 *		how many events at once, where dead letters go.
 *
 * Each option is a member of the target's parameters. They are checked when a
 * target is put, and read again for each batch, which costs less than to keep
 * them. A member that is null counts as absent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "guc.h"
#include "target_options.h"

/* all of them, with those of transform.c, which reads its own */
static const char *const option_names[] = {
	"dead_letter_queue", "dead_letters", "fifo", "input", "input_path",
	"input_transformer", "log_level", "max_batch_size", "max_batch_window",
	"maximum_event_age", "maximum_retry_attempts", "timeout"
};

/* --- values ---------------------------------------------------------------- */

/* A member that is there and not null. */
static bool
find_member(Jsonb *parameters, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(&parameters->root, name,
										strlen(name), value) != NULL &&
		value->type != jbvNull;
}

pg_noreturn static void
type_error(const char *name, const char *type)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("parameter \"%s\" of a target must be %s", name, type)));
}

/* A number between two others; whole says that fractions are refused. */
static double
read_number(Jsonb *parameters, const char *name, bool whole, double least,
			double most, double otherwise)
{
	JsonbValue	value;
	Datum		given;
	double		number;

	if (!find_member(parameters, name, &value))
		return otherwise;
	if (value.type != jbvNumeric)
		type_error(name, "a number");
	given = NumericGetDatum(value.val.numeric);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												given));
	if (whole && number != rint(number))
		type_error(name, "a whole number");
	if (!(number >= least && number <= most))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" of a target must be between %g and %g",
						name, least, most)));
	return number;
}

static bool
read_boolean(Jsonb *parameters, const char *name, bool otherwise)
{
	JsonbValue	value;

	if (!find_member(parameters, name, &value))
		return otherwise;
	if (value.type != jbvBool)
		type_error(name, "true or false");
	return value.val.boolean;
}

/* NULL when it is absent. */
static char *
read_string(Jsonb *parameters, const char *name)
{
	JsonbValue	value;

	if (!find_member(parameters, name, &value))
		return NULL;
	if (value.type != jbvString)
		type_error(name, "a string");
	return pnstrdup(value.val.string.val, value.val.string.len);
}

static EbLogLevel
read_log_level(Jsonb *parameters)
{
	char	   *name = read_string(parameters, "log_level");

	if (name == NULL || pg_strcasecmp(name, "off") == 0)
		return EB_LOG_LEVEL_OFF;
	if (pg_strcasecmp(name, "error") == 0)
		return EB_LOG_LEVEL_ERROR;
	if (pg_strcasecmp(name, "all") == 0)
		return EB_LOG_LEVEL_ALL;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("parameter \"%s\" of a target must be \"off\", \"error\" or \"all\"",
					"log_level")));
}

/* --- options --------------------------------------------------------------- */

void
eb_target_options_read(Jsonb *parameters, EbTargetOptions *options)
{
	options->maximum_retry_attempts = (int)
		read_number(parameters, "maximum_retry_attempts", true, 0,
					EB_MAX_RETRY_ATTEMPTS, EB_MAX_RETRY_ATTEMPTS);
	options->maximum_event_age = (int64)
		(read_number(parameters, "maximum_event_age", false,
					 EB_MIN_EVENT_AGE, EB_MAX_EVENT_AGE,
					 EB_MAX_EVENT_AGE) * USECS_PER_SEC);
	options->dead_letters = read_boolean(parameters, "dead_letters", true);
	options->dead_letter_queue = read_string(parameters, "dead_letter_queue");
	if (options->dead_letter_queue != NULL && !options->dead_letters)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a target with a dead-letter queue cannot have dead letters turned off")));
	options->fifo = read_boolean(parameters, "fifo", false);
	options->max_batch_size = (int)
		read_number(parameters, "max_batch_size", true, 1, EB_MAX_BATCH_SIZE,
					0);
	options->max_batch_window = (int64)
		(read_number(parameters, "max_batch_window", false, 0,
					 EB_MAX_BATCH_WINDOW, 0) * USECS_PER_SEC);
	options->timeout = (int)
		(read_number(parameters, "timeout", false, 0.001, 86400,
					 eb_guc_target_timeout / 1000.0) * 1000);
	options->log_level = read_log_level(parameters);
}

Jsonb *
eb_target_options_strip(Jsonb *parameters)
{
	Datum		rest = JsonbPGetDatum(parameters);

	for (int i = 0; i < lengthof(option_names); i++)
	{
		JsonbValue	value;

		if (getKeyJsonValueFromContainer(&parameters->root, option_names[i],
										 strlen(option_names[i]),
										 &value) != NULL)
			rest = DirectFunctionCall2(jsonb_delete, rest,
									   CStringGetTextDatum(option_names[i]));
	}
	return DatumGetJsonbP(rest);
}
