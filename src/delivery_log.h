/*-------------------------------------------------------------------------
 *
 * delivery_log.h
 *		What is logged of single attempts: eventbus.delivery_log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DELIVERY_LOG_H
#define EB_DELIVERY_LOG_H

#include "target.h"

/* What a record tells, by its level: the first one is for log_level all. */
typedef enum EbDeliveryRecord
{
	EB_ATTEMPT_SUCCESS,
	EB_ATTEMPT_RETRYABLE_FAILURE,
	EB_ATTEMPT_PERMANENT_FAILURE,
	EB_INVOCATION_DLQ,			/* became a dead letter */
	EB_INVOCATION_FAILURE		/* was dropped */
} EbDeliveryRecord;

/* A call of a target, as far as a record tells of it. */
typedef struct EbDeliveryCall
{
	const EbTarget *target;
	const EbTargetOptions *options;
	TimestampTz started_at;		/* 0: there was none */
	const ErrorData *error;		/* NULL: it went well */
	const char *error_code;		/* EventBridge's, NULL likewise */
} EbDeliveryCall;

extern void eb_delivery_log_write(const EbDeliveryCall *call,
								  EbDeliveryRecord record,
								  const EbDelivery *items, int n);

/* Is that to be logged? */
static inline bool
eb_delivery_is_logged(const EbTargetOptions *options, EbDeliveryRecord record)
{
	return options->log_level != EB_LOG_LEVEL_OFF &&
		(record != EB_ATTEMPT_SUCCESS ||
		 options->log_level == EB_LOG_LEVEL_ALL);
}

/*
 * Appends a record for each of items[0..n), in this transaction, where the
 * target's log_level asks for it.
 */
static inline void
eb_delivery_log(const EbDeliveryCall *call, EbDeliveryRecord record,
				const EbDelivery *items, int n)
{
	if (eb_delivery_is_logged(call->options, record))
		eb_delivery_log_write(call, record, items, n);
}

#endif							/* EB_DELIVERY_LOG_H */
