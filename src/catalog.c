/*-------------------------------------------------------------------------
 *
 * catalog.c
 *		The cache of buses, rules and targets that every process keeps.
 *
 * The three tables are small and read all the time (each put resolves a bus),
 * so a process reads them whole into one memory context, a child of
 * CacheMemoryContext, and hands out pointers into it. There are two caches: of
 * buses alone, which is all that publishers need, and of everything. Thousands
 * of rules then cost a publisher nothing, nor does a change of one.
 *
 * How it is read: catalog_read.c.
 *
 * Invalidation: a statement trigger on each table (eventbus_catalog_changed)
 * sends a relcache invalidation for it. Here a callback counts those; a cache
 * is current while the counts of the tables that it was read from are what they
 * were before its snapshot was taken. Counting works at any moment, also while
 * a cache is being read: a change that the snapshot did not see sends its
 * message after the snapshot was taken. Each access takes in pending messages
 * (cheap when there are none), since a put opens no relation that would do so.
 *
 * Memory: what a caller got must stay valid until its transaction ends or a
 * command counter increment, so a cache that is replaced is retired to a
 * context under TopTransactionContext. Long transactions that change and use
 * the catalog in turn would pile caches up there; those retired by earlier
 * commands are freed when another one is. Background workers, which run user
 * code (triggers) while they hold pointers, keep them until the end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "arn.h"
#include "catalog.h"
#include "catalog_read.h"
#include "catalog_scan.h"
#include "eventbus.h"
#include "wake.h"

/* what a cache holds: how many of the tables */
#define ONLY_BUSES	1
#define EVERYTHING	EB_CATALOG_NTABLES

static EbCatalog *buses_only = NULL;
static EbCatalog *everything = NULL;
static uint64 version = 0;		/* of everything */

/* Counted by the callback, for each table. */
static uint64 invalidations[EB_CATALOG_NTABLES];
static Oid	table_oids[EB_CATALOG_NTABLES];

/* Replaced caches of this transaction, and when the last one came there. */
static MemoryContext retired = NULL;
static CommandId retired_command;

PG_FUNCTION_INFO_V1(eventbus_catalog_changed);


/* ----- invalidation ----- */

/*
 * Statement trigger on the three tables: their caches are out of date, here
 * from the next command on, elsewhere once this transaction has committed.
 * The router is woken then: a target that was mended has its backlog tried.
 */
Datum
eventbus_catalog_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by a trigger")));

	CacheInvalidateRelcacheByRelid(RelationGetRelid(trigger->tg_relation));
	eb_wake_at_commit();
	return PointerGetDatum(NULL);
}

/* Relcache callback: may come at any time, so it does nothing but count. */
static void
count_invalidation(Datum arg, Oid relid)
{
	for (int i = 0; i < EB_CATALOG_NTABLES; i++)
		if (!OidIsValid(relid) || relid == table_oids[i])
			invalidations[i]++;
}

/* Takes in what has changed; the first time, begins to count it. */
static void
listen_to_changes(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(count_invalidation, (Datum) 0);
		registered = true;
	}
	AcceptInvalidationMessages();
}


/* ----- replacing ----- */

static void
forget_retired(void *arg)
{
	retired = NULL;
}

/* Keeps a replaced cache for as long as a caller may hold pointers into it. */
static void
retire(EbCatalog *catalog)
{
	CommandId	command = GetCurrentCommandId(false);

	if (retired != NULL && retired_command != command &&
		MyBackendType != B_BG_WORKER)
		MemoryContextDelete(retired);

	if (retired == NULL)
	{
		MemoryContext context = AllocSetContextCreate(TopTransactionContext,
													  "eventbus catalog, replaced",
													  ALLOCSET_SMALL_SIZES);
		MemoryContextCallback *callback;

		callback = MemoryContextAllocZero(context,
										  sizeof(MemoryContextCallback));
		callback->func = forget_retired;
		MemoryContextRegisterResetCallback(context, callback);
		retired = context;
	}
	retired_command = command;
	MemoryContextSetParent(catalog->context, retired);
}

/* Does catalog say what the first ntables tables say? */
static bool
is_current(const EbCatalog *catalog, int ntables)
{
	return catalog != NULL && catalog->ntables >= ntables &&
		memcmp(catalog->invalidations, invalidations,
			   ntables * sizeof(uint64)) == 0;
}

/*
 * A cache of (at least) the first ntables tables, read (again) if there is
 * none or something has changed.
 */
static EbCatalog *
get_catalog(int ntables)
{
	EbCatalog **place = ntables == EVERYTHING ? &everything : &buses_only;
	EbCatalog  *fresh;

	Assert(IsTransactionState());

	listen_to_changes();
	if (is_current(everything, ntables))
		return everything;
	if (is_current(*place, ntables))
		return *place;

	fresh = eb_catalog_read(ntables, table_oids, invalidations);
	if (*place != NULL)
		retire(*place);
	MemoryContextSetParent(fresh->context, CacheMemoryContext);
	*place = fresh;
	if (ntables == EVERYTHING)
		version++;
	return fresh;
}


/* ----- what others call ----- */

bool
eb_catalog_find_bus(const char *name, int len, int32 *bus_id)
{
	EbNameKey	key;
	EbBusNameItem *entry;
	int			bare_len = len;

	key.data = eb_arn_bus_name(name, &bare_len);
	key.len = bare_len;
	if (key.len == sizeof(EB_DEFAULT_BUS_NAME) - 1 &&
		memcmp(key.data, EB_DEFAULT_BUS_NAME, key.len) == 0)
	{
		*bus_id = EB_DEFAULT_BUS_ID;
		return true;
	}

	entry = hash_search(get_catalog(ONLY_BUSES)->buses_by_name, &key,
						HASH_FIND, NULL);
	if (entry == NULL)
		return false;
	*bus_id = entry->bus_id;
	return true;
}

const EbRule *
eb_catalog_rule(int32 rule_id)
{
	EbCatalog  *catalog = get_catalog(EVERYTHING);
	EbRuleItem *entry = hash_search(catalog->rules_by_id, &rule_id, HASH_FIND,
									NULL);

	return entry == NULL ? NULL : entry->rule;
}

const EbTarget *
eb_catalog_target(int32 target_id)
{
	EbCatalog  *catalog = get_catalog(EVERYTHING);
	EbTargetItem *entry = hash_search(catalog->targets, &target_id, HASH_FIND,
									  NULL);

	return entry == NULL ? NULL : entry->target;
}

uint64
eb_catalog_version(void)
{
	(void) get_catalog(EVERYTHING);
	return version;
}

void
eb_catalog_changes(EbCatalogChanges *changes)
{
	listen_to_changes();

	/* a change of a table is counted once its OID is known */
	for (int i = 0; i < EB_CATALOG_NTABLES; i++)
	{
		if (!OidIsValid(table_oids[i]) ||
			!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table_oids[i])))
		{
			table_close(eb_catalog_open_table(i, &table_oids[i]),
						AccessShareLock);
			invalidations[i]++;
		}
	}
	changes->buses = invalidations[EB_BUS_TABLE];
	changes->rules = invalidations[EB_RULE_TABLE];
	changes->targets = invalidations[EB_TARGET_TABLE];
}
