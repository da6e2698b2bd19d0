/*-------------------------------------------------------------------------
 *
 * test_index.h
 *		Which of many tests a value satisfies.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_TEST_INDEX_H
#define EB_CORE_TEST_INDEX_H

#include "core/hits.h"
#include "core/test_set.h"

typedef struct EbTestIndex EbTestIndex;

/*
 * Is a test of that kind found by one look-up in a hash table, whatever else
 * is in the index? Others cost more, if only when the value satisfies them.
 */
extern bool eb_test_is_cheap(const EbTest *test);

/* Can a test of that kind be in an index at all? */
extern bool eb_test_is_indexable(const EbTest *test);

/* An empty index of tests of the set, which must live as long. */
extern EbTestIndex *eb_test_index_create(const EbTestSet *set, int npaths);

/* Adds test number id of the set, which is indexable, once. */
extern void eb_test_index_add(EbTestIndex *index, int id);

/* After the last test: makes the index fit for look-ups. */
extern void eb_test_index_finish(EbTestIndex *index);

/*
 * Adds to hits the numbers of all tests in the index that are at the path and
 * that the value satisfies, each once. Works in memory of the index, so one
 * look-up at a time.
 */
extern void eb_test_index_find(EbTestIndex *index, int path,
							   const EbValue *value, EbHits *hits);

#endif							/* EB_CORE_TEST_INDEX_H */
