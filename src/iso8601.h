/*-------------------------------------------------------------------------
 *
 * iso8601.h
 *		Times of event entries: read ISO 8601, write it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_ISO8601_H
#define EB_ISO8601_H

#include "datatype/timestamp.h"

/* length of "YYYY-MM-DDTHH:MM:SSZ" with the terminating zero */
#define EB_ISO8601_SIZE		21

/*
 * Reads YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]][Z|(+|-)HH[[:]MM]]]. What has no
 * zone is UTC; a fraction beyond microseconds is cut. False where text is
 * anything else.
 */
extern bool eb_iso8601_read(const char *text, int len, TimestampTz *at);

/* Writes at as YYYY-MM-DDTHH:MM:SSZ; fractions of a second are cut. */
extern void eb_iso8601_write(TimestampTz at, char text[EB_ISO8601_SIZE]);

/* Is at finite and within the years 1 to 9999, which four digits can say? */
extern bool eb_iso8601_writable(TimestampTz at);

#endif							/* EB_ISO8601_H */
