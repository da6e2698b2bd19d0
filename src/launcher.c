/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		Finds the databases that have the extension, and keeps a router running
 *		in each.
 *
 * One static worker, started when the server accepts writes: after recovery,
 * so on a standby when it is promoted. It connects to no database and reads
 * pg_database only. Whether a database has the extension can be seen only from
 * inside, so the launcher starts a router there: one that finds no extension
 * says so and leaves. A database is looked into once, and again when somebody
 * creates the extension in it.
 *
 *		a turn:	read pg_database
 *				free the slots of databases that are gone
 *				note databases whose router found no extension
 *				start one router, when the last one has settled
 *				wait for a latch: a worker left, a router settled, a commit
 *				that concerns us; or for the next time that something is due
 *
 * One start at a time: a probe costs a background worker slot for some
 * milliseconds, and a thousand databases must not want a thousand slots. Who
 * is next goes round by OID, so a database whose router fails, or that finds
 * no free slot, cannot keep the others from their turn. Where slots are too few
 * for all, idle routers leave for others (eb_worker_should_give_way), and come
 * back when a commit wakes us for them.
 *
 * What the launcher knows besides shared memory (databases without the
 * extension, the start under way) it can lose: a new launcher finds the
 * running routers in their places, and looks into the other databases again.
 * Were a router started twice, the second would find the place taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "eventbus.h"
#include "guc.h"
#include "hold.h"
#include "launcher.h"
#include "worker.h"
#include "workqueue.h"

#define MAX_BACKOFF_S	60		/* as in worker.c */
#define SETTLE_MS		10000	/* a start that takes longer is not waited for */
#define RETRY_MS		500		/* after no free background worker slot */

PGDLLEXPORT void eb_launcher_main(Datum main_arg);

typedef struct Candidate
{
	Oid			dboid;
	char	   *datname;
} Candidate;

/* The start under way; handle NULL: none. */
typedef struct Start
{
	Oid			dboid;
	BackgroundWorkerHandle *handle;
	TimestampTz deadline;
} Start;

static Start start = {0};
static Oid	last_started = InvalidOid;
static TimestampTz retry_at = 0;	/* no start before */
static bool complained_of_room = false;

/* databases without the extension, in TopMemoryContext */
static List *absent = NIL;

void
eb_launcher_register(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, EB_LIBRARY_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "eb_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "eventbus launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "eventbus launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/* ---- databases ---- */

static int
compare_candidates(const ListCell *a, const ListCell *b)
{
	Oid			left = ((Candidate *) lfirst(a))->dboid;
	Oid			right = ((Candidate *) lfirst(b))->dboid;

	return left < right ? -1 : left > right;
}

/* Can ordinary sessions connect to it? Nobody expects any in a template. */
static bool
is_eligible(Form_pg_database form)
{
	return form->datallowconn && !form->datistemplate &&
		!database_is_invalid_form(form);
}

/*
 * The databases that can have workers, as Candidate *, by OID, in
 * CurrentMemoryContext. Runs its own transaction.
 */
static List *
read_databases(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *candidates = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (is_eligible(form))
		{
			MemoryContext inside = MemoryContextSwitchTo(caller);
			Candidate  *candidate = palloc(sizeof(Candidate));

			candidate->dboid = form->oid;
			candidate->datname = pstrdup(NameStr(form->datname));
			candidates = lappend(candidates, candidate);
			MemoryContextSwitchTo(inside);
		}
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);

	list_sort(candidates, compare_candidates);
	return candidates;
}

static bool
is_candidate(List *candidates, Oid dboid)
{
	ListCell   *cell;

	foreach(cell, candidates)
	{
		if (((Candidate *) lfirst(cell))->dboid == dboid)
			return true;
	}
	return false;
}

/* ---- slots ---- */

/* Sends SIGTERM to those who sit in the slot; says whether there are any. */
static bool
end_workers(EbDatabase *db)
{
	bool		any = false;

	for (int i = EB_FIRST_WORKER; i <= EB_LAST_WORKER; i++)
	{
		EbWorkerSlot *place = eb_shmem_place(db, i);

		if (place->pid == 0)
			continue;
		any = true;
		(void) kill(place->pid, SIGTERM);
	}
	return any;
}

static void
free_slot(EbDatabase *db)
{
	eb_workqueue_forget(db->dboid);
	db->state = EB_DATABASE_FREE;
	db->dboid = InvalidOid;
}

static void
note_absent(Oid dboid)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	absent = list_append_unique_oid(absent, dboid);
	MemoryContextSwitchTo(caller);
}

/*
 * Frees the slots of databases that are gone or must have no workers, and of
 * those without the extension. Waits for nobody: workers that have to leave
 * first wake us when they have.
 */
static void
clear_slots(List *candidates)
{
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < eb_shared->ndatabases; i++)
	{
		EbDatabase *db = &eb_shared->databases[i];
		bool		unwanted;

		if (!OidIsValid(db->dboid))
			continue;
		unwanted = !is_candidate(candidates, db->dboid);
		if (db->state == EB_DATABASE_ABSENT)
			note_absent(db->dboid);
		else if (!unwanted)
			continue;
		if (!end_workers(db))
			free_slot(db);
	}
	LWLockRelease(eb_shared->lock);
}

/*
 * Forgets what was known of databases that are gone; all, when somebody could
 * not tell us that a database has the extension now.
 */
static void
clear_absent(List *candidates)
{
	bool		all;
	ListCell   *cell;

	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	all = eb_shared->probe_lost;
	eb_shared->probe_lost = false;
	LWLockRelease(eb_shared->lock);

	if (all)
	{
		list_free(absent);
		absent = NIL;
	}
	foreach(cell, absent)
	{
		if (!is_candidate(candidates, lfirst_oid(cell)))
			absent = foreach_delete_current(absent, cell);
	}
}

/* ---- starting routers ---- */

/* The router ended, or never began, before it took its place. */
static void
count_early_end(EbDatabase *db)
{
	int			seconds = 1 << Min(db->router.failures, 10);

	db->state = EB_DATABASE_BACKOFF;
	db->router.failures++;
	db->router.restart_at =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									1000L * Min(seconds, MAX_BACKOFF_S));
}

/*
 * Has the start under way come to an end, be it that the router runs or that
 * its process is gone (so that its background worker slot is free again)?
 */
static bool
is_settled(void)
{
	EbDatabase *db;
	pid_t		pid;
	bool		ended;
	bool		settled;

	if (start.handle == NULL)
		return true;

	ended = GetBackgroundWorkerPid(start.handle, &pid) == BGWH_STOPPED;
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	db = eb_shmem_database(start.dboid);
	if (ended && db != NULL && db->router.pid == 0 &&
		db->state == EB_DATABASE_STARTING)
		count_early_end(db);
	settled = ended || db == NULL || db->state == EB_DATABASE_RUNNING ||
		eb_is_due(start.deadline, GetCurrentTimestamp());
	LWLockRelease(eb_shared->lock);

	if (settled)
	{
		pfree(start.handle);
		start.handle = NULL;
	}
	return settled;
}

/* Did a router that gave way leave something undone, or has it now? */
static bool
has_work(EbDatabase *db)
{
	return pg_atomic_read_u32(&db->put_pending) != 0 ||
		pg_atomic_read_u32(&db->maintenance_wanted) != 0 ||
		pg_atomic_read_u64(&db->route_wanted) >
		pg_atomic_read_u64(&db->route_done);
}

/* Is there a free slot for one more database? */
static bool
has_room(void)
{
	return eb_shmem_database(InvalidOid) != NULL;
}

/*
 * When may a router be started in that database: 0, now; DT_NOEND, not as
 * things stand. The caller holds the lock.
 */
static TimestampTz
due_at(Oid dboid)
{
	EbDatabase *db = eb_shmem_database(dboid);

	if (eb_hold_is_held(dboid))
		return DT_NOEND;
	if (db == NULL)
		return list_member_oid(absent, dboid) || !has_room() ? DT_NOEND : 0;
	if (db->router.pid != 0)
		return DT_NOEND;

	switch (db->state)
	{
		case EB_DATABASE_PROBE:
			return 0;
		case EB_DATABASE_BACKOFF:
			if (db->router.failures == 0 && has_work(db))
				return 0;
			return db->router.restart_at;
		case EB_DATABASE_STARTING:
		case EB_DATABASE_RUNNING:
			/* asked for, and never seen since */
			return db->router.restart_at;
		case EB_DATABASE_FREE:
		case EB_DATABASE_ABSENT:
			break;
	}
	return DT_NOEND;
}

/* Says, once, that a database cannot even be looked into. */
static void
complain_of_room(List *candidates)
{
	Candidate  *outside = NULL;
	ListCell   *cell;

	LWLockAcquire(eb_shared->lock, LW_SHARED);
	foreach(cell, candidates)
	{
		Candidate  *candidate = lfirst(cell);

		if (eb_shmem_database(candidate->dboid) == NULL &&
			!list_member_oid(absent, candidate->dboid) && !has_room())
			outside = candidate;
	}
	LWLockRelease(eb_shared->lock);

	if (outside != NULL && !complained_of_room)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many databases for eventbus"),
				 errdetail("Database \"%s\" gets no workers.",
						   outside->datname),
				 errhint("You might need to increase eventbus.max_databases.")));
	complained_of_room = outside != NULL;
}

/*
 * Marks the slot of a database as being started, and keeps what it was. NULL
 * when no slot is free.
 */
static EbDatabase *
prepare_slot(Oid dboid, EbDatabase *before)
{
	EbDatabase *db;

	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	db = eb_shmem_take_database(dboid);
	if (db != NULL)
	{
		before->state = db->state;
		before->probe_wanted = db->probe_wanted;
		db->state = EB_DATABASE_STARTING;
		db->probe_wanted = false;
		db->router.restart_at = start.deadline;
	}
	LWLockRelease(eb_shared->lock);
	return db;
}

/* Takes back what prepare_slot() did. */
static void
restore_slot(EbDatabase *db, const EbDatabase *before)
{
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	db->state = before->state;
	db->probe_wanted |= before->probe_wanted;
	db->router.restart_at = 0;
	LWLockRelease(eb_shared->lock);
}

/*
 * Asks for a router. Where there is no background worker slot to be had, none
 * is asked for during the next RETRY_MS.
 */
static void
start_router(const Candidate *candidate)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	EbDatabase *db;
	EbDatabase	before;
	bool		started = false;

	start.dboid = last_started = candidate->dboid;
	start.deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												 SETTLE_MS);
	db = prepare_slot(candidate->dboid, &before);
	if (db != NULL)
	{
		started = eb_worker_launch(candidate->dboid, candidate->datname,
								   EB_ROUTER_NUMBER, false, &start.handle);
		if (!started)
			restore_slot(db, &before);
	}
	if (!started)
		retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											   RETRY_MS);
	MemoryContextSwitchTo(caller);
}

/*
 * The database to start a router in: the first that is due after the one that
 * was started last, going round. NULL when none is; *next is then lowered to
 * when one will be.
 */
static Candidate *
choose(List *candidates, TimestampTz *next)
{
	Candidate  *first = NULL;
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *cell;

	LWLockAcquire(eb_shared->lock, LW_SHARED);
	foreach(cell, candidates)
	{
		Candidate  *candidate = lfirst(cell);
		TimestampTz due = due_at(candidate->dboid);

		if (due == DT_NOEND)
			continue;
		if (!eb_is_due(due, now))
			*next = Min(*next, due);
		else if (first == NULL ||
				 (first->dboid <= last_started &&
				  candidate->dboid > last_started))
			first = candidate;
	}
	LWLockRelease(eb_shared->lock);
	return first;
}

/* One turn. Returns when the next one is due. */
static TimestampTz
turn(void)
{
	List	   *candidates = read_databases();
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next =
		TimestampTzPlusMilliseconds(now, eb_guc_safety_interval * 1000L);
	Candidate  *chosen;

	clear_slots(candidates);
	clear_absent(candidates);
	complain_of_room(candidates);
	if (!is_settled())
		return Min(next, start.deadline);
	if (!eb_is_due(retry_at, now))
		return Min(next, retry_at);
	chosen = choose(candidates, &next);
	if (chosen == NULL)
		return next;
	start_router(chosen);
	return start.handle != NULL ? start.deadline : retry_at;
}

/* ---- the process ---- */

static void
leave_place(int code, Datum arg)
{
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	eb_shared->launcher.pid = 0;
	eb_shared->launcher.latch = NULL;
	LWLockRelease(eb_shared->lock);
}

static void
take_place(void)
{
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	eb_shared->launcher.pid = MyProcPid;
	eb_shared->launcher.started_at = GetCurrentTimestamp();
	eb_shared->launcher.latch = MyLatch;
	LWLockRelease(eb_shared->lock);
	on_shmem_exit(leave_place, 0);
}

static void
reload_if_asked(void)
{
	/* idle: no need to shout FATAL into the log; 1: to be started again */
	if (ProcDiePending)
		proc_exit(1);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

static void
wait_until(TimestampTz next)
{
	static uint32 wait_event = 0;
	long		sleep;

	if (wait_event == 0)
		wait_event = eb_wait_event("EventbusLauncherIdle");
	sleep = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Max(sleep, 1), wait_event);
	ResetLatch(MyLatch);
	reload_if_asked();
}

void
eb_launcher_main(Datum main_arg)
{
	MemoryContext turn_context;

	pqsignal(SIGINT, SIG_IGN);
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	take_place();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type,
					PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_SUSET, PGC_S_OVERRIDE);

	turn_context = AllocSetContextCreate(TopMemoryContext, "eventbus turn",
										 ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		TimestampTz next;

		MemoryContextSwitchTo(turn_context);
		MemoryContextReset(turn_context);
		pgstat_report_activity(STATE_RUNNING, "eventbus launcher");
		next = turn();
		wait_until(next);
	}
}
