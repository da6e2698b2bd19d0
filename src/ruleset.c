/*-------------------------------------------------------------------------
 *
 * ruleset.c
 *		All enabled rules of the database, compiled for the router.
 *
 * One matcher per bus over the patterns of its enabled rules that have
 * targets. The set lives in a memory context of its own; when the catalog has
 * changed, a new one is built beside it and takes its place. A pattern that
 * does not compile (a newer version accepted it, say) is left out with a
 * warning: it must not stop the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "catalog.h"
#include "event_match.h"
#include "ruleset.h"

/* One bus: pattern number i is that of the rule whose targets are lists[i]. */
typedef struct BusRules
{
	int32		bus_id;
	EbMatcher  *matcher;
	int			nrules;
	int			ntargets;		/* of all its rules */
	EbPattern **patterns;
	List	  **lists;			/* of int32 target ids */
	int		   *matched;		/* room for nrules */
	int32	   *targets;		/* room for ntargets */
} BusRules;

typedef struct RuleSet
{
	MemoryContext context;
	uint64		version;		/* eb_catalog_version() it was built from */
	int			nbuses;
	BusRules   *buses;			/* by bus_id */
	int			ntargets;
	int32	   *targets;
} RuleSet;

static RuleSet *current = NULL;

static RuleSet *build(uint64 version);
static void build_bus(BusRules *bus, List *rules);
static bool compile(const EbRule *rule, EbPattern **pattern);

bool
eb_ruleset_refresh(void)
{
	uint64		version = eb_catalog_version();
	RuleSet    *old = current;

	if (old != NULL && old->version == version)
		return false;
	current = build(version);
	if (old != NULL)
		MemoryContextDelete(old->context);
	return true;
}

static RuleSet *
build(uint64 version)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "eventbus rules",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	List	   *rules = eb_catalog_rules();
	RuleSet    *set = palloc0(sizeof(RuleSet));
	ListCell   *cell;
	int			at = 0;

	set->context = context;
	set->version = version;
	set->buses = palloc0(sizeof(BusRules) * Max(list_length(rules), 1));
	foreach(cell, rules)
		set->ntargets += list_length(((EbRule *) lfirst(cell))->targets);
	set->targets = palloc(sizeof(int32) * Max(set->ntargets, 1));

	/* rules come ordered by bus: one run of them a bus */
	for (int i = 0; i < list_length(rules);)
	{
		EbRule	   *first = list_nth(rules, i);
		List	   *run = NIL;

		for (; i < list_length(rules); i++)
		{
			EbRule	   *rule = list_nth(rules, i);

			if (rule->bus_id != first->bus_id)
				break;
			foreach(cell, rule->targets)
				set->targets[at++] = ((EbTarget *) lfirst(cell))->target_id;
			if (rule->enabled && rule->event_pattern && rule->targets)
				run = lappend(run, rule);
		}
		if (run != NIL)
			build_bus(&set->buses[set->nbuses++], run);
	}
	MemoryContextSwitchTo(caller);
	return set;
}

static void
build_bus(BusRules *bus, List *rules)
{
	int			n = list_length(rules);
	ListCell   *cell;

	bus->bus_id = ((EbRule *) linitial(rules))->bus_id;
	bus->patterns = palloc(sizeof(EbPattern *) * n);
	bus->lists = palloc(sizeof(List *) * n);
	bus->matched = palloc(sizeof(int) * n);
	foreach(cell, rules)
	{
		EbRule	   *rule = lfirst(cell);
		ListCell   *target;
		List	   *ids = NIL;

		if (!compile(rule, &bus->patterns[bus->nrules]))
			continue;
		foreach(target, rule->targets)
			ids = lappend_int(ids, ((EbTarget *) lfirst(target))->target_id);
		bus->ntargets += list_length(ids);
		bus->lists[bus->nrules++] = ids;
	}
	bus->matcher = eb_matcher_build(bus->patterns, bus->nrules);
	bus->targets = palloc(sizeof(int32) * Max(bus->ntargets, 1));
}

/* Compiles a rule's pattern; false, with a warning, when it cannot. */
static bool
compile(const EbRule *rule, EbPattern **pattern)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		*pattern = eb_pattern_from_jsonb(rule->event_pattern);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("rule \"%s\" on event bus \"%s\" is not routed",
						rule->name, rule->bus_name),
				 errdetail_internal("%s", error->message)));
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

static int
compare_bus(const void *key, const void *bus)
{
	int32		left = *(const int32 *) key;
	int32		right = ((const BusRules *) bus)->bus_id;

	return left < right ? -1 : left > right ? 1 : 0;
}

int
eb_ruleset_match(const EbEvent *event, const int32 **target_ids)
{
	BusRules   *bus;
	int			nmatched;
	int			n = 0;

	bus = bsearch(&event->bus_id, current->buses, current->nbuses,
				  sizeof(BusRules), compare_bus);
	if (bus == NULL)
		return 0;
	nmatched = eb_match_event(bus->matcher, event, bus->matched);
	for (int i = 0; i < nmatched; i++)
	{
		ListCell   *cell;

		foreach(cell, bus->lists[bus->matched[i]])
			bus->targets[n++] = lfirst_int(cell);
	}
	*target_ids = bus->targets;
	return n;
}

int
eb_ruleset_targets(const int32 **target_ids)
{
	*target_ids = current->targets;
	return current->ntargets;
}
