/*-------------------------------------------------------------------------
 *
 * matcher_build.c
 *		Making a matcher: which predicate gives access to which entry.
 *
 * Nothing is known of events beforehand, so the patterns have to tell what is
 * rare in them: a path at which they ask for a thousand different strings is
 * one where any single of them is rare. The access predicate of an entry is
 * the one with the greatest weight: the number of different tests at its path
 * by the number of its own, lessened for kinds of tests that one value may
 * satisfy many of, and for short ones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include <math.h>

#include "core/matcher_build.h"

/* no access predicate */
#define NONE			(-1)

/*
 * A path at the top of the event counts for more: it may spare the caller the
 * rest of the event, see eb_matcher_may_match().
 */
#define TOP_PATH_WEIGHT	16

static void add_entry(EbMatcher *matcher, int pattern,
					  const EbConjunction *conjunction);
static void add_member(EbMatcher *matcher, int predicate);
static int *choose_access(EbMatcher *matcher);
static int	best_member(EbMatcher *matcher, const EbEntry *entry,
						const int *ntests);
static double weigh(const EbMatcher *matcher, int predicate,
					const int *ntests);
static double weigh_test(const EbTest *test);
static int	any_value_of(EbMatcher *matcher, const EbEntry *entry);
static void sort_entries(EbMatcher *matcher, const int *access);
static void find_late(EbMatcher *matcher);
static void build_index(EbMatcher *matcher);
static void mark_access_paths(EbMatcher *matcher);
static void make_working_memory(EbMatcher *matcher);

EbMatcher *
eb_matcher_build(EbPattern **patterns, int n)
{
	EbMatcher  *matcher = eb_matcher_create();

	for (int p = 0; p < n; p++)
		(void) eb_matcher_add(matcher, patterns[p]);
	eb_matcher_finish(matcher);
	return matcher;
}

EbMatcher *
eb_matcher_create(void)
{
	EbMatcher  *matcher = palloc0(sizeof(EbMatcher));

	eb_path_tree_init(&matcher->paths);
	eb_test_set_init(&matcher->tests);
	matcher->entries_capacity = 4;
	matcher->entries = palloc(matcher->entries_capacity * sizeof(EbEntry));
	matcher->members_capacity = 8;
	matcher->members = palloc(matcher->members_capacity * sizeof(int));
	return matcher;
}

int
eb_matcher_add(EbMatcher *matcher, const EbPattern *pattern)
{
	for (int c = 0; pattern != NULL && c < pattern->nconjunctions; c++)
		add_entry(matcher, matcher->npatterns, &pattern->conjunctions[c]);
	return matcher->npatterns++;
}

void
eb_matcher_finish(EbMatcher *matcher)
{
	int		   *access = choose_access(matcher);

	eb_test_set_finish(&matcher->tests);
	eb_path_tree_finish(&matcher->paths);
	sort_entries(matcher, access);
	pfree(access);
	find_late(matcher);
	build_index(matcher);
	mark_access_paths(matcher);
	make_working_memory(matcher);
}

void
eb_matcher_clear_stamps(EbMatcher *matcher)
{
	memset(matcher->matched_in, 0, matcher->npatterns * sizeof(uint32));
	memset(matcher->test_stamps, 0, matcher->tests.ntests * sizeof(uint32));
	memset(matcher->stamps, 0, matcher->tests.npredicates * sizeof(uint32));
	memset(matcher->in_array, 0, matcher->paths.npaths * sizeof(uint32));
}

/* ----- entries ----- */

static void
add_entry(EbMatcher *matcher, int pattern, const EbConjunction *conjunction)
{
	EbEntry    *entry;

	if (matcher->nentries == matcher->entries_capacity)
	{
		matcher->entries_capacity *= 2;
		matcher->entries = repalloc(matcher->entries,
									matcher->entries_capacity *
									sizeof(EbEntry));
	}
	entry = &matcher->entries[matcher->nentries++];
	entry->pattern = pattern;
	entry->first_member = matcher->nmembers;
	entry->nmembers = conjunction->nfields;
	entry->has_late = false;
	matcher->max_members = Max(matcher->max_members, conjunction->nfields);
	for (int i = 0; i < conjunction->nfields; i++)
	{
		const EbPatternField *field = conjunction->fields[i];
		EbPathNode *node = eb_path_tree_add(&matcher->paths, field->path,
											field->len);

		for (int t = 0; t < field->ntests; t++)
		{
			if (eb_test_looks_at_numbers(&field->tests[t]))
				node->looks_at_numbers = true;
		}
		add_member(matcher, eb_test_set_add(&matcher->tests, node->path,
											field));
	}
}

static void
add_member(EbMatcher *matcher, int predicate)
{
	if (matcher->nmembers == matcher->members_capacity)
	{
		matcher->members_capacity *= 2;
		matcher->members = repalloc(matcher->members,
									matcher->members_capacity * sizeof(int));
	}
	matcher->members[matcher->nmembers++] = predicate;
}

/* ----- access ----- */

/* The access predicate of each entry. */
static int *
choose_access(EbMatcher *matcher)
{
	int		   *access = palloc((matcher->nentries + 1) * sizeof(int));
	int		   *ntests = palloc0((matcher->paths.npaths + 1) * sizeof(int));

	for (int t = 0; t < matcher->tests.ntests; t++)
		ntests[matcher->tests.tests[t].path]++;
	for (int e = 0; e < matcher->nentries; e++)
	{
		access[e] = best_member(matcher, &matcher->entries[e], ntests);
		if (access[e] == NONE)
			access[e] = any_value_of(matcher, &matcher->entries[e]);
	}
	pfree(ntests);
	return access;
}

/* The one that is likely to hold least often of those that can be indexed. */
static int
best_member(EbMatcher *matcher, const EbEntry *entry, const int *ntests)
{
	int			best = NONE;
	double		best_weight = 0;

	for (int i = 0; i < entry->nmembers; i++)
	{
		int			predicate = matcher->members[entry->first_member + i];
		double		weight = weigh(matcher, predicate, ntests);

		if (weight > best_weight)
		{
			best = predicate;
			best_weight = weight;
		}
	}
	return best;
}

/* How telling a predicate is, 0 if it cannot be indexed. */
static double
weigh(const EbMatcher *matcher, int predicate, const int *ntests)
{
	const EbPredicate *p = &matcher->tests.predicates[predicate];
	double		sum = 0;

	for (int t = 0; t < p->ntests; t++)
	{
		double		weight = weigh_test(&p->field->tests[t]);

		if (weight == 0)
			return 0;
		sum += 1 / weight;
	}
	return ntests[p->path] / sum *
		(matcher->paths.paths[p->path]->outer == matcher->paths.root ?
		 TOP_PATH_WEIGHT : 1);
}

static double
weigh_test(const EbTest *test)
{
	switch (test->kind)
	{
		case EB_TEST_STRING:
		case EB_TEST_NUMBER:
		case EB_TEST_EQUALS_IGNORE_CASE:
			return 1;
		case EB_TEST_CIDR:
			return 0.01 * (1 + test->u.ip.bits);
		case EB_TEST_NUMERIC:
			/* of half-open ranges a value is in half */
			return isinf(test->u.range.low) || isinf(test->u.range.high) ?
				0.001 : 0.1;
		case EB_TEST_PREFIX:
		case EB_TEST_SUFFIX:
		case EB_TEST_PREFIX_IGNORE_CASE:
		case EB_TEST_SUFFIX_IGNORE_CASE:
		case EB_TEST_WILDCARD:
			return 0.001 + 0.02 * Min(test->len, 20);
		case EB_TEST_NULL:
		case EB_TEST_FALSE:
		case EB_TEST_TRUE:
			return 0.1;
		case EB_TEST_EXISTS:
			return 0.0001;
		case EB_TEST_ANYTHING_BUT:
		case EB_TEST_ABSENT:
			break;
	}
	return 0;
}

/*
 * For an entry of late predicates: that there is a value at a path, which
 * anything-but demands.
 */
static int
any_value_of(EbMatcher *matcher, const EbEntry *entry)
{
	for (int i = 0; i < entry->nmembers; i++)
	{
		int			predicate = matcher->members[entry->first_member + i];
		const EbPredicate *p = &matcher->tests.predicates[predicate];
		bool		may_be_absent = false;

		for (int t = 0; t < p->ntests; t++)
			may_be_absent |= p->field->tests[t].kind == EB_TEST_ABSENT;
		if (!may_be_absent)
			return eb_test_set_add_exists(&matcher->tests, p->path);
	}
	return NONE;
}

/*
 * Puts entries with the same access side by side, and their members in the
 * same order, so that visiting them reads memory in sequence.
 */
static void
sort_entries(EbMatcher *matcher, const int *access)
{
	int			npredicates = matcher->tests.npredicates;
	EbEntry    *old = matcher->entries;
	int		   *old_members = matcher->members;
	int		   *from = palloc((matcher->nentries + 1) * sizeof(int));
	int		   *at = palloc0((npredicates + 1) * sizeof(int));
	int			sum = 0;
	int			nmembers = 0;

	/* count, sum up, place; NONE counts as one after the last predicate */
	for (int e = 0; e < matcher->nentries; e++)
		at[access[e] == NONE ? npredicates : access[e]]++;
	matcher->nalways = at[npredicates];
	matcher->first_entry = palloc((npredicates + 1) * sizeof(int));
	for (int p = 0; p <= npredicates; p++)
	{
		matcher->first_entry[p] = sum;
		sum += at[p];
		at[p] = matcher->first_entry[p];
	}
	for (int e = 0; e < matcher->nentries; e++)
		from[at[access[e] == NONE ? npredicates : access[e]]++] = e;

	matcher->entries = palloc((matcher->nentries + 1) * sizeof(EbEntry));
	matcher->members = palloc((matcher->nmembers + 1) * sizeof(int));
	for (int e = 0; e < matcher->nentries; e++)
	{
		EbEntry    *entry = &matcher->entries[e];

		*entry = old[from[e]];
		memcpy(&matcher->members[nmembers], &old_members[entry->first_member],
			   entry->nmembers * sizeof(int));
		entry->first_member = nmembers;
		nmembers += entry->nmembers;
	}
	pfree(old);
	pfree(old_members);
	pfree(from);
	pfree(at);
}

/* ----- the index ----- */

/* Finds which predicates are late, and which entries have one. */
static void
find_late(EbMatcher *matcher)
{
	matcher->is_late = palloc0((matcher->tests.npredicates + 1) *
							   sizeof(bool));
	for (int p = 0; p < matcher->tests.npredicates; p++)
	{
		const EbPredicate *predicate = &matcher->tests.predicates[p];
		bool		is_access = matcher->first_entry[p] <
			matcher->first_entry[p + 1];

		for (int t = 0; t < predicate->ntests; t++)
		{
			const EbTest *test = &predicate->field->tests[t];

			if (!eb_test_is_indexable(test) ||
				(!is_access && !eb_test_is_cheap(test)))
				matcher->is_late[p] = true;
		}
	}
	for (int e = 0; e < matcher->nentries; e++)
	{
		EbEntry    *entry = &matcher->entries[e];

		for (int i = 0; i < entry->nmembers; i++)
			entry->has_late |=
				matcher->is_late[matcher->members[entry->first_member + i]];
	}
}

/* Indexes the tests of predicates that are not late. */
static void
build_index(EbMatcher *matcher)
{
	const EbTestSet *tests = &matcher->tests;
	int		   *at = palloc0((tests->ntests + 1) * sizeof(int));
	int			sum = 0;

	/* count the uses of each test, sum up, place */
	for (int p = 0; p < tests->npredicates; p++)
	{
		for (int t = 0; t < tests->predicates[p].ntests; t++)
			at[tests->predicates[p].test_ids[t]] += !matcher->is_late[p];
	}
	matcher->index = eb_test_index_create(tests, matcher->paths.npaths);
	matcher->first_use = palloc((tests->ntests + 1) * sizeof(int));
	for (int t = 0; t <= tests->ntests; t++)
	{
		matcher->first_use[t] = sum;
		sum += at[t];
		if (at[t] > 0)
			eb_test_index_add(matcher->index, t);
		at[t] = matcher->first_use[t];
	}
	eb_test_index_finish(matcher->index);
	matcher->uses = palloc((sum + 1) * sizeof(int));
	for (int p = 0; p < tests->npredicates; p++)
	{
		for (int t = 0; t < tests->predicates[p].ntests; t++)
		{
			if (!matcher->is_late[p])
				matcher->uses[at[tests->predicates[p].test_ids[t]]++] = p;
		}
	}
	pfree(at);
}

/* Marks the nodes of the tree from which a path with an access is reached. */
static void
mark_access_paths(EbMatcher *matcher)
{
	for (int p = 0; p < matcher->tests.npredicates; p++)
	{
		EbPathNode *node;

		if (matcher->first_entry[p] == matcher->first_entry[p + 1])
			continue;
		node = matcher->paths.paths[matcher->tests.predicates[p].path];
		for (; node != NULL && !node->leads_to_access; node = node->outer)
			node->leads_to_access = true;
	}
}

static void
make_working_memory(EbMatcher *matcher)
{
	int			npredicates = matcher->tests.npredicates;
	int			ntests = matcher->tests.ntests;
	int			npaths = matcher->paths.npaths;

	matcher->matched_in = palloc0((matcher->npatterns + 1) * sizeof(uint32));
	matcher->test_stamps = palloc0((ntests + 1) * sizeof(uint32));
	matcher->stamps = palloc0((npredicates + 1) * sizeof(uint32));
	matcher->answers = palloc0(npredicates + 1);
	matcher->in_array = palloc0((npaths + 1) * sizeof(uint32));
	matcher->fired = palloc((npredicates + 1) * sizeof(int));
	eb_fields_init(&matcher->fields, npaths);
	eb_hits_init(&matcher->hits);
	eb_join_init(&matcher->join);
	matcher->join_fields = palloc((matcher->max_members + 1) *
								  sizeof(EbJoinField));
}
