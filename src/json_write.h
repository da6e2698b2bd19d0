/*-------------------------------------------------------------------------
 *
 * json_write.h
 *		jsonb to JSON text without white space.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_JSON_WRITE_H
#define EB_JSON_WRITE_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* No text that is written here may be longer, in bytes. */
#define EB_MAX_JSON_TEXT	(64 * 1024 * 1024)

/*
 * Append to buf; what buf holds before counts, too: an error
 * EB_ERRCODE_TRANSFORMATION where it becomes longer than EB_MAX_JSON_TEXT. A
 * value is a scalar or a container (jbvBinary). For any depth without
 * recursion.
 */
extern void eb_json_write_value(StringInfo buf, const JsonbValue *value);
extern void eb_json_write_jsonb(StringInfo buf, Jsonb *jsonb);

/* A string with its quotes; and what stands between them. */
extern void eb_json_write_string(StringInfo buf, const char *chars, int len);
extern void eb_json_write_escaped(StringInfo buf, const char *chars, int len);

/* Bytes as they are. */
extern void eb_json_write_raw(StringInfo buf, const char *chars, int len);

#endif							/* EB_JSON_WRITE_H */
