/*-------------------------------------------------------------------------
 *
 * answer.h
 *		Builds the jsonb documents that API functions answer with.
 *
 * Usage: eb_answer_begin(), eb_answer_add_*() for each member, eb_answer_end().
 * Between eb_answer_begin_array() and eb_answer_end_array() come objects, each
 * between eb_answer_begin() and eb_answer_end(). All memory is in
 * CurrentMemoryContext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_ANSWER_H
#define EB_ANSWER_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

typedef struct EbAnswer
{
	JsonbParseState *state;
	JsonbValue *result;			/* what the last end returned */
} EbAnswer;

/* An object: the outermost one (of a zeroed EbAnswer), or an array's element. */
extern void eb_answer_begin(EbAnswer *answer);
extern void eb_answer_end(EbAnswer *answer);

/* A member that is an object; ends with eb_answer_end(). */
extern void eb_answer_begin_object(EbAnswer *answer, const char *key);

/* A member that is an array of objects. */
extern void eb_answer_begin_array(EbAnswer *answer, const char *key);
extern void eb_answer_end_array(EbAnswer *answer);

/* Members. NULL values are left out, as EventBridge does. */
extern void eb_answer_add_text(EbAnswer *answer, const char *key,
							   const char *value);
extern void eb_answer_add_int(EbAnswer *answer, const char *key, int64 value);
extern void eb_answer_add_bool(EbAnswer *answer, const char *key, bool value);
extern void eb_answer_add_jsonb(EbAnswer *answer, const char *key,
								Jsonb *value);
extern void eb_answer_add_time(EbAnswer *answer, const char *key,
							   TimestampTz value);

/* What was built, after the outermost eb_answer_end(). */
extern Jsonb *eb_answer_result(EbAnswer *answer);

#endif							/* EB_ANSWER_H */
