/*-------------------------------------------------------------------------
 *
 * retention.c
 *		Drops dead letters and logged attempts that are older than they are kept.
 *
 * They go by whole partitions, when all in one is older than
 * eventbus.dead_letter_retention or eventbus.delivery_log_retention says; those
 * of restored logs, too. What says that dead letters were resolved goes with
 * them.
 *
 * DROP TABLE of a partition locks its parent against readers. Nobody is waited
 * for here, so nobody waits behind us: locks are taken if they are free, and
 * are held for one partition. Dispatchers, which open the partition of today by
 * itself, are not concerned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "guc.h"
#include "partition.h"
#include "retention.h"
#include "schema.h"
#include "subtransaction.h"
#include "worker.h"

/* Minutes; a partition that would be made again at once is no use to drop. */
static int
kept_minutes(int setting)
{
	return Max(setting, Max(eb_guc_leaf_width, 24 * 60));
}

/* Names of the leaves that are too old, in CurrentMemoryContext. */
static List *
old_leaves(void)
{
	char	   *query;

	query = psprintf("SELECT l.name FROM eventbus.leaves l JOIN (VALUES"
					 " ('dead_letter_log', %d, %d), ('delivery_log', %d, %d))"
					 " k (parent, setting, minutes)"
					 " ON k.parent OPERATOR(pg_catalog.=) l.parent"
					 " WHERE k.setting OPERATOR(pg_catalog.>) 0"
					 " AND l.range_end OPERATOR(pg_catalog.<)"
					 " (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"
					 " pg_catalog.make_interval(mins => k.minutes))"
					 " ORDER BY l.range_end",
					 eb_guc_dead_letter_retention,
					 kept_minutes(eb_guc_dead_letter_retention),
					 eb_guc_delivery_log_retention,
					 kept_minutes(eb_guc_delivery_log_retention));
	return eb_query_list(query);
}

/* Locks a leaf and its parent as DROP TABLE will, if they are free. */
static bool
lock_leaf(Oid leaf)
{
	if (get_rel_relispartition(leaf) &&
		!ConditionalLockRelationOid(get_partition_parent(leaf, true),
									AccessExclusiveLock))
		return false;
	return ConditionalLockRelationOid(leaf, AccessExclusiveLock);
}

/* For eb_try(). */
static void
drop(void *arg)
{
	const char *name = arg;
	Oid			leaf = eb_relation_oid(name);

	if (OidIsValid(leaf))
	{
		if (strncmp(name, "dead_letter_log", strlen("dead_letter_log")) == 0)
			eb_run_sql("DELETE FROM eventbus.resolved_dead_letters r"
					   " USING eventbus.%s d WHERE r.dead_letter_id"
					   " OPERATOR(pg_catalog.=) d.dead_letter_id", name);
		eb_run_sql("DROP TABLE eventbus.%s", name);
	}
	eb_run_sql("DELETE FROM eventbus.leaves"
			   " WHERE name OPERATOR(pg_catalog.=) '%s'", name);
	eb_leaves_changed();
}

/*
 * Drops a leaf, if it is free. Something of a user's may depend on it, a view
 * for example: that is logged, and the leaf stays. False: it is locked.
 */
static bool
drop_if_free(char *name, int *dropped)
{
	Oid			leaf = eb_relation_oid(name);
	ErrorData  *error;

	if (!eb_leaves_lock(false) || (OidIsValid(leaf) && !lock_leaf(leaf)))
		return false;
	error = eb_try(drop, name);
	if (error == NULL)
		(*dropped)++;
	else
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("could not drop partition \"%s\"", name),
				 errdetail_internal("%s", error->message)));
	return true;
}

static void
begin(MemoryContext caller)
{
	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(caller);
}

static void
end(MemoryContext caller)
{
	PopActiveSnapshot();
	eb_worker_commit();
	MemoryContextSwitchTo(caller);
}

/* The names for workers, in CurrentMemoryContext. */
static List *
old_leaves_now(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *names;

	begin(caller);
	names = old_leaves();
	end(caller);
	return names;
}

bool
eb_retention_due(void)
{
	return old_leaves_now() != NIL;
}

void
eb_retention_round(void)
{
	MemoryContext caller = CurrentMemoryContext;
	int			dropped = 0;
	ListCell   *cell;

	foreach(cell, old_leaves_now())
	{
		begin(caller);
		(void) drop_if_free(lfirst(cell), &dropped);
		end(caller);
	}
}

int
eb_retention_run(void)
{
	EbSavedUser saved = eb_owner_enter();
	int			dropped = 0;
	ListCell   *cell;

	foreach(cell, old_leaves())
		(void) drop_if_free(lfirst(cell), &dropped);
	eb_owner_leave(saved);
	return dropped;
}
