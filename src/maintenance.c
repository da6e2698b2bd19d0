/*-------------------------------------------------------------------------
 *
 * maintenance.c
 *		Makes leaves ahead, seals those that are over.
 *
 * A leaf of the event log is sealed when nothing can be added to it any more
 * and everything in it is routed:
 *
 *	1.	Its end has passed. An xid is taken then, and stored (seal_xid).
 *	2.	The cursor's snapshot has no running transaction that is older than
 *		seal_xid. A put takes its xid before it reads the clock, so whoever
 *		put into this leaf has an older one, has ended, and is routed.
 *	3.	The one exception is a clock that was stepped back after 1. So, under
 *		a lock that keeps writers out, the leaf is asked for younger xids; if
 *		there are any, it waits for another round. From the seal on,
 *		eb_leaf_open() keeps new rows out.
 *
 * Sealing gives the leaf what readers of history need: indexes on the event
 * id and on (bus_id, seq), statistics, and, as VACUUM cannot run inside a
 * transaction, a VACUUM (FREEZE) by the worker afterwards, after which nobody
 * ever needs to write to it again.
 *
 * All of this is done under one lock (eb_leaves_lock()). The worker is the
 * router and never waits for it, nor for a lock on a leaf: who holds one may
 * sit idle in a transaction. What it cannot do now is for another round, soon.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/vacuum.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "cursor.h"
#include "deduplication.h"
#include "eventbus.h"
#include "maintenance.h"
#include "partition.h"
#include "queue_keep.h"
#include "router.h"
#include "schema.h"
#include "shmem.h"
#include "wake.h"
#include "worker.h"

static void clean_deduplication(void);
static bool lock_leaves(void);
static List *begin_round(void);
static void keep_queues(void);
static void retire_generations(void);
static bool seal_in_transaction(const EbLeaf *leaf);
static List *ended_leaves(void);
static FullTransactionId routed_horizon(void);
static bool seal_if_possible(const EbLeaf *leaf);
static void set_seal_xid(const EbLeaf *leaf);
static bool has_younger_rows(const EbLeaf *leaf, FullTransactionId horizon);
static void freeze(const EbLeaf *leaf);
static bool vacuum_if_free(const EbLeaf *leaf);

/* This round left something out because somebody has it locked. */
static bool locked_out;

/* --- a round -------------------------------------------------------------- */

bool
eb_maintenance_round(void)
{
	List	   *leaves;
	ListCell   *cell;

	locked_out = false;
	clean_deduplication();
	leaves = begin_round();
	keep_queues();
	if (leaves == NIL)
		return !locked_out;
	eb_router_checkpoint();
	foreach(cell, leaves)
	{
		EbLeaf	   *leaf = lfirst(cell);

		if (!leaf->sealed)
			leaf->sealed = seal_in_transaction(leaf);
		if (leaf->sealed)
			freeze(leaf);
	}
	return !locked_out;
}

/* In a transaction that holds its locks for no more than that. */
static void
clean_deduplication(void)
{
	MemoryContext caller = CurrentMemoryContext;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	eb_deduplication_clean();
	PopActiveSnapshot();
	eb_worker_commit();
	MemoryContextSwitchTo(caller);
}

/* Takes the lock of the leaves, if it is free. */
static bool
lock_leaves(void)
{
	if (eb_leaves_lock(false))
		return true;
	locked_out = true;
	return false;
}

/* Makes leaves, and says which are to be sealed or frozen (copies). */
static List *
begin_round(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *leaves;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (lock_leaves())
	{
		(void) eb_make_leaves();
		retire_generations();
	}
	MemoryContextSwitchTo(caller);
	leaves = ended_leaves();
	PopActiveSnapshot();
	eb_worker_commit();
	MemoryContextSwitchTo(caller);
	return leaves;
}

/* Restored generations whose deliveries are all made are of no more use. */
static void
retire_generations(void)
{
	const int32 *generations;

	if (eb_generations(&generations) <= 1)
		return;
	if (eb_run_sql("UPDATE eventbus.generations g SET state = 'drained'"
				   " WHERE g.state OPERATOR(pg_catalog.=) 'resumed'"
				   " AND NOT EXISTS (SELECT FROM eventbus.deliveries d"
				   " JOIN eventbus.target t"
				   " ON t.target_id OPERATOR(pg_catalog.=) d.target_id"
				   " JOIN eventbus.target_positions p"
				   " ON p.target_id OPERATOR(pg_catalog.=) d.target_id"
				   " AND p.generation OPERATOR(pg_catalog.=) d.generation"
				   " WHERE d.generation OPERATOR(pg_catalog.=) g.generation"
				   " AND d.last_seq OPERATOR(pg_catalog.>) p.position)"
				   " AND NOT EXISTS (SELECT FROM eventbus.delivery_retries r"
				   " WHERE r.generation OPERATOR(pg_catalog.=) g.generation)") > 0)
		eb_leaves_changed();
}

/* Begins a transaction for a part of the round; memory is the caller's. */
static void
begin_part(MemoryContext caller)
{
	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(caller);
}

static void
end_part(MemoryContext caller)
{
	PopActiveSnapshot();
	eb_worker_commit();
	MemoryContextSwitchTo(caller);
}

/* Queues: each part in a transaction of its own, which is short. */
static void
keep_queues(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *queues;
	List	   *leaves;
	ListCell   *cell;

	begin_part(caller);
	if (!OidIsValid(eb_relation_oid("queue")))
	{
		end_part(caller);
		return;
	}
	eb_queue_adopt();
	end_part(caller);

	begin_part(caller);
	eb_queue_clean_deleted();
	queues = eb_queue_list();
	leaves = eb_queue_old_leaves();
	end_part(caller);
	foreach(cell, queues)
	{
		begin_part(caller);
		eb_queue_keep(lfirst(cell));
		end_part(caller);
	}
	foreach(cell, leaves)
	{
		begin_part(caller);
		if (lock_leaves() && !eb_queue_drop_leaf(lfirst(cell)))
			locked_out = true;
		end_part(caller);
	}
}

static bool
seal_in_transaction(const EbLeaf *leaf)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		sealed;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	sealed = lock_leaves() && seal_if_possible(leaf);
	PopActiveSnapshot();
	eb_worker_commit();
	MemoryContextSwitchTo(caller);
	return sealed;
}

EbMaintenanceResult
eb_maintenance_run(void)
{
	EbMaintenanceResult result = {0, 0};
	EbSavedUser saved;
	ListCell   *cell;

	(void) eb_leaves_lock(true);
	result.leaves_made = eb_make_leaves();
	saved = eb_owner_enter();
	if (eb_shared == NULL)
		eb_deduplication_clean();	/* there is no worker to do it */
	foreach(cell, ended_leaves())
	{
		const EbLeaf *leaf = lfirst(cell);

		if (!leaf->sealed)
			result.leaves_sealed += seal_if_possible(leaf);
	}
	eb_owner_leave(saved);

	/* the worker is to freeze what was sealed */
	eb_wake_maintenance_at_commit();
	return result;
}

/* Leaves of the event log that are over and not frozen (copies). */
static List *
ended_leaves(void)
{
	const EbLeafArray *array = eb_leaves(eb_generation(), EB_LOG_EVENTS);
	TimestampTz now = GetCurrentTimestamp();
	List	   *result = NIL;

	for (int i = 0; i < array->nleaves; i++)
	{
		const EbLeaf *leaf = &array->leaves[i];

		if (leaf->range_end <= now && !leaf->frozen)
		{
			EbLeaf	   *copy = palloc(sizeof(EbLeaf));

			*copy = *leaf;
			result = lappend(result, copy);
		}
	}
	return result;
}

/* --- sealing -------------------------------------------------------------- */

/* Transactions older than this have ended, and their events are routed. */
static FullTransactionId
routed_horizon(void)
{
	EbCursor	cursor;

	if (!eb_cursor_read(eb_generation(), &cursor))
		return InvalidFullTransactionId;
	return FullTransactionIdFromU64(cursor.last_snapshot->xmin);
}

/* Takes a leaf as far on the way to its seal as it goes; true: sealed. */
static bool
seal_if_possible(const EbLeaf *leaf)
{
	FullTransactionId horizon = routed_horizon();

	if (!FullTransactionIdIsValid(leaf->seal_xid))
	{
		set_seal_xid(leaf);
		return false;
	}
	if (!FullTransactionIdPrecedes(leaf->seal_xid, horizon))
		return false;

	/* an old snapshot would not show what others have put meanwhile */
	if (IsolationUsesXactSnapshot())
		return false;

	/* CREATE INDEX would wait for it; somebody who writes there goes first */
	if (!ConditionalLockRelationOid(leaf->relid, ShareLock))
		return false;
	if (has_younger_rows(leaf, horizon))
		return false;
	eb_seal_leaf(eb_generation(), leaf);
	return true;
}

static void
set_seal_xid(const EbLeaf *leaf)
{
	eb_run_sql("UPDATE eventbus.leaves"
			   " SET seal_xid = '" UINT64_FORMAT "'"
			   " WHERE leaf_id = %d AND generation = %d",
			   U64FromFullTransactionId(ReadNextFullTransactionId()),
			   leaf->leaf_id, eb_generation());
	eb_leaves_changed();
}

/* Has it rows of transactions that may not be routed yet? */
static bool
has_younger_rows(const EbLeaf *leaf, FullTransactionId horizon)
{
	return eb_query_text("SELECT 'yes' FROM eventbus.%s"
						 " WHERE xid OPERATOR(pg_catalog.>=) '" UINT64_FORMAT "'"
						 " LIMIT 1", get_rel_name(leaf->relid),
						 U64FromFullTransactionId(horizon)) != NULL;
}

void
eb_seal_leaf(int32 generation, const EbLeaf *leaf)
{
	char	   *name = get_rel_name(leaf->relid);

	eb_run_sql("CREATE INDEX ON eventbus.%s (id)", name);
	eb_run_sql("CREATE INDEX ON eventbus.%s (bus_id, seq)", name);
	eb_run_sql("ANALYZE eventbus.%s", name);
	eb_run_sql("ALTER TABLE eventbus.%s RESET"
			   " (autovacuum_enabled, toast.autovacuum_enabled)", name);
	eb_run_sql("UPDATE eventbus.leaves"
			   " SET sealed_at = pg_catalog.clock_timestamp()"
			   " WHERE leaf_id = %d AND generation = %d",
			   leaf->leaf_id, generation);
	eb_leaves_changed();
}

/*
 * VACUUM (FREEZE), which makes transactions of its own. What is lost of it in
 * a crash is done again in a later round.
 */
static void
freeze(const EbLeaf *leaf)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		done;

	eb_worker_begin();
	MemoryContextSwitchTo(caller);
	done = vacuum_if_free(leaf);
	eb_worker_commit();
	if (!done)
		return;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (lock_leaves())
	{
		eb_run_sql("UPDATE eventbus.leaves"
				   " SET frozen_at = pg_catalog.clock_timestamp()"
				   " WHERE leaf_id = %d AND generation = %d",
				   leaf->leaf_id, eb_generation());
		eb_leaves_changed();
	}
	PopActiveSnapshot();
	eb_worker_commit();
	MemoryContextSwitchTo(caller);
}

/*
 * Ends the transaction that it is called in and begins another. False, without
 * that, when somebody has the leaf locked: VACUUM itself, which has to take the
 * lock again, could only skip it without a word to us.
 */
static bool
vacuum_if_free(const EbLeaf *leaf)
{
	VacuumStmt *stmt = makeNode(VacuumStmt);
	char	   *name = get_rel_name(leaf->relid);
	RangeVar   *range;

	if (name == NULL)
		return true;
	if (!ConditionalLockRelationOid(leaf->relid, ShareUpdateExclusiveLock))
	{
		locked_out = true;
		return false;
	}
	range = makeRangeVar(EB_SCHEMA, name, -1);
	stmt->options = list_make2(makeDefElem("freeze", NULL, -1),
							   makeDefElem("skip_locked", NULL, -1));
	stmt->rels = list_make1(makeVacuumRelation(range, leaf->relid, NIL));
	stmt->is_vacuumcmd = true;
	PortalContext = CurrentMemoryContext;
	ExecVacuum(make_parsestate(NULL), stmt, true);
	PortalContext = NULL;
	return true;
}
