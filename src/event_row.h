/*-------------------------------------------------------------------------
 *
 * event_row.h
 *		One event of the log: its columns, and its envelope.
 *
 * An EbEvent is a stored row taken apart. Its pointers lead into the tuple or
 * into the memory context that was current when it was read; see event_row.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_EVENT_ROW_H
#define EB_EVENT_ROW_H

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* columns of eventbus.event_log, in order (src/sql/10_log.sql) */
typedef enum EbEventColumn
{
	EB_EVENT_XID = 1,
	EB_EVENT_SEQ,
	EB_EVENT_INGESTED_AT,
	EB_EVENT_TIME,
	EB_EVENT_ORD,
	EB_EVENT_BUS_ID,
	EB_EVENT_GENERATION,
	EB_EVENT_HOP_COUNT,
	EB_EVENT_ID,
	EB_EVENT_SOURCE,
	EB_EVENT_DETAIL_TYPE,
	EB_EVENT_RESOURCES,
	EB_EVENT_DETAIL,
	EB_EVENT_TRACE_HEADER,
	EB_EVENT_EVENT_GROUP_ID,
	EB_EVENT_DEDUPLICATION_ID,
	EB_EVENT_REPLAY_NAME,
	EB_EVENT_CAUSATION_ID
} EbEventColumn;

#define EB_EVENT_NCOLUMNS	EB_EVENT_CAUSATION_ID

typedef struct EbEvent
{
	FullTransactionId xid;		/* top-level transaction that put it */
	int64		seq;			/* the put call */
	int32		ord;			/* place within the call */
	int32		bus_id;
	int32		hop_count;
	TimestampTz ingested_at;
	TimestampTz time;
	pg_uuid_t	id;
	text	   *source;			/* may be packed (short header): use the _ANY
								 * macros */
	text	   *detail_type;
	ArrayType  *resources;		/* of text, NULL: none */
	Jsonb	   *detail;			/* never toasted here */
	text	   *trace_header;	/* NULL: none; likewise below */
	text	   *event_group_id;
	text	   *deduplication_id;
	text	   *replay_name;
	pg_uuid_t  *causation_id;
} EbEvent;

/*
 * Takes the row in slot apart. Pointers lead into the slot's tuple, except
 * for values that had to be detoasted, which are in CurrentMemoryContext.
 */
extern void eb_event_from_slot(TupleTableSlot *slot, EbEvent *event);

/*
 * The inverse: fills the columns of an empty slot, without copying what they
 * point to; the caller stores it.
 */
extern void eb_event_to_slot(const EbEvent *event, int32 generation,
							 TupleTableSlot *slot);

/*
 * The envelope that EventBridge would deliver: version, id, detail-type,
 * source, account, time, region, replay-name (on replays), resources, detail.
 * Allocated in CurrentMemoryContext.
 */
extern Jsonb *eb_event_envelope(const EbEvent *event);

/* The array that is its member "resources", allocated likewise. */
extern Jsonb *eb_event_resources(const EbEvent *event);

#endif							/* EB_EVENT_ROW_H */
