/*-------------------------------------------------------------------------
 *
 * partition_registry.h
 *		What partition.c and partition_make.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_PARTITION_REGISTRY_H
#define EB_PARTITION_REGISTRY_H

#include "partition.h"

/* Names of a log's tables: the parent is NAME, a subtree's root NAME_GEN. */
typedef struct EbLogKind
{
	const char *name;			/* parent table */
	const char *time_column;	/* what leaves are divided by */
	const char *index_columns;	/* the first index of a leaf */
	const char *with;			/* its storage parameters */
	const char *more_indexes[2];	/* columns of others, NULL: none */
	int			ahead;			/* leaves made ahead where workers alone write
								 * to it, 0: eventbus.leaves_ahead */
} EbLogKind;

extern const EbLogKind eb_log_kinds[EB_NLOGS];

/* The name of a subtree's root, in a static buffer. */
extern const char *eb_log_root(EbLog log, int32 generation);

#endif							/* EB_PARTITION_REGISTRY_H */
