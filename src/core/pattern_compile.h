/*-------------------------------------------------------------------------
 *
 * pattern_compile.h
 *		What pattern.c (structure) and pattern_leaf.c (tests) share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_PATTERN_COMPILE_H
#define EB_CORE_PATTERN_COMPILE_H

#include "core/pattern.h"

/* where we are in the pattern, innermost first; lives on the C stack */
typedef struct EbPatternPlace
{
	const struct EbPatternPlace *outer;
	const char *key;			/* of a member, NULL: an array's element */
	int			len;
	int			index;			/* of an element */
} EbPatternPlace;

typedef struct EbPatternCompiler
{
	const EbJson *doc;
	int			flags;
	EbPatternLimits limits;
	bool		or_is_field;
	bool		saw_or;			/* a member named "$or" */
	int			depth;
	const EbPatternPlace *place;
	EbPatternError *error;
} EbPatternCompiler;

/*
 * Compiles the array at node, a list of alternatives, into tests. False if it
 * is not valid, with compiler->error filled.
 */
extern bool eb_pattern_compile_tests(EbPatternCompiler *compiler, int node,
									 EbPatternField *field);

/*
 * Records a fault at the current place. Always returns false. The strings
 * are kept, not copied.
 */
extern bool eb_pattern_fail(EbPatternCompiler *compiler,
							EbPatternErrorCode code, const char *reason,
							const char *hint);

/* Is name among names (terminated by NULL)? */
extern bool eb_pattern_is_one_of(const EbJsonNode *name,
								 const char *const *names);

#endif							/* EB_CORE_PATTERN_COMPILE_H */
