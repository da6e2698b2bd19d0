/*-------------------------------------------------------------------------
 *
 * maintenance_worker.c
 *		A process for what takes long and nobody waits for.
 *
 * The router starts it when it finds leaves of the log that are to be sealed
 * or frozen, or that are older than what is in them is kept, and now and then
 * where there are queues (worker_pool.c). It keeps the queues, then goes through
 * the leaves, oldest first, each once, and
 * leaves. What fails is reported, and does not keep it from the rest; it leaves
 * as one that failed then, and comes again after its back-off. So it is with a
 * query that is cancelled. What somebody has locked it leaves undone, and comes
 * again soon.
 *
 * Between two leaves it makes room for any worker that lacks a background
 * worker slot (worker.c). It has then done one at least: it gets on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "maintenance.h"
#include "retention.h"
#include "worker.h"

PGDLLEXPORT void eb_maintenance_main(Datum main_arg);

static bool failed = false;
static bool undone = false;

static void
tend(const EbLeaf *leaf)
{
	PG_TRY();
	{
		if (!eb_maintenance_tend(leaf))
			undone = true;
	}
	PG_CATCH();
	{
		eb_worker_recover();
		failed = true;
	}
	PG_END_TRY();
	eb_worker_next();
}

static void
keep_queues(void)
{
	PG_TRY();
	{
		if (!eb_maintenance_keep_queues())
			undone = true;
	}
	PG_CATCH();
	{
		eb_worker_recover();
		failed = true;
	}
	PG_END_TRY();
	eb_worker_next();
}

/* Leaves where another worker needs our background worker slot more. */
static void
give_way(void)
{
	if (eb_worker_should_give_way(0))
		eb_worker_leave(failed ? EB_LEAVE_FAILED : EB_LEAVE_UNDONE);
}

void
eb_maintenance_main(Datum main_arg)
{
	EbLeaf		leaf = {.range_start = DT_NOBEGIN};

	(void) eb_worker_start();
	keep_queues();
	while (eb_maintenance_next(&leaf))
	{
		tend(&leaf);
		give_way();
	}
	if (!eb_maintenance_retire())
		undone = true;
	eb_retention_round();
	eb_worker_leave(failed ? EB_LEAVE_FAILED :
					undone ? EB_LEAVE_UNDONE : EB_LEAVE_IDLE);
}
