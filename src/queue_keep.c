/*-------------------------------------------------------------------------
 *
 * queue_keep.c
 *		Maintenance of queues: heads, what is done, what is old, what a restore
 *		brought along.
 *
 * The head of a queue moves up to the first message that was never received.
 * What is in flight behind it keeps its claims; a message whose claim is not
 * committed yet counts as never received, so the head waits for it. In the same
 * transaction the rows of all messages behind it go that are done: from then on
 * it is having no row that says so. Users only insert rows, and only this removes
 * any, so nobody waits for anybody; queue_claims.c says in which order to read.
 *
 * A leaf of the log is dropped when it is older than any queue keeps messages
 * and all heads have passed it: a message that is too old counts as done.
 *
 * A restored database, or a copy made from a template, has messages of another
 * generation. They are sent again, to the same queues of this one, all that were
 * not done: those that were in flight are visible again. Then the other one's
 * heads say that all of it is done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "partition.h"
#include "queue_claims.h"
#include "queue_keep.h"
#include "queue_log.h"
#include "schema.h"

/* a head that says: all of this generation is done */
#define ADOPTED		(INT64CONST(1) << 62)

/* in one transaction */
#define MAX_MOVED	200000
#define MAX_REMOVED 200000

/* --- heads ---------------------------------------------------------------- */

/*
 * Moves *head over messages that have a claim, were purged or are old. False:
 * there is none, or one that has to stay.
 */
static bool
move_head(EbClaims *claims, EbQueueHead *head, TimestampTz expired,
		  Snapshot snapshot, EbMessage *messages)
{
	int64		first = Max(head->head, head->purged) + 1;
	EbClaim    *known;
	int			nknown;
	int			n;

	head->head = first - 1;
	n = eb_messages_read(claims->generation, claims->queue->queue_id, first,
						 PG_INT64_MAX, snapshot, false, EB_MAX_QUEUE_BATCH,
						 messages);
	if (n == 0)
		return false;
	nknown = eb_claims_read(claims, first, messages[n - 1].number, snapshot,
							&known);
	for (int i = 0; i < n; i++)
	{
		if (messages[i].sent_at >= expired &&
			eb_claims_search(known, nknown, messages[i].number) == NULL)
			return false;
		head->head = messages[i].number;
	}
	return n == EB_MAX_QUEUE_BATCH;
}

void
eb_queue_keep(const EbQueue *queue)
{
	TimestampTz expired = GetCurrentTimestamp() - queue->message_retention;
	Snapshot	snapshot;
	EbMessage  *messages;
	EbQueueHead head;
	EbClaims	claims;
	int64		old_head;

	if (!eb_queue_lock(EB_QUEUE_HEAD_LOCK, queue->queue_id, false))
		return;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	messages = palloc(EB_MAX_QUEUE_BATCH * sizeof(EbMessage));
	eb_claims_open(queue, &claims);
	eb_queue_head_read(claims.generation, queue->queue_id, &head);
	old_head = head.head;
	for (int i = 0; i < MAX_MOVED / EB_MAX_QUEUE_BATCH; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!move_head(&claims, &head, expired, snapshot, messages))
			break;
	}
	UnregisterSnapshot(snapshot);
	if (head.head != old_head || !ItemPointerIsValid(&head.tid))
		eb_queue_head_write(claims.generation, queue->queue_id, &head);
	(void) eb_claims_clean(&claims, head.head, head.purged, expired, false,
						   MAX_REMOVED);
	eb_claims_close(&claims);
}

void
eb_queue_clean_deleted(void)
{
	eb_run_sql("DELETE FROM eventbus.message_claims c WHERE NOT EXISTS"
			   " (SELECT FROM eventbus.queue q"
			   " WHERE q.queue_id OPERATOR(pg_catalog.=) c.queue_id)");
	eb_run_sql("DELETE FROM eventbus.queue_heads h WHERE NOT EXISTS"
			   " (SELECT FROM eventbus.queue q"
			   " WHERE q.queue_id OPERATOR(pg_catalog.=) h.queue_id)");
}

/* --- old leaves ----------------------------------------------------------- */

List *
eb_queue_old_leaves(void)
{
	/* not before maintenance has ceased to make leaves of that time */
	return eb_query_list(psprintf("SELECT l.name FROM eventbus.leaves l"
								  " WHERE l.parent OPERATOR(pg_catalog.=)"
								  " 'messages' AND l.range_end"
								  " OPERATOR(pg_catalog.<)"
								  " (pg_catalog.clock_timestamp()"
								  " OPERATOR(pg_catalog.-)"
								  " GREATEST((SELECT pg_catalog.max("
								  "q.message_retention) FROM eventbus.queue q),"
								  " '%d minutes'::pg_catalog.interval))"
								  " ORDER BY l.range_end",
								  2 * eb_guc_leaf_width));
}

/* Has the leaf a message that a head has not passed? */
static bool
is_needed(const char *name)
{
	return eb_query_text("SELECT 'yes' FROM eventbus.queue q"
						 " WHERE EXISTS (SELECT FROM eventbus.%s m"
						 " WHERE m.queue_id OPERATOR(pg_catalog.=) q.queue_id"
						 " AND m.number OPERATOR(pg_catalog.>) COALESCE("
						 "(SELECT h.head FROM eventbus.queue_heads h"
						 " WHERE h.queue_id OPERATOR(pg_catalog.=) q.queue_id"
						 " AND h.generation OPERATOR(pg_catalog.=)"
						 " (SELECT l.generation FROM eventbus.leaves l"
						 " WHERE l.name OPERATOR(pg_catalog.=) '%s')), 0))"
						 " LIMIT 1", name, name) != NULL;
}

bool
eb_queue_drop_leaf(const char *name)
{
	Oid			leaf = eb_relation_oid(name);

	if (OidIsValid(leaf))
	{
		if (is_needed(name))
			return true;
		if (get_rel_relispartition(leaf) &&
			!ConditionalLockRelationOid(get_partition_parent(leaf, true),
										AccessExclusiveLock))
			return false;
		if (!ConditionalLockRelationOid(leaf, AccessExclusiveLock))
			return false;
		eb_run_sql("DROP TABLE eventbus.%s", name);
	}
	eb_run_sql("DELETE FROM eventbus.leaves"
			   " WHERE name OPERATOR(pg_catalog.=) '%s'", name);
	eb_leaves_changed();
	return true;
}

bool
eb_queue_keep_is_due(void)
{
	if (!OidIsValid(eb_relation_oid("queue")))
		return false;
	return eb_queue_list() != NIL || eb_queue_old_leaves() != NIL ||
		eb_query_text("SELECT 'yes' FROM eventbus.queue_heads LIMIT 1") != NULL;
}

/* --- other generations ---------------------------------------------------- */

/* A message of another generation, as the query below returns it. */
static EbQueueItem
item_of_row(HeapTuple row, TupleDesc desc)
{
	EbQueueItem item = {0};
	bool		isnull;
	Datum		value;

	item.id = DatumGetUUIDP(SPI_getbinval(row, desc, 1, &isnull));
	value = SPI_getbinval(row, desc, 2, &isnull);
	item.event_id = isnull ? NULL : DatumGetUUIDP(value);
	item.sent_at = DatumGetTimestampTz(SPI_getbinval(row, desc, 3, &isnull));
	item.body = DatumGetJsonbP(SPI_getbinval(row, desc, 4, &isnull));
	value = SPI_getbinval(row, desc, 5, &isnull);
	item.attributes = isnull ? NULL : DatumGetJsonbP(value);
	value = SPI_getbinval(row, desc, 6, &isnull);
	item.group_id = isnull ? NULL : DatumGetTextPP(value);
	return item;
}

/* Sends the rows that SPI has fetched to a queue. */
static void
send_rows(const EbQueue *queue)
{
	EbQueueItem *items = palloc(SPI_processed * sizeof(EbQueueItem));

	for (uint64 i = 0; i < SPI_processed; i++)
		items[i] = item_of_row(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	(void) eb_queue_send(queue, items, (int) SPI_processed, false);
	pfree(items);
}

/* Takes the messages of a queue over that are not done. */
static void
adopt_queue(const EbQueue *queue, int32 generation)
{
	SPIParseOpenOptions options = {.read_only = false};
	char	   *query;
	Portal		portal;

	query = psprintf("SELECT m.id, m.event_id, m.sent_at, m.body,"
					 " m.attributes, m.message_group_id"
					 " FROM eventbus.messages m"
					 " LEFT JOIN eventbus.queue_heads h"
					 " ON h.generation OPERATOR(pg_catalog.=) m.generation"
					 " AND h.queue_id OPERATOR(pg_catalog.=) m.queue_id"
					 " LEFT JOIN (SELECT c.number, pg_catalog.bool_or("
					 "c.visible_at IS NULL) AS done"
					 " FROM eventbus.message_claims c"
					 " WHERE c.generation OPERATOR(pg_catalog.=) %d"
					 " AND c.queue_id OPERATOR(pg_catalog.=) %d"
					 " GROUP BY c.number) c"
					 " ON c.number OPERATOR(pg_catalog.=) m.number"
					 " WHERE m.generation OPERATOR(pg_catalog.=) %d"
					 " AND m.queue_id OPERATOR(pg_catalog.=) %d"
					 " AND m.number OPERATOR(pg_catalog.>)"
					 " COALESCE(h.purged, 0)"
					 " AND (c.number IS NOT NULL OR m.number"
					 " OPERATOR(pg_catalog.>) COALESCE(h.head, 0))"
					 " AND c.done IS NOT TRUE"
					 " AND m.sent_at OPERATOR(pg_catalog.>)"
					 " (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"
					 " (SELECT q.message_retention FROM eventbus.queue q"
					 " WHERE q.queue_id OPERATOR(pg_catalog.=) %d))"
					 " ORDER BY m.number", generation, queue->queue_id,
					 generation, queue->queue_id, queue->queue_id);
	SPI_connect();
	portal = SPI_cursor_parse_open(NULL, query, &options);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, EB_MAX_QUEUE_BATCH);
		if (SPI_processed == 0)
			break;
		send_rows(queue);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
}

/* Says that nothing of a queue is left in that generation. */
static void
mark_adopted(const EbQueue *queue, int32 generation)
{
	eb_run_sql("DELETE FROM eventbus.message_claims"
			   " WHERE generation OPERATOR(pg_catalog.=) %d"
			   " AND queue_id OPERATOR(pg_catalog.=) %d",
			   generation, queue->queue_id);
	eb_run_sql("DELETE FROM eventbus.queue_heads"
			   " WHERE generation OPERATOR(pg_catalog.=) %d"
			   " AND queue_id OPERATOR(pg_catalog.=) %d",
			   generation, queue->queue_id);
	eb_run_sql("INSERT INTO eventbus.queue_heads VALUES (%d, %d, "
			   INT64_FORMAT ", 0)", generation, queue->queue_id, ADOPTED);
}

static bool
is_adopted(const EbQueue *queue, int32 generation)
{
	EbQueueHead head;

	eb_queue_head_read(generation, queue->queue_id, &head);
	return head.head == ADOPTED;
}

void
eb_queue_adopt(void)
{
	List	   *generations;
	List	   *queues = eb_queue_list();
	ListCell   *g;
	ListCell   *q;

	if (queues == NIL)
		return;
	generations = eb_query_list("SELECT DISTINCT l.generation FROM eventbus.leaves l"
								" WHERE l.parent OPERATOR(pg_catalog.=) 'messages'"
								" AND l.generation OPERATOR(pg_catalog.<>)"
								" eventbus.generation() ORDER BY 1");
	foreach(g, generations)
	{
		int32		generation = atoi(lfirst(g));

		foreach(q, queues)
		{
			EbQueue    *queue = lfirst(q);

			if (is_adopted(queue, generation) ||
				!eb_queue_lock(EB_QUEUE_HEAD_LOCK, queue->queue_id, false) ||
				!eb_queue_lock(EB_QUEUE_APPEND_LOCK, queue->queue_id, false))
				continue;
			adopt_queue(queue, generation);
			mark_adopted(queue, generation);
			CommandCounterIncrement();
		}
	}
}
