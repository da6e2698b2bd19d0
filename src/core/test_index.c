/*-------------------------------------------------------------------------
 *
 * test_index.c
 *		Which of many tests a value satisfies.
 *
 * Each kind of test has a structure in which a look-up costs by the value and
 * by what it finds, hardly by how many tests there are:
 *
 *		equality, literals, addresses		one hash table for all paths
 *		prefix, suffix						affix_index, one a path
 *		numeric								range_index, one a path
 *		equals-ignore-case					hash table, by the key that folding
 *											gives; its prefix and suffix forms
 *											affix_index over such keys
 *		wildcard							by its longest literal part: the
 *											head or tail in affix_index, or
 *											what is between stars in chunk_index
 *
 * What folding, wildcard and numeric find is a candidate and is tested. In
 * the hash table an address range is a key of its leading bits; a look-up asks
 * for each number of bits that a range at the path has, of which there are no
 * more than 33 + 129.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/affix_index.h"
#include "core/chunk_index.h"
#include "core/range_index.h"
#include "core/test_index.h"

/* what a key in the map is of; with the path it makes the tag */
typedef enum KeyKind
{
	KEY_TYPE,					/* a letter: exists, null, false, true */
	KEY_STRING,
	KEY_FOLDED,
	KEY_NUMBER,					/* a double */
	KEY_NUMBER_TEXT,			/* of one that does not compare */
	KEY_ADDRESS,				/* an EbIpRange */
	NKEYS
} KeyKind;

#define TAG(path, kind)		((uint32) (path) * NKEYS + (kind))

/* lengths of address ranges: 0 to 32 bits, and 0 to 128 */
#define NADDRESS_BITS	(33 + 129)

/* the tests at one path; structures are NULL where no test needs them */
typedef struct PathTests
{
	int			types[EB_JSON_STRING + 1];	/* test of that literal, or -1 */
	int			exists;			/* or -1 */
	bool		has_strings;
	bool		has_numbers;
	bool		has_folded;		/* in the map */
	int			naddress_bits;
	EbIpRange  *address_bits;	/* ranges, of each length one */
	EbAffixIndex *prefixes;
	EbAffixIndex *suffixes;
	EbAffixIndex *wild_prefixes;
	EbAffixIndex *wild_suffixes;
	EbAffixIndex *folded_prefixes;
	EbAffixIndex *folded_suffixes;
	EbChunkIndex *wild_chunks;
	EbRangeIndex *ranges;
} PathTests;

struct EbTestIndex
{
	const EbTestSet *set;
	int			npaths;
	PathTests  *paths;
	EbByteMap	map;			/* to the first test of a key */
	int		   *next;			/* by test: the next one of its key, or -1 */
	char	   *folded;			/* working memory: the key of a value */
	int			folded_capacity;
};

static void add_key(EbTestIndex *index, int id, KeyKind kind,
					const void *bytes, int len);
static void add_number(EbTestIndex *index, int id, const EbTest *test);
static void add_address(EbTestIndex *index, PathTests *path, int id,
						const EbIpRange *range);
static void add_folded(EbTestIndex *index, PathTests *path, int id,
					   const EbTest *test);
static void add_wildcard(EbTestIndex *index, PathTests *path, int id,
						 const EbWildcard *wildcard);
static void add_affix(EbAffixIndex **affixes, bool from_end,
					  const char *text, int len, int id);
static void add_range(EbRangeIndex **ranges, const EbNumberRange *range,
					  int id);
static void find_string(EbTestIndex *index, int path, const EbValue *value,
						EbHits *hits);
static void find_candidates(EbTestIndex *index, int path,
							const EbValue *value, EbHits *hits);
static void find_number(const EbTestIndex *index, int path,
						const EbValue *value, EbHits *hits);
static void find_address(const EbTestIndex *index, int path,
						 const EbValue *value, EbHits *hits);
static void find_key(const EbTestIndex *index, int path, KeyKind kind,
					 const void *bytes, int len, EbHits *hits);
static void mask_address(EbIpRange *range, int bits);
static const char *fold_value(EbTestIndex *index, const EbValue *value,
							  int *len);

bool
eb_test_is_cheap(const EbTest *test)
{
	switch (test->kind)
	{
		case EB_TEST_NULL:
		case EB_TEST_FALSE:
		case EB_TEST_TRUE:
		case EB_TEST_EXISTS:
		case EB_TEST_STRING:
		case EB_TEST_NUMBER:
			return true;
		default:
			return false;
	}
}

bool
eb_test_is_indexable(const EbTest *test)
{
	return test->kind != EB_TEST_ANYTHING_BUT && test->kind != EB_TEST_ABSENT;
}

EbTestIndex *
eb_test_index_create(const EbTestSet *set, int npaths)
{
	EbTestIndex *index = palloc0(sizeof(EbTestIndex));

	index->set = set;
	index->npaths = npaths;
	index->paths = palloc0((npaths + 1) * sizeof(PathTests));
	for (int p = 0; p < npaths; p++)
	{
		memset(index->paths[p].types, -1, sizeof(index->paths[p].types));
		index->paths[p].exists = -1;
	}
	eb_byte_map_init(&index->map);
	index->next = palloc((set->ntests + 1) * sizeof(int));
	index->folded_capacity = 64;
	index->folded = palloc(index->folded_capacity);
	return index;
}

void
eb_test_index_add(EbTestIndex *index, int id)
{
	const EbTest *test = &index->set->tests[id].test;
	PathTests  *path = &index->paths[index->set->tests[id].path];

	switch (test->kind)
	{
		case EB_TEST_NULL:
			path->types[EB_JSON_NULL] = id;
			break;
		case EB_TEST_FALSE:
			path->types[EB_JSON_FALSE] = id;
			break;
		case EB_TEST_TRUE:
			path->types[EB_JSON_TRUE] = id;
			break;
		case EB_TEST_EXISTS:
			path->exists = id;
			break;
		case EB_TEST_NUMBER:
			path->has_numbers = true;
			add_number(index, id, test);
			break;
		case EB_TEST_STRING:
			path->has_strings = true;
			add_key(index, id, KEY_STRING, test->text, test->len);
			break;
		case EB_TEST_PREFIX:
			add_affix(&path->prefixes, false, test->text, test->len, id);
			break;
		case EB_TEST_SUFFIX:
			add_affix(&path->suffixes, true, test->text, test->len, id);
			break;
		case EB_TEST_EQUALS_IGNORE_CASE:
		case EB_TEST_PREFIX_IGNORE_CASE:
		case EB_TEST_SUFFIX_IGNORE_CASE:
			add_folded(index, path, id, test);
			break;
		case EB_TEST_WILDCARD:
			add_wildcard(index, path, id, &test->u.wildcard);
			break;
		case EB_TEST_NUMERIC:
			add_range(&path->ranges, &test->u.range, id);
			break;
		case EB_TEST_CIDR:
			add_address(index, path, id, &test->u.ip);
			break;
		case EB_TEST_ANYTHING_BUT:
		case EB_TEST_ABSENT:
			Assert(false);
			break;
	}
}

void
eb_test_index_finish(EbTestIndex *index)
{
	for (int p = 0; p < index->npaths; p++)
	{
		PathTests  *path = &index->paths[p];
		EbAffixIndex *const affixes[] = {
			path->prefixes, path->suffixes,
			path->wild_prefixes, path->wild_suffixes,
			path->folded_prefixes, path->folded_suffixes
		};

		for (int i = 0; i < lengthof(affixes); i++)
		{
			if (affixes[i] != NULL)
				eb_affix_index_finish(affixes[i]);
		}
		if (path->wild_chunks != NULL)
			eb_chunk_index_finish(path->wild_chunks);
		if (path->ranges != NULL)
			eb_range_index_finish(path->ranges);
	}
}

void
eb_test_index_find(EbTestIndex *index, int path, const EbValue *value,
				   EbHits *hits)
{
	const PathTests *tests = &index->paths[path];

	if (tests->exists >= 0)
		eb_hits_add(hits, tests->exists);
	if (value->kind == EB_JSON_STRING)
		find_string(index, path, value, hits);
	else if (value->kind == EB_JSON_NUMBER)
		find_number(index, path, value, hits);
	else if (tests->types[value->kind] >= 0)
		eb_hits_add(hits, tests->types[value->kind]);
}

/* ----- adding tests ----- */

static void
add_key(EbTestIndex *index, int id, KeyKind kind, const void *bytes, int len)
{
	bool		found;
	EbByteSlot *slot = eb_byte_map_add(&index->map,
									   TAG(index->set->tests[id].path, kind),
									   bytes, len, &found);

	index->next[id] = found ? slot->value : -1;
	slot->value = id;
}

static void
add_number(EbTestIndex *index, int id, const EbTest *test)
{
	if (test->u.number.comparable)
	{
		double	   *key = palloc(sizeof(double));

		*key = test->u.number.value + 0.0;	/* -0 becomes 0 */
		add_key(index, id, KEY_NUMBER, key, sizeof(double));
	}
	else
		add_key(index, id, KEY_NUMBER_TEXT, test->text, test->len);
}

static void
add_address(EbTestIndex *index, PathTests *path, int id,
			const EbIpRange *range)
{
	EbIpRange  *key = palloc0(sizeof(EbIpRange));
	int			i = 0;

	key->base = range->base;
	mask_address(key, range->bits);
	add_key(index, id, KEY_ADDRESS, key, sizeof(EbIpRange));

	if (path->address_bits == NULL)
		path->address_bits = palloc(NADDRESS_BITS * sizeof(EbIpRange));
	while (i < path->naddress_bits &&
		   (path->address_bits[i].bits != range->bits ||
			path->address_bits[i].base.nbytes != range->base.nbytes))
		i++;
	if (i == path->naddress_bits)
		path->address_bits[path->naddress_bits++] = *range;
}

static void
add_folded(EbTestIndex *index, PathTests *path, int id, const EbTest *test)
{
	bool		from_end = test->kind == EB_TEST_SUFFIX_IGNORE_CASE;
	char	   *key = palloc(EB_FOLD_KEY_SIZE(test->len));
	int			len;
	bool		complete = eb_fold_pattern_key(&test->u.folded, from_end, key,
											   &len);

	if (test->kind == EB_TEST_EQUALS_IGNORE_CASE && complete)
	{
		path->has_folded = true;
		add_key(index, id, KEY_FOLDED, key, len);
	}
	else
		add_affix(from_end ? &path->folded_suffixes : &path->folded_prefixes,
				  from_end, key, len, id);
}

/* Under its longest part; a head or tail is worth more than what may float. */
static void
add_wildcard(EbTestIndex *index, PathTests *path, int id,
			 const EbWildcard *wildcard)
{
	const EbWildcardChunk *head = &wildcard->chunks[0];
	const EbWildcardChunk *tail = &wildcard->chunks[wildcard->nchunks - 1];
	const EbWildcardChunk *inner = NULL;

	for (const EbWildcardChunk *chunk = head + 1; chunk < tail; chunk++)
	{
		if (inner == NULL || chunk->len > inner->len)
			inner = chunk;
	}
	if (head == tail)
	{
		path->has_strings = true;
		add_key(index, id, KEY_STRING, head->text, head->len);
	}
	else if (inner != NULL && inner->len > Max(head->len, tail->len))
	{
		if (path->wild_chunks == NULL)
			path->wild_chunks = eb_chunk_index_create();
		eb_chunk_index_add(path->wild_chunks, inner->text, inner->len, id);
	}
	else if (head->len >= tail->len)
		add_affix(&path->wild_prefixes, false, head->text, head->len, id);
	else
		add_affix(&path->wild_suffixes, true, tail->text, tail->len, id);
}

static void
add_affix(EbAffixIndex **affixes, bool from_end, const char *text, int len,
		  int id)
{
	if (*affixes == NULL)
		*affixes = eb_affix_index_create(from_end);
	eb_affix_index_add(*affixes, text, len, id);
}

static void
add_range(EbRangeIndex **ranges, const EbNumberRange *range, int id)
{
	if (*ranges == NULL)
		*ranges = eb_range_index_create();
	eb_range_index_add(*ranges, range, id);
}

/* ----- looking values up ----- */

static void
find_string(EbTestIndex *index, int path, const EbValue *value, EbHits *hits)
{
	const PathTests *tests = &index->paths[path];
	int			kept;

	if (tests->has_strings)
		find_key(index, path, KEY_STRING, value->text, value->len, hits);
	if (tests->prefixes != NULL)
		eb_affix_index_find(tests->prefixes, value->text, value->len, hits);
	if (tests->suffixes != NULL)
		eb_affix_index_find(tests->suffixes, value->text, value->len, hits);
	if (tests->naddress_bits > 0)
		find_address(index, path, value, hits);

	/* of the candidates, keep those that stand the test */
	kept = hits->n;
	find_candidates(index, path, value, hits);
	for (int i = kept; i < hits->n; i++)
	{
		if (eb_test_match(&index->set->tests[hits->list[i]].test, value))
			hits->list[kept++] = hits->list[i];
	}
	hits->n = kept;
}

static void
find_candidates(EbTestIndex *index, int path, const EbValue *value,
				EbHits *hits)
{
	const PathTests *tests = &index->paths[path];

	if (tests->wild_prefixes != NULL)
		eb_affix_index_find(tests->wild_prefixes, value->text, value->len,
							hits);
	if (tests->wild_suffixes != NULL)
		eb_affix_index_find(tests->wild_suffixes, value->text, value->len,
							hits);
	if (tests->wild_chunks != NULL)
		eb_chunk_index_find(tests->wild_chunks, value->text, value->len,
							hits);
	if (tests->has_folded || tests->folded_prefixes != NULL ||
		tests->folded_suffixes != NULL)
	{
		int			len;
		const char *folded = fold_value(index, value, &len);

		if (tests->has_folded)
			find_key(index, path, KEY_FOLDED, folded, len, hits);
		if (tests->folded_prefixes != NULL)
			eb_affix_index_find(tests->folded_prefixes, folded, len, hits);
		if (tests->folded_suffixes != NULL)
			eb_affix_index_find(tests->folded_suffixes, folded, len, hits);
	}
}

static void
find_number(const EbTestIndex *index, int path, const EbValue *value,
			EbHits *hits)
{
	const PathTests *tests = &index->paths[path];
	double		number = value->number.value + 0.0;
	int			kept = hits->n;

	if (!tests->has_numbers && tests->ranges == NULL)
		return;
	if (!value->number.comparable)
	{
		if (tests->has_numbers)
			find_key(index, path, KEY_NUMBER_TEXT, value->text, value->len,
					 hits);
		return;
	}
	if (tests->ranges != NULL)
		eb_range_index_find(tests->ranges, number, hits);
	for (int i = kept; i < hits->n; i++)
	{
		if (eb_test_match(&index->set->tests[hits->list[i]].test, value))
			hits->list[kept++] = hits->list[i];
	}
	hits->n = kept;
	if (tests->has_numbers)
		find_key(index, path, KEY_NUMBER, &number, sizeof(number), hits);
}

static void
find_address(const EbTestIndex *index, int path, const EbValue *value,
			 EbHits *hits)
{
	const PathTests *tests = &index->paths[path];
	EbIp		ip;

	if (!eb_ip_read(value->text, value->len, &ip))
		return;
	for (int i = 0; i < tests->naddress_bits; i++)
	{
		EbIpRange	key;

		if (tests->address_bits[i].base.nbytes != ip.nbytes)
			continue;
		memset(&key, 0, sizeof(key));
		key.base = ip;
		mask_address(&key, tests->address_bits[i].bits);
		find_key(index, path, KEY_ADDRESS, &key, sizeof(key), hits);
	}
}

static void
find_key(const EbTestIndex *index, int path, KeyKind kind, const void *bytes,
		 int len, EbHits *hits)
{
	for (int id = eb_byte_map_find(&index->map, TAG(path, kind), bytes, len);
		 id >= 0; id = index->next[id])
		eb_hits_add(hits, id);
}

/* Makes a range of the address: its leading bits, and zeros. */
static void
mask_address(EbIpRange *range, int bits)
{
	range->bits = bits;
	for (int i = 0; i < lengthof(range->base.bytes); i++, bits -= 8)
	{
		if (bits <= 0)
			range->base.bytes[i] = 0;
		else if (bits < 8)
			range->base.bytes[i] &= (uint8) (0xFF << (8 - bits));
	}
}

static const char *
fold_value(EbTestIndex *index, const EbValue *value, int *len)
{
	int			size = EB_FOLD_KEY_SIZE(value->len);

	if (index->folded_capacity < size)
	{
		/* nothing to copy; and what fails must not leave a hole */
		char	   *more = palloc(size);

		pfree(index->folded);
		index->folded = more;
		index->folded_capacity = size;
	}
	*len = eb_fold_key(value->text, value->len, index->folded);
	return index->folded;
}
