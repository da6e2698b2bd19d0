/*-------------------------------------------------------------------------
 *
 * event_row.c
 *		One event of the log: its columns, and its envelope.
 *
 * The log keeps the parts of an event in columns of their own; the envelope
 * (one JSON object, what EventBridge calls the event) is built only when
 * somebody wants it. Since that is for each delivery that does, it is written
 * straight in the on-disk form of jsonb (utils/jsonb.h), which the server's
 * pg_upgrade keeps stable: with at most ten keys, known beforehand, there is
 * nothing to sort, and detail, which is jsonb already, is copied as it is.
 * pushJsonbValue() would take it apart and put it together again.
 *
 * EventBridge writes the keys in the order version, id, detail-type, source,
 * account, time, region, replay-name, resources, detail. jsonb has an order
 * of its own (by length, then by bytes), so an envelope that is jsonb shows
 * the same keys in that order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "event_row.h"
#include "guc.h"
#include "iso8601.h"
#include "uuid7.h"

/* One member of an envelope: key, and value as its bytes within a jsonb. */
typedef struct Member
{
	const char *key;
	JEntry		type;			/* JENTRY_ISSTRING or JENTRY_ISCONTAINER */
	const char *data;
	int			len;
} Member;

#define MAX_MEMBERS		10

/* An envelope in the making: members in jsonb's order of keys. */
typedef struct Envelope
{
	int			nmembers;
	Member		members[MAX_MEMBERS];
} Envelope;

static const JsonbContainer empty_array = {JB_FARRAY};

static Jsonb *write_object(const Envelope *envelope);
static char *write_value(char *data, char *p, const Member *member,
						 JEntry *entry);

/* --- columns ------------------------------------------------------------ */

static inline Datum
column(TupleTableSlot *slot, EbEventColumn column)
{
	return slot->tts_values[column - 1];
}

static text *
text_or_null(TupleTableSlot *slot, EbEventColumn column)
{
	if (slot->tts_isnull[column - 1])
		return NULL;
	return DatumGetTextPP(slot->tts_values[column - 1]);
}

void
eb_event_from_slot(TupleTableSlot *slot, EbEvent *event)
{
	slot_getallattrs(slot);

	event->xid =
		FullTransactionIdFromU64(DatumGetUInt64(column(slot, EB_EVENT_XID)));
	event->seq = DatumGetInt64(column(slot, EB_EVENT_SEQ));
	event->ingested_at = DatumGetTimestampTz(column(slot,
													EB_EVENT_INGESTED_AT));
	event->time = DatumGetTimestampTz(column(slot, EB_EVENT_TIME));
	event->ord = DatumGetInt32(column(slot, EB_EVENT_ORD));
	event->bus_id = DatumGetInt32(column(slot, EB_EVENT_BUS_ID));
	event->hop_count = DatumGetInt32(column(slot, EB_EVENT_HOP_COUNT));
	event->id = *DatumGetUUIDP(column(slot, EB_EVENT_ID));
	event->source = DatumGetTextPP(column(slot, EB_EVENT_SOURCE));
	event->detail_type = DatumGetTextPP(column(slot, EB_EVENT_DETAIL_TYPE));
	event->resources = slot->tts_isnull[EB_EVENT_RESOURCES - 1] ? NULL :
		DatumGetArrayTypeP(column(slot, EB_EVENT_RESOURCES));
	event->detail = DatumGetJsonbP(column(slot, EB_EVENT_DETAIL));
	event->trace_header = text_or_null(slot, EB_EVENT_TRACE_HEADER);
	event->event_group_id = text_or_null(slot, EB_EVENT_EVENT_GROUP_ID);
	event->deduplication_id = text_or_null(slot, EB_EVENT_DEDUPLICATION_ID);
	event->replay_name = text_or_null(slot, EB_EVENT_REPLAY_NAME);
	event->causation_id = slot->tts_isnull[EB_EVENT_CAUSATION_ID - 1] ? NULL :
		DatumGetUUIDP(column(slot, EB_EVENT_CAUSATION_ID));
}

static void
set_column(TupleTableSlot *slot, EbEventColumn column, Datum value)
{
	slot->tts_values[column - 1] = value;
	slot->tts_isnull[column - 1] = false;
}

static void
set_pointer(TupleTableSlot *slot, EbEventColumn column, const void *pointer)
{
	slot->tts_values[column - 1] = PointerGetDatum(pointer);
	slot->tts_isnull[column - 1] = pointer == NULL;
}

void
eb_event_to_slot(const EbEvent *event, int32 generation, TupleTableSlot *slot)
{
	set_column(slot, EB_EVENT_XID,
			   UInt64GetDatum(U64FromFullTransactionId(event->xid)));
	set_column(slot, EB_EVENT_SEQ, Int64GetDatum(event->seq));
	set_column(slot, EB_EVENT_INGESTED_AT,
			   TimestampTzGetDatum(event->ingested_at));
	set_column(slot, EB_EVENT_TIME, TimestampTzGetDatum(event->time));
	set_column(slot, EB_EVENT_ORD, Int32GetDatum(event->ord));
	set_column(slot, EB_EVENT_BUS_ID, Int32GetDatum(event->bus_id));
	set_column(slot, EB_EVENT_GENERATION, Int32GetDatum(generation));
	set_column(slot, EB_EVENT_HOP_COUNT, Int32GetDatum(event->hop_count));
	set_pointer(slot, EB_EVENT_ID, &event->id);
	set_pointer(slot, EB_EVENT_SOURCE, event->source);
	set_pointer(slot, EB_EVENT_DETAIL_TYPE, event->detail_type);
	set_pointer(slot, EB_EVENT_RESOURCES, event->resources);
	set_pointer(slot, EB_EVENT_DETAIL, event->detail);
	set_pointer(slot, EB_EVENT_TRACE_HEADER, event->trace_header);
	set_pointer(slot, EB_EVENT_EVENT_GROUP_ID, event->event_group_id);
	set_pointer(slot, EB_EVENT_DEDUPLICATION_ID, event->deduplication_id);
	set_pointer(slot, EB_EVENT_REPLAY_NAME, event->replay_name);
	set_pointer(slot, EB_EVENT_CAUSATION_ID, event->causation_id);
}

/* --- envelope ----------------------------------------------------------- */

static void
add_member(Envelope *envelope, const char *key, JEntry type,
		   const void *data, int len)
{
	Member	   *member = &envelope->members[envelope->nmembers++];

	Assert(envelope->nmembers <= MAX_MEMBERS);
	member->key = key;
	member->type = type;
	member->data = data;
	member->len = len;
}

static void
add_text(Envelope *envelope, const char *key, const text *value)
{
	add_member(envelope, key, JENTRY_ISSTRING, VARDATA_ANY(value),
			   VARSIZE_ANY_EXHDR(value));
}

static void
add_string(Envelope *envelope, const char *key, const char *value)
{
	add_member(envelope, key, JENTRY_ISSTRING, value, strlen(value));
}

static void
add_jsonb(Envelope *envelope, const char *key, Jsonb *value)
{
	add_member(envelope, key, JENTRY_ISCONTAINER, &value->root,
			   VARSIZE(value) - VARHDRSZ);
}

Jsonb *
eb_event_envelope(const EbEvent *event)
{
	Envelope	envelope = {0};
	char		id[EB_UUID_TEXT_SIZE];
	char		time[EB_ISO8601_SIZE];

	eb_uuid_text(&event->id, id);
	eb_iso8601_write(event->time, time);

	/* shorter keys first, then by bytes: jsonb's order */
	add_string(&envelope, "id", id);
	add_string(&envelope, "time", time);
	add_jsonb(&envelope, "detail", event->detail);
	add_string(&envelope, "region", eb_guc_region);
	add_text(&envelope, "source", event->source);
	add_string(&envelope, "account", eb_guc_account_id);
	add_string(&envelope, "version", "0");
	if (event->resources == NULL)
		add_member(&envelope, "resources", JENTRY_ISCONTAINER,
				   &empty_array, sizeof(empty_array));
	else
		add_jsonb(&envelope, "resources", eb_event_resources(event));
	add_text(&envelope, "detail-type", event->detail_type);
	if (event->replay_name != NULL)
		add_text(&envelope, "replay-name", event->replay_name);
	return write_object(&envelope);
}

/*
 * Writes the object: header, an entry for each key, an entry for each value,
 * then the keys' bytes and the values' bytes.
 */
static Jsonb *
write_object(const Envelope *envelope)
{
	int			n = envelope->nmembers;
	Size		size = offsetof(Jsonb, root.children) +
		2 * n * sizeof(JEntry);
	Jsonb	   *jsonb;
	JEntry	   *entries;
	char	   *data;
	char	   *p;

	for (int i = 0; i < n; i++)
		size += strlen(envelope->members[i].key) + MAXIMUM_ALIGNOF +
			envelope->members[i].len;
	jsonb = palloc(size);
	entries = jsonb->root.children;
	data = p = (char *) &entries[2 * n];

	for (int i = 0; i < n; i++)
	{
		int			len = strlen(envelope->members[i].key);

		memcpy(p, envelope->members[i].key, len);
		entries[i] = JENTRY_ISSTRING | len;
		p += len;
	}
	for (int i = 0; i < n; i++)
		p = write_value(data, p, &envelope->members[i], &entries[n + i]);

	/* One entry in JB_OFFSET_STRIDE holds the offset of its end. */
	Assert(2 * n <= JB_OFFSET_STRIDE);
	entries[0] |= JENTRY_HAS_OFF;
	if (p - data > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("total size of event exceeds the maximum of %u bytes",
						JENTRY_OFFLENMASK)));
	jsonb->root.header = n | JB_FOBJECT;
	SET_VARSIZE(jsonb, p - (char *) jsonb);
	return jsonb;
}

/*
 * Writes a value at p, within what begins at data, and its entry. Returns
 * where it ends. A container begins at a multiple of four, and the padding
 * before it counts as part of it.
 */
static char *
write_value(char *data, char *p, const Member *member, JEntry *entry)
{
	char	   *start = p;

	if (member->type == JENTRY_ISCONTAINER)
	{
		char	   *aligned = data + INTALIGN(p - data);

		while (p < aligned)
			*p++ = '\0';
	}
	memcpy(p, member->data, member->len);
	p += member->len;
	*entry = member->type | (p - start);
	return p;
}

Jsonb *
eb_event_resources(const EbEvent *event)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;
	Datum	   *items;
	int			nitems = 0;

	if (event->resources != NULL)
		deconstruct_array(event->resources, TEXTOID, -1, false,
						  TYPALIGN_INT, &items, NULL, &nitems);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < nitems; i++)
	{
		text	   *item = DatumGetTextPP(items[i]);

		value.type = jbvString;
		value.val.string.val = VARDATA_ANY(item);
		value.val.string.len = VARSIZE_ANY_EXHDR(item);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}
