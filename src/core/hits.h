/*-------------------------------------------------------------------------
 *
 * hits.h
 *		What looking a value up in an index found: a list of numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_HITS_H
#define EB_CORE_HITS_H

typedef struct EbHits
{
	int			n;
	int			capacity;
	int		   *list;
} EbHits;

static inline void
eb_hits_init(EbHits *hits)
{
	hits->n = 0;
	hits->capacity = 16;
	hits->list = palloc(hits->capacity * sizeof(int));
}

static inline void
eb_hits_add(EbHits *hits, int number)
{
	if (hits->n == hits->capacity)
	{
		hits->list = repalloc(hits->list,
							  2 * hits->capacity * sizeof(int));
		hits->capacity *= 2;
	}
	hits->list[hits->n++] = number;
}

#endif							/* EB_CORE_HITS_H */
