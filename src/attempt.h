/*-------------------------------------------------------------------------
 *
 * attempt.h
 *		One try to hand events to a target, and what its failure means.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_ATTEMPT_H
#define EB_ATTEMPT_H

#include "target.h"

typedef enum EbVerdict
{
	EB_DELIVERED,
	EB_BUSY,					/* locked, timed out, out of resources: try
								 * the same again later */
	EB_TARGET_BROKEN,			/* the target cannot be used by any event */
	EB_REJECTED					/* something is wrong with one of the events */
} EbVerdict;

/*
 * Delivers items[0..n) in a subtransaction, as the rule's owner: all of them
 * or none. On failure *error is the reason, in CurrentMemoryContext.
 */
extern EbVerdict eb_attempt(const EbTarget *target, EbDelivery *items, int n,
							ErrorData **error);

#endif							/* EB_ATTEMPT_H */
