/*-------------------------------------------------------------------------
 *
 * worker_pool.c
 *		The workers that a router starts: dispatchers, and the maintenance
 *		worker.
 *
 * The router starts them, and nobody else does: they are numbered places in
 * shared memory; those of dispatchers are filled from 0. A place is asked for
 * once; until the process takes it or the postmaster says that it ended, the
 * handle tells. A router that is new finds workers of the last one in their
 * places and goes on with them; one that is just being started it may ask for
 * a second time, and the second finds the place taken.
 *
 * Wanted is what the last call said, until that many have been started. A
 * worker that left something undone is started again: after its back-off when
 * it failed, and until then the next dispatcher takes its turn; after a moment
 * when it made room for another worker. One that left because nothing was to
 * do is not.
 *
 * Where background worker slots are few, maintenance comes after deliveries: at
 * first only idle workers make room for it. It must not wait for ever, though:
 * when it has for URGENT_MS, a busy one has to, and it comes first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "guc.h"
#include "worker.h"

/* how long until a free background worker slot is looked for again */
#define RETRY_MS				200
#define MAINTENANCE_RETRY_MS	1000

#define URGENT_MS				10000

/* launches that are under way, by number, NULL where none is */
static BackgroundWorkerHandle *launches[EB_LAST_WORKER + 1];

/* so many dispatchers, from number 0 on, are still to be started or woken */
static int	wanted = 0;
static bool maintenance_wanted = false;

/* no free background worker slot: not before */
static TimestampTz retry_at = 0;
static TimestampTz maintenance_retry_at = 0;

/* since when there has been none for maintenance, 0: there was one */
static TimestampTz maintenance_waits_since = 0;

/* Is a worker of that number on its way to its place? */
static bool
is_under_way(int number)
{
	pid_t		pid;

	if (launches[number] == NULL)
		return false;
	if (GetBackgroundWorkerPid(launches[number], &pid) != BGWH_STOPPED)
		return true;
	pfree(launches[number]);
	launches[number] = NULL;
	return false;
}

/* Asks for that worker. False: there is no slot for it. */
static bool
launch(int number, bool urgent)
{
	static char datname[NAMEDATALEN] = "";
	MemoryContext caller = CurrentMemoryContext;
	bool		launched;

	if (datname[0] == '\0')
	{
		StartTransactionCommand();
		strlcpy(datname, get_database_name(MyDatabaseId), NAMEDATALEN);
		CommitTransactionCommand();
	}
	MemoryContextSwitchTo(TopMemoryContext);
	launched = eb_worker_launch(MyDatabaseId, datname, number, urgent,
								&launches[number]);
	MemoryContextSwitchTo(caller);
	return launched;
}

/* A copy of that worker's place. */
static EbWorkerSlot
look_at_place(int number)
{
	EbWorkerSlot copy;

	LWLockAcquire(eb_shared->lock, LW_SHARED);
	copy = *eb_shmem_place(eb_worker_database(), number);
	LWLockRelease(eb_shared->lock);
	return copy;
}

/* ---- dispatchers ---- */

/* Has that dispatcher failed, and is not to be started yet? */
static bool
is_backing_off(int number, TimestampTz now)
{
	EbWorkerSlot place = look_at_place(number);

	return place.pid == 0 && place.failures > 0 &&
		!eb_is_due(place.restart_at, now);
}

/*
 * Starts dispatcher number if it is below needed, or left work behind, and
 * can be started now. Returns when to look again, 0: no need.
 */
static TimestampTz
tend_dispatcher(int number, int needed, TimestampTz now)
{
	EbWorkerSlot place = look_at_place(number);

	if (place.pid != 0 || is_under_way(number))
		return 0;
	if (number >= needed && place.restart_at == 0)
		return 0;
	if (!eb_is_due(place.restart_at, now))
		return place.restart_at;
	if (!eb_is_due(retry_at, now))
		return retry_at;
	if (launch(number, false))
		return 0;
	retry_at = TimestampTzPlusMilliseconds(now, RETRY_MS);
	return retry_at;
}

/* The sooner of two times, of which each may be 0: never. */
static TimestampTz
sooner(TimestampTz one, TimestampTz other)
{
	return one == 0 || (other != 0 && other < one) ? other : one;
}

/* Starts those that are wanted. Returns as tend_dispatcher() does. */
static TimestampTz
tend_dispatchers(TimestampTz now)
{
	TimestampTz next = 0;
	int			needed = wanted;

	for (int i = 0; i < eb_guc_max_dispatchers; i++)
	{
		next = sooner(next, tend_dispatcher(i, needed, now));
		if (is_backing_off(i, now))
			needed++;
	}
	if (next == 0)
		wanted = 0;				/* all were started */
	return next;
}

void
eb_worker_want_dispatchers(int needed)
{
	EbDatabase *db = eb_worker_database();
	TimestampTz now = GetCurrentTimestamp();

	Assert(eb_worker_dispatcher_number() == EB_ROUTER_NUMBER);
	wanted = Min(needed, eb_guc_max_dispatchers);
	for (int i = 0; i < needed && i < eb_guc_max_dispatchers; i++)
	{
		Latch	   *latch = db->dispatchers[i].latch;

		if (latch != NULL)
			SetLatch(latch);
		else if (is_backing_off(i, now))
			needed++;
	}
}

/* ---- maintenance ---- */

/* Has it waited for a slot too long? */
static bool
is_urgent(TimestampTz now)
{
	return maintenance_waits_since != 0 &&
		TimestampDifferenceExceeds(maintenance_waits_since, now, URGENT_MS);
}

/*
 * Starts the maintenance worker if it is wanted, or left something undone, and
 * can be started now. Returns when to look again, 0: no need.
 */
static TimestampTz
tend_maintenance(TimestampTz now)
{
	EbWorkerSlot place = look_at_place(EB_MAINTENANCE_NUMBER);

	/* one that runs may be past what it is wanted for now */
	if (place.pid != 0 || is_under_way(EB_MAINTENANCE_NUMBER))
		return 0;
	if (!maintenance_wanted && place.restart_at == 0)
		return 0;
	if (!eb_is_due(place.restart_at, now))
		return place.restart_at;
	if (!eb_is_due(maintenance_retry_at, now))
		return maintenance_retry_at;
	if (launch(EB_MAINTENANCE_NUMBER, is_urgent(now)))
	{
		maintenance_wanted = false;
		maintenance_waits_since = 0;
		return 0;
	}
	if (maintenance_waits_since == 0 || maintenance_waits_since > now)
		maintenance_waits_since = now;
	maintenance_retry_at =
		TimestampTzPlusMilliseconds(now, MAINTENANCE_RETRY_MS);
	return maintenance_retry_at;
}

void
eb_worker_want_maintenance(void)
{
	maintenance_wanted = true;
}

/* ---- both ---- */

long
eb_worker_tend_pool(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = 0;

	if (is_urgent(now))
		next = tend_maintenance(now);
	next = sooner(next, tend_dispatchers(now));
	next = sooner(next, tend_maintenance(now));
	if (next == 0)
		return -1;
	return Max(1, TimestampDifferenceMilliseconds(now, next));
}
