/*-------------------------------------------------------------------------
 *
 * event_member.h
 *		Single members of an event's envelope, without making the envelope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_EVENT_MEMBER_H
#define EB_EVENT_MEMBER_H

#include "event_row.h"

/* The names of an envelope's members, in the order that EventBridge writes. */
#define EB_EVENT_NMEMBERS	10
extern const char *const eb_event_member_names[EB_EVENT_NMEMBERS];

/*
 * The member of that name, as eb_event_envelope() has it; false where the
 * event has none. The value leads into the event, or is allocated in
 * CurrentMemoryContext, or is that of a setting.
 */
extern bool eb_event_member(const EbEvent *event, const char *name, int len,
							JsonbValue *value);

#endif							/* EB_EVENT_MEMBER_H */
