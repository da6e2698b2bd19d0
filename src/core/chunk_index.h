/*-------------------------------------------------------------------------
 *
 * chunk_index.h
 *		Which of many strings occur in a text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_CHUNK_INDEX_H
#define EB_CORE_CHUNK_INDEX_H

#include "core/hits.h"

typedef struct EbChunkIndex EbChunkIndex;

extern EbChunkIndex *eb_chunk_index_create(void);

/* Adds a string, not empty, under a number. */
extern void eb_chunk_index_add(EbChunkIndex *index, const char *text, int len,
							   int number);

/* After the last string: makes the index fit for look-ups. */
extern void eb_chunk_index_finish(EbChunkIndex *index);

/*
 * Adds to hits the numbers of all strings that occur in the text, each once.
 * Marks in the index what it has found, so one look-up at a time.
 */
extern void eb_chunk_index_find(EbChunkIndex *index, const char *text,
								int len, EbHits *hits);

#endif							/* EB_CORE_CHUNK_INDEX_H */
