/*-------------------------------------------------------------------------
 *
 * target_table.c
 *		Target type "table": each event becomes a row.
 *
 * How:
 *	1. The name is looked up and the table locked, without waiting: a locked
 *	   table raises lock_not_available and delays nothing but itself.
 *	2. What is known of the table (TableEntry: the column map, and either the
 *	   planned row expressions for the multi-insert or a saved INSERT) comes
 *	   from a hash table by target, or is found out and kept.
 *	3. The rights of the current user, the rule's owner, are checked.
 *	4. The rows are inserted, by multi-insert where the table is plain.
 * A target with an input transformer or the like gets objects instead of
 * events; what is done with those is told in target_table_payload.c.
 *
 * Freshness: an entry counts for one relation OID and one (resource,
 * on_conflict). The relcache callback marks it stale when the table, its
 * triggers, indexes, rules or policies change; functions and types that its
 * expressions use are watched by the plan cache. A change of the eventbus
 * catalog throws all entries away, so none outlives its target for long. An
 * entry is only freed at the start of a call, never by a callback.
 *
 * Locks: RowExclusiveLock on the table, as INSERT takes, until the caller's
 * (sub)transaction ends.
 *
 * Rights: the owner needs what INSERT needs. Validation checks the rights of
 * the owner by name while it runs as the caller, so that an unqualified table
 * name means what it means to the caller.
 *
 * Limits: events go to columns by name only; no expressions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/varlena.h"

#include "catalog.h"
#include "compat.h"
#include "target_table.h"

#define TARGET_TYPE_NAME	"table"

/* What is kept of one target's table between calls. */
typedef struct TableEntry
{
	int32		target_id;		/* hash key: must be first */
	bool		complete;		/* false: an error stopped its making */
	bool		stale;			/* the relation has changed since */
	Oid			relid;
	char	   *resource;		/* as of the target, to notice a change */
	bool		ignore_conflicts;
	EbTableMap *map;
	CachedExpression *targetlist;	/* for the multi-insert, or NULL */
	SPIPlanPtr	plan;			/* for the executor, NULL until needed */
	EbTablePayloads *payloads;	/* instead of these, where the target has a
								 * transform */
	MemoryContext context;		/* of resource, map and payloads; NULL: empty
								 * entry */
} TableEntry;

static HTAB *entries = NULL;
static MemoryContext entries_context = NULL;
static uint64 entries_version = 0;	/* eb_catalog_version() of all entries */

static const char *validate(const char *resource, Jsonb *parameters,
							Oid owner);
static void check_events(Relation rel, Oid owner, bool ignore_conflicts);
static void check_input(const char *resource, Jsonb *parameters,
						const EbTransform *transform, Oid owner);
static int	deliver(EbTargetRun *run);
static void shut_down(void);
static bool check_parameters(Jsonb *parameters);
static bool ignores_conflicts(Jsonb *parameters);
static RangeVar *parse_name(const char *resource);
static Relation open_table(RangeVar *name, LOCKMODE lockmode, bool nowait);
pg_noreturn static void missing_error(const RangeVar *name, bool delivering);
static void insert_events(TableEntry *entry, Relation rel, EbTargetRun *run);
static TableEntry *current_entry(const EbTarget *target, bool takes_payloads,
								 Relation rel);
static void create_entries(void);
static void fill_entry(TableEntry *entry, const EbTarget *target,
					   bool takes_payloads, bool ignore_conflicts,
					   Relation rel);
static void empty_entry(TableEntry *entry);
static void empty_all_entries(void);
static void mark_stale(Datum arg, Oid relid);

const EbTargetType eb_target_table = {
	.name = TARGET_TYPE_NAME,
	.validate = validate,
	.check_input = check_input,
	.deliver = deliver,
	.shutdown = shut_down,
};

/*
 * Looks the table up by the caller's search path. Returns its qualified name,
 * in CurrentMemoryContext. The table stays locked until the transaction ends.
 */
static const char *
validate(const char *resource, Jsonb *parameters, Oid owner)
{
	Relation	rel;
	Oid			relid;
	char	   *schema;

	(void) check_parameters(parameters);
	rel = open_table(parse_name(resource), AccessShareLock, false);
	relid = RelationGetRelid(rel);
	eb_table_check_kind(rel);
	relation_close(rel, NoLock);

	/* the lock keeps the table, and so its name, as it is */
	schema = get_namespace_name(get_rel_namespace(relid));
	return quote_qualified_identifier(schema, get_rel_name(relid));
}

/* Makes sure that the table can take events, and owner may insert them. */
static void
check_events(Relation rel, Oid owner, bool ignore_conflicts)
{
	EbTableMap *map = eb_table_map(rel);

	eb_table_check_rights(rel, map->attnums, owner);
	if (ignore_conflicts || eb_table_fast_targetlist(rel, map) == NIL)
	{
		char	   *statement = eb_table_event_statement(rel, map,
														 ignore_conflicts);

		eb_table_executor_check(statement, eb_table_source_desc());
	}
}

static void
check_input(const char *resource, Jsonb *parameters,
			const EbTransform *transform, Oid owner)
{
	bool		ignore_conflicts = ignores_conflicts(parameters);
	Relation	rel = open_table(parse_name(resource), AccessShareLock, false);

	if (transform == NULL)
		check_events(rel, owner, ignore_conflicts);
	else
		eb_table_payloads_check(rel, transform, owner, ignore_conflicts);
	relation_close(rel, NoLock);
}

/* Checks the parameters: {"on_conflict": "error" | "ignore"}, or none. */
static bool
check_parameters(Jsonb *parameters)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	bool		ignore = false;

	it = JsonbIteratorInit(&parameters->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY &&
			(v.val.string.len != strlen("on_conflict") ||
			 memcmp(v.val.string.val, "on_conflict", v.val.string.len) != 0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized parameter \"%.*s\" for a target of type \"%s\"",
							v.val.string.len, v.val.string.val,
							TARGET_TYPE_NAME),
					 errhint("The only parameter is \"on_conflict\".")));
		if (token != WJB_VALUE)
			continue;
		ignore = v.type == jbvString && v.val.string.len == 6 &&
			memcmp(v.val.string.val, "ignore", 6) == 0;
		if (!ignore && (v.type != jbvString || v.val.string.len != 5 ||
						memcmp(v.val.string.val, "error", 5) != 0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("parameter \"on_conflict\" must be \"error\" or \"ignore\"")));
	}
	return ignore;
}

/* The same of parameters that were checked. */
static bool
ignores_conflicts(Jsonb *parameters)
{
	JsonbValue	v;

	return getKeyJsonValueFromContainer(&parameters->root, "on_conflict",
										strlen("on_conflict"), &v) != NULL &&
		v.type == jbvString && v.val.string.len == strlen("ignore");
}

/* Parses the name of a table as SQL does. */
static RangeVar *
parse_name(const char *resource)
{
	List	   *names;

	eb_target_need_resource(TARGET_TYPE_NAME, resource,
							"the table that takes the events");
	names = textToQualifiedNameList(cstring_to_text(resource));
	return makeRangeVarFromNameList(names);
}

/*
 * Opens and locks the table that name says. Raises undefined_table (also when
 * it is the schema that is missing), or with nowait lock_not_available.
 */
static Relation
open_table(RangeVar *name, LOCKMODE lockmode, bool nowait)
{
	uint32		flags = RVR_MISSING_OK | (nowait ? RVR_NOWAIT : 0);
	Oid			relid;

	relid = RangeVarGetRelidExtended(name, lockmode, flags, NULL, NULL);
	if (!OidIsValid(relid))
		missing_error(name, nowait);
	return relation_open(relid, NoLock);
}

/* There is no such table; delivering: any more. */
static void
missing_error(const RangeVar *name, bool delivering)
{
	const char *schema = name->schemaname;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("relation \"%s%s%s\" does not exist",
					schema ? schema : "", schema ? "." : "", name->relname),
			 delivering ?
			 errhint("If the table was renamed, put the target again with its new name.") : 0));
}

/*
 * Inserts items into the target's table; see target.h. Nothing of target is
 * used once user code may have run, since that can invalidate it.
 */
static int
deliver(EbTargetRun *run)
{
	const EbTarget *target = run->target;
	int			n = run->n;
	Relation	rel;
	TableEntry *entry;

	rel = open_table(parse_name(target->resource), RowExclusiveLock, true);

	/* its own rights include all that a superuser has on the table */
	eb_target_lower_rights(rel->rd_rel->relowner);
	entry = current_entry(target, run->transform != NULL, rel);
	if (entry->payloads != NULL)
		eb_table_payloads_insert(entry->payloads, rel, run);
	else
		insert_events(entry, rel, run);
	relation_close(rel, NoLock);
	return n;
}

/* Inserts whole events. */
static void
insert_events(TableEntry *entry, Relation rel, EbTargetRun *run)
{
	TupleDesc	desc = eb_table_source_desc();
	EbTableSource source;

	eb_table_check_rights(rel, entry->map->attnums, GetUserId());
	eb_table_source_init(&source, entry->map, run->target->rule, run->items,
						 run->n);
	if (entry->targetlist != NULL &&
		check_enable_rls(entry->relid, InvalidOid, true) != RLS_ENABLED)
		eb_table_fast_insert(rel, entry->map,
							 (List *) entry->targetlist->expr, &source);
	else
	{
		if (entry->plan == NULL)
		{
			bool		ignore_conflicts = entry->ignore_conflicts;
			char	   *statement = eb_table_event_statement(rel, entry->map,
															 ignore_conflicts);

			entry->plan = eb_table_executor_prepare(statement, desc);
		}
		eb_table_executor_insert(entry->plan, desc,
								 eb_table_event_rows(&source));
	}
}

/* The entry of a target whose table is rel, made anew unless it is current. */
static TableEntry *
current_entry(const EbTarget *target, bool takes_payloads, Relation rel)
{
	bool		ignore_conflicts = ignores_conflicts(target->parameters);
	uint64		version = eb_catalog_version();
	TableEntry *entry;
	bool		found;

	if (entries == NULL)
		create_entries();
	if (entries_version != version)
	{
		empty_all_entries();
		entries_version = version;
	}
	entry = hash_search(entries, &target->target_id, HASH_ENTER, &found);
	if (!found)
		memset(&entry->complete, 0, sizeof(TableEntry) -
			   offsetof(TableEntry, complete));
	if (entry->complete && !entry->stale &&
		entry->relid == RelationGetRelid(rel) &&
		takes_payloads == (entry->payloads != NULL) &&
		entry->ignore_conflicts == ignore_conflicts &&
		strcmp(entry->resource, target->resource) == 0 &&
		(entry->targetlist == NULL || entry->targetlist->is_valid))
		return entry;
	empty_entry(entry);
	fill_entry(entry, target, takes_payloads, ignore_conflicts, rel);
	return entry;
}

/* Makes the hash table; the callback stays for the life of the process. */
static void
create_entries(void)
{
	static bool registered = false;
	HASHCTL		ctl;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(mark_stale, (Datum) 0);
		registered = true;
	}
	entries_context = AllocSetContextCreate(TopMemoryContext,
											"eventbus table targets",
											ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = sizeof(int32);
	ctl.entrysize = sizeof(TableEntry);
	ctl.hcxt = entries_context;
	entries = hash_create("eventbus table targets", 64, &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Finds out what an empty entry keeps. It can become stale from the first
 * look on, also by a change that comes to light meanwhile. What an error
 * leaves behind is incomplete but can be emptied.
 */
static void
fill_entry(TableEntry *entry, const EbTarget *target, bool takes_payloads,
		   bool ignore_conflicts, Relation rel)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	EbTableMap *map;
	List	   *targetlist = NIL;

	entry->relid = RelationGetRelid(rel);
	entry->stale = false;
	entry->ignore_conflicts = ignore_conflicts;
	entry->context = AllocSetContextCreate(entries_context,
										   "eventbus table target",
										   ALLOCSET_SMALL_SIZES);
	eb_table_check_kind(rel);
	entry->resource = MemoryContextStrdup(entry->context, target->resource);
	if (takes_payloads)
	{
		MemoryContextSwitchTo(entry->context);
		entry->payloads = eb_table_payloads_create(ignore_conflicts);
		MemoryContextSwitchTo(oldcontext);
		entry->complete = true;
		return;
	}
	map = eb_table_map(rel);
	MemoryContextSwitchTo(entry->context);
	entry->map = eb_table_map_copy(map);
	MemoryContextSwitchTo(oldcontext);

	if (!ignore_conflicts)
		targetlist = eb_table_fast_targetlist(rel, map);
	if (targetlist != NIL)
		entry->targetlist = GetCachedExpression((Node *) targetlist);
	entry->complete = true;
}

/* Frees what an entry keeps. */
static void
empty_entry(TableEntry *entry)
{
	entry->complete = false;
	if (entry->targetlist != NULL)
		FreeCachedExpression(entry->targetlist);
	entry->targetlist = NULL;
	if (entry->plan != NULL)
		SPI_freeplan(entry->plan);
	entry->plan = NULL;
	if (entry->payloads != NULL)
		eb_table_payloads_free(entry->payloads);
	entry->payloads = NULL;
	if (entry->context != NULL)
		MemoryContextDelete(entry->context);
	entry->context = NULL;
	entry->map = NULL;
	entry->resource = NULL;
}

static void
empty_all_entries(void)
{
	HASH_SEQ_STATUS scan;
	TableEntry *entry;

	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		empty_entry(entry);
		hash_search(entries, &entry->target_id, HASH_REMOVE, NULL);
	}
}

/* Relcache callback: a relation changed, or (InvalidOid) all of them. */
static void
mark_stale(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	TableEntry *entry;

	if (entries == NULL)
		return;
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (!OidIsValid(relid) || entry->relid == relid)
			entry->stale = true;
	}
}

/* Forgets everything, also when called twice. */
static void
shut_down(void)
{
	if (entries == NULL)
		return;
	empty_all_entries();
	MemoryContextDelete(entries_context);
	entries = NULL;
	entries_context = NULL;
}
