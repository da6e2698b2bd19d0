/*-------------------------------------------------------------------------
 *
 * retry_policy.c
 *		When a failed delivery is tried again, and when it is given up.
 *
 * As EventBridge does it: at once the first time, then with exponential
 * back-off and jitter, until there were maximum_retry_attempts retries or the
 * event is older than maximum_event_age, whichever comes first. EventBridge
 * does not publish its curve; 185 attempts in 24 hours fit a delay that
 * doubles from a second to some ten minutes. Half of each delay is random
 * ("equal jitter"), so that what failed together does not come back together.
 *
 * What cannot succeed later is not tried again: no such object, no rights, an
 * event that the input transformer makes no JSON of, one that runs in a loop.
 *
 * An event's age counts from when it was put. The times in which its target
 * was paused are taken off; they are looked up only for events that would be
 * too old without.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "errcodes.h"
#include "retry_policy.h"
#include "schema.h"

/* the delay after the first attempt, doubling up to the last, in ms */
#define DELAY_FIRST		1000
#define DELAY_LAST		600000

/* In milliseconds, after that many attempts. */
static int64
delay(int attempts)
{
	int64		ms = (int64) DELAY_FIRST << Min(attempts - 1, 20);

	ms = Min(ms, DELAY_LAST);
	return ms / 2 + (int64) (ms / 2 * pg_prng_double(&pg_global_prng_state));
}

/* How long a target was paused since a time, in microseconds. */
static int64
paused_since(int32 target_id, TimestampTz since)
{
	const int64 unix_epoch = UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE;
	double		seconds = (double) since / USECS_PER_SEC -
		(double) unix_epoch * SECS_PER_DAY;
	char	   *text;

	text = eb_query_text("SELECT (pg_catalog.date_part('epoch',"
						 " pg_catalog.sum(pg_catalog.upper(p.r) OPERATOR(pg_catalog.-)"
						 " GREATEST(pg_catalog.lower(p.r), e.since)))"
						 " OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8"
						 " FROM eventbus.target t"
						 " CROSS JOIN LATERAL pg_catalog.unnest(t.pauses) p (r)"
						 " CROSS JOIN (SELECT pg_catalog.to_timestamp(%.6f) AS since) e"
						 " WHERE t.target_id OPERATOR(pg_catalog.=) %d"
						 " AND pg_catalog.upper(p.r) OPERATOR(pg_catalog.>) e.since",
						 seconds, target_id);
	return text == NULL ? 0 : strtoi64(text, NULL, 10);
}

bool
eb_retry_expired(const EbTarget *target, const EbTargetOptions *options,
				 const EbDelivery *item, TimestampTz now)
{
	int64		age = now - item->accepted_at;

	return age >= options->maximum_event_age &&
		age - paused_since(target->target_id, item->accepted_at) >=
		options->maximum_event_age;
}

static bool
is_final(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION: /* 42 */
		case ERRCODE_INVALID_SCHEMA_NAME:	/* 3F */
		case ERRCODE_INVALID_CATALOG_NAME:	/* 3D */
			return true;
		default:
			return sqlstate == EB_ERRCODE_TRANSFORMATION ||
				sqlstate == EB_ERRCODE_LOOP_DETECTED;
	}
}

EbRetryDecision
eb_retry_decide(const EbTarget *target, const EbTargetOptions *options,
				const EbDelivery *item, int sqlstate, TimestampTz *next)
{
	TimestampTz now = GetCurrentTimestamp();

	if (is_final(sqlstate))
		return EB_RETRY_NEVER;
	if (item->attempt > options->maximum_retry_attempts)
		return EB_RETRY_ATTEMPTS_EXHAUSTED;
	if (eb_retry_expired(target, options, item, now))
		return EB_RETRY_AGE_EXHAUSTED;
	*next = now + delay(item->attempt) * 1000;
	return EB_RETRY;
}

const char *
eb_retry_error_code(int sqlstate)
{
	if (sqlstate == EB_ERRCODE_TRANSFORMATION)
		return "INPUT_TRANSFORMATION_FAILURE";
	if (sqlstate == EB_ERRCODE_LOOP_DETECTED)
		return "LOOP_DETECTED";
	if (sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE)
		return "NO_PERMISSIONS";
	if (is_final(sqlstate))
		return "NO_RESOURCE";
	if (sqlstate == ERRCODE_QUERY_CANCELED)
		return "TIMEOUT";
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:	/* 55: locked */
			return "RESOURCE_CONFLICT";
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return "THROTTLING";
		default:
			return "TARGET_REJECTED";
	}
}

const char *
eb_retry_exhausted_condition(EbRetryDecision decision)
{
	switch (decision)
	{
		case EB_RETRY_ATTEMPTS_EXHAUSTED:
			return "MaximumRetryAttempts";
		case EB_RETRY_AGE_EXHAUSTED:
			return "MaximumEventAgeInSeconds";
		default:
			return NULL;
	}
}
