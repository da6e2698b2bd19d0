/*-------------------------------------------------------------------------
 *
 * event.c
 *		An event as the matcher sees it.
 *
 * What adds to the fields is a walk over some form of JSON; the one over a
 * document of json.h is here, the one over jsonb in src/event_match.c. Both
 * obey the same rules:
 *
 *	 - an object adds no value of its own, a member's key is a step;
 *	 - an array is no step: its elements are values of the array's path;
 *	 - an element that is a container has a trail, one that is a scalar has
 *	   that of the array (it takes no part in array consistency);
 *	 - an empty array or object adds nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/event.h"

/* a container that the walk is in */
typedef struct Level
{
	int			at;				/* next node to visit */
	int			end;
	EbPathNode *node;
	int			trail;
	int			array;			/* -1: it is an object */
	int			index;			/* of the next element */
} Level;

static EbPathNode *make_node(EbPathTree *tree, EbPathNode *outer,
							 const char *name, int len);
static int	compare_nodes(const void *a, const void *b);
static int	search_child(EbPathNode *node, const char *name, int len,
						 bool *found);

void
eb_path_tree_init(EbPathTree *tree)
{
	memset(tree, 0, sizeof(*tree));
	tree->capacity = 4;
	tree->paths = palloc(tree->capacity * sizeof(EbPathNode *));
	tree->nodes_capacity = 4;
	tree->nodes = palloc(tree->nodes_capacity * sizeof(EbPathNode *));
	eb_byte_map_init(&tree->map);
	tree->root = make_node(tree, NULL, "", 0);
}

EbPathNode *
eb_path_tree_add(EbPathTree *tree, const char *path, int len)
{
	EbPathNode *node = tree->root;
	const char *end = path + len;

	for (;;)
	{
		const char *dot = memchr(path, '.', end - path);
		int			n = (dot != NULL ? dot : end) - path;
		int			child = eb_byte_map_find(&tree->map, node->number, path,
											 n);

		node = child >= 0 ? tree->nodes[child] :
			make_node(tree, node, path, n);
		if (dot == NULL)
			break;
		path = dot + 1;
	}
	if (node->path == EB_NO_PATH)
	{
		if (tree->npaths == tree->capacity)
		{
			tree->capacity *= 2;
			tree->paths = repalloc(tree->paths,
								   tree->capacity * sizeof(EbPathNode *));
		}
		tree->paths[tree->npaths] = node;
		node->path = tree->npaths++;
	}
	return node;
}

void
eb_path_tree_finish(EbPathTree *tree)
{
	for (int i = 0; i < tree->nnodes; i++)
	{
		if (tree->nodes[i]->nchildren > 1)
			qsort(tree->nodes[i]->children, tree->nodes[i]->nchildren,
				  sizeof(EbPathNode *), compare_nodes);
	}
	pfree(tree->map.slots);
	tree->map.slots = NULL;
}

EbPathNode *
eb_path_step(EbPathNode *node, const char *key, int len)
{
	const char *end = key + len;

	for (;;)
	{
		const char *dot = memchr(key, '.', end - key);

		node = eb_path_child(node, key, (dot != NULL ? dot : end) - key);
		if (node == NULL || dot == NULL)
			return node;
		key = dot + 1;
	}
}

EbPathNode *
eb_path_child(EbPathNode *node, const char *name, int len)
{
	bool		found;
	int			at = search_child(node, name, len, &found);

	return found ? node->children[at] : NULL;
}

int
eb_path_compare(const char *a, int alen, const char *b, int blen)
{
	if (alen != blen)
		return alen < blen ? -1 : 1;
	return memcmp(a, b, alen);
}

void
eb_fields_init(EbFields *fields, int npaths)
{
	memset(fields, 0, sizeof(*fields));
	fields->npaths = npaths;
	fields->first = palloc((npaths + 1) * sizeof(int));
	fields->last = palloc((npaths + 1) * sizeof(int));
	for (int i = 0; i < npaths; i++)
		fields->first[i] = -1;
	fields->fields_capacity = 64;
	fields->fields = palloc(fields->fields_capacity * sizeof(EbField));
	fields->paths = palloc(fields->fields_capacity * sizeof(int));
	fields->trails_capacity = 64;
	fields->trails = palloc(fields->trails_capacity * sizeof(EbTrail));
}

void
eb_fields_reset(EbFields *fields)
{
	for (int i = 0; i < fields->nfields; i++)
		fields->first[fields->paths[i]] = -1;
	fields->nfields = 0;
	fields->ntrails = 0;
	fields->narrays = 0;
}

void
eb_fields_add(EbFields *fields, int path, const EbValue *value, int trail)
{
	EbField    *field;
	int			number = fields->nfields;

	if (number == fields->fields_capacity)
	{
		int			more = fields->fields_capacity * 2;

		/* the capacity last: repalloc may fail, and we are used again */
		fields->fields = repalloc(fields->fields, more * sizeof(EbField));
		fields->paths = repalloc(fields->paths, more * sizeof(int));
		fields->fields_capacity = more;
	}
	fields->paths[number] = path;
	field = &fields->fields[number];
	field->value = *value;
	field->trail = trail;
	field->next = -1;
	if (fields->first[path] < 0)
		fields->first[path] = number;
	else
		fields->fields[fields->last[path]].next = number;
	fields->last[path] = number;
	fields->nfields++;
}

int
eb_fields_enter_array(EbFields *fields)
{
	return fields->narrays++;
}

int
eb_fields_add_trail(EbFields *fields, int outer, int array, int index)
{
	EbTrail    *trail;

	if (fields->ntrails == fields->trails_capacity)
	{
		fields->trails = repalloc(fields->trails, fields->trails_capacity *
								  2 * sizeof(EbTrail));
		fields->trails_capacity *= 2;
	}
	trail = &fields->trails[fields->ntrails];
	trail->outer = outer;
	trail->depth = outer >= 0 ? fields->trails[outer].depth + 1 : 1;
	trail->array = array;
	trail->index = index;
	return fields->ntrails++;
}

/* Adds a scalar of the document. */
static void
add_scalar(EbFields *fields, const EbPathNode *node, const EbJsonNode *scalar,
		   int trail)
{
	EbValue		value = {.kind = scalar->kind};

	if (node->path == EB_NO_PATH)
		return;
	value.text = scalar->text;
	value.len = scalar->len;
	if (scalar->kind == EB_JSON_NUMBER && node->looks_at_numbers)
		value.number = eb_number_read(scalar->text, scalar->len);
	eb_fields_add(fields, node->path, &value, trail);
}

void
eb_fields_add_json(EbFields *fields, EbPathNode *root, const EbJson *doc)
{
	int			capacity = 16;
	int			depth = 0;
	Level	   *levels;

	if (doc->nnodes == 0 || doc->nodes[0].kind != EB_JSON_OBJECT)
		return;
	levels = palloc(capacity * sizeof(Level));
	levels[depth++] = (Level)
	{
		1, doc->nodes[0].end, root, EB_NO_TRAIL, -1, 0
	};
	while (depth > 0)
	{
		Level	   *level = &levels[depth - 1];
		const EbJsonNode *value;
		EbPathNode *node = level->node;
		int			trail = level->trail;
		int			index = level->index++;
		int			at = level->at;
		int			array;

		if (at >= level->end)
		{
			depth--;
			continue;
		}
		if (level->array < 0)
		{
			node = eb_path_step(node, doc->nodes[at].text, doc->nodes[at].len);
			at++;
		}
		value = &doc->nodes[at];
		level->at = value->end;
		if (node == NULL)
			continue;
		if (!EB_JSON_IS_CONTAINER(value->kind))
		{
			add_scalar(fields, node, value, trail);
			continue;
		}
		if (value->kind == EB_JSON_OBJECT && node->nchildren == 0)
			continue;
		if (level->array >= 0)
			trail = eb_fields_add_trail(fields, trail, level->array, index);
		if (depth == capacity)
		{
			capacity *= 2;
			levels = repalloc(levels, capacity * sizeof(Level));
		}
		array = value->kind == EB_JSON_ARRAY ?
			eb_fields_enter_array(fields) : -1;
		levels[depth++] = (Level)
		{
			at + 1, value->end, node, trail, array, 0
		};
	}
	pfree(levels);
}

/* A new child of outer, or the root if that is NULL. */
static EbPathNode *
make_node(EbPathTree *tree, EbPathNode *outer, const char *name, int len)
{
	EbPathNode *node = palloc0(sizeof(EbPathNode));
	char	   *copy = palloc(len + 1);
	bool		found;

	memcpy(copy, name, len);
	copy[len] = '\0';
	node->name = copy;
	node->len = len;
	node->path = EB_NO_PATH;
	node->outer = outer;
	node->number = tree->nnodes;
	if (tree->nnodes == tree->nodes_capacity)
	{
		tree->nodes_capacity *= 2;
		tree->nodes = repalloc(tree->nodes, tree->nodes_capacity *
							   sizeof(EbPathNode *));
	}
	tree->nodes[tree->nnodes++] = node;
	if (outer == NULL)
		return node;

	eb_byte_map_add(&tree->map, outer->number, copy, len,
					&found)->value = node->number;
	if (outer->nchildren == outer->capacity)
	{
		outer->capacity = Max(4, 2 * outer->capacity);
		outer->children = outer->children == NULL ?
			palloc(outer->capacity * sizeof(EbPathNode *)) :
			repalloc(outer->children, outer->capacity * sizeof(EbPathNode *));
	}
	outer->children[outer->nchildren++] = node;
	return node;
}

static int
compare_nodes(const void *a, const void *b)
{
	const EbPathNode *x = *(EbPathNode *const *) a;
	const EbPathNode *y = *(EbPathNode *const *) b;

	return eb_path_compare(x->name, x->len, y->name, y->len);
}

/* Where the child of that name is, or else where it would be. */
static int
search_child(EbPathNode *node, const char *name, int len, bool *found)
{
	int			low = 0;
	int			high = node->nchildren;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		EbPathNode *child = node->children[middle];
		int			cmp = eb_path_compare(child->name, child->len, name, len);

		if (cmp == 0)
		{
			*found = true;
			return middle;
		}
		if (cmp < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = false;
	return low;
}
