/*-------------------------------------------------------------------------
 *
 * put.h
 *		Appends events to the log, in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_PUT_H
#define EB_PUT_H

#include "event_row.h"

/* The source of events that the extension itself puts; publishers cannot. */
#define EB_OWN_SOURCE		"eventbus"

/* Events of schedules, in EventBridge's words; publishers cannot put these. */
#define EB_SCHEDULE_SOURCE		"aws.events"
#define EB_SCHEDULE_DETAIL_TYPE	"Scheduled Event"

/* An event whose time is this gets that of the call. */
#define EB_TIME_OF_CALL		DT_NOBEGIN

/*
 * Raises the server's own error (25006) where nothing can be put: a read-only
 * transaction, as each one on a standby is. command is what the message names.
 */
extern void eb_put_check_writable(const char *command);

/*
 * Appends events[0..n) in order as one call: sets xid, seq, ord, ingested_at
 * and id of each (and time, where it is EB_TIME_OF_CALL), inserts them into
 * the current leaf of the log and asks for the router to be woken at commit.
 * The caller has validated the entries and checked the rights. What is put
 * while another event is delivered comes of it: causation_id and hop_count are
 * set (causation.c). An event that has an id is one that goes on to another
 * bus: it keeps id, causation_id and hop_count. Errors: no leaf fits the time
 * (55000), standby or read-only transaction (25006).
 */
extern void eb_put_insert(EbEvent *events, int n);

/*
 * The same for events of which some have a deduplication_id. Where that makes
 * one a duplicate (deduplication.h), it is not inserted, duplicate[i] is set,
 * and its id is that of the first event. May wait for other transactions.
 */
extern void eb_put_insert_once(EbEvent *events, int n, bool *duplicate);

#endif							/* EB_PUT_H */
