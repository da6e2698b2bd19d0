/*-------------------------------------------------------------------------
 *
 * wildcard.h
 *		Strings with "*", any run of bytes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_WILDCARD_H
#define EB_CORE_WILDCARD_H

/* a run of literal bytes between stars */
typedef struct EbWildcardChunk
{
	const char *text;
	int			len;
	int		   *border;			/* see wildcard.c; NULL for the outer chunks */
} EbWildcardChunk;

/*
 * A pattern a*b*c has chunks a, b, c: one more than stars. The first and the
 * last are anchored and may be empty, those between are not empty.
 */
typedef struct EbWildcard
{
	int			nchunks;
	EbWildcardChunk *chunks;
} EbWildcard;

typedef enum EbWildcardStatus
{
	EB_WILDCARD_OK,
	EB_WILDCARD_BAD_ESCAPE,
	EB_WILDCARD_CONSECUTIVE
} EbWildcardStatus;

/*
 * Compiles a wildcard pattern: "*" is a star, "\*" and "\\" are literal. On
 * failure *position is the fault's byte within text.
 */
extern EbWildcardStatus eb_wildcard_compile(const char *text, int len,
											EbWildcard *wildcard,
											int *position);

extern bool eb_wildcard_match(const EbWildcard *wildcard, const char *text,
							  int len);

#endif							/* EB_CORE_WILDCARD_H */
