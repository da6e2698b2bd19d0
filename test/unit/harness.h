/*-------------------------------------------------------------------------
 *
 * harness.h
 *		What the unit tests of src/core share: TAP output, memory that can be
 *		thrown away, and short ways to a compiled pattern and a verdict.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TEST_HARNESS_H
#define EB_TEST_HARNESS_H

#include "postgres_fe.h"

#include "core/matcher.h"

/* tap.c: one line of TAP per check; finish prints the plan, returns status */
extern void ok(bool passed, const char *format,...) pg_attribute_printf(2, 3);
extern void is_text(const char *got, const char *want, const char *format,...)
			pg_attribute_printf(3, 4);
extern void note(const char *format,...) pg_attribute_printf(1, 2);
extern int	finish(void);

/* memory.c: frees everything that palloc gave out since the last call */
extern void free_all(void);

/*
 * judge.c: compiles a pattern from JSON text; NULL if the text is not JSON
 * (then error->reason is NULL) or not a pattern.
 */
extern EbPattern *compile(const char *text, int len, int flags,
						  EbPatternError *error);

/* Does the event, JSON text, match? An event that is not JSON does not. */
extern bool match_one(EbPattern *pattern, const char *event, int len);

/* All in one, for constants: 1 match, 0 no match, -1 not a pattern. */
extern int	verdict(const char *pattern, const char *event);

/*
 * oracle.c: does the event match, by the plain evaluators? root is the tree of
 * paths that the fields were collected with, that of a matcher with the
 * pattern. oracle_search is for events of few values.
 */
extern bool oracle_search(const EbPattern *pattern, EbPathNode *root,
						  const EbFields *fields);
extern bool oracle_join(const EbPattern *pattern, EbPathNode *root,
						const EbFields *fields);

#endif							/* EB_TEST_HARNESS_H */
