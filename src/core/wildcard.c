/*-------------------------------------------------------------------------
 *
 * wildcard.c
 *		Strings with "*", any run of bytes.
 *
 * The first chunk must be the string's head and the last its tail; each chunk
 * between is looked for from where the one before it was found. Taking the
 * leftmost place is never wrong, since it leaves the most for what follows,
 * so there is no going back: with Knuth-Morris-Pratt for the search the whole
 * match is linear in the string, whatever the pattern.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/wildcard.h"

static void make_border(EbWildcardChunk *chunk);
static const char *find_chunk(const EbWildcardChunk *chunk, const char *at,
							  const char *end);

EbWildcardStatus
eb_wildcard_compile(const char *text, int len, EbWildcard *wildcard,
					int *position)
{
	char	   *literal = palloc(len + 1);
	int			nliteral = 0;
	int			start = 0;		/* of the current chunk, in literal */
	int			stars = 0;

	for (int i = 0; i < len; i++)
		stars += text[i] == '*';
	wildcard->chunks = palloc0((stars + 1) * sizeof(EbWildcardChunk));
	wildcard->nchunks = 0;
	for (int i = 0; i <= len; i++)
	{
		EbWildcardChunk *chunk = &wildcard->chunks[wildcard->nchunks];

		*position = i;
		if (i == len || text[i] == '*')
		{
			if (i + 1 < len && text[i + 1] == '*')
				return EB_WILDCARD_CONSECUTIVE;
			chunk->text = literal + start;
			chunk->len = nliteral - start;
			start = nliteral;
			wildcard->nchunks++;
		}
		else
		{
			if (text[i] == '\\')
			{
				i++;
				if (i == len || (text[i] != '*' && text[i] != '\\'))
					return EB_WILDCARD_BAD_ESCAPE;
			}
			literal[nliteral++] = text[i];
		}
	}
	for (int i = 1; i < wildcard->nchunks - 1; i++)
		make_border(&wildcard->chunks[i]);
	return EB_WILDCARD_OK;
}

bool
eb_wildcard_match(const EbWildcard *wildcard, const char *text, int len)
{
	const EbWildcardChunk *first = &wildcard->chunks[0];
	const EbWildcardChunk *last = &wildcard->chunks[wildcard->nchunks - 1];
	const char *at = text + first->len;
	const char *end = text + len - last->len;

	if (first == last)
		return len == first->len && memcmp(text, first->text, len) == 0;
	if (len < first->len + last->len ||
		memcmp(text, first->text, first->len) != 0 ||
		memcmp(end, last->text, last->len) != 0)
		return false;
	for (const EbWildcardChunk *chunk = first + 1; chunk < last; chunk++)
	{
		at = find_chunk(chunk, at, end);
		if (at == NULL)
			return false;
	}
	return true;
}

/*
 * border[i] is the length of the longest proper head of the chunk that is
 * also a tail of its first i + 1 bytes: where to go on after a mismatch.
 */
static void
make_border(EbWildcardChunk *chunk)
{
	int			k = 0;

	chunk->border = palloc(chunk->len * sizeof(int));
	chunk->border[0] = 0;
	for (int i = 1; i < chunk->len; i++)
	{
		while (k > 0 && chunk->text[i] != chunk->text[k])
			k = chunk->border[k - 1];
		if (chunk->text[i] == chunk->text[k])
			k++;
		chunk->border[i] = k;
	}
}

/* Where the leftmost occurrence of the chunk in [at, end) ends, or NULL. */
static const char *
find_chunk(const EbWildcardChunk *chunk, const char *at, const char *end)
{
	int			k = 0;			/* bytes of the chunk that match before at */

	while (at < end)
	{
		if (k == 0)
		{
			at = memchr(at, chunk->text[0], end - at);
			if (at == NULL)
				return NULL;
		}
		while (k > 0 && *at != chunk->text[k])
			k = chunk->border[k - 1];
		if (*at == chunk->text[k])
			k++;
		at++;
		if (k == chunk->len)
			return at;
	}
	return NULL;
}
