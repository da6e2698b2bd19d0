/*-------------------------------------------------------------------------
 *
 * dead_letter.h
 *		Keeps events that a target could not take: eventbus.dead_letters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DEAD_LETTER_H
#define EB_DEAD_LETTER_H

#include "position.h"
#include "target.h"

/* An event that is given up, and why. */
typedef struct EbDeadLetter
{
	const EbTarget *target;
	const EbTargetOptions *options;
	const EbDelivery *item;		/* attempt is the number of the last one */
	const ErrorData *error;		/* of the last attempt */
	const char *error_code;		/* EventBridge's */
	const char *exhausted_condition;	/* NULL: it was not worth a retry */
	TimestampTz first_attempt_at;	/* 0: the only one was now */
	const char *first_error;	/* NULL: it is error */
	const EbTransform *transform;	/* what makes of it what is sent, NULL:
									 * nothing does */
} EbDeadLetter;

/*
 * Stores a copy of the event with the reason, or sends it to the target's
 * dead-letter queue, in this transaction, as the extension, and counts it in
 * *position (in memory). False where the target wants no dead letters: it is
 * dropped, which is counted, too.
 */
extern bool eb_dead_letter(const EbDeadLetter *letter, EbPosition *position);

#endif							/* EB_DEAD_LETTER_H */
