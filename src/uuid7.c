/*-------------------------------------------------------------------------
 *
 * uuid7.c
 *		Event ids: UUID version 7 (RFC 9562) of the time of ingestion.
 *
 *		 48 bits	Unix time in milliseconds
 *		  4 bits	version, 7
 *		 12 bits	what is left of the time, in 1/4096 of a millisecond
 *					(RFC 9562, 6.2, method 3)
 *		  2 bits	variant, binary 10
 *		 62 bits	random
 *
 * A microsecond is some four units of the fraction, so the time can be had
 * back exactly: the id of an event names the leaf of the log that holds it.
 * Ids of one call share their time and have no order among themselves; seq
 * and ord order them. Times from 1970 to the year 10889 fit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/timestamp.h"

#include "uuid7.h"

/* microseconds from 1970 to 2000, where PostgreSQL's time begins */
#define UNIX_OFFSET \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

#define USECS_PER_MSEC		1000
#define FRACTIONS_PER_MSEC	4096

void
eb_uuid7_make(TimestampTz at, const uint8 *random, pg_uuid_t *id)
{
	uint64		usecs = (uint64) (at + UNIX_OFFSET);
	uint64		msecs = usecs / USECS_PER_MSEC;
	uint32		fraction = (usecs % USECS_PER_MSEC) * FRACTIONS_PER_MSEC /
		USECS_PER_MSEC;

	Assert(at + UNIX_OFFSET >= 0);
	for (int i = 0; i < 6; i++)
		id->data[i] = (uint8) (msecs >> (40 - 8 * i));
	id->data[6] = 0x70 | (fraction >> 8);
	id->data[7] = fraction & 0xff;
	memcpy(&id->data[8], random, EB_UUID7_RANDOM_LEN);
	id->data[8] = 0x80 | (id->data[8] & 0x3f);
}

bool
eb_uuid7_time(const pg_uuid_t *id, TimestampTz *at)
{
	uint64		msecs = 0;
	uint32		fraction = ((id->data[6] & 0x0f) << 8) | id->data[7];

	if ((id->data[6] & 0xf0) != 0x70 || (id->data[8] & 0xc0) != 0x80)
		return false;
	for (int i = 0; i < 6; i++)
		msecs = (msecs << 8) | id->data[i];

	/* the fraction was rounded down, so this one rounds up */
	*at = (int64) (msecs * USECS_PER_MSEC +
				   (fraction * USECS_PER_MSEC + FRACTIONS_PER_MSEC - 1) /
				   FRACTIONS_PER_MSEC) - UNIX_OFFSET;
	return true;
}

void
eb_uuid_text(const pg_uuid_t *id, char text[EB_UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char	   *p = text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[id->data[i] >> 4];
		*p++ = digits[id->data[i] & 0x0f];
	}
	*p = '\0';
}
