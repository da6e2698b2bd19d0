/*-------------------------------------------------------------------------
 *
 * range_index.h
 *		Which of many ranges a number is in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_RANGE_INDEX_H
#define EB_CORE_RANGE_INDEX_H

#include "core/hits.h"
#include "core/value_match.h"

typedef struct EbRangeIndex EbRangeIndex;

extern EbRangeIndex *eb_range_index_create(void);

/* Adds a range under a number. */
extern void eb_range_index_add(EbRangeIndex *index,
							   const EbNumberRange *range, int number);

/* After the last range: makes the index fit for look-ups. */
extern void eb_range_index_finish(EbRangeIndex *index);

/*
 * Adds to hits the numbers of all ranges from whose low to whose high end the
 * value is, ends included.
 */
extern void eb_range_index_find(const EbRangeIndex *index, double value,
								EbHits *hits);

#endif							/* EB_CORE_RANGE_INDEX_H */
