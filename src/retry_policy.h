/*-------------------------------------------------------------------------
 *
 * retry_policy.h
 *		When a failed delivery is tried again, and when it is given up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_RETRY_POLICY_H
#define EB_RETRY_POLICY_H

#include "target.h"

/* What becomes of an event that could not be delivered. */
typedef enum EbRetryDecision
{
	EB_RETRY,					/* at the time that was given */
	EB_RETRY_NEVER,				/* another attempt cannot help */
	EB_RETRY_ATTEMPTS_EXHAUSTED,
	EB_RETRY_AGE_EXHAUSTED
} EbRetryDecision;

/*
 * Decides after item->attempt attempts, the last of which has failed with that
 * SQLSTATE. For EB_RETRY, *next says when the next one is due.
 */
extern EbRetryDecision eb_retry_decide(const EbTarget *target,
									   const EbTargetOptions *options,
									   const EbDelivery *item, int sqlstate,
									   TimestampTz *next);

/*
 * Is the event older than the target's maximum_event_age? The time in which
 * the target was paused does not count.
 */
extern bool eb_retry_expired(const EbTarget *target,
							 const EbTargetOptions *options,
							 const EbDelivery *item, TimestampTz now);

/* EventBridge's words: its ERROR_CODE, and EXHAUSTED_RETRY_CONDITION or NULL. */
extern const char *eb_retry_error_code(int sqlstate);
extern const char *eb_retry_exhausted_condition(EbRetryDecision decision);

#endif							/* EB_RETRY_POLICY_H */
