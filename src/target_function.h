/*-------------------------------------------------------------------------
 *
 * target_function.h
 *		The parts of target type "function": finding one, calling it.
 *
 * Only for target_function*.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TARGET_FUNCTION_H
#define EB_TARGET_FUNCTION_H

#include "target.h"

#define EB_FUNCTION_TYPE_NAME	"function"

/* A function that can take events. */
typedef struct EbFunction
{
	Oid			oid;
	Oid			schema;
	Oid			owner;
	const char *name;			/* qualified, with the types of arguments */
	bool		takes_array;	/* of events, not one */
	bool		takes_context;
} EbFunction;

/* --- in target_function_lookup.c: both raise undefined_function (42883) and
 * other errors of class 42; strings are in CurrentMemoryContext. --- */

/* The one that the caller means by a name, with or without argument types. */
extern void eb_function_find(const char *resource, EbFunction *function);

/* The one of that name, which an earlier one had. */
extern void eb_function_open(const char *name, EbFunction *function);

/* Raises an error unless role may call it. */
extern void eb_function_check_rights(const EbFunction *function, Oid role);

/* --- in target_function_call.c --- */

typedef struct EbFunctionCalls EbFunctionCalls;

/*
 * Prepares calls for the items of a run, in CurrentMemoryContext. An error
 * leaves what the end of the subtransaction cleans up.
 */
extern EbFunctionCalls *eb_function_calls_begin(const EbFunction *function,
												EbTargetRun *run);

/* Calls the function for items[first .. first + n); n is 1 for most. */
extern void eb_function_call(EbFunctionCalls *calls, int first, int n);

extern void eb_function_calls_end(EbFunctionCalls *calls);

#endif							/* EB_TARGET_FUNCTION_H */
