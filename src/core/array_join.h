/*-------------------------------------------------------------------------
 *
 * array_join.h
 *		Array consistency: the values that satisfy a conjunction must be able
 *		to stand together in one choice of array elements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_ARRAY_JOIN_H
#define EB_CORE_ARRAY_JOIN_H

#include "core/event.h"
#include "core/pattern.h"

/* one field of a conjunction, and the number of its path */
typedef struct EbJoinField
{
	const EbPatternField *field;
	int			path;
} EbJoinField;

/* Working memory, private to array_join.c. Made by eb_join_init. */
typedef struct EbJoin
{
	int		   *members;		/* trails: the states' elements */
	int			nmembers;
	int			members_capacity;
	struct EbJoinState *states; /* of the fields up to now */
	int			nstates;
	int			states_capacity;
	struct EbJoinState *next;	/* of the fields up to the current one */
	int			nnext;
	int			next_capacity;
	int		   *last_use;		/* by array: last field with a value in it */
	int			last_use_capacity;
} EbJoin;

extern void eb_join_init(EbJoin *join);

/*
 * Is there one value per field, each satisfying its field, such that no two
 * stand in different elements of one array? Fields must be in byte order of
 * their paths.
 */
extern bool eb_join_match(EbJoin *join, const EbFields *fields,
						  const EbJoinField *conjunction, int nfields);

#endif							/* EB_CORE_ARRAY_JOIN_H */
