/*-------------------------------------------------------------------------
 *
 * worker.c
 *		What the workers of a database have in common: start, transaction
 *		bracket, wait, exit.
 *
 * A worker is a dynamic background worker that the postmaster never restarts:
 * the launcher restarts routers, the router restarts the others, both by what
 * they see in the worker's place in shared memory.
 *
 * The place is taken first, before the process connects to its database, and
 * left last, after it was removed from the list of backends:
 *
 *		take place -> connect -> loop -> (gone from ProcArray) -> leave place
 *
 * So at most one process has a place, however often it was launched; and an
 * empty place means that the database is free of that worker (hold.c). A
 * router holds an advisory lock besides, of a class that SQL cannot name: two
 * routers of one database would route events twice, and are worth two locks.
 *
 * Each transaction begins with a share lock on the extension object. DROP
 * EXTENSION wants that lock exclusively before it touches any member, so it
 * waits for the transactions that run, and those that begin wait for it while
 * they hold nothing else. Then they find the extension gone, and leave. That it
 * is there is looked up only when something can have changed: its drop, by
 * whatever command, drops its tables and so invalidates relcache entries; its
 * update does so on purpose (utility.c); and who gets the lock has taken in the
 * invalidations of those who had it. Somebody may have changed pg_extension by
 * hand, which invalidates nothing: so an idle worker looks, and a reload helps.
 *
 * An error that escapes ends the process. leave_place() counts failures and
 * says when the next may be started: 1 s, 2 s, 4 s ... 60 s; a minute of work
 * without an error is forgiveness. A worker that was told to end, by
 * pg_terminate_backend() say, has not failed: another one comes in a second.
 *
 * The settings below are overridden whatever ALTER DATABASE or ALTER ROLE say:
 * some would break a worker, others would change what it does. Settings that
 * shape what user code sees (TimeZone, DateStyle ...) are left as they are in
 * any session of that database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "eventbus.h"
#include "guc.h"
#include "hold.h"
#include "worker.h"

#define MAX_BACKOFF_S		60	/* longest wait before a restart */
#define FORGIVE_S			60	/* who ran that long starts afresh */
#define IDLE_RESTART_S		60	/* who left idle, if nobody asks before */
#define UNDONE_RESTART_S	2
#define TOLD_RESTART_S		1
#define MAINTENANCE_RESTART_S	10	/* maintenance that was left undone */
#define COMPLAIN_S			600 /* between two lines about the same */
#define IDLE_MS				250 /* who is idle for so long can make room */
#define TURN_MS				2000	/* and who has run for so long, busy too */
#define MAX_VERSION_LENGTH	64
#define KEPT_MEMORY			(16 * 1024 * 1024)
#define ROUTER_LOCK_CLASS	0xEB	/* advisory locks of SQL are 1 and 2 */
#define URGENT				0x100	/* in EbShared.slot_wanted */

/* What a worker is told when it is launched; in bgw_extra. */
typedef struct WorkerArguments
{
	Oid			dboid;
	int			number;
} WorkerArguments;

/* What tells workers of one kind from another. */
typedef struct WorkerKind
{
	const char *type;			/* bgw_type */
	const char *main;			/* bgw_function_name */
	const char *idle_event;		/* wait event */
} WorkerKind;

static const WorkerKind router_kind = {
	"eventbus router", "eb_router_main", "EventbusRouterIdle"
};
static const WorkerKind dispatcher_kind = {
	"eventbus dispatcher", "eb_dispatcher_main", "EventbusDispatcherIdle"
};
static const WorkerKind maintenance_kind = {
	"eventbus maintenance worker", "eb_maintenance_main",
	"EventbusMaintenanceIdle"
};

typedef struct Setting
{
	const char *name;
	const char *value;
} Setting;

static const Setting settings[] = {
	{"check_function_bodies", "on"},
	{"default_table_access_method", "heap"},
	{"default_transaction_deferrable", "off"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"exit_on_error", "off"},
	{"idle_in_transaction_session_timeout", "0"},
	{"idle_session_timeout", "0"},
	{"jit", "off"},
	{"lock_timeout", "0"},
	/* background worker slots are for workers */
	{"max_parallel_maintenance_workers", "0"},
	{"quote_all_identifiers", "off"},
	/* a worker is nobody but itself */
	{"role", "none"},
	/* policies hold for a rule's owner as in a session of that role */
	{"row_security", "on"},
	{"search_path", "pg_catalog, pg_temp"},
	{"session_replication_role", "origin"},
	{"standard_conforming_strings", "on"},
	{"statement_timeout", "0"},
	/* a commit that a crash takes back is done again: nothing is lost */
	{"synchronous_commit", "off"},
	{"transaction_timeout", "0"},
	{"transform_null_equals", "off"},
};

/* versions of the SQL objects that this library can work with */
static const char *const known_versions[] = {"1.0"};

static WorkerArguments arguments;
static EbDatabase *database = NULL;
static EbWorkerSlot *place = NULL;
static volatile EbLeaveReason leave_reason = EB_LEAVE_FAILED;
static Oid	extension = InvalidOid;
static char extension_version[MAX_VERSION_LENGTH];
static bool extension_checked = false;	/* it is there, of that version */
static MemoryContext turn_context = NULL;

EbDatabase *
eb_worker_database(void)
{
	return database;
}

int
eb_worker_dispatcher_number(void)
{
	return arguments.number;
}

static bool
is_router(void)
{
	return arguments.number == EB_ROUTER_NUMBER;
}

static const WorkerKind *
kind_of(int number)
{
	switch (number)
	{
		case EB_ROUTER_NUMBER:
			return &router_kind;
		case EB_MAINTENANCE_NUMBER:
			return &maintenance_kind;
		default:
			return &dispatcher_kind;
	}
}

/* ---- launching ---- */

/* One line in the log in ten minutes will do, whoever writes it. */
static bool
may_complain(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		may;

	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	may = TimestampDifferenceExceeds(eb_shared->complained_at, now,
									 COMPLAIN_S * 1000);
	if (may)
		eb_shared->complained_at = now;
	LWLockRelease(eb_shared->lock);
	return may;
}

/* EbShared.slot_wanted when that worker lacks a slot. */
static uint64
slot_wish(Oid dboid, int number, bool urgent)
{
	return (uint64) dboid << 32 | (urgent ? URGENT : 0) |
		(uint32) (number - EB_FIRST_WORKER);
}

/* Asks the workers of all databases whether one can go. */
static void
ask_for_slot(uint64 wish)
{
	pg_atomic_write_u64(&eb_shared->slot_wanted, wish);
	LWLockAcquire(eb_shared->lock, LW_SHARED);
	for (int i = 0; i < eb_shared->ndatabases; i++)
	{
		for (int j = EB_FIRST_WORKER; j <= EB_LAST_WORKER; j++)
		{
			EbDatabase *db = &eb_shared->databases[i];
			Latch	   *latch = eb_shmem_place(db, j)->latch;

			if (latch != NULL)
				SetLatch(latch);
		}
	}
	LWLockRelease(eb_shared->lock);
}

bool
eb_worker_launch(Oid dboid, const char *datname, int number, bool urgent,
				 BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {0};
	WorkerArguments args = {dboid, number};
	const WorkerKind *kind = kind_of(number);

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, EB_LIBRARY_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, kind->main, BGW_MAXLEN);
	strlcpy(worker.bgw_type, kind->type, BGW_MAXLEN);
	if (kind == &dispatcher_kind)
		snprintf(worker.bgw_name, BGW_MAXLEN, "%s %d for database %s",
				 kind->type, number, datname);
	else
		snprintf(worker.bgw_name, BGW_MAXLEN, "%s for database %s",
				 kind->type, datname);
	StaticAssertStmt(sizeof(args) <= BGW_EXTRALEN, "bgw_extra is too small");
	memcpy(worker.bgw_extra, &args, sizeof(args));

	if (RegisterDynamicBackgroundWorker(&worker, handle))
		return true;
	if (may_complain())
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of background worker slots"),
				 errdetail("The %s has to wait for a free one.", worker.bgw_name),
				 errhint("You might need to increase max_worker_processes.")));
	ask_for_slot(slot_wish(dboid, number, urgent));
	return false;
}

/* ---- leaving ---- */

void
eb_worker_leave(EbLeaveReason reason)
{
	leave_reason = reason;
	proc_exit(0);
}

static TimestampTz
seconds_from(TimestampTz time, int seconds)
{
	return TimestampTzPlusMilliseconds(time, 1000L * seconds);
}

/*
 * Counts a failure, and says when the next try may be. Maintenance that fails
 * after an hour has not gone well for an hour: it would begin anew.
 */
static void
back_off(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (arguments.number != EB_MAINTENANCE_NUMBER &&
		TimestampDifferenceExceeds(place->started_at, now, FORGIVE_S * 1000))
		place->failures = 0;
	place->failures++;
	place->restart_at =
		seconds_from(now, Min(1 << Min(place->failures - 1, 10),
							  MAX_BACKOFF_S));
}

/* What the launcher is to do about a router that leaves. */
static void
set_state_behind_router(void)
{
	if (database->probe_wanted || leave_reason == EB_LEAVE_CHANGED ||
		eb_hold_is_held(database->dboid))
	{
		place->failures = 0;
		database->state = EB_DATABASE_PROBE;
		return;
	}
	if (leave_reason == EB_LEAVE_ABSENT)
	{
		database->state = EB_DATABASE_ABSENT;
		return;
	}
	database->state = EB_DATABASE_BACKOFF;
	if (leave_reason == EB_LEAVE_FAILED)
		back_off();
	else
	{
		int			seconds = leave_reason == EB_LEAVE_IDLE ? IDLE_RESTART_S :
			leave_reason == EB_LEAVE_TOLD ? TOLD_RESTART_S : UNDONE_RESTART_S;

		place->failures = 0;
		place->restart_at =
			seconds_from(GetCurrentTimestamp(), seconds);
	}
}

/*
 * In how many seconds a worker that the router started and that leaves without
 * having failed is to be started again; 0: when it is wanted again.
 */
static int
seconds_to_restart(void)
{
	bool		maintenance = arguments.number == EB_MAINTENANCE_NUMBER;

	if (leave_reason == EB_LEAVE_UNDONE)
		return maintenance ? MAINTENANCE_RESTART_S : UNDONE_RESTART_S;
	return maintenance && leave_reason == EB_LEAVE_TOLD ? TOLD_RESTART_S : 0;
}

/* What the router is to do about a worker that it started and that leaves. */
static void
set_state_behind_others(void)
{
	EbWorkerSlot *router = &database->router;
	int			seconds = seconds_to_restart();

	if (leave_reason == EB_LEAVE_FAILED && !eb_hold_is_held(database->dboid))
	{
		back_off();
		return;
	}
	place->failures = 0;
	place->restart_at = 0;
	if (seconds == 0)
		return;

	/* a router that has left before may know nothing of what is undone */
	place->restart_at = seconds_from(GetCurrentTimestamp(), seconds);
	if (database->state == EB_DATABASE_BACKOFF && router->failures == 0)
		router->restart_at = Min(router->restart_at, place->restart_at);
}

static void
wake_all_dispatchers(void)
{
	for (int i = 0; i < EB_MAX_DISPATCHERS; i++)
	{
		if (database->dispatchers[i].latch != NULL)
			SetLatch(database->dispatchers[i].latch);
	}
}

/*
 * Exit callback. Registered before InitPostgres(), so it runs after the
 * process was removed from the ProcArray.
 */
static void
leave_place(int code, Datum arg)
{
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	if (is_router())
		set_state_behind_router();
	else
		set_state_behind_others();
	place->pid = 0;
	place->latch = NULL;
	/* they leave, too, where the extension is gone */
	if (is_router())
		wake_all_dispatchers();
	else if (database->router.latch != NULL)
		SetLatch(database->router.latch);
	LWLockRelease(eb_shared->lock);

	ConditionVariableBroadcast(&eb_shared->worker_left);
	eb_shmem_wake_launcher();
}

/* ---- starting ---- */

/*
 * Takes the place that the process was launched for. Not when it is taken, nor
 * when the database is held or its slot is gone: false.
 */
static bool
take_place(void)
{
	EbWorkerSlot *found = NULL;

	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	database = eb_shmem_database(arguments.dboid);
	if (database != NULL)
		found = eb_shmem_place(database, arguments.number);
	if (found != NULL && found->pid == 0)
	{
		if (!eb_hold_is_held(arguments.dboid))
		{
			found->pid = MyProcPid;
			found->started_at = GetCurrentTimestamp();
			found->latch = MyLatch;
			place = found;
		}
		else if (is_router())
			database->state = EB_DATABASE_PROBE;
	}
	LWLockRelease(eb_shared->lock);
	return place != NULL;
}

static void
override_settings(void)
{
	for (int i = 0; i < lengthof(settings); i++)
	{
		/* not every version has all of them */
		if (GetConfigOption(settings[i].name, true, false) != NULL)
			SetConfigOption(settings[i].name, settings[i].value,
							PGC_SUSET, PGC_S_OVERRIDE);
	}
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type,
					PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * The extension's OID, and its version in a buffer of MAX_VERSION_LENGTH;
 * InvalidOid when there is none.
 */
static Oid
find_extension(char *version)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			oid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(EB_EXTENSION_NAME));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);
		char	   *string = TextDatumGetCString(value);

		oid = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		strlcpy(version, string, MAX_VERSION_LENGTH);
		pfree(string);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return oid;
}

static bool
version_is_known(void)
{
	for (int i = 0; i < lengthof(known_versions); i++)
	{
		if (strcmp(extension_version, known_versions[i]) == 0)
			return true;
	}
	return false;
}

/* Where the SQL objects are of no version we know: waits until they change. */
static void
wait_for_known_version(void)
{
	if (version_is_known())
		return;
	ereport(LOG,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version \"%s\" of extension \"%s\" does not fit the library that is loaded",
					extension_version, EB_EXTENSION_NAME),
			 errdetail("The %s waits until it does.",
					   MyBgworkerEntry->bgw_name),
			 errhint("Use ALTER EXTENSION %s UPDATE, or restart the server to load the library that is installed.",
					 EB_EXTENSION_NAME)));
	for (;;)
	{
		/* the next commit is to wake the router again: it may be the change */
		if (is_router())
			pg_atomic_write_u32(&database->put_pending, 0);
		(void) eb_worker_wait(eb_guc_safety_interval * 1000L);
		eb_worker_begin();		/* leaves when it changed */
		eb_worker_commit();
	}
}

/* One router per database, whatever shared memory says. */
static void
lock_out_other_routers(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, ROUTER_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, true, false);
}

/* Relcache callback: any change of any table has the extension looked up. */
static void
doubt_extension(Datum arg, Oid relid)
{
	extension_checked = false;
}

/* Remembers which extension this is; leaves when there is none. */
static void
open_extension(void)
{
	CacheRegisterRelcacheCallback(doubt_extension, (Datum) 0);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = find_extension(extension_version);
	if (!OidIsValid(extension))
		eb_worker_leave(EB_LEAVE_ABSENT);
	if (is_router())
		lock_out_other_routers();
	CommitTransactionCommand();

	pgstat_report_activity(STATE_IDLE, NULL);
	ereport(DEBUG1,
			(errmsg_internal("%s started", MyBgworkerEntry->bgw_name)));

	if (!is_router())
		return;
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	database->state = EB_DATABASE_RUNNING;
	LWLockRelease(eb_shared->lock);
	eb_shmem_wake_launcher();
}

/* SIGTERM: ends as die() has it, and leaves word that it was no failure. */
static void
handle_told_to_end(SIGNAL_ARGS)
{
	leave_reason = EB_LEAVE_TOLD;
	die(postgres_signal_arg);
}

/*
 * A batch takes a few MB and gives them back at its end. glibc would return
 * them to the kernel each time, and the next batch would fault them in again,
 * page by page: a tenth of a dispatcher's time. So let it keep some.
 */
static void
keep_memory(void)
{
#ifdef M_TRIM_THRESHOLD
	(void) mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	(void) mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
#endif
}

EbDatabase *
eb_worker_start(void)
{
	memcpy(&arguments, MyBgworkerEntry->bgw_extra, sizeof(arguments));

	/* cancelling a dispatcher ends the user's code that it runs */
	pqsignal(SIGINT, is_router() ? SIG_IGN : StatementCancelHandler);
	pqsignal(SIGTERM, handle_told_to_end);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	keep_memory();
	if (!take_place())
		proc_exit(0);
	on_shmem_exit(leave_place, 0);

	BackgroundWorkerInitializeConnectionByOid(arguments.dboid, InvalidOid, 0);
	override_settings();
	turn_context = AllocSetContextCreate(TopMemoryContext, "eventbus turn",
										 ALLOCSET_DEFAULT_SIZES);
	open_extension();
	eb_worker_next();
	wait_for_known_version();
	return database;
}

/* ---- the bracket ---- */

/* Leaves when the extension is gone, or is another one, or another version. */
static void
check_extension(void)
{
	char		version[MAX_VERSION_LENGTH];
	Oid			found;

	/* an invalidation that arrives meanwhile counts for the next time */
	extension_checked = true;
	found = find_extension(version);
	if (!OidIsValid(found))
		eb_worker_leave(EB_LEAVE_ABSENT);
	if (found != extension || strcmp(version, extension_version) != 0)
		eb_worker_leave(EB_LEAVE_CHANGED);
}

void
eb_worker_begin(void)
{
	pgstat_report_activity(STATE_RUNNING, MyBgworkerEntry->bgw_type);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	if (!extension_checked)
		check_extension();
}

void
eb_worker_commit(void)
{
	CommitTransactionCommand();
	MemoryContextSwitchTo(turn_context);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

void
eb_worker_recover(void)
{
	HOLD_INTERRUPTS();
	EmitErrorReport();
	AbortOutOfAnyTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(turn_context);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* ---- between turns ---- */

void
eb_worker_next(void)
{
	/*
	 * An idle worker that is told to end has no need to shout FATAL into the
	 * log, nor is there a statement to cancel.
	 */
	if (ProcDiePending)
		eb_worker_leave(EB_LEAVE_TOLD);
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();

	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		extension_checked = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	MemoryContextSwitchTo(turn_context);
	MemoryContextReset(turn_context);
}

/* when the current batch began */
static TimestampTz batch_started = 0;

void
eb_worker_nap(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		interval = (int64) (eb_guc_batch_interval * 1000.0);

	/* a clock that was set back must not make us sleep long */
	if (now >= batch_started && now - batch_started < interval)
		pg_usleep(interval - (now - batch_started));
}

void
eb_worker_begin_batch(void)
{
	eb_worker_nap();
	batch_started = GetCurrentTimestamp();
}

bool
eb_worker_wait(long milliseconds)
{
	static uint32 wait_event = 0;
	int			events;

	if (wait_event == 0)
		wait_event = eb_wait_event(kind_of(arguments.number)->idle_event);
	events = WaitLatch(MyLatch,
					   WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					   milliseconds, wait_event);
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	else
	{
		pgstat_report_stat(true);
		extension_checked = false;
	}
	eb_worker_next();
	return (events & WL_LATCH_SET) != 0;
}

/*
 * Must a worker that is busy make room for that wish? When it had its turn, or
 * a few busy databases would keep all others from theirs; but only for another
 * database, and a dispatcher only for one that is not wanted less: otherwise
 * databases that could do with more dispatchers than there are slots would take
 * them from each other for ever. For an urgent wish in any case.
 */
static bool
busy_gives_way(uint64 wish)
{
	Oid			dboid = (Oid) (wish >> 32);
	int			number = (int) (wish & (URGENT - 1)) + EB_FIRST_WORKER;

	if (!TimestampDifferenceExceeds(place->started_at, GetCurrentTimestamp(),
									TURN_MS))
		return false;
	return (wish & URGENT) != 0 ||
		(dboid != MyDatabaseId && number <= Max(arguments.number, 0));
}

/*
 * Who is idle makes room for any other worker, except that no router does for
 * its own database.
 */
bool
eb_worker_should_give_way(TimestampTz idle_since)
{
	uint64		wish = pg_atomic_read_u64(&eb_shared->slot_wanted);

	if (wish == 0 || ((Oid) (wish >> 32) == MyDatabaseId && is_router()))
		return false;
	if ((wish & ~(uint64) URGENT) ==
		slot_wish(MyDatabaseId, arguments.number, false))
	{
		/* it was for us */
		(void) pg_atomic_compare_exchange_u64(&eb_shared->slot_wanted, &wish,
											  0);
		return false;
	}
	if (!TimestampDifferenceExceeds(idle_since, GetCurrentTimestamp(),
									IDLE_MS) && !busy_gives_way(wish))
		return false;
	return pg_atomic_compare_exchange_u64(&eb_shared->slot_wanted, &wish, 0);
}
