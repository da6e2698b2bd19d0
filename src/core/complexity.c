/*-------------------------------------------------------------------------
 *
 * complexity.c
 *		How complex EventBridge holds the wildcards of a pattern to be.
 *
 * EventBridge refuses rules whose wildcards could take its matcher long. Ours
 * does not mind them, but a rule that is to work in both places must not pass
 * the limit. The measure is event-ruler's: of all strings, the one that most
 * heads of the wildcards at a path match. "*:*:" has the heads "*", "*:",
 * "*:*" and "*:*:", all of which match "::": its complexity is 4.
 *
 * The heads that a string matches are the state of a nondeterministic
 * automaton, and the greatest set is looked for among those that can be
 * reached, breadth first. There may be exponentially many, so the search ends
 * after MAX_SETS, and what it has not found by then is accepted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/byte_map.h"
#include "core/complexity.h"

#define MAX_SETS	5000

#define STAR		256			/* a token that is not a byte */
#define END			257			/* after the last token of a wildcard */
#define START		258			/* before the first */

/*
 * The wildcards at a path, one after the other, each START, its bytes and
 * stars, END. A head is the number of the token after it.
 */
typedef struct Tokens
{
	int			n;
	int			capacity;
	int		   *list;
	bool		is_used[256];	/* bytes that occur */
} Tokens;

/* heads that some string matches, ascending */
typedef struct HeadSet
{
	int			n;
	int		   *heads;
} HeadSet;

typedef struct Search
{
	const Tokens *tokens;
	int			limit;
	int			nsets;
	HeadSet		sets[MAX_SETS];
	EbByteMap	seen;
	int		   *heads;			/* of the set being made; room for all */
} Search;

/* the wildcards of a pattern, by path */
typedef struct Paths
{
	EbByteMap	map;			/* from a path to its number, and fields */
	int			n;
	int			capacity;
	Tokens	   *tokens;
	const EbPatternField **fields;	/* one at the path */
} Paths;

/* tags of the map's keys */
#define TAG_PATH	0
#define TAG_FIELD	1

static void add_field(Paths *paths, const EbPatternField *const *field);
static bool has_wildcard(const EbTest *tests, int n);
static Tokens *path_tokens(Paths *paths, const EbPatternField *field);
static void add_tests(Tokens *tokens, const EbTest *tests, int n);
static void add_wildcard(Tokens *tokens, const EbWildcard *wildcard);
static void add_token(Tokens *tokens, int token);
static bool is_too_complex(const Tokens *tokens, int limit);
static bool add_start(Search *search);
static bool add_next(Search *search, const HeadSet *set, int byte);
static int	add_head(const Search *search, int n, int head);
static bool add_set(Search *search, int n);

const EbPatternField *
eb_wildcards_too_complex(const EbPattern *pattern, int limit)
{
	Paths		paths = {.capacity = 4};

	eb_byte_map_init(&paths.map);
	paths.tokens = palloc(paths.capacity * sizeof(Tokens));
	paths.fields = palloc(paths.capacity * sizeof(EbPatternField *));
	for (int c = 0; c < pattern->nconjunctions; c++)
	{
		const EbConjunction *conjunction = &pattern->conjunctions[c];

		for (int i = 0; i < conjunction->nfields; i++)
			add_field(&paths, (const EbPatternField *const *)
					  &conjunction->fields[i]);
	}
	for (int p = 0; p < paths.n; p++)
	{
		if (is_too_complex(&paths.tokens[p], limit))
			return paths.fields[p];
	}
	return NULL;
}

/* Adds the wildcards of a field, which $or may have put in many places. */
static void
add_field(Paths *paths, const EbPatternField *const *field)
{
	bool		found;

	if (!has_wildcard((*field)->tests, (*field)->ntests))
		return;
	(void) eb_byte_map_add(&paths->map, TAG_FIELD, field, sizeof(*field),
						   &found);
	if (!found)
		add_tests(path_tokens(paths, *field), (*field)->tests,
				  (*field)->ntests);
}

static bool
has_wildcard(const EbTest *tests, int n)
{
	for (int t = 0; t < n; t++)
	{
		if (tests[t].kind == EB_TEST_WILDCARD ||
			(tests[t].kind == EB_TEST_ANYTHING_BUT &&
			 has_wildcard(tests[t].u.excluded.tests,
						  tests[t].u.excluded.ntests)))
			return true;
	}
	return false;
}

static Tokens *
path_tokens(Paths *paths, const EbPatternField *field)
{
	bool		found;
	EbByteSlot *slot = eb_byte_map_add(&paths->map, TAG_PATH, field->path,
									   field->len, &found);

	if (found)
		return &paths->tokens[slot->value];
	if (paths->n == paths->capacity)
	{
		paths->capacity *= 2;
		paths->tokens = repalloc(paths->tokens,
								 paths->capacity * sizeof(Tokens));
		paths->fields = repalloc(paths->fields, paths->capacity *
								 sizeof(EbPatternField *));
	}
	slot->value = paths->n;
	memset(&paths->tokens[paths->n], 0, sizeof(Tokens));
	paths->fields[paths->n] = field;
	return &paths->tokens[paths->n++];
}

static void
add_tests(Tokens *tokens, const EbTest *tests, int n)
{
	for (int t = 0; t < n; t++)
	{
		if (tests[t].kind == EB_TEST_WILDCARD)
			add_wildcard(tokens, &tests[t].u.wildcard);
		else if (tests[t].kind == EB_TEST_ANYTHING_BUT)
			add_tests(tokens, tests[t].u.excluded.tests,
					  tests[t].u.excluded.ntests);
	}
}

static void
add_wildcard(Tokens *tokens, const EbWildcard *wildcard)
{
	add_token(tokens, START);
	for (int c = 0; c < wildcard->nchunks; c++)
	{
		const EbWildcardChunk *chunk = &wildcard->chunks[c];

		if (c > 0)
			add_token(tokens, STAR);
		for (int i = 0; i < chunk->len; i++)
			add_token(tokens, (unsigned char) chunk->text[i]);
	}
	add_token(tokens, END);
}

static void
add_token(Tokens *tokens, int token)
{
	if (tokens->n == tokens->capacity)
	{
		tokens->capacity = Max(64, 2 * tokens->capacity);
		tokens->list = tokens->list == NULL ?
			palloc(tokens->capacity * sizeof(int)) :
			repalloc(tokens->list, tokens->capacity * sizeof(int));
	}
	tokens->list[tokens->n++] = token;
	if (token < STAR)
		tokens->is_used[token] = true;
}

/* Is there a string that more heads match than the limit? */
static bool
is_too_complex(const Tokens *tokens, int limit)
{
	Search	   *search = palloc(sizeof(Search));
	int			other = 0;		/* a byte that stands for all unused ones */

	search->tokens = tokens;
	search->limit = limit;
	search->nsets = 0;
	search->heads = palloc(tokens->n * sizeof(int));
	eb_byte_map_init(&search->seen);
	while (other < 256 && tokens->is_used[other])
		other++;
	if (add_start(search))
		return true;
	for (int set = 0; set < search->nsets; set++)
	{
		for (int byte = 0; byte < 256; byte++)
		{
			if ((tokens->is_used[byte] || byte == other) &&
				add_next(search, &search->sets[set], byte))
				return true;
		}
	}
	return false;
}

/* Adds the heads that the empty string matches. True: too many. */
static bool
add_start(Search *search)
{
	int			n = 0;

	for (int i = 0; i < search->tokens->n; i++)
	{
		if (search->tokens->list[i] == START)
			n = add_head(search, n, i + 1);
	}
	return add_set(search, n);
}

/* Adds the heads that match one byte more. True: too many. */
static bool
add_next(Search *search, const HeadSet *set, int byte)
{
	const int  *list = search->tokens->list;
	int			n = 0;

	for (int i = 0; i < set->n; i++)
	{
		int			head = set->heads[i];

		if (list[head - 1] == STAR)
			n = add_head(search, n, head);
		if (list[head] == byte)
			n = add_head(search, n, head + 1);
	}
	return add_set(search, n);
}

/* Adds a head, and with it what a star after it may leave out. */
static int
add_head(const Search *search, int n, int head)
{
	do
	{
		/* heads come in order, so one that is there is among the last */
		bool		is_there = false;

		for (int i = n - 1; i >= 0 && search->heads[i] >= head; i--)
			is_there |= search->heads[i] == head;
		if (!is_there)
			search->heads[n++] = head;
	} while (search->tokens->list[head++] == STAR);
	return n;
}

/* Keeps the set being made, if it is new. True: it has too many heads. */
static bool
add_set(Search *search, int n)
{
	HeadSet    *set = &search->sets[search->nsets];
	int			matched = 0;
	bool		found;

	for (int i = 0; i < n; i++)
		matched += search->tokens->list[search->heads[i] - 1] != START;
	if (matched > search->limit)
		return true;
	if (n == 0 || search->nsets == MAX_SETS)
		return false;
	set->heads = palloc(n * sizeof(int));
	set->n = n;
	memcpy(set->heads, search->heads, n * sizeof(int));
	(void) eb_byte_map_add(&search->seen, 0, set->heads, n * sizeof(int),
						   &found);
	if (found)
		pfree(set->heads);
	else
		search->nsets++;
	return false;
}
