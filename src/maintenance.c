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
 *	3.	The one exception is a clock that was stepped back after 1. Mostly it
 *		is by little, and finds the leaf still open: nothing is sealed before
 *		it has been over for SEAL_DELAY. When it is by more, then, under
 *		a lock that keeps writers out, the leaf is asked for younger xids; if
 *		there are any, it waits for another round. From the seal on,
 *		eb_leaf_open() keeps new rows out.
 *
 * Sealing gives the leaf what readers of history need: indexes on the event
 * id and on (bus_id, seq), statistics, and, as VACUUM cannot run inside a
 * transaction, a VACUUM (FREEZE) by the worker afterwards, after which nobody
 * ever needs to write to it again.
 *
 * Two processes share the work. The router (eb_maintenance_prepare()) makes
 * leaves, takes xids, and stores its cursor: short things, and without it
 * nothing would be put or sealed. What takes long, seals and all that follows
 * them, is for the maintenance worker, and for eb_run_maintenance(). These two
 * may be at it at the same time: who seals a leaf holds a lock on it that no
 * two can have, until its seal can be seen.
 *
 * The worker also keeps the queues (queue_keep.c).
 *
 * None of them waits for a lock: who holds it may sit idle in a transaction.
 * What cannot be done now is for another round, soon.
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
#include "retention.h"
#include "router.h"
#include "schema.h"
#include "shmem.h"
#include "wake.h"
#include "worker.h"

#define SEAL_DELAY	(5 * USECS_PER_MINUTE)

static void clean_deduplication(void);
static bool lock_leaves(void);
static bool make_and_mark(bool *due);
static bool queues_are_due(void);
static EbLeaf *ended_leaves(int *nleaves);
static FullTransactionId routed_horizon(void);
static bool is_due(const EbLeaf *leaf, FullTransactionId horizon);
static void set_seal_xid(const EbLeaf *leaf);
static bool seal_in_transaction(const EbLeaf *leaf);
static bool seal_if_possible(const EbLeaf *leaf);
static bool is_open(const EbLeaf *leaf);
static bool has_younger_rows(const EbLeaf *leaf, FullTransactionId horizon);
static void freeze(const EbLeaf *leaf);
static bool vacuum_if_free(const EbLeaf *leaf);

/* Something was left out because somebody has it locked. */
static bool locked_out;

/* --- the router's part ---------------------------------------------------- */

bool
eb_maintenance_prepare(bool *due)
{
	EbLeaf		leaf = {.range_start = DT_NOBEGIN};
	bool		ended;

	locked_out = false;
	clean_deduplication();
	ended = make_and_mark(due);
	*due |= queues_are_due();
	if (ended)
	{
		eb_router_checkpoint();
		*due |= eb_maintenance_next(&leaf);
	}
	*due |= eb_retention_due();
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

static bool
queues_are_due(void)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		due;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	due = eb_queue_keep_is_due();
	PopActiveSnapshot();
	eb_worker_commit();
	MemoryContextSwitchTo(caller);
	return due;
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

/*
 * Makes leaves, and takes xids for those that are over. Returns whether there
 * are any that are not done with; *due: there is another generation to look at.
 */
static bool
make_and_mark(bool *due)
{
	const int32 *generations;
	EbLeaf	   *leaves;
	int			nleaves;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (eb_make_leaves(false) < 0)
		locked_out = true;
	leaves = ended_leaves(&nleaves);
	for (int i = 0; i < nleaves; i++)
	{
		if (!FullTransactionIdIsValid(leaves[i].seal_xid) && lock_leaves())
			set_seal_xid(&leaves[i]);
	}
	*due = eb_generations(&generations) > 1;
	PopActiveSnapshot();
	eb_worker_commit();
	return nleaves > 0;
}

/* --- the maintenance worker's --------------------------------------------- */

bool
eb_maintenance_next(EbLeaf *leaf)
{
	const EbLeafArray *array;
	FullTransactionId horizon;
	bool		found = false;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	horizon = routed_horizon();
	array = eb_leaves(eb_generation(), EB_LOG_EVENTS);
	for (int i = 0; i < array->nleaves && !found; i++)
	{
		found = array->leaves[i].range_start > leaf->range_start &&
			is_due(&array->leaves[i], horizon);
		if (found)
			*leaf = array->leaves[i];
	}
	PopActiveSnapshot();
	eb_worker_commit();
	return found;
}

bool
eb_maintenance_tend(const EbLeaf *leaf)
{
	locked_out = false;
	if (leaf->sealed || seal_in_transaction(leaf))
		freeze(leaf);
	return !locked_out;
}

/* --- the maintenance worker: queues ---------------------------------------- */

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

/* Each part in a transaction of its own, which is short. */
bool
eb_maintenance_keep_queues(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *queues;
	List	   *leaves;
	ListCell   *cell;

	locked_out = false;
	begin_part(caller);
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
	return !locked_out;
}

bool
eb_maintenance_retire(void)
{
	const int32 *generations;

	locked_out = false;
	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (eb_generations(&generations) > 1 && lock_leaves() &&
		eb_run_sql("UPDATE eventbus.generations g SET state = 'drained'"
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
	PopActiveSnapshot();
	eb_worker_commit();
	return !locked_out;
}

/* --- a user's ------------------------------------------------------------- */

EbMaintenanceResult
eb_maintenance_run(void)
{
	EbMaintenanceResult result = {0};
	EbSavedUser saved;
	EbLeaf	   *leaves;
	int			nleaves;

	(void) eb_leaves_lock(true);
	result.leaves_made = eb_make_leaves(true);
	saved = eb_owner_enter();
	if (eb_shared == NULL)
		eb_deduplication_clean();	/* there is no worker to do it */
	leaves = ended_leaves(&nleaves);
	for (int i = 0; i < nleaves; i++)
	{
		if (!FullTransactionIdIsValid(leaves[i].seal_xid))
			set_seal_xid(&leaves[i]);
		else if (!leaves[i].sealed)
			result.leaves_sealed += seal_if_possible(&leaves[i]);
	}
	eb_owner_leave(saved);
	result.leaves_dropped = eb_retention_run();

	/* the worker is to freeze what was sealed */
	eb_wake_maintenance_at_commit();
	return result;
}

/* --- which leaves --------------------------------------------------------- */

/* Leaves of the event log that are over and not frozen (a copy). */
static EbLeaf *
ended_leaves(int *nleaves)
{
	const EbLeafArray *array = eb_leaves(eb_generation(), EB_LOG_EVENTS);
	TimestampTz now = GetCurrentTimestamp();
	EbLeaf	   *ended = palloc(sizeof(EbLeaf) * Max(array->nleaves, 1));

	*nleaves = 0;
	for (int i = 0; i < array->nleaves; i++)
	{
		if (array->leaves[i].range_end <= now && !array->leaves[i].frozen)
			ended[(*nleaves)++] = array->leaves[i];
	}
	return ended;
}

/* Transactions older than this have ended, and their events are routed. */
static FullTransactionId
routed_horizon(void)
{
	EbCursor	cursor;

	if (!eb_cursor_read(eb_generation(), &cursor))
		return InvalidFullTransactionId;
	return FullTransactionIdFromU64(cursor.last_snapshot->xmin);
}

/* Is it to be sealed, or to be frozen, as far as the cursor can tell? */
static bool
is_due(const EbLeaf *leaf, FullTransactionId horizon)
{
	if (leaf->frozen || leaf->range_end + SEAL_DELAY > GetCurrentTimestamp())
		return false;
	return leaf->sealed ||
		(FullTransactionIdIsValid(leaf->seal_xid) &&
		 FullTransactionIdPrecedes(leaf->seal_xid, horizon));
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

/* --- sealing -------------------------------------------------------------- */

static bool
seal_in_transaction(const EbLeaf *leaf)
{
	bool		sealed;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	sealed = seal_if_possible(leaf);
	PopActiveSnapshot();
	eb_worker_commit();
	return sealed;
}

/* Seals a leaf that has a seal_xid, unless there is something against it. */
static bool
seal_if_possible(const EbLeaf *leaf)
{
	FullTransactionId horizon = routed_horizon();

	if (!is_due(leaf, horizon))
		return false;

	/* an old snapshot would not show what others have put meanwhile */
	if (IsolationUsesXactSnapshot())
		return false;

	/* somebody who writes there, or seals it, goes first */
	if (!ConditionalLockRelationOid(leaf->relid, ShareRowExclusiveLock))
	{
		locked_out = true;
		return false;
	}
	if (!is_open(leaf) || has_younger_rows(leaf, horizon))
		return false;
	eb_seal_leaf(eb_generation(), leaf);
	return true;
}

/* Is it, now that we have its lock, still there and not sealed? */
static bool
is_open(const EbLeaf *leaf)
{
	const EbLeaf *found = eb_leaf_by_id(eb_generation(), EB_LOG_EVENTS,
										leaf->leaf_id);

	return found != NULL && found->relid == leaf->relid && !found->sealed;
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

	/* VACUUM is to find its statement after its transactions, too */
	eb_worker_begin();
	MemoryContextSwitchTo(caller);
	done = vacuum_if_free(leaf);
	eb_worker_commit();
	if (!done)
		return;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	eb_run_sql("UPDATE eventbus.leaves"
			   " SET frozen_at = pg_catalog.clock_timestamp()"
			   " WHERE leaf_id = %d AND generation = %d",
			   leaf->leaf_id, eb_generation());
	eb_leaves_changed();
	PopActiveSnapshot();
	eb_worker_commit();
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
