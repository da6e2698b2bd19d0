/*-------------------------------------------------------------------------
 *
 * wake.c
 *		Wakes the router when a transaction that put events commits.
 *
 * A transaction notes what it did in flags of this process; callbacks of the
 * server act on them, after others can see the commit. That is later than the
 * transaction callback is called: the invalidation messages are sent after it,
 * and a router that is woken before them finds no change of the catalog, and
 * sleeps on. When the transaction's resources are released behind its locks,
 * they have been sent. A rolled-back savepoint does not clear a flag: the router then looks
 * once for nothing. A transaction that is prepared leaves its flags behind;
 * COMMIT PREPARED wakes the router in any case (utility.c).
 *
 * Many commits, one signal: the first that sets EbDatabase.put_pending sets
 * the router's latch. The router clears put_pending before it takes the
 * snapshot it routes by. Either that happens before the committer's exchange,
 * and the latch is set, or after it, and the snapshot shows the commit: the
 * exchange is a full barrier on both sides, and no wake-up is lost. No lock is
 * taken on this path; see shmem.c on reading a latch without one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/resowner.h"

#include "hold.h"
#include "shmem.h"
#include "wake.h"

/* what this transaction has done so far */
static bool events_put = false;
static bool extension_created = false;
static bool databases_changed = false;
static bool maintenance_asked = false;
static bool committed = false;

void
eb_wake_at_commit(void)
{
	events_put = true;
}

void
eb_wake_extension_created(void)
{
	extension_created = true;
}

void
eb_wake_launcher_at_commit(void)
{
	databases_changed = true;
}

void
eb_wake_maintenance_at_commit(void)
{
	maintenance_asked = true;
}

/* Sets the router's latch, or the launcher's where there is no router. */
static void
set_router_latch(EbDatabase *db)
{
	Latch	   *latch = db->router.latch;

	if (latch != NULL)
		SetLatch(latch);
	else
		eb_shmem_wake_launcher();
}

void
eb_wake_router(void)
{
	EbDatabase *db = eb_shmem_database(MyDatabaseId);

	if (db != NULL && pg_atomic_exchange_u32(&db->put_pending, 1) == 0)
		set_router_latch(db);
}

void
eb_wake_for_maintenance(void)
{
	EbDatabase *db = eb_shmem_database(MyDatabaseId);

	if (db != NULL && pg_atomic_exchange_u32(&db->maintenance_wanted, 1) == 0)
		set_router_latch(db);
}

static void
act_on_commit(void)
{
	if (events_put)
		eb_wake_router();
	if (extension_created)
		eb_shmem_request_probe(MyDatabaseId);
	if (databases_changed)
		eb_shmem_wake_launcher();
	if (maintenance_asked)
		eb_wake_for_maintenance();
}

static void
forget_transaction(void)
{
	events_put = false;
	extension_created = false;
	databases_changed = false;
	maintenance_asked = false;
	committed = false;
	eb_hold_release();
}

static void
transaction_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			committed = true;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_transaction();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (extension_created && eb_shared != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot prepare a transaction that has created extension \"eventbus\"")));
			break;
		default:
			break;
	}
}

static void
release_callback(ResourceReleasePhase phase, bool is_commit, bool is_top_level,
				 void *arg)
{
	if (!committed || !is_top_level || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	act_on_commit();
	forget_transaction();
}

void
eb_wake_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
	RegisterResourceReleaseCallback(release_callback, NULL);
}
