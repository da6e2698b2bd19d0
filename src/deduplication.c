/*-------------------------------------------------------------------------
 *
 * deduplication.c
 *		Deduplication ids: an event that is put twice is stored once.
 *
 * An id counts within its event bus and event group (events without a group
 * share one scope per bus), for eventbus.deduplication_window from the put of
 * the event that brought it. Each such event leaves a row in one of the tables
 * eventbus.deduplication_0 to _2, in its own transaction: a rollback takes the
 * event and the id back together, a crash keeps both or neither.
 *
 * Finding out. Under a lock on the key (bus, group, id), held for no longer
 * than that, the tables are searched with a dirty snapshot:
 *
 *	- the row of a transaction that has committed, or of our own: a duplicate;
 *	- the row of one that has not ended: let go of the key, wait for its end,
 *	  as for a unique index, and look again;
 *	- none, or only rows older than the window: add ours, and it is not.
 *
 * As what counts is what is in the tables now, and not what a snapshot shows,
 * this holds in each isolation level: under REPEATABLE READ, too, an event can
 * be the duplicate of one that the transaction does not see yet. The keys of a
 * call are taken in the order of their hashes, so two calls never wait for
 * each other. Two transactions of several calls can; that is a deadlock, which
 * the server detects.
 *
 * Forgetting. Time is cut into periods, each no shorter than the window. The
 * rows of a period go to the table of its number modulo three, so those within
 * the window are in the tables of this period and the last, and the third is
 * only read where clocks or settings ask for it (period_range()). Maintenance
 * truncates it, after a look that nothing in it is younger than the window.
 * That is one cheap act per period, and neither a snapshot nor a transaction
 * that stays open for days can make the tables grow: rows are never deleted
 * one by one. For this, locks on the tables are let go when the call is done,
 * as with catalogs; what a truncation throws away is past its time, whether
 * its transaction has ended or not.
 *
 * The clock. An id is compared with the ingested_at of the call. If the clock
 * is stepped back by more than CLOCK_SLACK, ids may be forgotten, or remembered
 * for longer by as much.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "append.h"
#include "compat.h"
#include "deduplication.h"
#include "guc.h"
#include "partition.h"
#include "schema.h"

/* How many tables take turns. */
#define NTABLES			3

/* A period is no shorter, so that maintenance comes by in each one. */
#define MIN_PERIOD		(2 * USECS_PER_MINUTE)

/* Steps of the clock that do no harm. */
#define CLOCK_SLACK		(10 * USECS_PER_SEC)

/* class of our advisory locks; those of SQL are 1 and 2, the router's 0xEB */
#define KEY_LOCK_CLASS	0xEC

/* columns of the tables (src/sql/15_deduplication.sql) */
enum
{
	COLUMN_KEY_HASH = 1,
	COLUMN_PUT_AT,
	COLUMN_BUS_ID,
	COLUMN_EVENT_ID,
	COLUMN_EVENT_GROUP_ID,
	COLUMN_DEDUPLICATION_ID,
	NCOLUMNS = COLUMN_DEDUPLICATION_ID
};

/* An event of the call that has a deduplication id. */
typedef struct Claim
{
	uint64		key_hash;
	int			event;			/* its place in the call */
} Claim;

/* A table, opened when it is first needed: rel is NULL before. */
typedef struct IdTable
{
	Relation	rel;
	Relation	index;
	SnapshotData snapshot;		/* dirty: tells who is at work on a row */
	IndexScanDesc scan;
	TupleTableSlot *slot;
} IdTable;

/* A call. */
typedef struct Work
{
	TimestampTz at;				/* the time of its events */
	TimestampTz window_start;	/* ids put at or before this are over */
	IdTable		tables[NTABLES];
	Relation	target;			/* takes new rows; NULL: none yet */
	EbAppender *appender;		/* to target */
} Work;

/* What is known of a key. */
typedef enum Finding
{
	FOUND_NOTHING,
	FOUND_PUT,					/* *first: by the event of this id */
	FOUND_PENDING				/* *holder has not ended */
} Finding;

static Claim *list_claims(const EbEvent *events, int n, int *nclaims);
static uint64 key_hash(const EbEvent *event);
static uint64 hash_text(const text *value, uint64 seed);
static int	compare_claims(const void *a, const void *b);
static bool claim_id(Work *work, EbEvent *event, uint64 hash);
static void wait_for(TransactionId holder, const EbEvent *event);
static void describe_wait(void *event);
static void key_lock_tag(LOCKTAG *tag, uint64 hash);
static Finding find(Work *work, const EbEvent *event, uint64 hash,
					pg_uuid_t *first, TransactionId *holder);
static Finding find_in_table(Work *work, IdTable *table, const EbEvent *event,
							 uint64 hash, pg_uuid_t *first,
							 TransactionId *holder);
static bool is_same_id(TupleTableSlot *slot, const EbEvent *event);
static bool same_text(TupleTableSlot *slot, int column, const text *value);
static void add_row(Work *work, const EbEvent *event, uint64 hash);
static Oid	table_oid(int number);
static void open_table(IdTable *table, int number);
static void close_tables(Work *work);
static TimestampTz window(void);
static int64 period_of(TimestampTz at);
static int	table_of(int64 period);
static void period_range(const Work *work, int64 *first, int64 *last);
static bool is_over(Oid relid, TimestampTz at);

/* --- a call --------------------------------------------------------------- */

int
eb_deduplicate(EbEvent *events, int n, bool *duplicate)
{
	MemoryContext context;
	MemoryContext caller_context;
	Work		work = {0};
	Claim	   *claims;
	int			nclaims;
	int			nduplicates = 0;

	if (window() == 0)
		return 0;

	context = AllocSetContextCreate(CurrentMemoryContext,
									"eventbus deduplication",
									ALLOCSET_DEFAULT_SIZES);
	caller_context = MemoryContextSwitchTo(context);
	claims = list_claims(events, n, &nclaims);
	for (int i = 0; i < nclaims; i++)
	{
		EbEvent    *event = &events[claims[i].event];

		CHECK_FOR_INTERRUPTS();
		work.at = event->ingested_at;
		work.window_start = work.at - window();
		if (claim_id(&work, event, claims[i].key_hash))
			continue;
		duplicate[claims[i].event] = true;
		nduplicates++;
	}
	close_tables(&work);
	MemoryContextSwitchTo(caller_context);
	MemoryContextDelete(context);
	return nduplicates;
}

/* What is to be claimed, in the order in which keys are locked. */
static Claim *
list_claims(const EbEvent *events, int n, int *nclaims)
{
	Claim	   *claims = MemoryContextAllocHuge(CurrentMemoryContext,
												n * sizeof(Claim));

	*nclaims = 0;
	for (int i = 0; i < n; i++)
	{
		Claim	   *claim = &claims[*nclaims];

		if (events[i].deduplication_id == NULL)
			continue;
		claim->key_hash = key_hash(&events[i]);
		claim->event = i;
		(*nclaims)++;
	}
	qsort(claims, *nclaims, sizeof(Claim), compare_claims);
	return claims;
}

static uint64
key_hash(const EbEvent *event)
{
	uint64		hash = (uint32) event->bus_id;

	if (event->event_group_id != NULL)
		hash = hash_text(event->event_group_id, hash);
	return hash_text(event->deduplication_id, hash);
}

static uint64
hash_text(const text *value, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) VARDATA_ANY(value),
							   VARSIZE_ANY_EXHDR(value), seed);
}

/* Of those with one key, the first of the call comes first. */
static int
compare_claims(const void *a, const void *b)
{
	const Claim *left = a;
	const Claim *right = b;

	if (left->key_hash != right->key_hash)
		return left->key_hash < right->key_hash ? -1 : 1;
	return left->event - right->event;
}

/* --- one id --------------------------------------------------------------- */

/* False: it is taken, and the event has the id of the one that took it. */
static bool
claim_id(Work *work, EbEvent *event, uint64 hash)
{
	LOCKTAG		tag;

	key_lock_tag(&tag, hash);
	for (;;)
	{
		TransactionId holder = InvalidTransactionId;
		Finding		finding;

		(void) LockAcquire(&tag, ExclusiveLock, false, false);
		finding = find(work, event, hash, &event->id, &holder);
		if (finding == FOUND_NOTHING)
			add_row(work, event, hash);
		(void) LockRelease(&tag, ExclusiveLock, false);

		if (finding != FOUND_PENDING)
			return finding == FOUND_NOTHING;
		wait_for(holder, event);
	}
}

static void
wait_for(TransactionId holder, const EbEvent *event)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = describe_wait,
		.arg = unconstify(EbEvent *, event),
	};

	error_context_stack = &callback;
	XactLockTableWait(holder, NULL, NULL, XLTW_None);
	error_context_stack = callback.previous;
}

static void
describe_wait(void *event)
{
	const text *id = ((const EbEvent *) event)->deduplication_id;

	errcontext("while waiting for the transaction that has put deduplication id \"%.*s\"",
			   (int) VARSIZE_ANY_EXHDR(id), VARDATA_ANY(id));
}

static void
key_lock_tag(LOCKTAG *tag, uint64 hash)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (hash >> 32),
						 (uint32) hash, KEY_LOCK_CLASS);
}

/* Who has put the id? The caller has the key locked. */
static Finding
find(Work *work, const EbEvent *event, uint64 hash, pg_uuid_t *first,
	 TransactionId *holder)
{
	Finding		result = FOUND_NOTHING;
	int64		from;
	int64		to;

	period_range(work, &from, &to);
	for (int64 period = from; period <= to; period++)
	{
		int			number = table_of(period);
		IdTable    *table = &work->tables[number];
		Finding		finding;

		if (table->rel == NULL)
			open_table(table, number);
		finding = find_in_table(work, table, event, hash, first, holder);
		if (finding == FOUND_PUT)
			return FOUND_PUT;
		if (finding == FOUND_PENDING)
			result = FOUND_PENDING;
	}
	return result;
}

static Finding
find_in_table(Work *work, IdTable *table, const EbEvent *event, uint64 hash,
			  pg_uuid_t *first, TransactionId *holder)
{
	Finding		result = FOUND_NOTHING;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum((int64) hash));
	index_rescan(table->scan, &key, 1, NULL, 0);
	while (index_getnext_slot(table->scan, ForwardScanDirection, table->slot))
	{
		TupleTableSlot *slot = table->slot;

		slot_getallattrs(slot);
		if (DatumGetTimestampTz(slot->tts_values[COLUMN_PUT_AT - 1]) <=
			work->window_start || !is_same_id(slot, event))
			continue;
		if (!TransactionIdIsValid(table->snapshot.xmin))
		{
			*first =
				*DatumGetUUIDP(slot->tts_values[COLUMN_EVENT_ID - 1]);
			result = FOUND_PUT;
			break;
		}
		*holder = table->snapshot.xmin;
		result = FOUND_PENDING;
	}
	ExecClearTuple(table->slot);
	return result;
}

/* Is the row one of this id, and not of one with the same hash only? */
static bool
is_same_id(TupleTableSlot *slot, const EbEvent *event)
{
	return DatumGetInt32(slot->tts_values[COLUMN_BUS_ID - 1]) ==
		event->bus_id &&
		same_text(slot, COLUMN_DEDUPLICATION_ID, event->deduplication_id) &&
		same_text(slot, COLUMN_EVENT_GROUP_ID, event->event_group_id);
}

/* Has the column this value? NULL stands for null. */
static bool
same_text(TupleTableSlot *slot, int column, const text *value)
{
	const text *stored;

	if (slot->tts_isnull[column - 1] || value == NULL)
		return slot->tts_isnull[column - 1] && value == NULL;
	stored = DatumGetTextPP(slot->tts_values[column - 1]);
	return VARSIZE_ANY_EXHDR(stored) == VARSIZE_ANY_EXHDR(value) &&
		memcmp(VARDATA_ANY(stored), VARDATA_ANY(value),
			   VARSIZE_ANY_EXHDR(value)) == 0;
}

/* Adds the row of an event, for everybody who looks from now on. */
static void
add_row(Work *work, const EbEvent *event, uint64 hash)
{
	TupleTableSlot *slot;
	Datum	   *values;

	if (work->target == NULL)
	{
		work->target = table_open(table_oid(table_of(period_of(work->at))),
								  RowExclusiveLock);
		work->appender = eb_append_begin(work->target);
	}
	slot = eb_append_slot(work->appender);
	values = slot->tts_values;
	memset(slot->tts_isnull, false, NCOLUMNS * sizeof(bool));
	values[COLUMN_KEY_HASH - 1] = Int64GetDatum((int64) hash);
	values[COLUMN_PUT_AT - 1] = TimestampTzGetDatum(event->ingested_at);
	values[COLUMN_BUS_ID - 1] = Int32GetDatum(event->bus_id);
	values[COLUMN_EVENT_ID - 1] = UUIDPGetDatum(&event->id);
	values[COLUMN_EVENT_GROUP_ID - 1] = PointerGetDatum(event->event_group_id);
	slot->tts_isnull[COLUMN_EVENT_GROUP_ID - 1] =
		event->event_group_id == NULL;
	values[COLUMN_DEDUPLICATION_ID - 1] =
		PointerGetDatum(event->deduplication_id);
	eb_append_row(work->appender, 0);
	eb_append_flush(work->appender);
}

/* --- the tables ----------------------------------------------------------- */

static Oid
table_oid(int number)
{
	char		name[NAMEDATALEN];
	Oid			relid;

	snprintf(name, sizeof(name), "deduplication_%d", number);
	relid = eb_relation_oid(name);
	if (!OidIsValid(relid))
		elog(ERROR, "table eventbus.%s is missing", name);
	return relid;
}

/*
 * Opens a table for searching. Its lock keeps the rows of our window from
 * being truncated while we wait for somebody.
 */
static void
open_table(IdTable *table, int number)
{
	static const AttrNumber key_column = COLUMN_KEY_HASH;

	table->rel = table_open(table_oid(number), AccessShareLock);
	table->index = eb_leaf_index(table->rel, 1, &key_column, false);
	InitDirtySnapshot(table->snapshot);
	table->scan = eb_index_beginscan(table->rel, table->index,
									 &table->snapshot, 1);
	table->slot = table_slot_create(table->rel, NULL);
}

/* Closes them, and lets go of the locks: see the head of this file. */
static void
close_tables(Work *work)
{
	for (int i = 0; i < NTABLES; i++)
	{
		IdTable    *table = &work->tables[i];

		if (table->rel == NULL)
			continue;
		ExecDropSingleTupleTableSlot(table->slot);
		index_endscan(table->scan);
		index_close(table->index, AccessShareLock);
		table_close(table->rel, AccessShareLock);
	}
	if (work->target != NULL)
	{
		eb_append_end(work->appender);
		table_close(work->target, RowExclusiveLock);
	}
}

/* --- periods -------------------------------------------------------------- */

/* For how long an id counts; 0: not at all. */
static TimestampTz
window(void)
{
	return (TimestampTz) eb_guc_deduplication_window * USECS_PER_SEC;
}

static int64
period_of(TimestampTz at)
{
	return at / Max(window(), MIN_PERIOD);
}

static int
table_of(int64 period)
{
	return (int) (((period % NTABLES) + NTABLES) % NTABLES);
}

/*
 * The periods whose tables have the ids that count for this call: from the
 * start of its window to now, when the last one that we could meet was put.
 * After a change of the window, which moves the periods, all of them.
 */
static void
period_range(const Work *work, int64 *first, int64 *last)
{
	*first = period_of(work->window_start);
	*last = period_of(Max(GetCurrentTimestamp(), work->at) + CLOCK_SLACK);
	if (PgReloadTime > work->window_start || *last - *first >= NTABLES)
		*last = *first + NTABLES - 1;
}

/* --- forgetting ----------------------------------------------------------- */

void
eb_deduplication_clean(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int			number = table_of(period_of(now) + 1);
	Oid			relid = table_oid(number);

	/* keeps out who adds ids, not who looks for them */
	if (!ConditionalLockRelationOid(relid, ExclusiveLock))
		return;
	if (is_over(relid, now - window()) &&
		ConditionalLockRelationOid(relid, AccessExclusiveLock))
		eb_run_sql("TRUNCATE eventbus.deduplication_%d", number);
}

/* Has the table rows, and none younger than that, of whatever transaction? */
static bool
is_over(Oid relid, TimestampTz at)
{
	Relation	rel = table_open(relid, NoLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, SnapshotAny, 0, NULL);
	bool		has_rows = false;
	bool		over = true;

	while (over && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		has_rows = true;
		over = DatumGetTimestampTz(slot_getattr(slot, COLUMN_PUT_AT,
												&isnull)) <= at;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return has_rows && over;
}
