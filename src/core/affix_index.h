/*-------------------------------------------------------------------------
 *
 * affix_index.h
 *		Which of many strings a text begins with, or ends with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_AFFIX_INDEX_H
#define EB_CORE_AFFIX_INDEX_H

#include "core/hits.h"

typedef struct EbAffixIndex EbAffixIndex;

/* An empty index, of prefixes or (from_end) of suffixes. */
extern EbAffixIndex *eb_affix_index_create(bool from_end);

/* Adds a string, kept by reference, under a number. */
extern void eb_affix_index_add(EbAffixIndex *index, const char *text, int len,
							   int number);

/* After the last string: makes the index fit for look-ups. */
extern void eb_affix_index_finish(EbAffixIndex *index);

/* Adds to hits the numbers of all strings that the text begins (ends) with. */
extern void eb_affix_index_find(const EbAffixIndex *index, const char *text,
								int len, EbHits *hits);

#endif							/* EB_CORE_AFFIX_INDEX_H */
