/*-------------------------------------------------------------------------
 *
 * subtransaction.h
 *		Runs a function whose errors are not to end the transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_SUBTRANSACTION_H
#define EB_SUBTRANSACTION_H

#include "utils/elog.h"

/*
 * Calls function(arg) in a subtransaction, with CurrentMemoryContext as it is.
 * NULL when that is done; else its error, in CurrentMemoryContext, and all that
 * it did is undone.
 */
extern ErrorData *eb_try(void (*function) (void *arg), void *arg);

#endif							/* EB_SUBTRANSACTION_H */
