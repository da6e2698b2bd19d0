/*-------------------------------------------------------------------------
 *
 * jsonb_text.h
 *		JSON text to jsonb, without raising an error for bad text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_JSONB_TEXT_H
#define EB_JSONB_TEXT_H

#include "utils/jsonb.h"

/* Deepest nesting of an event's detail, as in EventBridge. */
#define EB_MAX_NESTING	1000

/*
 * The jsonb of text[0..len) (server encoding), in CurrentMemoryContext; NULL
 * where that is not JSON, or is JSON that jsonb cannot hold, or is nested
 * deeper than EB_MAX_NESTING.
 */
extern Jsonb *eb_jsonb_from_text(const char *text, int len);

/* Is jsonb nested deeper than EB_MAX_NESTING? */
extern bool eb_jsonb_too_deep(Jsonb *jsonb);

/* Is the text of jsonb, written without white space, at most limit bytes? */
extern bool eb_jsonb_text_fits(Jsonb *jsonb, int64 limit);

#endif							/* EB_JSONB_TEXT_H */
