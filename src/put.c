/*-------------------------------------------------------------------------
 *
 * put.c
 *		Appends events to the log, in the caller's transaction.
 *
 * This is all that publishing costs the publisher: find the current leaf,
 * stamp the events, multi-insert them, maintain the leaf's indexes. No rule
 * is looked at, nobody is notified, and no lock is taken beyond those of an
 * INSERT (RowExclusiveLock on the leaf, until the end of the transaction).
 * The relation is opened and closed in each call, so that nothing stands in
 * the way of DDL later in the same transaction. At commit the router's latch
 * is set (wake.c); an aborted transaction or savepoint leaves dead rows, which
 * nobody ever sees.
 *
 * The order of what a call takes matters. First the transaction's xid, then
 * the clock: so an event that falls into a leaf has an xid from before that
 * leaf's end, which is what sealing relies on (maintenance.c). Then the leaf,
 * and its lock; then seq, one for the whole call.
 *
 * The leaf is written with the rights of this module, not of the caller:
 * EXECUTE on the functions that lead here is the right to publish. Nothing of
 * a user's runs on the way, as the leaf belongs to the extension. What its
 * owner adds to a leaf is treated like this: indexes of every kind are kept
 * right (expressions and predicates run as the caller, as in any INSERT),
 * unique ones are enforced at once even if declared deferrable; triggers,
 * CHECK constraints, rules and row security are not looked at.
 *
 * Events that carry a deduplication id take one more step between the stamp
 * and the insert, in which a call may wait for others (deduplication.c).
 *
 * A call needs memory for its events and for one chunk of tuples.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "append.h"
#include "causation.h"
#include "deduplication.h"
#include "partition.h"
#include "put.h"
#include "schema.h"
#include "shmem.h"
#include "uuid7.h"
#include "wake.h"

/* How many ids are made from one call for random bytes. */
#define ID_BATCH	128

/* How far ahead of its events a call tells the router of them. */
#define TOLD_AHEAD	(5 * USECS_PER_MINUTE)

/* How long to wait for the worker to make a leaf, and between two looks. */
#define LEAF_TIMEOUT_MS	2000
#define LEAF_POLL_MS	10

static Relation begin_call(EbEvent *events, int n);
static void end_call(Relation leaf, EbEvent *events, int n);
static EbEvent *without_duplicates(const EbEvent *events, int n,
								   const bool *duplicate);
static Relation open_leaf(TimestampTz *at);
static bool wait_for_leaf(TimestampTz since);
static void say_put_until(TimestampTz at);
static void stamp_events(EbEvent *events, int n, FullTransactionId xid,
						 TimestampTz at);
static bool has_id(const EbEvent *event);
static void set_cause(EbEvent *event);
static void append_events(Relation leaf, EbEvent *events, int n);

void
eb_put_check_writable(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
}

void
eb_put_insert(EbEvent *events, int n)
{
	eb_put_check_writable("eb_put_events()");
	if (n > 0)
		end_call(begin_call(events, n), events, n);
}

void
eb_put_insert_once(EbEvent *events, int n, bool *duplicate)
{
	Relation	leaf;
	int			nduplicates;

	eb_put_check_writable("eb_put_events()");
	if (n == 0)
		return;
	leaf = begin_call(events, n);
	nduplicates = eb_deduplicate(events, n, duplicate);
	if (nduplicates > 0)
		events = without_duplicates(events, n, duplicate);
	end_call(leaf, events, n - nduplicates);
}

/* Opens the leaf and gives the events all that a call gives them. */
static Relation
begin_call(EbEvent *events, int n)
{
	/* the xid before the clock: see above */
	FullTransactionId xid = GetTopFullTransactionId();
	TimestampTz at;
	Relation	leaf = open_leaf(&at);

	say_put_until(at);
	stamp_events(events, n, xid, at);
	return leaf;
}

static void
end_call(Relation leaf, EbEvent *events, int n)
{
	if (n > 0)
	{
		append_events(leaf, events, n);
		eb_wake_at_commit();
	}
	table_close(leaf, NoLock);
}

/* A copy of the array, without the duplicates. */
static EbEvent *
without_duplicates(const EbEvent *events, int n, const bool *duplicate)
{
	EbEvent    *rest = MemoryContextAllocHuge(CurrentMemoryContext,
											  n * sizeof(EbEvent));
	int			nrest = 0;

	for (int i = 0; i < n; i++)
		if (!duplicate[i])
			rest[nrest++] = events[i];
	return rest;
}

/* --- the leaf ----------------------------------------------------------- */

/* Opens the leaf of now, and says in *at what time it is. */
static Relation
open_leaf(TimestampTz *at)
{
	TimestampTz since = GetCurrentTimestamp();

	do
	{
		Relation	leaf;

		*at = GetCurrentTimestamp();
		leaf = eb_leaf_open(EB_LOG_EVENTS, at);
		if (leaf != NULL)
		{
			if (RelationGetNumberOfAttributes(leaf) != EB_EVENT_NCOLUMNS)
				elog(ERROR, "partition \"%s\" of the event log has %d columns",
					 RelationGetRelationName(leaf),
					 RelationGetNumberOfAttributes(leaf));
			return leaf;
		}
		eb_wake_for_maintenance();
	} while (wait_for_leaf(since));

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("event log has no partition for the current time"),
			 errdetail("The time is %s.", timestamptz_to_str(*at)),
			 errhint("Run \"SELECT eb_run_maintenance()\" to make partitions.")));
}

/*
 * Waits a little for the worker. False when it is of no use to wait (longer),
 * or this is the worker, which puts what schedules make: it comes again.
 * The caller's transaction does no DDL itself: it would hold the locks of a
 * partition's creation until its end, in the way of every other publisher.
 */
static bool
wait_for_leaf(TimestampTz since)
{
	EbDatabase *db = eb_shmem_database(MyDatabaseId);

	if (eb_shared == NULL || db == NULL || db->router.pid == MyProcPid ||
		TimestampDifferenceExceeds(since, GetCurrentTimestamp(),
								   LEAF_TIMEOUT_MS))
		return false;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 LEAF_POLL_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	AcceptInvalidationMessages();
	return true;
}

/*
 * Tells the router that there will be events of that time, so that it need not
 * look into the leaves ahead (router.c). It is told of some minutes ahead, so
 * that most calls have nothing to write.
 */
static void
say_put_until(TimestampTz at)
{
	EbDatabase *db = eb_shmem_database(MyDatabaseId);
	uint64		said;

	if (db == NULL)
		return;
	said = pg_atomic_read_u64(&db->put_until);
	while ((TimestampTz) said < at &&
		   !pg_atomic_compare_exchange_u64(&db->put_until, &said,
										   at + TOLD_AHEAD))
		;
}

/* --- events ------------------------------------------------------------- */

/* Sets what the call gives its events. */
static void
stamp_events(EbEvent *events, int n, FullTransactionId xid, TimestampTz at)
{
	uint8		random[ID_BATCH][EB_UUID7_RANDOM_LEN];
	int64		seq = nextval_internal(eb_relation_oid("put_seq"), false);

	for (int i = 0; i < n; i++)
	{
		EbEvent    *event = &events[i];

		if (i % ID_BATCH == 0 &&
			!pg_strong_random(random, Min(n - i, ID_BATCH) *
							  EB_UUID7_RANDOM_LEN))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		event->xid = xid;
		event->seq = seq;
		event->ord = i;
		event->ingested_at = at;
		if (event->time == EB_TIME_OF_CALL)
			event->time = at;
		if (has_id(event))
			continue;
		eb_uuid7_make(at, random[i % ID_BATCH], &event->id);
		set_cause(event);
	}
}

static bool
has_id(const EbEvent *event)
{
	static const pg_uuid_t none;

	return memcmp(&event->id, &none, sizeof(none)) != 0;
}

/* A new event comes of the one that is being delivered, if any. */
static void
set_cause(EbEvent *event)
{
	const EbCause *cause = eb_causation();

	if (cause == NULL)
		return;
	event->causation_id = palloc(sizeof(pg_uuid_t));
	*event->causation_id = cause->event_id;
	event->hop_count = cause->hop_count + 1;
}

static void
append_events(Relation leaf, EbEvent *events, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventbus put",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller_context = MemoryContextSwitchTo(context);
	int32		generation = eb_generation();
	EbAppender *appender = eb_append_begin(leaf);

	for (int i = 0; i < n; i++)
	{
		eb_event_to_slot(&events[i], generation, eb_append_slot(appender));
		eb_append_row(appender, VARSIZE(events[i].detail));
	}
	eb_append_end(appender);
	MemoryContextSwitchTo(caller_context);
	MemoryContextDelete(context);
}
