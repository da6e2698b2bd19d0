/*-------------------------------------------------------------------------
 *
 * range_index.c
 *		Which of many ranges a number is in.
 *
 * An augmented interval tree (Cormen, Leiserson, Rivest, Stein: Introduction
 * to Algorithms) without pointers: ranges sorted by their low ends are the
 * tree whose root is the middle one. Each knows the greatest high end of its
 * subtree, so a search enters only subtrees with a range that can hold the
 * value: O(log n) for each range found, and memory linear in the ranges,
 * however they overlap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include <math.h>

#include "core/range_index.h"

typedef struct Range
{
	double		low;
	double		high;
	double		max_high;		/* of the subtree */
	int			number;
} Range;

struct EbRangeIndex
{
	int			n;
	int			capacity;
	Range	   *ranges;
};

static int	compare_ranges(const void *a, const void *b);
static double set_max_high(EbRangeIndex *index, int from, int to);
static void find(const EbRangeIndex *index, int from, int to, double value,
				 EbHits *hits);

EbRangeIndex *
eb_range_index_create(void)
{
	EbRangeIndex *index = palloc0(sizeof(EbRangeIndex));

	index->capacity = 4;
	index->ranges = palloc(index->capacity * sizeof(Range));
	return index;
}

void
eb_range_index_add(EbRangeIndex *index, const EbNumberRange *range,
				   int number)
{
	if (index->n == index->capacity)
	{
		index->capacity *= 2;
		index->ranges = repalloc(index->ranges,
								 index->capacity * sizeof(Range));
	}
	index->ranges[index->n++] = (Range)
	{
		range->low, range->high, range->high, number
	};
}

void
eb_range_index_finish(EbRangeIndex *index)
{
	qsort(index->ranges, index->n, sizeof(Range), compare_ranges);
	(void) set_max_high(index, 0, index->n);
}

void
eb_range_index_find(const EbRangeIndex *index, double value, EbHits *hits)
{
	find(index, 0, index->n, value, hits);
}

static int
compare_ranges(const void *a, const void *b)
{
	const Range *x = a;
	const Range *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

static double
set_max_high(EbRangeIndex *index, int from, int to)
{
	int			middle = from + (to - from) / 2;
	double		left;
	double		right;

	if (from >= to)
		return -INFINITY;
	left = set_max_high(index, from, middle);
	right = set_max_high(index, middle + 1, to);
	index->ranges[middle].max_high = Max(index->ranges[middle].high,
										 Max(left, right));
	return index->ranges[middle].max_high;
}

/* Searches the subtree of the ranges from "from" to "to" - 1. */
static void
find(const EbRangeIndex *index, int from, int to, double value, EbHits *hits)
{
	while (from < to)
	{
		int			middle = from + (to - from) / 2;
		const Range *root = &index->ranges[middle];

		if (root->max_high < value)
			return;
		find(index, from, middle, value, hits);
		if (root->low > value)
			return;
		if (root->high >= value)
			eb_hits_add(hits, root->number);
		from = middle + 1;
	}
}
