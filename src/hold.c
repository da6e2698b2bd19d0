/*-------------------------------------------------------------------------
 *
 * hold.c
 *		Keeps workers out of a database while a command needs it empty.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME or SET TABLESPACE and CREATE
 * DATABASE ... TEMPLATE give up, after five seconds, on a database that others
 * are connected to. So the backend that runs one (utility.c) first takes a
 * hold on the database:
 *
 *	1. It writes its pid and the database into a free EbHold.
 *	2. It sends SIGTERM to the workers that sit in that database's places. A
 *	   worker takes its place before it connects and leaves it after it was
 *	   removed from the list of backends (worker.c): an empty place means that
 *	   the command will not see the process either. Both look at places and
 *	   holds under EbShared.lock, so a worker that starts just now either has
 *	   its place already, and gets the signal, or sees the hold, and leaves.
 *	3. It waits until the places are empty.
 *
 * DROP EXTENSION and ALTER EXTENSION UPDATE take one on their own database: they
 * would wait for the batch of a dispatcher, and so for the code of a target,
 * which may run for long.
 *
 * The hold ends with the transaction, whichever way that ends (wake.c), so
 * after the command's effect on pg_database can be seen. The launcher then
 * starts the workers again, if the database is still there. A hold of a backend
 * that is gone does not count; there should be none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/wait_event.h"

#include "hold.h"
#include "shmem.h"

#define LEAVE_TIMEOUT_MS	10000
#define POLL_MS				100

static EbHold *own_hold = NULL;

bool
eb_hold_is_held(Oid dboid)
{
	Assert(LWLockHeldByMe(eb_shared->lock));

	for (int i = 0; i < EB_MAX_HOLDS; i++)
	{
		EbHold	   *hold = &eb_shared->holds[i];

		if (hold->pid != 0 && hold->dboid == dboid &&
			BackendPidGetProc(hold->pid) != NULL)
			return true;
	}
	return false;
}

/* Writes this backend's hold down; false when there is no room. */
static bool
take_hold(Oid dboid)
{
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < EB_MAX_HOLDS && own_hold == NULL; i++)
	{
		EbHold	   *hold = &eb_shared->holds[i];

		if (hold->pid == 0 || BackendPidGetProc(hold->pid) == NULL)
		{
			hold->pid = MyProcPid;
			hold->dboid = dboid;
			own_hold = hold;
		}
	}
	LWLockRelease(eb_shared->lock);
	return own_hold != NULL;
}

static int
end_worker(const EbWorkerSlot *place)
{
	if (place->pid == 0)
		return 0;
	(void) kill(place->pid, SIGTERM);
	return 1;
}

/*
 * Sends SIGTERM to all workers of the database, and says how many there are.
 * Under the lock, so that none can leave its place to another process.
 */
static int
end_workers(Oid dboid)
{
	EbDatabase *db;
	int			n = 0;

	LWLockAcquire(eb_shared->lock, LW_SHARED);
	db = eb_shmem_database(dboid);
	if (db != NULL)
	{
		for (int i = EB_FIRST_WORKER; i <= EB_LAST_WORKER; i++)
			n += end_worker(eb_shmem_place(db, i));
	}
	LWLockRelease(eb_shared->lock);
	return n;
}

/* Sleeps until a worker left or a little time passed; checks interrupts. */
static void
wait_a_little(void)
{
	ConditionVariableTimedSleep(&eb_shared->worker_left, POLL_MS,
								WAIT_EVENT_BGWORKER_SHUTDOWN);
}

void
eb_hold_database(Oid dboid)
{
	TimestampTz deadline;

	if (eb_shared == NULL || !OidIsValid(dboid))
		return;
	Assert(IsTransactionState());
	if (own_hold != NULL)
	{
		/* an extension dropped twice in one transaction */
		Assert(own_hold->dboid == dboid);
		return;
	}

	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										   LEAVE_TIMEOUT_MS);
	ConditionVariablePrepareToSleep(&eb_shared->worker_left);
	while (!take_hold(dboid) ||
		   (end_workers(dboid) > 0 && GetCurrentTimestamp() < deadline))
		wait_a_little();
	ConditionVariableCancelSleep();
}

void
eb_hold_release(void)
{
	if (own_hold == NULL)
		return;
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	own_hold->pid = 0;
	own_hold->dboid = InvalidOid;
	own_hold = NULL;
	LWLockRelease(eb_shared->lock);
	eb_shmem_wake_launcher();
}
