/*-------------------------------------------------------------------------
 *
 * utility.c
 *		Commands of others that concern eventbus: databases, the extension,
 *		two-phase commit.
 *
 * Before the command:
 *	- DROP DATABASE, ALTER DATABASE ... RENAME or SET TABLESPACE, CREATE
 *	  DATABASE ... TEMPLATE x: takes the workers out of the database (hold.c),
 *	  if the user owns it. Others cannot run the command, and so cannot disturb
 *	  the workers with it; nor can those who run it where PostgreSQL refuses it,
 *	  in a transaction block or a function.
 *	- DROP EXTENSION eventbus: takes the workers out, in the same way, and waits
 *	  for the transactions that have put events.
 *	  They lock a partition of the log, and then the sequence; DROP by itself
 *	  would lock the sequence first, and the two would deadlock. Without
 *	  CASCADE it is refused while the log holds events: its partitions hang on
 *	  it by an automatic dependency, so PostgreSQL itself would drop them
 *	  without a word.
 *	- ALTER EXTENSION eventbus UPDATE: takes them out, too, and locks the
 *	  extension until it has committed, as DROP does. Workers check the version
 *	  when they have that lock (worker.c), so none ever works on tables that are
 *	  of another version than it believes. PostgreSQL itself would lock no more
 *	  than what the script touches.
 * After it:
 *	- COMMIT PREPARED: wakes the router of this database, whatever was committed.
 *	  It and ROLLBACK PREPARED have consumers of queues look at all again.
 *	- CREATE and ALTER DATABASE: the launcher reads pg_database at commit.
 *	- DROP EXTENSION, ALTER EXTENSION UPDATE: the router looks for its extension
 *	  at commit, and leaves when it is gone or changed.
 *
 * Limits: the check of DROP EXTENSION takes place only where the library is
 * loaded: preloaded, or a function of ours was called in the session. DROP
 * SCHEMA ... CASCADE of the schema of the functions, and DROP OWNED by the
 * extension's owner, drop the extension with the events: both say that they
 * drop everything. (The schema of the tables cannot be dropped: it is a member
 * of the extension.) After these the router finds out at its next turn, at the
 * latest when eventbus.safety_interval is over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "eventbus.h"
#include "hold.h"
#include "queue_hint.h"
#include "utility.h"
#include "wake.h"

#define MAX_COUNTED		1000	/* events that are counted for a message */

static ProcessUtility_hook_type next_utility_hook = NULL;

/* ---- databases ---- */

/* The value of an option of CREATE or ALTER DATABASE, NULL when not given. */
static char *
option_value(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/* The database that this command needs without workers, or NULL. */
static const char *
database_to_empty(Node *command)
{
	switch (nodeTag(command))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) command)->dbname;
		case T_CreatedbStmt:
			return option_value(((CreatedbStmt *) command)->options,
								"template");
		case T_AlterDatabaseStmt:
			if (option_value(((AlterDatabaseStmt *) command)->options,
							 "tablespace") != NULL)
				return ((AlterDatabaseStmt *) command)->dbname;
			return NULL;
		case T_RenameStmt:
			if (((RenameStmt *) command)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) command)->subname;
			return NULL;
		default:
			return NULL;
	}
}

static void
empty_database(Node *command, ProcessUtilityContext context)
{
	const char *name = database_to_empty(command);
	Oid			dboid;

	if (name == NULL || context != PROCESS_UTILITY_TOPLEVEL ||
		IsInTransactionBlock(true))
		return;
	dboid = get_database_oid(name, true);
	if (OidIsValid(dboid) && eb_database_ownercheck(dboid, GetUserId()))
		eb_hold_database(dboid);
}

/* ---- DROP EXTENSION ---- */

static bool
drops_our_extension(Node *command)
{
	DropStmt   *drop = (DropStmt *) command;
	ListCell   *cell;

	if (!IsA(command, DropStmt) || drop->removeType != OBJECT_EXTENSION)
		return false;
	foreach(cell, drop->objects)
	{
		if (strcmp(strVal(lfirst(cell)), EB_EXTENSION_NAME) == 0)
			return true;
	}
	return false;
}

/* Runs a query that returns one bigint, or nothing (then 0). */
static int64
run_query(const char *query)
{
	int64		result = 0;
	bool		isnull;

	if (SPI_connect() < 0 || SPI_execute(query, false, 0) < 0)
		elog(ERROR, "could not run \"%s\"", query);
	if (SPI_processed == 1 && SPI_tuptable != NULL)
		result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc,
											 1, &isnull));
	SPI_finish();
	return result;
}

/*
 * Locks everybody out, so that no event can come before the drop: first the
 * extension, as DROP and the workers do, then the log with its partitions.
 * Returns how many events are kept, counting to at most that many. Runs as the
 * log's owner.
 */
static int64
lock_log(Oid extension, Oid event_log, int at_most)
{
	Oid			save_userid;
	int			save_sec_context;
	HeapTuple	tuple;
	int64		kept;
	char		query[128];

	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessExclusiveLock);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(event_log));
	if (!HeapTupleIsValid(tuple))
		return 0;
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(((Form_pg_class) GETSTRUCT(tuple))->relowner,
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	ReleaseSysCache(tuple);
	(void) run_query("LOCK TABLE " EB_SCHEMA ".event_log "
					 "IN ACCESS EXCLUSIVE MODE");
	snprintf(query, sizeof(query), "SELECT pg_catalog.count(*) FROM "
			 "(SELECT FROM " EB_SCHEMA ".event_log LIMIT %d) AS kept",
			 at_most);
	kept = run_query(query);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	return kept;
}

static void
prepare_to_drop(Node *command)
{
	bool		cascade;
	Oid			extension;
	Oid			schema;
	Oid			event_log;
	int64		kept;

	if (!drops_our_extension(command))
		return;
	cascade = castNode(DropStmt, command)->behavior == DROP_CASCADE;
	extension = get_extension_oid(EB_EXTENSION_NAME, true);
	schema = get_namespace_oid(EB_SCHEMA, true);
	event_log = OidIsValid(schema) ?
		get_relname_relid("event_log", schema) : InvalidOid;
	if (!OidIsValid(extension) || !OidIsValid(event_log) ||
		!eb_extension_ownercheck(extension, GetUserId()))
		return;

	eb_hold_database(MyDatabaseId);
	kept = lock_log(extension, event_log, cascade ? 0 : MAX_COUNTED);
	if (kept > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop extension \"%s\" because it keeps events",
						EB_EXTENSION_NAME),
				 kept < MAX_COUNTED ?
				 errdetail_plural("The event log holds %lld event.",
								  "The event log holds %lld events.",
								  kept, (long long) kept) :
				 errdetail("The event log holds at least %lld events.",
						   (long long) kept),
				 errhint("Use DROP EXTENSION %s CASCADE to drop them, too.",
						 EB_EXTENSION_NAME)));
}

/* ---- ALTER EXTENSION UPDATE ---- */

static bool
updates_our_extension(Node *command)
{
	return IsA(command, AlterExtensionStmt) &&
		strcmp(castNode(AlterExtensionStmt, command)->extname,
			   EB_EXTENSION_NAME) == 0;
}

/* Keeps workers out until the transaction ends. */
static void
prepare_to_update(Node *command)
{
	Oid			extension;

	if (!updates_our_extension(command))
		return;
	extension = get_extension_oid(EB_EXTENSION_NAME, true);
	if (!OidIsValid(extension) ||
		!eb_extension_ownercheck(extension, GetUserId()))
		return;
	eb_hold_database(MyDatabaseId);
	LockDatabaseObject(ExtensionRelationId, extension, 0,
					   AccessExclusiveLock);
}

/* ---- the hook ---- */

/* A prepared transaction has ended: what it did, its own process knew. */
static void
tell_of_prepared(TransactionStmtKind kind)
{
	if (kind == TRANS_STMT_COMMIT_PREPARED)
		eb_wake_router();
	if (kind == TRANS_STMT_COMMIT_PREPARED ||
		kind == TRANS_STMT_ROLLBACK_PREPARED)
		eb_queue_hint_forget();
}

static void
tell_workers(Node *command)
{
	switch (nodeTag(command))
	{
		case T_TransactionStmt:
			tell_of_prepared(castNode(TransactionStmt, command)->kind);
			break;
		case T_CreatedbStmt:
		case T_AlterDatabaseStmt:
		case T_DropdbStmt:
			eb_wake_launcher_at_commit();
			break;
		case T_DropStmt:
			if (drops_our_extension(command))
				eb_wake_at_commit();
			break;
		case T_AlterExtensionStmt:
			if (updates_our_extension(command))
			{
				/* the update may touch no table: see worker.c */
				CacheInvalidateRelcacheByRelid(ExtensionRelationId);
				eb_wake_at_commit();
			}
			break;
		default:
			break;
	}
}

static void
process_utility(PlannedStmt *pstmt, const char *query_string,
				bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *query_env,
				DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *command = pstmt->utilityStmt;

	empty_database(command, context);
	prepare_to_drop(command);
	prepare_to_update(command);
	if (next_utility_hook)
		next_utility_hook(pstmt, query_string, read_only_tree, context,
						  params, query_env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query_string, read_only_tree, context,
								params, query_env, dest, qc);
	tell_workers(command);
}

void
eb_utility_init(void)
{
	next_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
