/*-------------------------------------------------------------------------
 *
 * json_build.h
 *		Builds jsonb objects and arrays of them, member by member.
 *
 * Usage: eb_json_begin(), eb_json_add_*() for each member, eb_json_end().
 * Between eb_json_begin_array() and eb_json_end_array() come objects, each
 * between eb_json_begin() and eb_json_end(). All memory is in
 * CurrentMemoryContext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_JSON_BUILD_H
#define EB_JSON_BUILD_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

typedef struct EbJson
{
	JsonbParseState *state;
	JsonbValue *result;			/* what the last end returned */
} EbJson;

/* An object: the outermost one (of a zeroed EbJson), or an array's element. */
extern void eb_json_begin(EbJson *json);
extern void eb_json_end(EbJson *json);

/* A member that is an array of objects. */
extern void eb_json_begin_array(EbJson *json, const char *key);
extern void eb_json_end_array(EbJson *json);

/* Members. NULL values are left out, as EventBridge does. */
extern void eb_json_add_text(EbJson *json, const char *key, const char *value);
extern void eb_json_add_int(EbJson *json, const char *key, int64 value);
extern void eb_json_add_jsonb(EbJson *json, const char *key, Jsonb *value);
extern void eb_json_add_time(EbJson *json, const char *key, TimestampTz value);

/* What was built, after the outermost eb_json_end(). */
extern Jsonb *eb_json_result(EbJson *json);

#endif							/* EB_JSON_BUILD_H */
