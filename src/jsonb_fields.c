/*-------------------------------------------------------------------------
 *
 * jsonb_fields.c
 *		jsonb as the pattern core wants it.
 *
 * Events are walked in place. An object's keys are sorted, by length and then
 * by bytes, and so are the children of a node of the path tree: the two are
 * merged, and members that no pattern names cost the comparison of a length.
 * The values before the one wanted are stepped over by their lengths in the
 * JEntry array. A key that holds a dot may lead several levels down the tree
 * and is looked up by itself.
 *
 * The walk keeps the containers it is in on a stack of its own: the depth of
 * an event must not become an error here, as the router could not get past
 * it. The layout of containers is that of utils/jsonb.h.
 *
 * Patterns are small: they are copied node by node with the usual iterator.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "jsonb_fields.h"

/* a container that the walk is in */
typedef struct Level
{
	JsonbContainer *container;
	char	   *data;			/* where its offsets count from */
	int			n;				/* members or elements */
	int			at;				/* the next one to visit */
	uint32		key_offset;		/* of the next key; objects only */
	uint32		value_offset;	/* of the next value */
	EbPathNode *node;
	int			child;			/* objects: children before it are done */
	int			trail;
	int			array;			/* -1: it is an object */
} Level;

typedef struct Walk
{
	EbFields   *fields;
	Level	   *levels;
	int			depth;
	int			capacity;
} Walk;

static bool next_member(Level *level, EbPathNode **node, int *value,
						uint32 *offset);
static EbPathNode *match_key(Level *level, const char *key, int len);
static bool next_element(Level *level, int *value, uint32 *offset);
static void enter(Walk *walk, JsonbContainer *container, EbPathNode *node,
				  int trail);
static void add_scalar(EbFields *fields, const EbPathNode *node,
					   const Level *level, int value, uint32 offset);
static char *numeric_text(Numeric numeric);
static void add_numeric(EbFields *fields, const EbPathNode *node,
						Numeric numeric, int trail);

void
eb_fields_add_jsonb(EbFields *fields, EbPathNode *node,
					JsonbContainer *container)
{
	Walk		walk = {.fields = fields, .capacity = 8};

	if (!JsonContainerIsObject(container))
		return;
	walk.levels = palloc(walk.capacity * sizeof(Level));
	enter(&walk, container, node, EB_NO_TRAIL);
	while (walk.depth > 0)
	{
		Level	   *level = &walk.levels[walk.depth - 1];
		EbPathNode *to = level->node;
		int			trail = level->trail;
		int			value = 0;
		uint32		offset = 0;

		if (level->array < 0 ? !next_member(level, &to, &value, &offset) :
			!next_element(level, &value, &offset))
		{
			walk.depth--;
			continue;
		}
		if (!JBE_ISCONTAINER(level->container->children[value]))
		{
			add_scalar(fields, to, level, value, offset);
			continue;
		}
		if (level->array >= 0)
			trail = eb_fields_add_trail(fields, trail, level->array, value);
		enter(&walk, (JsonbContainer *) (level->data + INTALIGN(offset)), to,
			  trail);
	}
	pfree(walk.levels);
}

/*
 * Steps to the next member that a path leads to: *node is where in the tree,
 * *value its number among the container's children, *offset where its data
 * begins. False when there are no more.
 */
static bool
next_member(Level *level, EbPathNode **node, int *value, uint32 *offset)
{
	const JEntry *entries = level->container->children;

	while (level->at < level->n)
	{
		int			key = level->at++;
		uint32		start = level->key_offset;

		*value = level->n + key;
		*offset = level->value_offset;
		JBE_ADVANCE_OFFSET(level->key_offset, entries[key]);
		JBE_ADVANCE_OFFSET(level->value_offset, entries[*value]);
		*node = match_key(level, level->data + start,
						  level->key_offset - start);
		if (*node != NULL)
			return true;
	}
	return false;
}

/* Where the key leads to in the tree, NULL: nowhere. Keys come in order. */
static EbPathNode *
match_key(Level *level, const char *key, int len)
{
	EbPathNode *node = level->node;

	while (level->child < node->nchildren)
	{
		EbPathNode *child = node->children[level->child];
		int			cmp = eb_path_compare(child->name, child->len, key, len);

		if (cmp == 0)
			return child;
		if (cmp > 0)
			break;
		level->child++;
	}
	if (memchr(key, '.', len) != NULL)
		return eb_path_step(node, key, len);
	return NULL;
}

static bool
next_element(Level *level, int *value, uint32 *offset)
{
	if (level->at >= level->n)
		return false;
	*value = level->at++;
	*offset = level->value_offset;
	JBE_ADVANCE_OFFSET(level->value_offset,
					   level->container->children[*value]);
	return true;
}

/* Puts a container on the stack, unless nothing in it can be of use. */
static void
enter(Walk *walk, JsonbContainer *container, EbPathNode *node, int trail)
{
	bool		is_object = JsonContainerIsObject(container);
	int			n = JsonContainerSize(container);
	Level	   *level;

	if (n == 0 || (is_object && node->nchildren == 0))
		return;
	if (walk->depth == walk->capacity)
	{
		walk->capacity *= 2;
		walk->levels = repalloc(walk->levels, walk->capacity * sizeof(Level));
	}
	level = &walk->levels[walk->depth++];
	level->container = container;
	level->n = n;
	level->at = 0;
	level->key_offset = 0;
	level->value_offset = is_object ? getJsonbOffset(container, n) : 0;
	level->data = (char *) &container->children[is_object ? n * 2 : n];
	level->node = node;
	level->child = 0;
	level->trail = trail;
	level->array = is_object ? -1 : eb_fields_enter_array(walk->fields);
}

/* Adds the scalar that is child number value of the level's container. */
static void
add_scalar(EbFields *fields, const EbPathNode *node, const Level *level,
		   int value, uint32 offset)
{
	JEntry		entry = level->container->children[value];
	EbValue		scalar = {.kind = EB_JSON_NULL};

	if (node->path == EB_NO_PATH)
		return;
	if (JBE_ISNUMERIC(entry))
	{
		add_numeric(fields, node, (Numeric) (level->data + INTALIGN(offset)),
					level->trail);
		return;
	}
	if (JBE_ISSTRING(entry))
	{
		scalar.kind = EB_JSON_STRING;
		scalar.text = level->data + offset;
		scalar.len = (JBE_HAS_OFF(entry) ? JBE_OFFLENFLD(entry) - offset :
					  JBE_OFFLENFLD(entry));
	}
	else if (JBE_ISBOOL_TRUE(entry))
		scalar.kind = EB_JSON_TRUE;
	else if (JBE_ISBOOL_FALSE(entry))
		scalar.kind = EB_JSON_FALSE;
	eb_fields_add(fields, node->path, &scalar, level->trail);
}

static char *
numeric_text(Numeric numeric)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out,
											   NumericGetDatum(numeric)));
}

/* Adds a number; what it says is only looked at if some test will. */
static void
add_numeric(EbFields *fields, const EbPathNode *node, Numeric numeric,
			int trail)
{
	EbValue		value = {.kind = EB_JSON_NUMBER};

	if (node->looks_at_numbers)
	{
		char	   *text = numeric_text(numeric);

		value.len = strlen(text);
		value.number = eb_number_read(text, value.len);
		if (value.number.comparable)
			pfree(text);
		else
			value.text = text;
	}
	eb_fields_add(fields, node->path, &value, trail);
}

void
eb_json_from_jsonb(Jsonb *jsonb, EbJson *doc)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	List	   *open = NIL;		/* of nodes, innermost last */

	eb_json_init(doc);
	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_OBJECT)
			open = lappend_int(open, eb_json_open(doc, EB_JSON_OBJECT));
		else if (token == WJB_BEGIN_ARRAY)
			open = lappend_int(open, eb_json_open(doc, EB_JSON_ARRAY));
		else if (token == WJB_END_OBJECT || token == WJB_END_ARRAY)
		{
			eb_json_close(doc, llast_int(open));
			open = list_delete_last(open);
		}
		else if (value.type == jbvString)
			eb_json_add(doc, EB_JSON_STRING, value.val.string.val,
						value.val.string.len);
		else if (value.type == jbvNumeric)
		{
			char	   *text = numeric_text(value.val.numeric);

			eb_json_add(doc, EB_JSON_NUMBER, text, strlen(text));
		}
		else if (value.type == jbvBool)
			eb_json_add(doc, value.val.boolean ? EB_JSON_TRUE : EB_JSON_FALSE,
						NULL, 0);
		else
			eb_json_add(doc, EB_JSON_NULL, NULL, 0);
	}
}
