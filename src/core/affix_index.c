/*-------------------------------------------------------------------------
 *
 * affix_index.c
 *		Which of many strings a text begins with, or ends with.
 *
 * The strings are sorted, and each knows the longest other one that it begins
 * with, its parent. Everything in order between a prefix of the text and the
 * text itself begins with that prefix. So all prefixes of the text are among
 * the last string that is not after the text, and the ancestors of that: one
 * binary search, and one walk that is no longer than the string.
 *
 * The search compares the first eight bytes as one number, kept in an array
 * of their own, and looks at strings only where these are equal.
 *
 * Suffixes are the same with everything read from the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/affix_index.h"

typedef struct Affix
{
	const char *text;
	int			len;
	int			parent;			/* or -1 */
	int			first;			/* of its numbers */
	int			count;
} Affix;

struct EbAffixIndex
{
	bool		from_end;
	int			n;
	int			capacity;
	Affix	   *affixes;
	uint64	   *heads;			/* by affix: its first bytes */
	int		   *numbers;
};

static uint64 head_of(const EbAffixIndex *index, const char *text, int len);
static int	common_length(const EbAffixIndex *index, const char *a, int alen,
						  const char *b, int blen);
static int	compare(const EbAffixIndex *index, const char *a, int alen,
					const char *b, int blen);
static int	compare_affixes(const void *a, const void *b, void *arg);
static void merge_equal(EbAffixIndex *index);
static void find_parents(EbAffixIndex *index);
static int	last_not_after(const EbAffixIndex *index, const char *text,
						   int len);

EbAffixIndex *
eb_affix_index_create(bool from_end)
{
	EbAffixIndex *index = palloc0(sizeof(EbAffixIndex));

	index->from_end = from_end;
	index->capacity = 4;
	index->affixes = palloc(index->capacity * sizeof(Affix));
	return index;
}

void
eb_affix_index_add(EbAffixIndex *index, const char *text, int len, int number)
{
	Affix	   *affix;

	if (index->n == index->capacity)
	{
		index->capacity *= 2;
		index->affixes = repalloc(index->affixes,
								  index->capacity * sizeof(Affix));
	}
	affix = &index->affixes[index->n++];
	affix->text = text;
	affix->len = len;
	affix->first = number;		/* until merge_equal() */
}

void
eb_affix_index_finish(EbAffixIndex *index)
{
	qsort_arg(index->affixes, index->n, sizeof(Affix), compare_affixes, index);
	merge_equal(index);
	find_parents(index);
	index->heads = palloc(index->n * sizeof(uint64));
	for (int i = 0; i < index->n; i++)
		index->heads[i] = head_of(index, index->affixes[i].text,
								  index->affixes[i].len);
}

void
eb_affix_index_find(const EbAffixIndex *index, const char *text, int len,
					EbHits *hits)
{
	int			at = last_not_after(index, text, len);
	int			common;

	if (at < 0)
		return;
	common = common_length(index, index->affixes[at].text,
						   index->affixes[at].len, text, len);
	for (; at >= 0; at = index->affixes[at].parent)
	{
		const Affix *affix = &index->affixes[at];

		if (affix->len > common)
			continue;
		for (int i = 0; i < affix->count; i++)
			eb_hits_add(hits, index->numbers[affix->first + i]);
	}
}

/* The byte at a distance from where reading starts. */
static inline unsigned char
byte_at(const EbAffixIndex *index, const char *text, int len, int i)
{
	return (unsigned char) text[index->from_end ? len - 1 - i : i];
}

/* The first eight bytes, as a number that sorts as they do. */
static uint64
head_of(const EbAffixIndex *index, const char *text, int len)
{
	uint64		head = 0;
	int			n = Min(len, 8);

	for (int i = 0; i < n; i++)
		head = head << 8 | byte_at(index, text, len, i);
	return n == 0 ? 0 : head << (8 * (8 - n));
}

static int
common_length(const EbAffixIndex *index, const char *a, int alen,
			  const char *b, int blen)
{
	int			max = Min(alen, blen);
	int			n = 0;

	while (n < max && byte_at(index, a, alen, n) == byte_at(index, b, blen, n))
		n++;
	return n;
}

static int
compare(const EbAffixIndex *index, const char *a, int alen, const char *b,
		int blen)
{
	int			n = common_length(index, a, alen, b, blen);

	if (n == alen || n == blen)
		return (alen > blen) - (alen < blen);
	return byte_at(index, a, alen, n) < byte_at(index, b, blen, n) ? -1 : 1;
}

static int
compare_affixes(const void *a, const void *b, void *arg)
{
	const Affix *x = a;
	const Affix *y = b;

	return compare(arg, x->text, x->len, y->text, y->len);
}

/* Makes one affix of equal ones, with all their numbers. */
static void
merge_equal(EbAffixIndex *index)
{
	int			kept = 0;

	index->numbers = palloc((index->n + 1) * sizeof(int));
	for (int i = 0; i < index->n; i++)
	{
		Affix		affix = index->affixes[i];

		index->numbers[i] = affix.first;
		if (kept > 0 &&
			compare_affixes(&index->affixes[kept - 1], &affix, index) == 0)
		{
			index->affixes[kept - 1].count++;
			continue;
		}
		affix.first = i;
		affix.count = 1;
		index->affixes[kept++] = affix;
	}
	index->n = kept;
}

/*
 * The parent of an affix is the one before it, or one of that one's
 * ancestors. Each step up leaves one for good, so this is linear.
 */
static void
find_parents(EbAffixIndex *index)
{
	for (int i = 0; i < index->n; i++)
	{
		Affix	   *affix = &index->affixes[i];
		int			parent = i - 1;

		if (parent >= 0)
		{
			const Affix *before = &index->affixes[parent];
			int			common = common_length(index, before->text,
											   before->len, affix->text,
											   affix->len);

			while (parent >= 0 && index->affixes[parent].len > common)
				parent = index->affixes[parent].parent;
		}
		affix->parent = parent;
	}
}

/* The last affix that is not after the text in order, or -1. */
static int
last_not_after(const EbAffixIndex *index, const char *text, int len)
{
	uint64		head = head_of(index, text, len);
	int			low = 0;
	int			high = index->n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		bool		after = index->heads[middle] > head;

		if (index->heads[middle] == head)
			after = compare(index, index->affixes[middle].text,
							index->affixes[middle].len, text, len) > 0;
		if (after)
			high = middle;
		else
			low = middle + 1;
	}
	return low - 1;
}
