/*-------------------------------------------------------------------------
 *
 * matcher.c
 *		Many patterns against one event at a time.
 *
 * Every conjunction of every pattern is an entry. Most entries have a field
 * that accepts nothing but certain strings, {"source": ["a", "b"]}: one such
 * field is the entry's access field, and a hash table leads from (path,
 * string) to the entries. An event then costs one look-up per value at an
 * access path, and only entries found that way are tested in full. Entries
 * without such a field are tested for every event.
 *
 *		event value --hash--> key (path, string) --> link --> link
 *														|		 |
 *		entries:		[0]		[1]		[2] ...		<---+--------+
 *														each: pattern, fields
 *
 * The access field is the one whose path has the most different strings over
 * all patterns, as that leads to the fewest entries; paths at the top of the
 * event count more, since eb_matcher_may_match can then spare the caller the
 * rest of the event.
 *
 * Testing an entry ignores arrays first. Only if that passes and two of its
 * fields have values inside arrays does the join of array_join.c decide.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"

#include "miscadmin.h"
#else
#include "postgres_fe.h"

#define CHECK_FOR_INTERRUPTS()	((void) 0)
#endif

#include "common/hashfn.h"

#include "core/array_join.h"
#include "core/matcher.h"

#define TOP_PATH_WEIGHT		16

/* a conjunction */
typedef struct Entry
{
	int			pattern;
	int			nfields;
	EbJoinField *fields;		/* in byte order of path */
} Entry;

/* a string at a path that leads to entries */
typedef struct Key
{
	const char *text;			/* NULL: free slot */
	int			len;
	int			path;
	uint32		hash;
	int			first_link;		/* or -1 */
} Key;

typedef struct Link
{
	int			entry;
	int			next;
} Link;

struct EbMatcher
{
	int			npatterns;
	int			nentries;
	Entry	   *entries;
	EbPathTree	paths;

	/* how an event finds entries */
	uint32		nslots;			/* a power of two */
	uint32		nkeys;
	Key		   *keys;
	int			nlinks;
	Link	   *links;
	bool	   *is_access_path; /* by path: does it lead to entries? */
	int			nalways;
	int		   *always;			/* entries to test for every event */

	/* working memory of one match */
	EbFields	fields;
	EbJoin		join;
	uint32		match_number;	/* of this match */
	uint32	   *matched_in;		/* by pattern: match that it matched in */
	uint32	   *tested_in;		/* by entry: match that it was tested in */
};

static int	count_conjunctions(EbPattern **patterns, int n);
static void add_entry(EbMatcher *matcher, int pattern,
					  const EbConjunction *conjunction);
static void build_access(EbMatcher *matcher);
static bool is_access_field(const EbPatternField *field);
static int	count_access_tests(const EbMatcher *matcher);
static const EbJoinField *choose_access_field(const EbMatcher *matcher,
											  const Entry *entry,
											  const int *nstrings);
static void add_access_path(EbMatcher *matcher, const EbJoinField *jf);
static const Key *find_entries(const EbMatcher *matcher, int f);
static uint32 hash_key(int path, const char *text, int len);
static Key *find_key(const EbMatcher *matcher, int path, const char *text,
					 int len);
static Key *add_key(EbMatcher *matcher, int path, const char *text, int len);
static int	test_entry(EbMatcher *matcher, int number, int *matched, int n);
static bool entry_matches(EbMatcher *matcher, const Entry *entry);
static bool field_matches(const EbFields *fields, const EbJoinField *jf,
						  bool *in_array, bool *undecided);
static int	compare_ints(const void *a, const void *b);

EbMatcher *
eb_matcher_build(EbPattern **patterns, int n)
{
	EbMatcher  *matcher = palloc0(sizeof(EbMatcher));
	int			nentries = count_conjunctions(patterns, n);

	matcher->npatterns = n;
	matcher->entries = palloc((nentries + 1) * sizeof(Entry));
	eb_path_tree_init(&matcher->paths);
	for (int p = 0; p < n; p++)
	{
		const EbPattern *pattern = patterns[p];

		for (int c = 0; pattern != NULL && c < pattern->nconjunctions; c++)
			add_entry(matcher, p, &pattern->conjunctions[c]);
	}
	build_access(matcher);
	eb_fields_init(&matcher->fields, matcher->paths.npaths);
	eb_join_init(&matcher->join);
	matcher->matched_in = palloc0((n + 1) * sizeof(uint32));
	matcher->tested_in = palloc0((nentries + 1) * sizeof(uint32));
	return matcher;
}

int
eb_matcher_size(const EbMatcher *matcher)
{
	return matcher->npatterns;
}

EbPathNode *
eb_matcher_paths(const EbMatcher *matcher)
{
	return matcher->paths.root;
}

EbFields *
eb_matcher_begin(EbMatcher *matcher)
{
	eb_fields_reset(&matcher->fields);
	return &matcher->fields;
}

bool
eb_matcher_may_match(EbMatcher *matcher, const EbPathNode *later)
{
	const EbFields *fields = &matcher->fields;

	if (matcher->nalways > 0 || (later != NULL && later->leads_to_access))
		return true;
	for (int f = 0; f < fields->nfields; f++)
	{
		if (find_entries(matcher, f) != NULL)
			return true;
	}
	return false;
}

int
eb_matcher_match(EbMatcher *matcher, int *matched)
{
	const EbFields *fields = &matcher->fields;
	int			n = 0;

	if (++matcher->match_number == 0)
	{
		/* wrapped around: forget all stamps */
		memset(matcher->matched_in, 0, matcher->npatterns * sizeof(uint32));
		memset(matcher->tested_in, 0, matcher->nentries * sizeof(uint32));
		matcher->match_number = 1;
	}
	for (int f = 0; f < fields->nfields; f++)
	{
		const Key  *key = find_entries(matcher, f);

		if (key == NULL)
			continue;
		for (int l = key->first_link; l >= 0; l = matcher->links[l].next)
			n = test_entry(matcher, matcher->links[l].entry, matched, n);
	}
	for (int i = 0; i < matcher->nalways; i++)
		n = test_entry(matcher, matcher->always[i], matched, n);
	if (n > 1)
		qsort(matched, n, sizeof(int), compare_ints);
	return n;
}

static int
count_conjunctions(EbPattern **patterns, int n)
{
	int			count = 0;

	for (int p = 0; p < n; p++)
		count += patterns[p] != NULL ? patterns[p]->nconjunctions : 0;
	return count;
}

static void
add_entry(EbMatcher *matcher, int pattern, const EbConjunction *conjunction)
{
	Entry	   *entry = &matcher->entries[matcher->nentries++];

	entry->pattern = pattern;
	entry->nfields = conjunction->nfields;
	entry->fields = palloc(conjunction->nfields * sizeof(EbJoinField));
	for (int i = 0; i < conjunction->nfields; i++)
	{
		const EbPatternField *field = conjunction->fields[i];
		EbPathNode *node = eb_path_tree_add(&matcher->paths, field->path,
											field->len);

		for (int t = 0; t < field->ntests; t++)
		{
			if (eb_test_looks_at_numbers(&field->tests[t]))
				node->looks_at_numbers = true;
		}
		entry->fields[i].field = field;
		entry->fields[i].path = node->path;
	}
}

/* Chooses each entry's access field and fills the hash table. */
static void
build_access(EbMatcher *matcher)
{
	int			ntests = count_access_tests(matcher);
	int		   *nstrings = palloc0((matcher->paths.npaths + 1) * sizeof(int));

	matcher->nslots = 16;
	while (matcher->nslots < ntests * 2)
		matcher->nslots *= 2;
	matcher->keys = palloc0(matcher->nslots * sizeof(Key));
	matcher->links = palloc((ntests + 1) * sizeof(Link));
	matcher->is_access_path = palloc0(matcher->paths.npaths + 1);
	matcher->always = palloc((matcher->nentries + 1) * sizeof(int));

	/* count different strings by path */
	for (int e = 0; e < matcher->nentries; e++)
	{
		const Entry *entry = &matcher->entries[e];

		for (int i = 0; i < entry->nfields; i++)
		{
			const EbJoinField *jf = &entry->fields[i];
			uint32		before = matcher->nkeys;

			if (!is_access_field(jf->field))
				continue;
			for (int t = 0; t < jf->field->ntests; t++)
				add_key(matcher, jf->path, jf->field->tests[t].text,
						jf->field->tests[t].len);
			nstrings[jf->path] += matcher->nkeys - before;
		}
	}

	/* link entries to the strings of their access field */
	for (int e = 0; e < matcher->nentries; e++)
	{
		const EbJoinField *jf = choose_access_field(matcher,
													&matcher->entries[e],
													nstrings);

		if (jf == NULL)
		{
			matcher->always[matcher->nalways++] = e;
			continue;
		}
		add_access_path(matcher, jf);
		for (int t = 0; t < jf->field->ntests; t++)
		{
			Key		   *key = find_key(matcher, jf->path,
									   jf->field->tests[t].text,
									   jf->field->tests[t].len);

			matcher->links[matcher->nlinks].entry = e;
			matcher->links[matcher->nlinks].next = key->first_link;
			key->first_link = matcher->nlinks++;
		}
	}
	pfree(nstrings);
}

/* Does the field accept nothing but certain strings? */
static bool
is_access_field(const EbPatternField *field)
{
	for (int t = 0; t < field->ntests; t++)
	{
		if (field->tests[t].kind != EB_TEST_STRING)
			return false;
	}
	return true;
}

/* An upper bound for the number of keys, and for that of links. */
static int
count_access_tests(const EbMatcher *matcher)
{
	int			count = 0;

	for (int e = 0; e < matcher->nentries; e++)
	{
		const Entry *entry = &matcher->entries[e];

		for (int i = 0; i < entry->nfields; i++)
		{
			if (is_access_field(entry->fields[i].field))
				count += entry->fields[i].field->ntests;
		}
	}
	return count;
}

/* The entry's most telling access field, NULL if it has none. */
static const EbJoinField *
choose_access_field(const EbMatcher *matcher, const Entry *entry,
					const int *nstrings)
{
	const EbJoinField *best = NULL;
	double		best_weight = 0;

	for (int i = 0; i < entry->nfields; i++)
	{
		const EbJoinField *jf = &entry->fields[i];
		double		weight;

		if (!is_access_field(jf->field))
			continue;
		weight = (double) nstrings[jf->path] / jf->field->ntests;
		if (strchr(jf->field->path, '.') == NULL)
			weight *= TOP_PATH_WEIGHT;
		if (best == NULL || weight > best_weight)
		{
			best = jf;
			best_weight = weight;
		}
	}
	return best;
}

/* Marks the field's path, and the nodes on the way to it. */
static void
add_access_path(EbMatcher *matcher, const EbJoinField *jf)
{
	const char *path = jf->field->path;
	const char *end = path + jf->field->len;
	EbPathNode *node = matcher->paths.root;

	if (matcher->is_access_path[jf->path])
		return;
	matcher->is_access_path[jf->path] = true;
	for (;;)
	{
		const char *dot = memchr(path, '.', end - path);

		node = eb_path_child(node, path, (dot != NULL ? dot : end) - path);
		node->leads_to_access = true;
		if (dot == NULL)
			break;
		path = dot + 1;
	}
}

/* The key that field number f of the event leads to entries by, or NULL. */
static const Key *
find_entries(const EbMatcher *matcher, int f)
{
	const EbFields *fields = &matcher->fields;
	const EbValue *value = &fields->fields[f].value;
	const Key  *key;

	if (!matcher->is_access_path[fields->paths[f]] ||
		value->kind != EB_JSON_STRING)
		return NULL;
	key = find_key(matcher, fields->paths[f], value->text, value->len);
	return key->text != NULL && key->first_link >= 0 ? key : NULL;
}

static uint32
hash_key(int path, const char *text, int len)
{
	return hash_combine(hash_bytes((const unsigned char *) text, len),
						(uint32) path);
}

/* The key's slot, or the free one where it would be. */
static Key *
find_key(const EbMatcher *matcher, int path, const char *text, int len)
{
	uint32		mask = matcher->nslots - 1;
	uint32		hash = hash_key(path, text, len);

	for (uint32 slot = hash & mask;; slot = (slot + 1) & mask)
	{
		Key		   *key = &matcher->keys[slot];

		if (key->text == NULL ||
			(key->hash == hash && key->path == path && key->len == len &&
			 memcmp(key->text, text, len) == 0))
			return key;
	}
}

static Key *
add_key(EbMatcher *matcher, int path, const char *text, int len)
{
	Key		   *key = find_key(matcher, path, text, len);

	if (key->text == NULL)
	{
		key->text = text;
		key->len = len;
		key->path = path;
		key->hash = hash_key(path, text, len);
		key->first_link = -1;
		matcher->nkeys++;
	}
	return key;
}

/* Tests an entry, once per match; returns the new number of matches. */
static int
test_entry(EbMatcher *matcher, int number, int *matched, int n)
{
	const Entry *entry = &matcher->entries[number];

	if (matcher->matched_in[entry->pattern] == matcher->match_number ||
		matcher->tested_in[number] == matcher->match_number)
		return n;
	matcher->tested_in[number] = matcher->match_number;
	if (!entry_matches(matcher, entry))
		return n;
	matcher->matched_in[entry->pattern] = matcher->match_number;
	matched[n] = entry->pattern;
	return n + 1;
}

static bool
entry_matches(EbMatcher *matcher, const Entry *entry)
{
	int			nin_array = 0;
	bool		undecided = false;

	for (int i = 0; i < entry->nfields; i++)
	{
		bool		in_array = false;

		if (!field_matches(&matcher->fields, &entry->fields[i], &in_array,
						   &undecided))
			return false;
		nin_array += in_array;
	}
	if (nin_array >= 2 || undecided)
		return eb_join_match(&matcher->join, &matcher->fields, entry->fields,
							 entry->nfields);
	return true;
}

/*
 * Does the field match if arrays are ignored? Sets *in_array if it has values
 * inside an array, and *undecided if it does not match but might, as values
 * could be absent from the elements that other fields settle on.
 */
static bool
field_matches(const EbFields *fields, const EbJoinField *jf, bool *in_array,
			  bool *undecided)
{
	const EbPatternField *field = jf->field;
	bool		satisfied = false;
	bool		may_be_absent = false;

	for (int f = fields->first[jf->path]; f >= 0; f = fields->fields[f].next)
	{
		CHECK_FOR_INTERRUPTS();
		if (fields->fields[f].trail >= 0)
			*in_array = true;
		for (int t = 0; t < field->ntests && !satisfied; t++)
			satisfied = eb_test_match(&field->tests[t],
									  &fields->fields[f].value);
		if (satisfied && *in_array)
			break;
	}
	if (satisfied)
		return true;
	for (int t = 0; t < field->ntests && !may_be_absent; t++)
		may_be_absent = field->tests[t].kind == EB_TEST_ABSENT;
	if (!may_be_absent)
		return false;
	if (fields->first[jf->path] < 0)
		return true;
	if (*in_array)
		*undecided = true;
	return *in_array;
}

static int
compare_ints(const void *a, const void *b)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	return (x > y) - (x < y);
}
