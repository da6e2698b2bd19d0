/*-------------------------------------------------------------------------
 *
 * matcher_build.h
 *		What a matcher is made of: shared by matcher_build.c, which makes it,
 *		and matcher.c, which matches.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_MATCHER_BUILD_H
#define EB_CORE_MATCHER_BUILD_H

#include "core/array_join.h"
#include "core/matcher.h"
#include "core/test_index.h"
#include "core/test_set.h"

/* what is known of a late predicate */
#define EB_ANSWER_NO			0
#define EB_ANSWER_YES			1
#define EB_ANSWER_UNDECIDED		2	/* the join has to tell */

/* a conjunction: predicates in byte order of path, in EbMatcher.members */
typedef struct EbEntry
{
	int			pattern;
	int			first_member;
	uint16		nmembers;
	bool		has_late;
} EbEntry;

struct EbMatcher
{
	int			npatterns;
	EbPathTree	paths;
	EbTestSet	tests;
	EbTestIndex *index;

	/* by access predicate; those that have none are the last nalways ones */
	int			nentries;
	int			entries_capacity;
	EbEntry    *entries;
	int			nalways;
	int			nmembers;
	int			members_capacity;
	int		   *members;		/* predicates of entries */
	int			max_members;	/* of one entry */

	/* by predicate, and one more: where what belongs to it begins */
	int		   *first_entry;	/* ... in entries: it is their access */
	bool	   *is_late;

	/* by test, and one more: where the predicates begin that it is of */
	int		   *first_use;
	int		   *uses;

	/* working memory of one match */
	uint32		match_number;	/* what stamps of this match say */
	uint32	   *matched_in;		/* by pattern */
	uint32	   *test_stamps;	/* by test: it is satisfied */
	uint32	   *stamps;			/* by predicate: it holds, or if it is late,
								 * it was evaluated ... */
	uint8	   *answers;		/* ... with this result */
	uint32	   *in_array;		/* by path: a value is inside an array */
	EbFields	fields;
	int			nlooked_up;		/* of the fields */
	EbHits		hits;
	int			nfired;
	int		   *fired;			/* access predicates that hold */
	EbJoin		join;
	EbJoinField *join_fields;
};

/* Makes all stamps older than any match. */
extern void eb_matcher_clear_stamps(EbMatcher *matcher);

#endif							/* EB_CORE_MATCHER_BUILD_H */
