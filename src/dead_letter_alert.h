/*-------------------------------------------------------------------------
 *
 * dead_letter_alert.h
 *		Tells of the first dead letter of a target.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DEAD_LETTER_ALERT_H
#define EB_DEAD_LETTER_ALERT_H

#include "dead_letter.h"

/*
 * Called for each dead letter, with its number (0: it is in a queue) and when the target had the one
 * before it (0: none since it was put). Where it is the first one in an hour,
 * sends a notification and puts an event, in this transaction.
 */
extern void eb_dead_letter_alert(const EbDeadLetter *letter, int64 id,
								 TimestampTz previous, TimestampTz now);

#endif							/* EB_DEAD_LETTER_ALERT_H */
