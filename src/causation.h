/*-------------------------------------------------------------------------
 *
 * causation.h
 *		Which event this process delivers: what is put meanwhile comes of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CAUSATION_H
#define EB_CAUSATION_H

#include "utils/uuid.h"

/* The event that user code is run for. */
typedef struct EbCause
{
	pg_uuid_t	event_id;
	int32		hop_count;
} EbCause;

/* Defines the setting eventbus.event_id; from _PG_init. */
extern void eb_causation_init(void);

/* From now on, until it is cleared or set again; NULL clears it. */
extern void eb_causation_set(const EbCause *cause);

/* The cause of what is put now; NULL when there is none. Do not free. */
extern const EbCause *eb_causation(void);

#endif							/* EB_CAUSATION_H */
