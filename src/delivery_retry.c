/*-------------------------------------------------------------------------
 *
 * delivery_retry.c
 *		Deliveries that are tried again: eventbus.delivery_retries.
 *
 * A delivery that fails gets a row of its own, with a copy of its event, which
 * lets the target's position pass it. The row goes when the delivery succeeds
 * or is given up. Only the dispatcher that leases the target changes its rows;
 * others may add rows (redrive) or delete them (a target that is removed).
 *
 * In a FIFO target, events of one group keep their order: while one of them has
 * a row here, those that follow get rows too, without a time. When the one that
 * has a time is due, as many as fit into the batch go with it; when it is done,
 * the first of those that are left gets a time. Events without a group are one
 * group. Rows of a generation that is not delivered from hold up nothing.
 *
 * Rows are few where things go well, so all but the insert goes through SPI,
 * with plans that are kept. Nothing here waits for a lock: rows are locked as
 * they are read. Those that are due and that somebody else has locked are left
 * out; where that would change the order, the batch fails and is done again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "append.h"
#include "delivery_batch.h"
#include "partition.h"
#include "schema.h"

/* columns of eventbus.delivery_retries after those of the event */
enum
{
	RETRY_TARGET_ID = EB_EVENT_NCOLUMNS + 1,
	RETRY_DELIVERY_SEQ,
	RETRY_REDRIVE,
	RETRY_ACCEPTED_AT,
	RETRY_ATTEMPTS,
	RETRY_FIRST_ATTEMPT_AT,
	RETRY_NEXT_ATTEMPT_AT,
	RETRY_FIRST_ERROR,
	RETRY_LAST_ERROR,
	RETRY_CTID					/* of our query, not of the table */
};

/* most retries that one transaction takes: that are due, ... */
#define MAX_RETRIES		200

/* ... and with those behind them in their event groups */
#define MAX_WITH_GROUPS	1000

/* no retry waits longer than this, unless the clock was stepped back */
#define LONGEST_WAIT	(11 * USECS_PER_MINUTE)

typedef struct Statement
{
	const char *sql;
	int			nargs;
	Oid			types[5];
	SPIPlanPtr	plan;
} Statement;

static Statement select_due = {
	"SELECT r.*, r.ctid FROM eventbus.delivery_retries r"
	" WHERE r.target_id OPERATOR(pg_catalog.=) $1"
	" AND r.next_attempt_at OPERATOR(pg_catalog.<=) $2"
	" AND r.generation OPERATOR(pg_catalog.=) ANY ($3)"
	" ORDER BY r.next_attempt_at LIMIT $4 FOR UPDATE SKIP LOCKED",
	4, {INT4OID, TIMESTAMPTZOID, INT4ARRAYOID, INT4OID}
};

static Statement select_next = {
	"SELECT r.next_attempt_at FROM eventbus.delivery_retries r"
	" WHERE r.target_id OPERATOR(pg_catalog.=) $1"
	" AND r.next_attempt_at IS NOT NULL"
	" AND r.generation OPERATOR(pg_catalog.=) ANY ($2)"
	" ORDER BY r.next_attempt_at LIMIT 1",
	2, {INT4OID, INT4ARRAYOID}
};

static Statement bring_forward = {
	"UPDATE eventbus.delivery_retries r SET next_attempt_at = $2"
	" FROM (SELECT f.ctid AS tid FROM eventbus.delivery_retries f"
	" WHERE f.target_id OPERATOR(pg_catalog.=) $1"
	" AND f.next_attempt_at OPERATOR(pg_catalog.>) $3"
	" AND f.attempts OPERATOR(pg_catalog.>) 0 FOR UPDATE SKIP LOCKED) far"
	" WHERE r.ctid OPERATOR(pg_catalog.=) far.tid",
	3, {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement put_off = {
	"UPDATE eventbus.delivery_retries SET attempts = $2,"
	" next_attempt_at = $3, last_error = $4,"
	" first_error = COALESCE(first_error, $4),"
	" first_attempt_at = COALESCE(first_attempt_at, $5)"
	" WHERE ctid OPERATOR(pg_catalog.=) $1",
	5, {TIDOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement delete_row = {
	"DELETE FROM eventbus.delivery_retries"
	" WHERE ctid OPERATOR(pg_catalog.=) $1",
	1, {TIDOID}
};

static Statement select_group = {
	"SELECT r.*, r.ctid FROM eventbus.delivery_retries r"
	" WHERE r.target_id OPERATOR(pg_catalog.=) $1"
	" AND COALESCE(r.event_group_id, '') OPERATOR(pg_catalog.=) $2"
	" AND r.generation OPERATOR(pg_catalog.=) ANY ($3)"
	" ORDER BY r.generation, r.delivery_seq LIMIT $4 FOR UPDATE NOWAIT",
	4, {INT4OID, TEXTOID, INT4ARRAYOID, INT4OID}
};

static Statement release_group = {
	"UPDATE eventbus.delivery_retries r SET next_attempt_at = $4"
	" FROM (SELECT f.ctid AS tid, f.next_attempt_at FROM eventbus.delivery_retries f"
	" WHERE f.target_id OPERATOR(pg_catalog.=) $1"
	" AND COALESCE(f.event_group_id, '') OPERATOR(pg_catalog.=) $2"
	" AND f.generation OPERATOR(pg_catalog.=) ANY ($3)"
	" ORDER BY f.generation, f.delivery_seq LIMIT 1"
	" FOR UPDATE NOWAIT) first"
	" WHERE r.ctid OPERATOR(pg_catalog.=) first.tid"
	" AND first.next_attempt_at IS NULL",
	4, {INT4OID, TEXTOID, INT4ARRAYOID, TIMESTAMPTZOID}
};

static Statement release_all = {
	"UPDATE eventbus.delivery_retries r SET next_attempt_at = $3"
	" FROM (SELECT f.ctid AS tid FROM eventbus.delivery_retries f"
	" WHERE f.target_id OPERATOR(pg_catalog.=) $1"
	" AND f.generation OPERATOR(pg_catalog.=) ANY ($2)"
	" AND f.next_attempt_at IS NULL FOR UPDATE NOWAIT) waiting"
	" WHERE r.ctid OPERATOR(pg_catalog.=) waiting.tid",
	3, {INT4OID, INT4ARRAYOID, TIMESTAMPTZOID}
};

static Statement find_group = {
	"SELECT FROM eventbus.delivery_retries r"
	" WHERE r.target_id OPERATOR(pg_catalog.=) $1"
	" AND COALESCE(r.event_group_id, '') OPERATOR(pg_catalog.=) $2"
	" AND r.generation OPERATOR(pg_catalog.=) ANY ($3) LIMIT 1",
	3, {INT4OID, TEXTOID, INT4ARRAYOID}
};

/* what a plan is not to do instead of reading an index in its order */
static const char *const no_index[] = {
	"enable_bitmapscan", "enable_seqscan", "enable_sort"
};

/*
 * Runs a statement; the caller has connected to SPI and finishes it. Returns
 * how many rows it returned or changed.
 *
 * Plans are kept, and most are made while the table is empty; a redrive may
 * fill it at once. So they are made to read the indexes.
 */
static uint64
execute(Statement *statement, Datum *args)
{
	int			nest_level = NewGUCNestLevel();
	int			result;

	if (statement->plan == NULL)
	{
		statement->plan = SPI_prepare(statement->sql, statement->nargs,
									  statement->types);
		if (statement->plan == NULL || SPI_keepplan(statement->plan) != 0)
			elog(ERROR, "could not prepare \"%s\"", statement->sql);
	}
	for (int i = 0; i < lengthof(no_index); i++)
		(void) set_config_option(no_index[i], "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	result = SPI_execute_plan(statement->plan, args, NULL, false, 0);
	AtEOXact_GUC(false, nest_level);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql,
			 SPI_result_code_string(result));
	return SPI_processed;
}

/* The same for a statement whose result does not matter. */
static uint64
run(Statement *statement, Datum *args)
{
	uint64		rows;

	SPI_connect();
	rows = execute(statement, args);
	SPI_finish();
	return rows;
}

/* The generations that are delivered from, as an int4 array. */
static Datum
generations(void)
{
	const int32 *numbers;
	int			n = eb_generations(&numbers);
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		values[i] = Int32GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(values, n, INT4OID, sizeof(int32),
										   true, TYPALIGN_INT));
}

/* The key of an item's event group. */
static text *
group_of(const EbDelivery *item)
{
	return item->event.event_group_id != NULL ? item->event.event_group_id :
		cstring_to_text("");
}

static bool
same_group(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static bool
has_group(List *groups, const text *group)
{
	ListCell   *cell;

	foreach(cell, groups)
		if (same_group(lfirst(cell), group))
		return true;
	return false;
}

/* --- reading --------------------------------------------------------------- */

/* Where row i of a result was, and whether it is to be tried at some time. */
static ItemPointer
tid_of(SPITupleTable *table, uint64 i)
{
	bool		isnull;

	return (ItemPointer) DatumGetPointer(SPI_getbinval(table->vals[i],
													   table->tupdesc,
													   RETRY_CTID, &isnull));
}

static bool
has_time(SPITupleTable *table, uint64 i)
{
	return !heap_attisnull(table->vals[i], RETRY_NEXT_ATTEMPT_AT,
						   table->tupdesc);
}

/* Takes a row of select_due, which is copied, apart. */
static void
read_row(HeapTuple tuple, TupleTableSlot *slot, EbDelivery *item,
		 EbRetryRow *row)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;
	ItemPointer tid;

	ExecStoreHeapTuple(heap_copytuple(tuple), slot, false);
	eb_event_from_slot(slot, &item->event);
	item->generation = DatumGetInt32(values[EB_EVENT_GENERATION - 1]);
	item->delivery_seq = DatumGetInt64(values[RETRY_DELIVERY_SEQ - 1]);
	item->redrive = DatumGetInt32(values[RETRY_REDRIVE - 1]);
	item->accepted_at = DatumGetTimestampTz(values[RETRY_ACCEPTED_AT - 1]);
	item->attempt = DatumGetInt32(values[RETRY_ATTEMPTS - 1]) + 1;
	item->payload = NULL;
	row->first_attempt_at = isnull[RETRY_FIRST_ATTEMPT_AT - 1] ? 0 :
		DatumGetTimestampTz(values[RETRY_FIRST_ATTEMPT_AT - 1]);
	row->first_error = isnull[RETRY_FIRST_ERROR - 1] ? NULL :
		TextDatumGetCString(values[RETRY_FIRST_ERROR - 1]);
	tid = (ItemPointer) DatumGetPointer(values[RETRY_CTID - 1]);
	ItemPointerCopy(tid, &row->tid);
}

/*
 * Adds rows from..n - 1 of a result to the batch; those that would make it too
 * large are left for the next one.
 */
static void
add_rows(EbBatch *batch, SPITupleTable *table, uint64 from, uint64 n)
{
	TupleTableSlot *slot;

	slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(table->tupdesc),
									&TTSOpsHeapTuple);
	for (uint64 i = from; i < n && batch->bytes < EB_MAX_BATCH_BYTES; i++)
	{
		EbDelivery *item = &batch->items[batch->n];

		read_row(table->vals[i], slot, item, &batch->retries[batch->n]);
		batch->n++;
		batch->bytes += VARSIZE(item->event.detail);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Reads what waits behind item i in its event group: what has no time, if the
 * item is the first of the group. (It is not, where an older one was redriven.)
 */
static void
read_behind(EbBatch *batch, int i)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		args[] = {
		Int32GetDatum(batch->lease->target_id),
		PointerGetDatum(group_of(&batch->items[i])), generations(),
		Int32GetDatum(MAX_WITH_GROUPS - batch->n + 1)
	};
	uint64		rows;
	uint64		n = 1;

	SPI_connect();
	rows = execute(&select_group, args);
	if (rows > 1 && ItemPointerEquals(&batch->retries[i].tid,
									  tid_of(SPI_tuptable, 0)))
	{
		while (n < rows && !has_time(SPI_tuptable, n))
			n++;
		MemoryContextSwitchTo(context);
		add_rows(batch, SPI_tuptable, 1, n);
	}
	SPI_finish();
	MemoryContextSwitchTo(context);
}

/* Reads what is due into the batch, in CurrentMemoryContext. */
static void
read_due(EbBatch *batch, TimestampTz now)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		args[] = {
		Int32GetDatum(batch->lease->target_id), TimestampTzGetDatum(now),
		generations(), Int32GetDatum(MAX_RETRIES)
	};
	uint64		rows;
	int			ndue;

	SPI_connect();
	rows = execute(&select_due, args);
	if (rows > 0)
	{
		MemoryContextSwitchTo(context);
		batch->items = palloc(sizeof(EbDelivery) * MAX_WITH_GROUPS);
		batch->retries = palloc(sizeof(EbRetryRow) * MAX_WITH_GROUPS);
		add_rows(batch, SPI_tuptable, 0, rows);
	}
	SPI_finish();
	MemoryContextSwitchTo(context);

	ndue = batch->n;
	for (int i = 0; batch->options.fifo && i < ndue &&
		 batch->n < MAX_WITH_GROUPS && batch->bytes < EB_MAX_BATCH_BYTES; i++)
		read_behind(batch, i);
}

/* Counters are those of the current generation. */
static bool
read_position(EbBatch *batch)
{
	EbLease    *lease = batch->lease;
	int32		generation = eb_generation();

	if (lease->generation != generation)
	{
		lease->generation = generation;
		ItemPointerSetInvalid(&lease->position_tid);
		lease->leaf_hint = 0;
	}
	return eb_position_read(generation, lease->target_id,
							&lease->position_tid, &batch->position);
}

/* The time of the next retry; DT_NOEND: there is none. */
static TimestampTz
next_retry(int32 target_id)
{
	Datum		args[] = {Int32GetDatum(target_id), generations()};
	TimestampTz next = DT_NOEND;
	bool		isnull;

	SPI_connect();
	if (execute(&select_next, args) > 0)
		next = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0],
												 SPI_tuptable->tupdesc, 1,
												 &isnull));
	SPI_finish();
	return next;
}

/* Finds out when the next retry is due, for the lease. */
static void
note_retries(EbBatch *batch)
{
	int32		target_id = batch->lease->target_id;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = next_retry(target_id);

	if (next != DT_NOEND && next > now + LONGEST_WAIT)
	{
		Datum		args[] = {
			Int32GetDatum(target_id), TimestampTzGetDatum(now),
			TimestampTzGetDatum(now + LONGEST_WAIT)
		};

		if (run(&bring_forward, args) > 0)
			next = now;
	}
	batch->lease->retry_at = next;
}

/*
 * A first look. A target that is not FIFO any more has nothing that waits for
 * something else.
 */
static void
look(EbBatch *batch)
{
	Datum		args[] = {
		Int32GetDatum(batch->lease->target_id), generations(),
		TimestampTzGetDatum(GetCurrentTimestamp())
	};

	if (!batch->options.fifo)
		(void) run(&release_all, args);
	note_retries(batch);
}

bool
eb_batch_read_retries(EbBatch *batch)
{
	EbLease    *lease = batch->lease;
	TimestampTz now = GetCurrentTimestamp();

	if (lease->retry_at == 0)
		look(batch);
	else if (lease->retry_at != DT_NOEND &&
			 lease->retry_at > now + LONGEST_WAIT)
		note_retries(batch);
	if (lease->retry_at > now)
		return false;
	if (!read_position(batch))
	{
		lease->retry_at = DT_NOEND;
		return false;
	}
	if (batch->position.changing)
	{
		batch->verdict = EB_BUSY;
		lease->failures++;
		return true;
	}
	read_due(batch, now);
	if (batch->n > 0)
		return true;
	note_retries(batch);
	if (lease->retry_at > now)
		return false;

	/* a command that is about to change them has locked them */
	batch->verdict = EB_BUSY;
	lease->failures++;
	return true;
}

/* --- writing --------------------------------------------------------------- */

static void
set_text(Datum *value, bool *isnull, const char *string)
{
	*isnull = string == NULL;
	if (string != NULL)
		*value = CStringGetTextDatum(string);
}

/* Adds a row for an item that was tried attempts times; next 0: none. */
static void
insert_row(EbBatch *batch, int i, int attempts, const char *error,
		   TimestampTz next)
{
	const EbDelivery *item = &batch->items[i];
	Relation	rel = table_open(eb_relation_oid("delivery_retries"),
								 RowExclusiveLock);
	EbAppender *appender = eb_append_begin(rel);
	TupleTableSlot *slot = eb_append_slot(appender);
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;

	memset(isnull, false, slot->tts_tupleDescriptor->natts);
	eb_event_to_slot(&item->event, item->generation, slot);
	values[RETRY_TARGET_ID - 1] = Int32GetDatum(batch->lease->target_id);
	values[RETRY_DELIVERY_SEQ - 1] = Int64GetDatum(item->delivery_seq);
	values[RETRY_REDRIVE - 1] = Int32GetDatum(item->redrive);
	values[RETRY_ACCEPTED_AT - 1] = TimestampTzGetDatum(item->accepted_at);
	values[RETRY_ATTEMPTS - 1] = Int32GetDatum(attempts);
	values[RETRY_FIRST_ATTEMPT_AT - 1] =
		TimestampTzGetDatum(GetCurrentTimestamp());
	isnull[RETRY_FIRST_ATTEMPT_AT - 1] = attempts == 0;
	values[RETRY_NEXT_ATTEMPT_AT - 1] = TimestampTzGetDatum(next);
	isnull[RETRY_NEXT_ATTEMPT_AT - 1] = next == 0;
	set_text(&values[RETRY_FIRST_ERROR - 1], &isnull[RETRY_FIRST_ERROR - 1],
			 error);
	set_text(&values[RETRY_LAST_ERROR - 1], &isnull[RETRY_LAST_ERROR - 1],
			 error);
	eb_append_row(appender, 0);
	eb_append_end(appender);
	table_close(rel, NoLock);
}

void
eb_batch_retry_later(EbBatch *batch, int i, const ErrorData *error,
					 TimestampTz next)
{
	EbLease    *lease = batch->lease;
	char	   *message = eb_error_line(error);

	if (batch->options.fifo)
		batch->held_groups = lappend(batch->held_groups,
									 group_of(&batch->items[i]));
	if (batch->retries == NULL)
		insert_row(batch, i, 1, message, next);
	else
	{
		Datum		args[] = {
			PointerGetDatum(&batch->retries[i].tid),
			Int32GetDatum(batch->items[i].attempt),
			TimestampTzGetDatum(next), CStringGetTextDatum(message),
			TimestampTzGetDatum(GetCurrentTimestamp())
		};

		(void) run(&put_off, args);
	}
	if (lease->retry_at != 0)
		lease->retry_at = Min(lease->retry_at, next);
}

void
eb_batch_retries_done(EbBatch *batch, int i, int n)
{
	for (int last = i + n; i < last; i++)
	{
		Datum		row[] = {PointerGetDatum(&batch->retries[i].tid)};

		(void) run(&delete_row, row);
	}
}

/* The event groups of what is behind us go on with what is left of them. */
static void
release_groups(EbBatch *batch)
{
	List	   *released = NIL;
	Datum		args[] = {
		Int32GetDatum(batch->lease->target_id), 0, generations(),
		TimestampTzGetDatum(GetCurrentTimestamp())
	};

	for (int i = 0; i < batch->done; i++)
	{
		text	   *group = group_of(&batch->items[i]);

		if (has_group(released, group))
			continue;
		released = lappend(released, group);
		args[1] = PointerGetDatum(group);
		(void) run(&release_group, args);
	}
}

void
eb_batch_finish_retries(EbBatch *batch)
{
	if (batch->options.fifo)
		release_groups(batch);
	note_retries(batch);
}

void
eb_batch_park(EbBatch *batch, int i)
{
	if (batch->retries == NULL)
		insert_row(batch, i, 0, NULL, 0);
}

bool
eb_batch_is_behind(EbBatch *batch, int i, int earlier)
{
	return batch->options.fifo && same_group(group_of(&batch->items[i]),
											 group_of(&batch->items[earlier]));
}

bool
eb_batch_is_held(EbBatch *batch, int i)
{
	text	   *group;
	Datum		args[3];

	if (!batch->options.fifo || batch->lease->retry_at == DT_NOEND)
		return false;
	group = group_of(&batch->items[i]);
	if (has_group(batch->held_groups, group))
		return true;
	if (batch->retries != NULL)
		return false;			/* those before it are in this batch */
	args[0] = Int32GetDatum(batch->lease->target_id);
	args[1] = PointerGetDatum(group);
	args[2] = generations();
	if (run(&find_group, args) == 0)
		return false;
	batch->held_groups = lappend(batch->held_groups, group);
	return true;
}
