/*-------------------------------------------------------------------------
 *
 * eventbus.c
 *		Entry: what happens when the library is loaded.
 *
 * Preloaded, it sets up shared memory and the launcher, and backends inherit
 * the hooks. Loaded by a backend later, it can take events but nothing routes
 * them: there is no shared memory to wake a router through, and none runs.
 * During pg_upgrade it does nothing at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "causation.h"
#include "compat.h"
#include "guc.h"
#include "launcher.h"
#include "queue_hint.h"
#include "shmem.h"
#include "utility.h"
#include "wake.h"
#include "workqueue.h"

EB_MODULE_MAGIC("eventbus", "1.0");

PGDLLEXPORT void _PG_init(void);

/* EbShared.lock and the work queue's, in this order */
#define LWLOCKS		2

static shmem_request_hook_type next_shmem_request_hook = NULL;
static shmem_startup_hook_type next_shmem_startup_hook = NULL;

static void
request_shmem(void)
{
	if (next_shmem_request_hook)
		next_shmem_request_hook();
	RequestAddinShmemSpace(eb_shmem_size());
	RequestAddinShmemSpace(eb_workqueue_shmem_size());
	RequestAddinShmemSpace(eb_queue_hint_shmem_size());
	RequestNamedLWLockTranche("eventbus", LWLOCKS);
}

static void
start_shmem(void)
{
	if (next_shmem_startup_hook)
		next_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	eb_shmem_init();
	eb_workqueue_shmem_init();
	eb_queue_hint_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

void
_PG_init(void)
{
	if (IsBinaryUpgrade)
		return;

	eb_causation_init();
	eb_guc_init();
	eb_wake_init();
	eb_queue_hint_init();
	eb_utility_init();
	if (!process_shared_preload_libraries_in_progress)
		return;

	next_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	next_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
	eb_launcher_register();
}
