/*-------------------------------------------------------------------------
 *
 * test_set.c
 *		The tests of many patterns, each once, and what they are tests of.
 *
 * A test is written down as a string of bytes that says all of it, and looked
 * up by that and its path; a predicate, by the numbers of its tests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/test_set.h"

/* what a key in the map is of; with the path it makes the tag */
#define TAG_TEST(path)		((uint32) (path) * 2)
#define TAG_PREDICATE(path)	((uint32) (path) * 2 + 1)

static int	add_test(EbTestSet *set, int path, const EbTest *test);
static void write_test(StringInfo key, const EbTest *test);
static void copy_test(EbTest *to, const EbTest *from);
static const EbPatternField *make_field(const EbTestSet *set, const int *ids,
										int n);

void
eb_test_set_init(EbTestSet *set)
{
	memset(set, 0, sizeof(*set));
	eb_byte_map_init(&set->map);
	set->tests_capacity = 8;
	set->tests = palloc(set->tests_capacity * sizeof(EbPathTest));
	set->predicates_capacity = 8;
	set->predicates = palloc(set->predicates_capacity * sizeof(EbPredicate));
	set->ids_capacity = 8;
	set->ids = palloc(set->ids_capacity * sizeof(int));
	initStringInfo(&set->key);
}

int
eb_test_set_add(EbTestSet *set, int path, const EbPatternField *field)
{
	EbPredicate *predicate;
	int			size = field->ntests * sizeof(int);
	int		   *ids;
	EbByteSlot *slot;
	bool		found;

	while (set->ids_capacity < field->ntests)
	{
		set->ids = repalloc(set->ids, 2 * set->ids_capacity * sizeof(int));
		set->ids_capacity *= 2;
	}
	for (int t = 0; t < field->ntests; t++)
		set->ids[t] = add_test(set, path, &field->tests[t]);
	slot = eb_byte_map_add(&set->map, TAG_PREDICATE(path), set->ids, size,
						   &found);
	if (found)
		return slot->value;
	ids = palloc(size);
	memcpy(ids, set->ids, size);
	slot->bytes = (const char *) ids;
	slot->value = set->npredicates;
	if (set->npredicates == set->predicates_capacity)
	{
		set->predicates_capacity *= 2;
		set->predicates = repalloc(set->predicates, sizeof(EbPredicate) *
								   set->predicates_capacity);
	}
	predicate = &set->predicates[set->npredicates];
	predicate->path = path;
	predicate->ntests = field->ntests;
	predicate->test_ids = ids;
	predicate->field = make_field(set, ids, field->ntests);
	return set->npredicates++;
}

int
eb_test_set_add_exists(EbTestSet *set, int path)
{
	EbTest		exists = {.kind = EB_TEST_EXISTS};
	EbPatternField field = {.ntests = 1, .tests = &exists};

	return eb_test_set_add(set, path, &field);
}

void
eb_test_set_finish(EbTestSet *set)
{
	pfree(set->map.slots);
	set->map.slots = NULL;
	pfree(set->key.data);
	set->key.data = NULL;
	pfree(set->ids);
	set->ids = NULL;
}

/* The number of the test at the path. */
static int
add_test(EbTestSet *set, int path, const EbTest *test)
{
	EbByteSlot *slot;
	EbPathTest *added;
	char	   *key;
	bool		found;

	resetStringInfo(&set->key);
	write_test(&set->key, test);
	slot = eb_byte_map_add(&set->map, TAG_TEST(path), set->key.data,
						   set->key.len, &found);
	if (found)
		return slot->value;
	key = palloc(set->key.len);
	memcpy(key, set->key.data, set->key.len);
	slot->bytes = key;
	slot->value = set->ntests;
	if (set->ntests == set->tests_capacity)
	{
		set->tests_capacity *= 2;
		set->tests = repalloc(set->tests,
							  set->tests_capacity * sizeof(EbPathTest));
	}
	added = &set->tests[set->ntests];
	added->path = path;
	copy_test(&added->test, test);
	return set->ntests++;
}

/* Appends bytes that say all of a test, and where it ends. */
static void
write_test(StringInfo key, const EbTest *test)
{
	int			kind = test->kind;

	appendBinaryStringInfo(key, (const char *) &kind, sizeof(kind));
	switch (test->kind)
	{
		case EB_TEST_NULL:
		case EB_TEST_FALSE:
		case EB_TEST_TRUE:
		case EB_TEST_EXISTS:
		case EB_TEST_ABSENT:
			break;
		case EB_TEST_NUMERIC:
			/* member by member: there is padding */
			appendBinaryStringInfo(key, (const char *) &test->u.range.low,
								   sizeof(double));
			appendBinaryStringInfo(key, (const char *) &test->u.range.high,
								   sizeof(double));
			appendStringInfoChar(key, test->u.range.low_open ? 'o' : 'c');
			appendStringInfoChar(key, test->u.range.high_open ? 'o' : 'c');
			break;
		case EB_TEST_ANYTHING_BUT:
			appendBinaryStringInfo(key,
								   (const char *) &test->u.excluded.ntests,
								   sizeof(int));
			for (int i = 0; i < test->u.excluded.ntests; i++)
				write_test(key, &test->u.excluded.tests[i]);
			break;
		default:
			/* whatever it is, it was made from its text */
			appendBinaryStringInfo(key, (const char *) &test->len,
								   sizeof(int));
			appendBinaryStringInfo(key, test->text, test->len);
	}
}

static void
copy_test(EbTest *to, const EbTest *from)
{
	int			position;
	int			n;

	*to = *from;
	if (from->text != NULL)
	{
		char	   *text = palloc(from->len + 1);

		memcpy(text, from->text, from->len + 1);
		to->text = text;
	}
	switch (from->kind)
	{
		case EB_TEST_EQUALS_IGNORE_CASE:
		case EB_TEST_PREFIX_IGNORE_CASE:
		case EB_TEST_SUFFIX_IGNORE_CASE:
			eb_fold_compile(to->text, to->len, &to->u.folded);
			break;
		case EB_TEST_WILDCARD:
			(void) eb_wildcard_compile(to->text, to->len, &to->u.wildcard,
									   &position);
			break;
		case EB_TEST_ANYTHING_BUT:
			n = from->u.excluded.ntests;
			to->u.excluded.tests = palloc(n * sizeof(EbTest));
			for (int i = 0; i < n; i++)
				copy_test(&to->u.excluded.tests[i],
						  &from->u.excluded.tests[i]);
			break;
		default:
			break;
	}
}

/* The tests as a field, for what evaluates them one by one. */
static const EbPatternField *
make_field(const EbTestSet *set, const int *ids, int n)
{
	EbPatternField *field = palloc(sizeof(EbPatternField));

	field->path = NULL;
	field->len = 0;
	field->ntests = n;
	field->tests = palloc(n * sizeof(EbTest));
	for (int i = 0; i < n; i++)
		field->tests[i] = set->tests[ids[i]].test;
	return field;
}
