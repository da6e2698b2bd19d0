/*-------------------------------------------------------------------------
 *
 * uuid7.h
 *		Event ids: UUID version 7 (RFC 9562) of the time of ingestion.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_UUID7_H
#define EB_UUID7_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* random bytes that one id takes */
#define EB_UUID7_RANDOM_LEN	8

/* length of an id as text, with the terminating zero */
#define EB_UUID_TEXT_SIZE	37

/* Makes the id of time at from EB_UUID7_RANDOM_LEN random bytes. */
extern void eb_uuid7_make(TimestampTz at, const uint8 *random,
						  pg_uuid_t *id);

/*
 * The time that an id made by eb_uuid7_make() was made of, to the
 * microsecond. False where id is not a UUID of version 7.
 */
extern bool eb_uuid7_time(const pg_uuid_t *id, TimestampTz *at);

/* Writes id as text: lower case, with hyphens, terminated. */
extern void eb_uuid_text(const pg_uuid_t *id, char text[EB_UUID_TEXT_SIZE]);

#endif							/* EB_UUID7_H */
