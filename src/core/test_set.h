/*-------------------------------------------------------------------------
 *
 * test_set.h
 *		The tests of many patterns, each once, and what they are tests of.
 *
 * A predicate is what a field of a conjunction demands: that some value at a
 * path satisfies one of some tests. Equal tests at a path are one, and so are
 * equal predicates: rules have most of them in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_TEST_SET_H
#define EB_CORE_TEST_SET_H

#include "lib/stringinfo.h"

#include "core/byte_map.h"
#include "core/event.h"
#include "core/pattern.h"

/* a test at a path */
typedef struct EbPathTest
{
	int			path;
	EbTest		test;
} EbPathTest;

typedef struct EbPredicate
{
	int			path;
	int			ntests;
	const int  *test_ids;
	const EbPatternField *field;	/* the same, as a field */
} EbPredicate;

typedef struct EbTestSet
{
	EbByteMap	map;			/* of tests, and of predicates */
	int			ntests;
	int			tests_capacity;
	EbPathTest *tests;
	int			npredicates;
	int			predicates_capacity;
	EbPredicate *predicates;
	StringInfoData key;			/* working memory */
	int		   *ids;			/* the same */
	int			ids_capacity;
} EbTestSet;

extern void eb_test_set_init(EbTestSet *set);

/*
 * The number of the predicate that the field, at a path of that number, is.
 * What is needed of the field is copied.
 */
extern int	eb_test_set_add(EbTestSet *set, int path,
							const EbPatternField *field);

/* The number of the predicate that there is a value at the path. */
extern int	eb_test_set_add_exists(EbTestSet *set, int path);

/* Frees what only adding needs. */
extern void eb_test_set_finish(EbTestSet *set);

#endif							/* EB_CORE_TEST_SET_H */
