/*-------------------------------------------------------------------------
 *
 * dispatcher_pool.c
 *		The dispatchers of a database, as its router sees them.
 *
 * The router starts dispatchers, and nobody else does: they are numbered
 * places in shared memory, filled from 0. A place is asked for once; until the
 * process takes it or the postmaster says that it ended, the handle tells. A
 * router that is new finds dispatchers of the last one in their places and
 * goes on with them; one that is just being started it may ask for a second
 * time, and the second finds the place taken.
 *
 * Wanted is what the last call said, until that many have been started. A
 * dispatcher that left work behind is started again: after its back-off when
 * it failed, and until then the next number takes its turn; after a moment
 * when it made room for another worker. One that left because nothing was to
 * do is not.
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
#define RETRY_MS	200

/* launches that are under way, NULL where none is */
static BackgroundWorkerHandle *launches[EB_MAX_DISPATCHERS];

/* so many, from number 0 on, are still to be started or woken */
static int	wanted = 0;

/* no free background worker slot: not before */
static TimestampTz retry_at = 0;

/* Is a dispatcher of that number on its way to its place? */
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

static void
launch(int number)
{
	static char datname[NAMEDATALEN] = "";
	MemoryContext caller = CurrentMemoryContext;

	if (datname[0] == '\0')
	{
		StartTransactionCommand();
		strlcpy(datname, get_database_name(MyDatabaseId), NAMEDATALEN);
		CommitTransactionCommand();
	}
	MemoryContextSwitchTo(TopMemoryContext);
	if (!eb_worker_launch(MyDatabaseId, datname, number, &launches[number]))
		retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											   RETRY_MS);
	MemoryContextSwitchTo(caller);
}

/* A copy of that dispatcher's place. */
static EbWorkerSlot
look_at_place(int number)
{
	EbWorkerSlot copy;

	LWLockAcquire(eb_shared->lock, LW_SHARED);
	copy = eb_worker_database()->dispatchers[number];
	LWLockRelease(eb_shared->lock);
	return copy;
}

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
tend(int number, int needed, TimestampTz now)
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
	launch(number);
	return retry_at > now ? retry_at : 0;
}

long
eb_worker_tend_dispatchers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = 0;
	int			needed = wanted;

	for (int i = 0; i < eb_guc_max_dispatchers; i++)
	{
		TimestampTz again = tend(i, needed, now);

		if (is_backing_off(i, now))
			needed++;
		if (again != 0 && (next == 0 || again < next))
			next = again;
	}
	if (next == 0)
	{
		/* all that are wanted were started */
		wanted = 0;
		return -1;
	}
	return Max(1, TimestampDifferenceMilliseconds(now, next));
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
