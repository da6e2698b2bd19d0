/*-------------------------------------------------------------------------
 *
 * stream.c
 *		The delivery stream: rows of packed references to matched events.
 *
 * The router appends, per transaction and target, rows of up to MAX_REFS
 * references; it alone writes, so deliveries are numbered without gaps, in an
 * order that agrees with the order of its commits, and a snapshot always sees
 * a prefix. A reader holds a number: its position. The row that contains the
 * next number is the first one of the target with last_seq > position, found
 * by the index (target_id, last_seq) of each leaf; what of it is done already
 * follows from the numbers, so a position may rest anywhere in a row.
 *
 * Leaves are filled in the order of time, which never goes back
 * (EbCursor.routed_at), so reading leaf after leaf is reading in order. The
 * leaves made ahead are not even opened: before it writes, the router says in
 * shared memory up to which time there are rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "append.h"
#include "compat.h"
#include "partition.h"
#include "shmem.h"
#include "stream.h"

/* columns of eventbus.deliveries */
enum
{
	DELIVERIES_LAST_SEQ = 1,
	DELIVERIES_ROUTED_AT,
	DELIVERIES_TARGET_ID,
	DELIVERIES_GENERATION,
	DELIVERIES_COUNT,
	DELIVERIES_REFS
};

/* columns of a leaf's index */
static const AttrNumber index_columns[] = {
	DELIVERIES_TARGET_ID, DELIVERIES_LAST_SEQ
};

/* references that fit one row with STORAGE PLAIN */
#define MAX_REFS	300

StaticAssertDecl(sizeof(EbDeliveryRef) == 24, "stored form of a reference");
StaticAssertDecl(MAX_REFS * sizeof(EbDeliveryRef) < BLCKSZ - 512,
				 "a full row fits a page");

/* What one target gets in this transaction and is not written yet. */
typedef struct PendingRow
{
	int32		target_id;		/* hash key */
	int32		count;
	bytea	   *refs;			/* room for MAX_REFS */
} PendingRow;

struct EbStreamWriter
{
	EbCursor   *cursor;
	MemoryContext context;
	Relation	leaf;			/* opened with the first row */
	EbAppender *appender;
	HTAB	   *pending;
	PendingRow *last;			/* most of the time the same as before */
};

/* Called for each row of a target; false: stop. */
typedef bool (*RowVisitor) (TupleTableSlot *slot, const EbLeaf *leaf,
							void *arg);

static void write_row(EbStreamWriter *writer, PendingRow *row);
static void open_leaf(EbStreamWriter *writer);
static void say_routed_until(TimestampTz at);
static TimestampTz routed_until(int32 generation);
static void visit_rows(const EbStreamPlace *place, Snapshot snapshot,
					   RowVisitor visitor, void *arg);
static bool visit_leaf(const EbLeaf *leaf, const EbStreamPlace *place,
					   Snapshot snapshot, RowVisitor visitor, void *arg);

/* --- writing ------------------------------------------------------------ */

EbStreamWriter *
eb_stream_begin(EbCursor *cursor)
{
	EbStreamWriter *writer = palloc0(sizeof(EbStreamWriter));
	HASHCTL		ctl = {
		.keysize = sizeof(int32),
		.entrysize = sizeof(PendingRow)
	};

	writer->cursor = cursor;
	writer->context = CurrentMemoryContext;
	ctl.hcxt = CurrentMemoryContext;
	writer->pending = hash_create("eventbus pending deliveries", 64, &ctl,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return writer;
}

static PendingRow *
find_pending(EbStreamWriter *writer, int32 target_id)
{
	PendingRow *row = writer->last;
	bool		found;

	if (row != NULL && row->target_id == target_id)
		return row;
	row = hash_search(writer->pending, &target_id, HASH_ENTER, &found);
	if (!found)
	{
		row->count = 0;
		row->refs = NULL;
	}
	writer->last = row;
	return row;
}

void
eb_stream_add(EbStreamWriter *writer, int32 target_id,
			  const EbDeliveryRef *ref)
{
	PendingRow *row = find_pending(writer, target_id);

	/* grows: most targets get few references a transaction */
	if (row->refs == NULL)
		row->refs = MemoryContextAlloc(writer->context,
									   VARHDRSZ + 4 * sizeof(EbDeliveryRef));
	else if (row->count >= 4 && (row->count & (row->count - 1)) == 0)
		row->refs = repalloc(row->refs, VARHDRSZ +
							 2 * row->count * sizeof(EbDeliveryRef));
	memcpy(VARDATA(row->refs) + row->count * sizeof(EbDeliveryRef), ref,
		   sizeof(EbDeliveryRef));
	if (++row->count == MAX_REFS)
		write_row(writer, row);
}

/* Numbers the references of a row and hands it to the appender. */
static void
write_row(EbStreamWriter *writer, PendingRow *row)
{
	EbCursor   *cursor = writer->cursor;
	TupleTableSlot *slot;
	Datum	   *values;
	Size		size = VARHDRSZ + row->count * sizeof(EbDeliveryRef);

	if (writer->leaf == NULL)
		open_leaf(writer);
	cursor->delivery_seq += row->count;
	SET_VARSIZE(row->refs, size);

	slot = eb_append_slot(writer->appender);
	values = slot->tts_values;
	memset(slot->tts_isnull, false, slot->tts_tupleDescriptor->natts);
	values[DELIVERIES_LAST_SEQ - 1] = Int64GetDatum(cursor->delivery_seq);
	values[DELIVERIES_ROUTED_AT - 1] = TimestampTzGetDatum(cursor->routed_at);
	values[DELIVERIES_TARGET_ID - 1] = Int32GetDatum(row->target_id);
	values[DELIVERIES_GENERATION - 1] = Int32GetDatum(cursor->generation);
	values[DELIVERIES_COUNT - 1] = Int32GetDatum(row->count);
	values[DELIVERIES_REFS - 1] = PointerGetDatum(row->refs);
	eb_append_row(writer->appender, size);

	/* the appender may still need what the row points to */
	row->refs = NULL;
	row->count = 0;
}

/* Before the rows of that time are written: see routed_until(). */
static void
say_routed_until(TimestampTz at)
{
	EbDatabase *db = eb_shmem_database(MyDatabaseId);

	if (db != NULL)
		pg_atomic_write_u64(&db->routed_until, (uint64) at);
}

/* Opens the leaf of now, which is never before that of an earlier row. */
static void
open_leaf(EbStreamWriter *writer)
{
	EbCursor   *cursor = writer->cursor;
	TimestampTz at = Max(cursor->routed_at, GetCurrentTimestamp());

	if (cursor->generation == eb_generation())
		writer->leaf = eb_leaf_open_or_make(EB_LOG_DELIVERIES, &at);
	else
		writer->leaf = eb_leaf_open_restored(cursor->generation,
											 EB_LOG_DELIVERIES, &at);
	cursor->routed_at = at;
	if (cursor->generation == eb_generation())
		say_routed_until(at);
	writer->appender = eb_append_begin(writer->leaf);
}

int
eb_stream_end(EbStreamWriter *writer, int32 **target_ids)
{
	HASH_SEQ_STATUS status;
	PendingRow *row;
	int			n = 0;
	int			ntargets = hash_get_num_entries(writer->pending);

	*target_ids = palloc(sizeof(int32) * Max(ntargets, 1));
	hash_seq_init(&status, writer->pending);
	while ((row = hash_seq_search(&status)) != NULL)
	{
		if (row->count > 0)
			write_row(writer, row);
		(*target_ids)[n++] = row->target_id;
	}
	if (writer->leaf != NULL)
	{
		eb_append_end(writer->appender);
		table_close(writer->leaf, NoLock);
	}
	hash_destroy(writer->pending);
	pfree(writer);
	return n;
}

/* --- reading ------------------------------------------------------------ */

/*
 * No row that our snapshot sees is of a later time. The router said so before
 * it wrote the row, so before the snapshot was taken.
 */
static TimestampTz
routed_until(int32 generation)
{
	EbDatabase *db = eb_shmem_database(MyDatabaseId);
	uint64		at;

	if (db == NULL || generation != eb_generation())
		return DT_NOEND;
	at = pg_atomic_read_u64(&db->routed_until);
	return at == 0 ? DT_NOEND : (TimestampTz) at;
}

/* Visits the rows of a target that end after its position, in order. */
static void
visit_rows(const EbStreamPlace *place, Snapshot snapshot, RowVisitor visitor,
		   void *arg)
{
	const EbLeafArray *array = eb_leaves(place->generation,
										 EB_LOG_DELIVERIES);
	int			nleaves = array->nleaves;
	EbLeaf	   *leaves = palloc(sizeof(EbLeaf) * Max(nleaves, 1));
	int			first = 0;
	TimestampTz until;

	/* opening a leaf, or asking for the generation, may make the array stale */
	memcpy(leaves, array->leaves, sizeof(EbLeaf) * nleaves);
	until = routed_until(place->generation);
	for (int i = 0; i < nleaves; i++)
		if (leaves[i].leaf_id == place->leaf_hint)
			first = i;
	for (int i = first; i < nleaves && leaves[i].range_start <= until; i++)
		if (!visit_leaf(&leaves[i], place, snapshot, visitor, arg))
			break;
	pfree(leaves);
}

/* The same in one leaf. False: the visitor wants no more. */
static bool
visit_leaf(const EbLeaf *leaf, const EbStreamPlace *place, Snapshot snapshot,
		   RowVisitor visitor, void *arg)
{
	Relation	rel = try_table_open(leaf->relid, AccessShareLock);
	Relation	index;
	IndexScanDesc scan;
	ScanKeyData keys[2];
	TupleTableSlot *slot;
	bool		go_on = true;

	if (rel == NULL)
		return true;
	if (RelationGetNumberOfBlocks(rel) == 0)
	{
		table_close(rel, AccessShareLock);
		return true;
	}
	index = eb_leaf_index(rel, lengthof(index_columns), index_columns,
						  false);
	scan = eb_index_beginscan(rel, index, snapshot, 2);
	slot = table_slot_create(rel, NULL);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(place->target_id));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(place->position));
	index_rescan(scan, keys, 2, NULL, 0);
	while (go_on && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		go_on = visitor(slot, leaf, arg);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return go_on;
}

typedef struct ReadState
{
	EbStreamPlace *place;
	EbDeliveryItem *items;
	int			n;
	int			limit;
} ReadState;

/* RowVisitor: unpacks what of a row comes after the position. */
static bool
unpack_row(TupleTableSlot *slot, const EbLeaf *leaf, void *arg)
{
	ReadState  *state = arg;
	Datum	   *values = slot->tts_values;
	int64		last = DatumGetInt64(values[DELIVERIES_LAST_SEQ - 1]);
	int			count = DatumGetInt32(values[DELIVERIES_COUNT - 1]);
	bytea	   *refs = DatumGetByteaPP(values[DELIVERIES_REFS - 1]);
	int64		before = last - count;	/* number before the row's first */
	int			i = Max(state->place->position - before, 0);

	/* what is read now may have to be read again: no later leaf will do */
	if (state->n == 0)
		state->place->leaf_hint = leaf->leaf_id;

	if (VARSIZE_ANY_EXHDR(refs) != count * sizeof(EbDeliveryRef))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("delivery " INT64_FORMAT " has a malformed list of references",
						last)));
	for (; i < count && state->n < state->limit; i++)
	{
		EbDeliveryItem *item = &state->items[state->n++];

		item->delivery_seq = before + i + 1;
		memcpy(&item->ref, VARDATA_ANY(refs) + i * sizeof(EbDeliveryRef),
			   sizeof(EbDeliveryRef));
	}
	return state->n < state->limit;
}

int
eb_stream_read(EbStreamPlace *place, Snapshot snapshot, EbDeliveryItem *items,
			   int limit)
{
	ReadState	state = {place, items, 0, limit};

	visit_rows(place, snapshot, unpack_row, &state);
	return state.n;
}

typedef struct CountState
{
	int64		position;
	int64		count;
	TimestampTz oldest;
} CountState;

/* RowVisitor: counts what of a row comes after the position. */
static bool
count_row(TupleTableSlot *slot, const EbLeaf *leaf, void *arg)
{
	CountState *state = arg;
	int64		last =
		DatumGetInt64(slot->tts_values[DELIVERIES_LAST_SEQ - 1]);
	int			count = DatumGetInt32(slot->tts_values[DELIVERIES_COUNT - 1]);

	if (state->count == 0)
		state->oldest =
			DatumGetTimestampTz(slot->tts_values[DELIVERIES_ROUTED_AT - 1]);
	state->count += Min(count, last - state->position);
	return true;
}

int64
eb_stream_count(const EbStreamPlace *place, Snapshot snapshot,
				TimestampTz *oldest)
{
	CountState	state = {place->position, 0, 0};

	visit_rows(place, snapshot, count_row, &state);
	*oldest = state.oldest;
	return state.count;
}

/* --- finding ------------------------------------------------------------ */

typedef struct FindState
{
	int64		position;		/* before the first row that may be it */
	TimestampTz from;
	const EbDeliveryRef *event;
	int			rows;			/* read so far */
	int			limit;
	int64		delivery_seq;	/* 0: not found */
	TimestampTz routed_at;
} FindState;

/* RowVisitor: is the first row that it is shown too old? */
static bool
look_at_age(TupleTableSlot *slot, const EbLeaf *leaf, void *arg)
{
	FindState  *state = arg;
	Datum	   *values = slot->tts_values;

	if (DatumGetTimestampTz(values[DELIVERIES_ROUTED_AT - 1]) < state->from)
		state->position = DatumGetInt64(values[DELIVERIES_LAST_SEQ - 1]);
	return false;
}

/* RowVisitor: looks for the event in a row. */
static bool
search_row(TupleTableSlot *slot, const EbLeaf *leaf, void *arg)
{
	FindState  *state = arg;
	Datum	   *values = slot->tts_values;
	bytea	   *refs = DatumGetByteaPP(values[DELIVERIES_REFS - 1]);
	int			count = VARSIZE_ANY_EXHDR(refs) / sizeof(EbDeliveryRef);

	if (state->rows++ >= state->limit)
		return false;
	for (int i = 0; i < count; i++)
	{
		EbDeliveryRef ref;

		memcpy(&ref, VARDATA_ANY(refs) + i * sizeof(EbDeliveryRef),
			   sizeof(EbDeliveryRef));
		if (ref.seq != state->event->seq || ref.ord != state->event->ord)
			continue;
		state->delivery_seq =
			DatumGetInt64(values[DELIVERIES_LAST_SEQ - 1]) - count + i + 1;
		state->routed_at =
			DatumGetTimestampTz(values[DELIVERIES_ROUTED_AT - 1]);
		return false;
	}
	return true;
}

/*
 * The stream has no index on time, but time and numbers grow together: the
 * place from which to read on is found by halving.
 */
static void
skip_older(EbStreamPlace *place, Snapshot snapshot, FindState *state)
{
	int64		low = 0;
	int64		high = place->position;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		place->position = state->position = middle;
		visit_rows(place, snapshot, look_at_age, state);
		if (state->position > middle)
			low = state->position;
		else
			high = middle;
	}
	place->position = low;
}

int64
eb_stream_find(const EbStreamPlace *place, Snapshot snapshot,
			   TimestampTz from, const EbDeliveryRef *event, int *limit,
			   TimestampTz *routed_at)
{
	const EbLeafArray *array = eb_leaves(place->generation,
										 EB_LOG_DELIVERIES);
	EbStreamPlace start = *place;
	FindState	state = {.from = from, .event = event, .limit = *limit};

	for (int i = array->nleaves - 1; i >= 0; i--)
		if (array->leaves[i].range_end > from)
			start.leaf_hint = array->leaves[i].leaf_id;
	skip_older(&start, snapshot, &state);
	visit_rows(&start, snapshot, search_row, &state);
	*limit -= Min(state.rows, *limit);
	*routed_at = state.routed_at;
	return state.delivery_seq;
}
