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
 * Delivers a run in a subtransaction, as the rule's owner. When it is
 * delivered, *done says how many of its items, from the first one on, that
 * was. On failure none is, *error is the reason, in CurrentMemoryContext, and
 * run->at says which item it was, if that is known.
 */
extern EbVerdict eb_attempt(EbTargetRun *run, int *done, ErrorData **error);

#endif							/* EB_ATTEMPT_H */
