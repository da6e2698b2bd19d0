/*-------------------------------------------------------------------------
 *
 * ignore_case.h
 *		Comparing strings without regard to case.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_IGNORE_CASE_H
#define EB_CORE_IGNORE_CASE_H

#define EB_FOLD_MAX_FORMS	3
#define EB_FOLD_MAX_BYTES	8

/* one character of the pattern: the byte sequences that it accepts */
typedef struct EbFoldedChar
{
	uint8		nforms;
	uint8		len[EB_FOLD_MAX_FORMS];
	char		form[EB_FOLD_MAX_FORMS][EB_FOLD_MAX_BYTES];
} EbFoldedChar;

typedef struct EbFolded
{
	int			nchars;
	EbFoldedChar *chars;
} EbFolded;

/* Prepares a pattern string; memory from palloc. */
extern void eb_fold_compile(const char *text, int len, EbFolded *folded);

/*
 * Bytes of text that the pattern covers, from the start or (the other
 * function) from the end; -1 when it does not fit. The strings are equal
 * when all of text is covered.
 */
extern int	eb_fold_match_prefix(const EbFolded *folded, const char *text,
								 int len);
extern int	eb_fold_match_suffix(const EbFolded *folded, const char *text,
								 int len);

/*
 * Keys, for indexes. If a pattern has a complete key (the function returns
 * true), every string that it accepts has the same. If not, what it accepts
 * begins (ends, if from_end) with the key that it has. Not every string with
 * the key is accepted. A key is written to a buffer of EB_FOLD_KEY_SIZE bytes.
 */
#define EB_FOLD_KEY_SIZE(len)	(2 * (len) + 4)

extern int	eb_fold_key(const char *text, int len, char *key);
extern bool eb_fold_pattern_key(const EbFolded *folded, bool from_end,
								char *key, int *len);

#endif							/* EB_CORE_IGNORE_CASE_H */
