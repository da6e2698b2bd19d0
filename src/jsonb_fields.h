/*-------------------------------------------------------------------------
 *
 * jsonb_fields.h
 *		jsonb as the pattern core wants it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_JSONB_FIELDS_H
#define EB_JSONB_FIELDS_H

#include "utils/jsonb.h"

#include "core/event.h"

/*
 * Adds what the container, an object, holds at the paths below node. Values
 * point into the jsonb; no other member is read. Works for any depth without
 * recursion. Allocates little, in CurrentMemoryContext.
 */
extern void eb_fields_add_jsonb(EbFields *fields, EbPathNode *node,
								JsonbContainer *container);

/*
 * Copies jsonb into a document of the core, allocated in
 * CurrentMemoryContext; strings point into the jsonb.
 */
extern void eb_json_from_jsonb(Jsonb *jsonb, EbJson *doc);

#endif							/* EB_JSONB_FIELDS_H */
