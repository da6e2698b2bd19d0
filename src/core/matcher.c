/*-------------------------------------------------------------------------
 *
 * matcher.c
 *		Many patterns against one event at a time.
 *
 * Every conjunction of every pattern is an entry, a set of predicates
 * (test_set.h), all of which must hold. One of them, the one that is likely to
 * hold least often, is the entry's access predicate. To match an event:
 *
 *	1.	Each value is looked up in the index of tests (test_index.h). What it
 *		satisfies is stamped with the number of this match: tests, and the
 *		predicates that they are of.
 *	2.	Entries are visited whose access predicate was stamped, and no others.
 *		The rest of an entry's predicates are mostly a look at their stamps.
 *
 *		value ──▶ tests ──▶ predicates ──▶ entries of which it is the access:
 *							  [stamp]	   contiguous, as are their predicates
 *
 * A predicate that no value can be looked up for (anything-but, exists: false)
 * and one that is nobody's access and not cheap to find (a range, a wildcard)
 * is late: it is evaluated when the first entry asks, and the answer is kept
 * for this match. An entry with nothing but late predicates is visited when
 * there is a value at the path of an anything-but; if it has none, always.
 *
 * Thus the cost of an event grows with the predicates that it satisfies and
 * the entries that they give access to, not with the number of rules.
 *
 * All of that ignores arrays. Only if it passes and two of an entry's paths
 * have values inside arrays does the join of array_join.c decide.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"

#include "miscadmin.h"
#else
#include "postgres_fe.h"

#define CHECK_FOR_INTERRUPTS()	((void) 0)
#endif

#include "core/array_join.h"
#include "core/matcher.h"
#include "core/matcher_build.h"

static void look_up(EbMatcher *matcher);
static void satisfy(EbMatcher *matcher, int test);
static int	visit(EbMatcher *matcher, const EbEntry *entry, int *matched,
				  int n);
static bool entry_matches(EbMatcher *matcher, const EbEntry *entry);
static bool late_holds(EbMatcher *matcher, int number, bool *undecided);
static uint8 evaluate(EbMatcher *matcher, const EbPredicate *predicate);
static bool needs_join(const EbMatcher *matcher, const EbEntry *entry);
static bool join(EbMatcher *matcher, const EbEntry *entry);
static int	compare_ints(const void *a, const void *b);

int
eb_matcher_size(const EbMatcher *matcher)
{
	return matcher->npatterns;
}

EbPathNode *
eb_matcher_paths(const EbMatcher *matcher)
{
	return matcher->paths.root;
}

EbFields *
eb_matcher_begin(EbMatcher *matcher)
{
	eb_fields_reset(&matcher->fields);
	matcher->nlooked_up = 0;
	matcher->nfired = 0;
	if (++matcher->match_number == 0)
	{
		/* wrapped around: forget all stamps */
		eb_matcher_clear_stamps(matcher);
		matcher->match_number = 1;
	}
	return &matcher->fields;
}

bool
eb_matcher_may_match(EbMatcher *matcher, const EbPathNode *later)
{
	if (matcher->nalways > 0 || (later != NULL && later->leads_to_access))
		return true;
	look_up(matcher);
	return matcher->nfired > 0;
}

int
eb_matcher_match(EbMatcher *matcher, int *matched)
{
	int			n = 0;

	look_up(matcher);
	for (int i = 0; i < matcher->nfired; i++)
	{
		int			predicate = matcher->fired[i];

		for (int e = matcher->first_entry[predicate];
			 e < matcher->first_entry[predicate + 1]; e++)
			n = visit(matcher, &matcher->entries[e], matched, n);
	}
	/* those without an access predicate are the last ones */
	for (int e = matcher->nentries - matcher->nalways;
		 e < matcher->nentries; e++)
		n = visit(matcher, &matcher->entries[e], matched, n);
	if (n > 1)
		qsort(matched, n, sizeof(int), compare_ints);
	return n;
}

/* Stamps what the values satisfy that were added since the last call. */
static void
look_up(EbMatcher *matcher)
{
	const EbFields *fields = &matcher->fields;

	while (matcher->nlooked_up < fields->nfields)
	{
		int			f = matcher->nlooked_up++;
		int			path = fields->paths[f];

		CHECK_FOR_INTERRUPTS();
		if (fields->fields[f].trail >= 0)
			matcher->in_array[path] = matcher->match_number;
		matcher->hits.n = 0;
		eb_test_index_find(matcher->index, path, &fields->fields[f].value,
						   &matcher->hits);
		for (int i = 0; i < matcher->hits.n; i++)
			satisfy(matcher, matcher->hits.list[i]);
	}
}

/* Stamps the test, and the predicates that it is of. */
static void
satisfy(EbMatcher *matcher, int test)
{
	uint32		now = matcher->match_number;

	if (matcher->test_stamps[test] == now)
		return;
	matcher->test_stamps[test] = now;
	for (int i = matcher->first_use[test]; i < matcher->first_use[test + 1];
		 i++)
	{
		int			predicate = matcher->uses[i];

		if (matcher->stamps[predicate] == now)
			continue;
		matcher->stamps[predicate] = now;
		if (matcher->first_entry[predicate] <
			matcher->first_entry[predicate + 1])
			matcher->fired[matcher->nfired++] = predicate;
	}
}

/* Tests an entry; returns the new number of matches. */
static int
visit(EbMatcher *matcher, const EbEntry *entry, int *matched, int n)
{
	if (matcher->matched_in[entry->pattern] == matcher->match_number ||
		!entry_matches(matcher, entry))
		return n;
	matcher->matched_in[entry->pattern] = matcher->match_number;
	matched[n] = entry->pattern;
	return n + 1;
}

static bool
entry_matches(EbMatcher *matcher, const EbEntry *entry)
{
	const int  *predicates = &matcher->members[entry->first_member];
	bool		undecided = false;

	for (int i = 0; i < entry->nmembers; i++)
	{
		if (!matcher->is_late[predicates[i]] &&
			matcher->stamps[predicates[i]] != matcher->match_number)
			return false;
	}
	for (int i = 0; entry->has_late && i < entry->nmembers; i++)
	{
		if (matcher->is_late[predicates[i]] &&
			!late_holds(matcher, predicates[i], &undecided))
			return false;
	}
	if (matcher->fields.ntrails == 0)
		return true;
	return !(undecided || needs_join(matcher, entry)) || join(matcher, entry);
}

/* Does a late predicate hold? Asked for the first time, finds out. */
static bool
late_holds(EbMatcher *matcher, int number, bool *undecided)
{
	if (matcher->stamps[number] != matcher->match_number)
	{
		matcher->answers[number] =
			evaluate(matcher, &matcher->tests.predicates[number]);
		matcher->stamps[number] = matcher->match_number;
	}
	if (matcher->answers[number] == EB_ANSWER_UNDECIDED)
		*undecided = true;
	return matcher->answers[number] != EB_ANSWER_NO;
}

/*
 * Does the predicate hold if arrays are ignored? It is undecided if values
 * inside arrays do not satisfy it, but could be absent from the elements that
 * other predicates settle on.
 */
static uint8
evaluate(EbMatcher *matcher, const EbPredicate *predicate)
{
	const EbFields *fields = &matcher->fields;
	const EbPatternField *field = predicate->field;

	for (int f = fields->first[predicate->path]; f >= 0;
		 f = fields->fields[f].next)
	{
		CHECK_FOR_INTERRUPTS();
		for (int t = 0; t < field->ntests; t++)
		{
			if (eb_test_match(&field->tests[t], &fields->fields[f].value))
				return EB_ANSWER_YES;
		}
	}
	for (int t = 0; t < field->ntests; t++)
	{
		if (field->tests[t].kind != EB_TEST_ABSENT)
			continue;
		if (fields->first[predicate->path] < 0)
			return EB_ANSWER_YES;
		if (matcher->in_array[predicate->path] == matcher->match_number)
			return EB_ANSWER_UNDECIDED;
	}
	return EB_ANSWER_NO;
}

/* Do two of the entry's paths have values inside arrays? */
static bool
needs_join(const EbMatcher *matcher, const EbEntry *entry)
{
	int			n = 0;

	for (int i = 0; i < entry->nmembers && n < 2; i++)
	{
		int			predicate = matcher->members[entry->first_member + i];

		n += matcher->in_array[matcher->tests.predicates[predicate].path] ==
			matcher->match_number;
	}
	return n >= 2;
}

static bool
join(EbMatcher *matcher, const EbEntry *entry)
{
	for (int i = 0; i < entry->nmembers; i++)
	{
		int			number = matcher->members[entry->first_member + i];
		const EbPredicate *predicate = &matcher->tests.predicates[number];

		matcher->join_fields[i].field = predicate->field;
		matcher->join_fields[i].path = predicate->path;
	}
	return eb_join_match(&matcher->join, &matcher->fields,
						 matcher->join_fields, entry->nmembers);
}

static int
compare_ints(const void *a, const void *b)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	return (x > y) - (x < y);
}
