/*-------------------------------------------------------------------------
 *
 * append.h
 *		Appends rows to a leaf and keeps its indexes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_APPEND_H
#define EB_APPEND_H

#include "executor/tuptable.h"
#include "utils/relcache.h"

typedef struct EbAppender EbAppender;

/*
 * Begins to append to a relation that the caller has opened with
 * RowExclusiveLock (and closes after eb_append_end()). Allocates in
 * CurrentMemoryContext.
 */
extern EbAppender *eb_append_begin(Relation rel);

/*
 * An empty slot for the next row: fill tts_values and tts_isnull of all
 * columns, then call eb_append_row(). What the values point to must stay
 * until the rows are written, at eb_append_end() the latest; size is its
 * number of bytes, roughly, so that a chunk of large rows is written early.
 */
extern TupleTableSlot *eb_append_slot(EbAppender *appender);
extern void eb_append_row(EbAppender *appender, Size size);

/* Writes what is collected so far, with its index entries. */
extern void eb_append_flush(EbAppender *appender);

/* Writes what is left and frees the appender. */
extern void eb_append_end(EbAppender *appender);

#endif							/* EB_APPEND_H */
