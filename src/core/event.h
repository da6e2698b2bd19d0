/*-------------------------------------------------------------------------
 *
 * event.h
 *		An event as the matcher sees it: the values at the paths that patterns
 *		use, and where in the event's arrays each of them stands.
 *
 * The paths make a tree, split at their dots. Walking an event follows the
 * tree and the event together, so a member that no pattern names is never
 * looked into. A key of the event may itself hold dots ({"a.b": 1} and
 * {"a": {"b": 1}} are one path) and then steps several levels at once.
 *
 *		paths: source, detail.state, detail.tags.key
 *
 *			(root) -- source *					* = a path ends here
 *				 \--- detail -- tags -- key *
 *						   \--- state *
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_EVENT_H
#define EB_CORE_EVENT_H

#include "core/byte_map.h"
#include "core/value_match.h"

#define EB_NO_PATH	(-1)
#define EB_NO_TRAIL	(-1)

typedef struct EbPathNode
{
	const char *name;			/* one step, without dots */
	int			len;
	int			path;			/* number of the path that ends here, or
								 * EB_NO_PATH */
	bool		looks_at_numbers;	/* some test of that path does */
	bool		leads_to_access;	/* see matcher.c */
	int			number;			/* of the node */
	struct EbPathNode *outer;	/* NULL: it is the root */
	int			nchildren;
	int			capacity;
	struct EbPathNode **children;	/* by length, then bytes: the order of
									 * keys in jsonb */
} EbPathNode;

typedef struct EbPathTree
{
	EbPathNode *root;
	int			nnodes;
	int			npaths;
	int			capacity;
	EbPathNode **paths;			/* by path: where it ends */
	EbByteMap	map;			/* from (node, name) to a child, in nodes */
	int			nodes_capacity;
	EbPathNode **nodes;
} EbPathTree;

/*
 * A trail is the element of an array that a value is in, and through "outer"
 * the elements around that. An element has one trail, however many values.
 */
typedef struct EbTrail
{
	int			outer;			/* a trail, or EB_NO_TRAIL */
	int			depth;			/* 1: no other element is around it */
	int			array;			/* number of the array within the event */
	int			index;
} EbTrail;

typedef struct EbField
{
	EbValue		value;
	int			trail;			/* innermost element, or EB_NO_TRAIL */
	int			next;			/* next field of the same path, or -1 */
} EbField;

/* The fields of one event. Reused for the next: reset costs what was added. */
typedef struct EbFields
{
	int			npaths;
	int		   *first;			/* by path: its first field, or -1 */
	int		   *last;			/* by path: its last field, if any */
	int			nfields;
	int			fields_capacity;
	EbField    *fields;
	int			ntrails;
	int			trails_capacity;
	EbTrail    *trails;
	int			narrays;
	int		   *paths;			/* by field: its path, for the reset */
} EbFields;

/* Paths. All memory is palloc'd, names are copied. */
extern void eb_path_tree_init(EbPathTree *tree);

/* The node of a path, made if need be; node->path is its number. */
extern EbPathNode *eb_path_tree_add(EbPathTree *tree, const char *path,
									int len);

/* After the last path: only then can the functions below be used. */
extern void eb_path_tree_finish(EbPathTree *tree);

/* The node that an event's key leads to from node, NULL: no path goes there */
extern EbPathNode *eb_path_step(EbPathNode *node, const char *key, int len);

/* The child of that very name, which holds no dot. */
extern EbPathNode *eb_path_child(EbPathNode *node, const char *name, int len);

/* The order of children, that of keys in a jsonb object. */
extern int	eb_path_compare(const char *a, int alen, const char *b, int blen);

/* Fields */
extern void eb_fields_init(EbFields *fields, int npaths);
extern void eb_fields_reset(EbFields *fields);

/* Adds a value at a path. It is copied, what it points to is not. */
extern void eb_fields_add(EbFields *fields, int path, const EbValue *value,
						  int trail);

/* A number for an array that the walk enters. */
extern int	eb_fields_enter_array(EbFields *fields);

/* The trail of an element that is a container, inside of trail outer. */
extern int	eb_fields_add_trail(EbFields *fields, int outer, int array,
								int index);

/* Adds what a JSON document holds at the paths below root. */
extern void eb_fields_add_json(EbFields *fields, EbPathNode *root,
							   const EbJson *doc);

#endif							/* EB_CORE_EVENT_H */
