/*-------------------------------------------------------------------------
 *
 * resume.c
 *		What becomes of a log that a restore or a copy brought along.
 *
 * Such a log is a generation of its own: its events, its delivery stream, its
 * cursor and the positions of its targets are as they were at the source when
 * the dump was taken. Until somebody decides, it is parked: readers of history
 * see its events, nothing is delivered from it. (Whoever restores a copy to
 * look something up does not want all webhooks to be sent again.)
 *
 * To resume it, three things are done here, in one transaction:
 *
 *	1.	What the source had not routed is found as its router would have found
 *		it, from the stored cursor: what a dump contains has committed, so the
 *		difference is between S1 and "everything". An S2 that was being drained
 *		comes first, since (last_seq, last_ord) speaks of its events only.
 *	2.	Those events are matched with the rules as they stand, and deliveries
 *		are appended to the stream of that generation, numbered on.
 *	3.	Its leaves are sealed, which gives them the index by which the events
 *		of its deliveries are found: their rows have other places now.
 *
 * From then on the dispatchers take a target's deliveries from that generation
 * before those of the current one, each with the position that it has there;
 * so what was delivered before the dump is not delivered again. Maintenance
 * retires the generation when no target has anything left in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "cursor.h"
#include "log_scan.h"
#include "maintenance.h"
#include "partition.h"
#include "resume.h"
#include "ruleset.h"
#include "schema.h"
#include "stream.h"
#include "wake.h"

/* no more events than this are routed at a time (40 bytes each) */
#define MAX_COLLECTED	1000000

static int32 next_parked(void);
static void resume_generation(int32 generation);
static void route_rest(EbCursor *cursor);
static void route_difference(EbCursor *cursor);
static void append_deliveries(EbCursor *cursor, EbEventRefs *refs);
static EbXidSnapshot *everything(void);
static void seal_leaves(int32 generation);
static int64 count_waiting(int32 generation);

int64
eb_resume(bool deliver)
{
	EbSavedUser saved = eb_owner_enter();
	int64		waiting = 0;
	int32		generation;

	/* makes the generation of this database, if no worker has done so */
	(void) eb_make_leaves(true);
	(void) eb_leaves_lock(true);
	while ((generation = next_parked()) != 0)
	{
		eb_run_sql("UPDATE eventbus.generations SET state = '%s'"
				   " WHERE generation OPERATOR(pg_catalog.=) %d",
				   deliver ? "resumed" : "skipped", generation);
		eb_leaves_changed();
		CommandCounterIncrement();
		if (!deliver)
		{
			eb_run_sql("DELETE FROM eventbus.delivery_retries"
					   " WHERE generation OPERATOR(pg_catalog.=) %d",
					   generation);
			continue;
		}
		resume_generation(generation);
		waiting += count_waiting(generation);
	}
	eb_owner_leave(saved);

	/* the router has every target looked at when the catalog has changed */
	CacheInvalidateRelcacheByRelid(eb_relation_oid("target"));
	eb_wake_at_commit();
	return waiting;
}

/* The oldest generation that is parked, 0: none. */
static int32
next_parked(void)
{
	char	   *text = eb_query_text("SELECT generation FROM eventbus.generations"
									 " WHERE state OPERATOR(pg_catalog.=) 'active'"
									 " AND generation OPERATOR(pg_catalog.<>) %d"
									 " ORDER BY created_at LIMIT 1",
									 eb_generation());

	return text != NULL ? atoi(text) : 0;
}

static void
resume_generation(int32 generation)
{
	EbCursor	cursor;
	bool		found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = eb_cursor_read(generation, &cursor);
	if (found)
	{
		route_rest(&cursor);
		eb_cursor_write(&cursor);
	}
	PopActiveSnapshot();
	seal_leaves(generation);
}

/* Routes what the source had not routed. */
static void
route_rest(EbCursor *cursor)
{
	eb_ruleset_refresh();
	if (cursor->next_snapshot != NULL)
		route_difference(cursor);
	cursor->next_snapshot = everything();
	cursor->last_seq = 0;
	cursor->last_ord = 0;
	route_difference(cursor);
}

/* Routes next_snapshot minus last_snapshot, and makes the one the other. */
static void
route_difference(EbCursor *cursor)
{
	EbEventRefs refs;

	do
	{
		eb_log_collect(cursor, GetActiveSnapshot(), DT_NOEND, MAX_COLLECTED,
					   NULL, NULL, &refs);
		append_deliveries(cursor, &refs);
		pfree(refs.refs);
	} while (refs.truncated);
	cursor->last_snapshot = cursor->next_snapshot;
	cursor->next_snapshot = NULL;
}

/* Matches the event in slot; what that takes is forgotten at once. */
static int
match(TupleTableSlot *slot, const int32 **target_ids)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventbus event",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	EbEvent		event;
	int			n;

	eb_event_from_slot(slot, &event);
	n = eb_ruleset_match(&event, target_ids);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return n;
}

static void
append_deliveries(EbCursor *cursor, EbEventRefs *refs)
{
	EbLogReader *reader = eb_log_open(cursor->generation, GetActiveSnapshot());
	EbStreamWriter *writer = eb_stream_begin(cursor);
	int32	   *target_ids;

	for (int i = 0; i < refs->n; i++)
	{
		EbEventRef *ref = &refs->refs[i];
		EbDeliveryRef delivery = {ref->seq, ref->ord, ref->leaf_id, ref->tid};
		TupleTableSlot *slot = eb_log_fetch(reader, ref->leaf_id, &ref->tid,
											EB_ANY_BUS, ref->seq, ref->ord);
		const int32 *matches;
		int			n;

		CHECK_FOR_INTERRUPTS();
		Assert(slot != NULL);
		n = match(slot, &matches);
		for (int j = 0; j < n; j++)
			eb_stream_add(writer, matches[j], &delivery);
		cursor->last_seq = ref->seq;
		cursor->last_ord = ref->ord;
	}
	(void) eb_stream_end(writer, &target_ids);
	eb_log_close(reader);
}

/* A snapshot in which every transaction has ended. */
static EbXidSnapshot *
everything(void)
{
	EbXidSnapshot *all = palloc(sizeof(EbXidSnapshot));

	/* as far as pg_snapshot goes */
	all->xmin = all->xmax = PG_INT64_MAX;
	all->nxip = 0;
	return all;
}

static void
seal_leaves(int32 generation)
{
	const EbLeafArray *array = eb_leaves(generation, EB_LOG_EVENTS);
	int			nleaves = array->nleaves;
	EbLeaf	   *leaves = palloc(sizeof(EbLeaf) * Max(nleaves, 1));

	memcpy(leaves, array->leaves, sizeof(EbLeaf) * nleaves);
	for (int i = 0; i < nleaves; i++)
		if (!leaves[i].sealed)
			eb_seal_leaf(generation, &leaves[i]);
}

/* Deliveries of a generation that targets of today have not got. */
static int64
count_waiting(int32 generation)
{
	char	   *text = eb_query_text("SELECT COALESCE(pg_catalog.sum(LEAST(d.count,"
									 " d.last_seq OPERATOR(pg_catalog.-) p.position)), 0)"
									 " OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*)"
									 " FROM eventbus.delivery_retries r"
									 " WHERE r.generation OPERATOR(pg_catalog.=) %d)"
									 " FROM eventbus.deliveries d"
									 " JOIN eventbus.target t"
									 " ON t.target_id OPERATOR(pg_catalog.=) d.target_id"
									 " JOIN eventbus.target_positions p"
									 " ON p.target_id OPERATOR(pg_catalog.=) d.target_id"
									 " AND p.generation OPERATOR(pg_catalog.=) d.generation"
									 " WHERE d.generation OPERATOR(pg_catalog.=) %d"
									 " AND d.last_seq OPERATOR(pg_catalog.>) p.position",
									 generation, generation);

	return text != NULL ? strtoi64(text, NULL, 10) : 0;
}
