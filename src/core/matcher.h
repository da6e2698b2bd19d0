/*-------------------------------------------------------------------------
 *
 * matcher.h
 *		Many patterns against one event at a time.
 *
 * Made once:
 *
 *		EbMatcher *matcher = eb_matcher_create();
 *		... eb_matcher_add(matcher, pattern) for each pattern ...
 *		eb_matcher_finish(matcher);
 *
 * One match:
 *
 *		EbFields *fields = eb_matcher_begin(matcher);
 *		... add the event's values at the paths of matcher->paths ...
 *		n = eb_matcher_match(matcher, matched);
 *
 * A matcher is not changed by matching but for its working memory; it is for
 * one event at a time. All of it is allocated in the CurrentMemoryContext of
 * these calls (matching may enlarge the working memory, where it is), and
 * there is no function to free it: delete the context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_MATCHER_H
#define EB_CORE_MATCHER_H

#include "core/event.h"
#include "core/pattern.h"

typedef struct EbMatcher EbMatcher;

extern EbMatcher *eb_matcher_create(void);

/*
 * Adds a pattern, which is copied as far as needed; returns its number,
 * counted from 0. NULL is a pattern that matches nothing.
 */
extern int	eb_matcher_add(EbMatcher *matcher, const EbPattern *pattern);

/* After the last pattern, before the first match. */
extern void eb_matcher_finish(EbMatcher *matcher);

/* All of that for an array of n patterns. */
extern EbMatcher *eb_matcher_build(EbPattern **patterns, int n);

/* How many patterns it was built from: the most that can match. */
extern int	eb_matcher_size(const EbMatcher *matcher);

/* The paths that the patterns look at. */
extern EbPathNode *eb_matcher_paths(const EbMatcher *matcher);

/* Forgets the event before, and returns where to add the new one's values. */
extern EbFields *eb_matcher_begin(EbMatcher *matcher);

/*
 * Could any pattern match, if only values at and below the node "later" (may
 * be NULL: none) are still to be added? May say yes wrongly.
 */
extern bool eb_matcher_may_match(EbMatcher *matcher, const EbPathNode *later);

/*
 * Writes the numbers of the patterns that match to matched, which has room
 * for eb_matcher_size() of them, ascending; returns how many.
 */
extern int	eb_matcher_match(EbMatcher *matcher, int *matched);

#endif							/* EB_CORE_MATCHER_H */
