/*-------------------------------------------------------------------------
 *
 * transform_event.h
 *		The event that is transformed, whatever it is stored as.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TRANSFORM_EVENT_H
#define EB_TRANSFORM_EVENT_H

#include "lib/stringinfo.h"

#include "catalog.h"
#include "event_row.h"

/*
 * An event of the log, or one that is a jsonb object (a preview); and the rule
 * whose target gets it.
 */
typedef struct EbTransformEvent
{
	const EbEvent *row;			/* NULL: it is json */
	Jsonb	   *json;
	TimestampTz ingested_at;
	const EbRule *rule;
} EbTransformEvent;

/* A member of the event; false where it has none of that name. */
extern bool eb_transform_event_member(const EbTransformEvent *event,
									  const char *name, int len,
									  JsonbValue *value);

/* The whole event as jsonb. */
extern Jsonb *eb_transform_event_jsonb(const EbTransformEvent *event);

/*
 * Append the whole event to buf as JSON text, in EventBridge's order of keys;
 * and what <aws.events.event> stands for: without detail, and with detailType
 * for detail-type.
 */
extern void eb_transform_event_write(const EbTransformEvent *event,
									 StringInfo buf);
extern void eb_transform_event_write_brief(const EbTransformEvent *event,
										   StringInfo buf);

#endif							/* EB_TRANSFORM_EVENT_H */
