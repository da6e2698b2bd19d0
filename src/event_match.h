/*-------------------------------------------------------------------------
 *
 * event_match.h
 *		Event patterns and events in the server's own forms: jsonb and rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_EVENT_MATCH_H
#define EB_EVENT_MATCH_H

#include "utils/jsonb.h"

#include "core/matcher.h"
#include "event_row.h"

/*
 * Compiles an event pattern, in CurrentMemoryContext; nothing points into the
 * jsonb. An invalid pattern is an error, ERRCODE_INVALID_PARAMETER_VALUE, with
 * EventBridge's message and the JSON path of the fault as DETAIL.
 */
extern EbPattern *eb_pattern_from_jsonb(Jsonb *pattern);

/*
 * The same for a pattern that is to be a rule's: one that passes a limit of
 * the settings eventbus.max_pattern_* is invalid, too.
 */
extern EbPattern *eb_pattern_check_jsonb(Jsonb *pattern);

/*
 * Matches a stored event, straight from its columns. Writes the numbers of
 * the patterns that match to matched, ascending, which has room for
 * eb_matcher_size(matcher); returns how many. What little it allocates is in
 * CurrentMemoryContext, which the caller resets now and then.
 */
extern int	eb_match_event(EbMatcher *matcher, const EbEvent *event,
						   int *matched);

/* The same for an event that is a jsonb envelope of any shape. */
extern int	eb_match_jsonb(EbMatcher *matcher, Jsonb *event, int *matched);

#endif							/* EB_EVENT_MATCH_H */
