/*-------------------------------------------------------------------------
 *
 * attempt.c
 *		One try to hand events to a target, and what its failure means.
 *
 * What a target does may run code of users: triggers, defaults, casts, checks.
 * It runs in a subtransaction, as the owner of the rule, under
 * SECURITY_RESTRICTED_OPERATION (no SET ROLE, no temporary tables, nothing
 * deferred that could run later with other rights), with its settings and
 * advisory locks undone afterwards, a limit on waiting for locks and on the
 * time it may take. Names in it mean what they meant to whoever put the target,
 * by the search path of then. No other part of the delivery engine leaves the
 * extension's own tables.
 *
 * An error that is raised as ERROR never means that this process has to end,
 * whatever its SQLSTATE says: what means that is FATAL and not caught here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "attempt.h"
#include "causation.h"
#include "guc.h"
#include "target_clock.h"

static int	deliver_as_owner(EbTargetRun *run);
static EbVerdict verdict_of(const ErrorData *error);

EbVerdict
eb_attempt(EbTargetRun *run, int *done, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext scratch = AllocSetContextCreate(context, "eventbus attempt",
												  ALLOCSET_DEFAULT_SIZES);
	volatile EbVerdict verdict = EB_DELIVERED;

	*error = NULL;
	*done = 0;
	run->at = -1;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(scratch);
		*done = deliver_as_owner(run);
		eb_target_clock_stop();
		eb_causation_set(NULL);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		eb_target_clock_stop();
		eb_causation_set(NULL);
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		verdict = verdict_of(*error);
	}
	PG_END_TRY();
	MemoryContextDelete(scratch);
	for (int i = 0; i < run->n; i++)
		run->items[i].payload = NULL;	/* it went with the context */

	/* advisory locks of a session, which this one ends for user code */
	LockReleaseSession(USER_LOCKMETHOD);
	return verdict;
}

/* Until the caller's AtEOXact_GUC(). */
static void
set_until_end(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static int
deliver_as_owner(EbTargetRun *run)
{
	const EbTarget *target = run->target;
	const EbTargetType *type = eb_target_type(target->type);
	Oid			role = get_role_oid(target->rule->owner, true);
	int			nest_level = NewGUCNestLevel();
	char		lock_timeout[16];
	Oid			userid;
	int			sec_context;
	int			done;

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", target->rule->owner),
				 errdetail("It is the owner of rule \"%s\" on event bus \"%s\".",
						   target->rule->name, target->rule->bus_name),
				 errhint("If the role was renamed or dropped, a superuser who puts the rule again becomes its owner.")));
	if (type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("target type \"%s\" does not exist", target->type)));
	snprintf(lock_timeout, sizeof(lock_timeout), "%d",
			 eb_guc_target_lock_timeout);
	set_until_end("lock_timeout", lock_timeout);
	set_until_end("search_path", target->search_path);
	eb_target_clock_start(run->options->timeout);
	eb_target_set_cause(run->items, run->n);

	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(role, sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	PushActiveSnapshot(GetTransactionSnapshot());
	eb_target_shape(run);
	done = type->deliver(run);
	PopActiveSnapshot();
	SetUserIdAndSecContext(userid, sec_context);
	AtEOXact_GUC(false, nest_level);
	return done;
}

/*
 * What an error says about its cause. Anything that is not known to be the
 * fault of the moment or of the target is held against the events, so that
 * one of them can never stop the others for good.
 */
static EbVerdict
verdict_of(const ErrorData *error)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_OBJECT_IN_USE:
		case ERRCODE_DATA_CORRUPTED:	/* not what an event does */
		case ERRCODE_INDEX_CORRUPTED:
			return EB_BUSY;
		default:
			break;
	}
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:	/* 40: deadlock, serialization */
		case ERRCODE_INSUFFICIENT_RESOURCES:	/* 53: disk full, memory */
		case ERRCODE_OPERATOR_INTERVENTION: /* 57: timeout, cancelled */
		case ERRCODE_SYSTEM_ERROR:	/* 58: I/O */
		case ERRCODE_CONNECTION_EXCEPTION:	/* 08: of a foreign table */
			return EB_BUSY;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION: /* 42 */
		case ERRCODE_INVALID_SCHEMA_NAME:	/* 3F */
		case ERRCODE_INVALID_CATALOG_NAME:	/* 3D */
			return EB_TARGET_BROKEN;
		default:
			return EB_REJECTED;
	}
}
