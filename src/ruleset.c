/*-------------------------------------------------------------------------
 *
 * ruleset.c
 *		All enabled rules of the database, compiled for the router.
 *
 * A bus has two matchers: one of nearly all its rules, and a small one of
 * those that have come or changed since that was made. So adding a rule to a
 * hundred thousand compiles the few of the small one, and only when there are
 * too many of these are all compiled again. A rule that is gone is forgotten
 * in the list from pattern numbers to rules, and goes on matching for nothing.
 *
 *		bus ──▶ matcher of many ──▶ pattern number ──▶ rule ──▶ target ids
 *		   └──▶ matcher of few  ──▶ pattern number ──▶ rule or NULL
 *
 * What the tables say is taken over row by row (catalog_scan.h): rules whose
 * row is the one that we know are left alone, and of a rule that changed its
 * pattern is kept, to be compiled again. A matcher has a memory context of its
 * own; a new one is finished before it takes the place of the old.
 *
 * An error in the middle of a refresh leaves a set that is not to be used: the
 * next refresh begins with an empty one.
 *
 * The event of a schedule goes to the rules that its resources name, beside
 * those whose patterns match it. It is known by its source, which publishers
 * cannot use, its bus, and that it has come of no other: what a target passes
 * on to another bus, or to the same, is an event as any other.
 *
 * A pattern that does not compile (a newer version accepted it, say) is left
 * out with a warning: it must not stop the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "arn.h"
#include "eventbus.h"
#include "catalog_scan.h"
#include "event_match.h"
#include "put.h"
#include "ruleset.h"

/* bytes of a rule's name, which is ASCII, and the end */
#define NAME_SIZE		(EB_MAX_RULE_NAME + 1)

/* the small matcher may have this many rules, and a part of the other's */
#define MAX_FEW			500
#define MAX_FEW_PART	32

typedef struct Rule
{
	int32		rule_id;		/* hash key */
	EbRowVersion version;
	uint32		seen_in;		/* refresh that saw it last */
	struct Bus *bus;
	Jsonb	   *pattern;		/* NULL: not enabled, or none */
	char	   *scheduled;		/* its name, if enabled and with a schedule */
	struct Matcher *matcher;	/* that it is in, or NULL */
	int			number;			/* in there */
	int			ntargets;
	int			first_target;	/* in RuleSet.targets */
} Rule;

typedef struct Matcher
{
	MemoryContext context;		/* holds everything, this struct included */
	EbMatcher  *matcher;
	int			nrules;
	Rule	  **rules;			/* by pattern number; NULL: gone */
	int		   *matched;		/* room for nrules */
} Matcher;

typedef struct Bus
{
	int32		bus_id;			/* hash key */
	bool		is_live;		/* exists, and was not deleted */
	Matcher    *many;			/* or NULL */
	Matcher    *few;			/* or NULL */
	int			ngone;			/* rules of "many" that are gone */
	bool		is_stale;		/* rules are in no matcher yet */
	List	   *waiting;		/* while refreshing: Rule *, to be compiled */
} Bus;

typedef struct Scheduled
{
	char		name[NAME_SIZE];	/* hash key */
	Rule	   *rule;			/* of the default bus */
} Scheduled;

typedef struct Target
{
	int32		rule_id;
	int32		target_id;
} Target;

typedef struct RuleSet
{
	MemoryContext context;		/* of all but matchers, which are children */
	bool		is_complete;
	EbCatalogChanges changes;	/* that were taken over */
	uint32		refresh;		/* number of the last one */
	HTAB	   *rules;			/* of Rule */
	HTAB	   *buses;			/* of Bus */
	HTAB	   *scheduled;		/* of Scheduled */
	int			nrows;			/* of the table of targets */
	int			capacity;
	Target	   *rows;
	bool		must_link;		/* rules, buses or targets came or went */
	int			ntargets;		/* of rules that we have */
	int32	   *targets;		/* by rule */
	int			answer_size;
	int32	   *answer;			/* of eb_ruleset_match() */
} RuleSet;

static RuleSet *current = NULL;

static RuleSet *make_set(void);
static HTAB *make_table(MemoryContext context, const char *name,
						Size entrysize);
static HTAB *make_name_table(MemoryContext context);
static void take_over(RuleSet *set, const EbCatalogChanges *changes);
static void take_bus(int32 bus_id, void *arg);
static bool take_rule(int32 rule_id, const EbRowVersion *version, void *arg);
static void take_pattern(int32 rule_id, int32 bus_id, Jsonb *pattern,
						 const char *scheduled, void *arg);
static void take_schedule(RuleSet *set, Rule *rule, const char *scheduled);
static void forget_schedule(RuleSet *set, Rule *rule);
static void take_target(int32 rule_id, int32 target_id, void *arg);
static Bus *get_bus(RuleSet *set, int32 bus_id);
static void forget_pattern(Rule *rule);
static void forget_gone_rules(RuleSet *set);
static void link_targets(RuleSet *set);
static void compile_stale(RuleSet *set);
static void collect_few(Bus *bus);
static void collect_all(RuleSet *set);
static bool wants_all(const Bus *bus);
static void replace_matcher(RuleSet *set, Matcher **place, List **rules);
static Matcher *make_matcher(RuleSet *set, List *rules);
static EbPattern *compile(const Rule *rule);
static void delete_matcher(Matcher **matcher);
static int	match(Matcher *matcher, const EbEvent *event, int n);
static bool is_of_schedule(const EbEvent *event);
static int	add_scheduled(const EbEvent *event, int n);

bool
eb_ruleset_refresh(void)
{
	EbCatalogChanges changes;

	eb_catalog_changes(&changes);
	if (current != NULL && current->is_complete &&
		memcmp(&changes, &current->changes, sizeof(changes)) == 0)
		return false;
	if (current != NULL && !current->is_complete)
	{
		MemoryContextDelete(current->context);
		current = NULL;
	}
	if (current == NULL)
		current = make_set();
	current->is_complete = false;
	take_over(current, &changes);
	compile_stale(current);
	if (current->must_link)
		link_targets(current);
	current->changes = changes;
	current->is_complete = true;
	return true;
}

uint32
eb_ruleset_version(void)
{
	return current == NULL ? 0 : current->refresh;
}

int
eb_ruleset_match(const EbEvent *event, const int32 **target_ids)
{
	Bus		   *bus = hash_search(current->buses, &event->bus_id, HASH_FIND,
								  NULL);
	int			n = 0;

	if (bus == NULL || !bus->is_live)
		return 0;
	if (bus->many != NULL)
		n = match(bus->many, event, n);
	if (bus->few != NULL)
		n = match(bus->few, event, n);
	if (is_of_schedule(event))
		n = add_scheduled(event, n);
	*target_ids = current->answer;
	return n;
}

int
eb_ruleset_targets(const int32 **target_ids)
{
	*target_ids = current->targets;
	return current->ntargets;
}

/* Appends to the answer the targets of the rules that match. */
static int
match(Matcher *matcher, const EbEvent *event, int n)
{
	int			nmatched = eb_match_event(matcher->matcher, event,
										  matcher->matched);

	for (int i = 0; i < nmatched; i++)
	{
		const Rule *rule = matcher->rules[matcher->matched[i]];

		if (rule == NULL)
			continue;
		memcpy(&current->answer[n], &current->targets[rule->first_target],
			   rule->ntargets * sizeof(int32));
		n += rule->ntargets;
	}
	return n;
}

static bool
text_is(const text *value, const char *string)
{
	return VARSIZE_ANY_EXHDR(value) == strlen(string) &&
		memcmp(VARDATA_ANY(value), string, strlen(string)) == 0;
}

static bool
is_of_schedule(const EbEvent *event)
{
	return event->bus_id == EB_DEFAULT_BUS_ID && event->hop_count == 0 &&
		event->resources != NULL &&
		text_is(event->source, EB_SCHEDULE_SOURCE) &&
		text_is(event->detail_type, EB_SCHEDULE_DETAIL_TYPE);
}

/* Appends the targets of the rule whose schedule it is, unless there already. */
static int
add_scheduled(const EbEvent *event, int n)
{
	int			nmatched = n;
	char	   *name;
	Scheduled  *found = NULL;
	Datum	   *resources;
	int			nresources;

	deconstruct_array(event->resources, TEXTOID, -1, false, TYPALIGN_INT,
					  &resources, NULL, &nresources);
	if (nresources != 1)
		return n;
	name = eb_arn_name(TextDatumGetCString(resources[0]), "events", "rule/");
	if (name != NULL && strlen(name) < NAME_SIZE)
		found = hash_search(current->scheduled, name, HASH_FIND, NULL);
	for (int i = 0; found != NULL && i < found->rule->ntargets; i++)
	{
		int32		target = current->targets[found->rule->first_target + i];
		bool		there = false;

		for (int j = 0; j < nmatched && !there; j++)
			there = current->answer[j] == target;
		if (!there)
			current->answer[n++] = target;
	}
	return n;
}

/* ----- taking over what the tables say ----- */

static RuleSet *
make_set(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "eventbus rules",
												  ALLOCSET_DEFAULT_SIZES);
	RuleSet    *set = MemoryContextAllocZero(context, sizeof(RuleSet));

	set->context = context;
	set->rules = make_table(context, "eventbus compiled rules", sizeof(Rule));
	set->buses = make_table(context, "eventbus compiled buses", sizeof(Bus));
	set->scheduled = make_name_table(context);
	set->capacity = 64;
	set->rows = MemoryContextAlloc(context, set->capacity * sizeof(Target));
	return set;
}

static HTAB *
make_table(MemoryContext context, const char *name, Size entrysize)
{
	HASHCTL		ctl = {
		.keysize = sizeof(int32),
		.entrysize = entrysize,
		.hcxt = context
	};

	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static HTAB *
make_name_table(MemoryContext context)
{
	HASHCTL		ctl = {
		.keysize = NAME_SIZE,
		.entrysize = sizeof(Scheduled),
		.hcxt = context
	};

	return hash_create("eventbus scheduled rules", 64, &ctl,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* Reads the tables that have changed. */
static void
take_over(RuleSet *set, const EbCatalogChanges *changes)
{
	EbCatalogVisitor visitor = {.pattern = take_pattern, .arg = set};
	HASH_SEQ_STATUS status;
	Bus		   *bus;

	if (changes->buses != set->changes.buses)
	{
		visitor.bus = take_bus;
		set->must_link = true;
		hash_seq_init(&status, set->buses);
		while ((bus = hash_seq_search(&status)) != NULL)
			bus->is_live = bus->bus_id == EB_DEFAULT_BUS_ID;
	}
	if (changes->rules != set->changes.rules)
	{
		visitor.rule = take_rule;
		set->refresh++;
	}
	if (changes->targets != set->changes.targets)
	{
		visitor.target = take_target;
		set->must_link = true;
		set->nrows = 0;
	}
	eb_catalog_scan(&visitor);
	if (visitor.rule != NULL)
		forget_gone_rules(set);
}

static void
take_bus(int32 bus_id, void *arg)
{
	get_bus(arg, bus_id)->is_live = true;
}

/* Is that row of a rule new to us? */
static bool
take_rule(int32 rule_id, const EbRowVersion *version, void *arg)
{
	RuleSet    *set = arg;
	bool		found;
	Rule	   *rule = hash_search(set->rules, &rule_id, HASH_ENTER, &found);

	if (!found)
	{
		memset((char *) rule + sizeof(rule_id), 0,
			   sizeof(Rule) - sizeof(rule_id));
		set->must_link = true;
	}
	rule->seen_in = set->refresh;
	if (found && rule->version.xmin == version->xmin &&
		ItemPointerEquals(&rule->version.tid,
						  (ItemPointer) &version->tid))
		return false;
	rule->version = *version;
	return true;
}

/* Takes over the rule of such a row, unless its pattern is as it was. */
static void
take_pattern(int32 rule_id, int32 bus_id, Jsonb *pattern,
			 const char *scheduled, void *arg)
{
	RuleSet    *set = arg;
	Rule	   *rule = hash_search(set->rules, &rule_id, HASH_FIND, NULL);
	Bus		   *bus = get_bus(set, bus_id);
	MemoryContext caller = MemoryContextSwitchTo(set->context);

	if (rule->bus == bus && rule->pattern != NULL && pattern != NULL &&
		VARSIZE(pattern) == VARSIZE(rule->pattern) &&
		memcmp(pattern, rule->pattern, VARSIZE(pattern)) == 0)
		pattern = NULL;			/* nothing to do */
	else
	{
		forget_pattern(rule);
		rule->bus = bus;
	}
	if (pattern != NULL)
	{
		rule->pattern = palloc(VARSIZE(pattern));
		memcpy(rule->pattern, pattern, VARSIZE(pattern));
		bus->waiting = lappend(bus->waiting, rule);
		bus->is_stale = true;
	}
	take_schedule(set, rule, scheduled);
	MemoryContextSwitchTo(caller);
}

/* Takes over by which name events of its schedule mean the rule; NULL: none. */
static void
take_schedule(RuleSet *set, Rule *rule, const char *scheduled)
{
	Scheduled  *entry;

	forget_schedule(set, rule);
	if (scheduled == NULL || strlen(scheduled) >= NAME_SIZE ||
		rule->bus->bus_id != EB_DEFAULT_BUS_ID)
		return;
	rule->scheduled = pstrdup(scheduled);
	entry = hash_search(set->scheduled, scheduled, HASH_ENTER, NULL);
	entry->rule = rule;
}

static void
forget_schedule(RuleSet *set, Rule *rule)
{
	Scheduled  *entry;

	if (rule->scheduled == NULL)
		return;
	/* another rule may have come to the name meanwhile */
	entry = hash_search(set->scheduled, rule->scheduled, HASH_FIND, NULL);
	if (entry != NULL && entry->rule == rule)
		(void) hash_search(set->scheduled, rule->scheduled, HASH_REMOVE, NULL);
	pfree(rule->scheduled);
	rule->scheduled = NULL;
}

static void
take_target(int32 rule_id, int32 target_id, void *arg)
{
	RuleSet    *set = arg;

	if (set->nrows == set->capacity)
	{
		set->rows = repalloc_huge(set->rows,
								  sizeof(Target) * 2 * set->capacity);
		set->capacity *= 2;
	}
	set->rows[set->nrows].rule_id = rule_id;
	set->rows[set->nrows++].target_id = target_id;
}

static Bus *
get_bus(RuleSet *set, int32 bus_id)
{
	bool		found;
	Bus		   *bus = hash_search(set->buses, &bus_id, HASH_ENTER, &found);

	if (!found)
	{
		memset((char *) bus + sizeof(bus_id), 0, sizeof(Bus) - sizeof(bus_id));
		bus->is_live = bus_id == EB_DEFAULT_BUS_ID;
	}
	return bus;
}

static void
forget_pattern(Rule *rule)
{
	if (rule->matcher != NULL)
	{
		rule->matcher->rules[rule->number] = NULL;
		if (rule->matcher == rule->bus->many)
		{
			rule->bus->ngone++;
			if (rule->bus->ngone > rule->matcher->nrules / 2)
				rule->bus->is_stale = true;
		}
	}
	rule->matcher = NULL;
	if (rule->pattern != NULL)
		pfree(rule->pattern);
	rule->pattern = NULL;
}

static void
forget_gone_rules(RuleSet *set)
{
	HASH_SEQ_STATUS status;
	Rule	   *rule;

	hash_seq_init(&status, set->rules);
	while ((rule = hash_seq_search(&status)) != NULL)
	{
		if (rule->seen_in == set->refresh)
			continue;
		forget_pattern(rule);
		forget_schedule(set, rule);
		(void) hash_search(set->rules, &rule->rule_id, HASH_REMOVE, NULL);
		set->must_link = true;
	}
}

/*
 * Gives each rule its targets, side by side. Those of rules that we do not
 * have, or whose bus is gone, are left out.
 */
static void
link_targets(RuleSet *set)
{
	HASH_SEQ_STATUS status;
	Rule	   *rule;
	int32	   *targets;
	Rule	  **rules = MemoryContextAllocHuge(CurrentMemoryContext,
											   sizeof(Rule *) *
											   Max(set->nrows, 1));
	int			sum = 0;

	hash_seq_init(&status, set->rules);
	while ((rule = hash_seq_search(&status)) != NULL)
		rule->ntargets = 0;
	for (int i = 0; i < set->nrows; i++)
	{
		rules[i] = hash_search(set->rules, &set->rows[i].rule_id, HASH_FIND,
							   NULL);
		if (rules[i] != NULL && !rules[i]->bus->is_live)
			rules[i] = NULL;
		if (rules[i] != NULL)
			rules[i]->ntargets++;
	}
	hash_seq_init(&status, set->rules);
	while ((rule = hash_seq_search(&status)) != NULL)
	{
		rule->first_target = sum;
		sum += rule->ntargets;
		rule->ntargets = 0;
	}
	targets = MemoryContextAllocHuge(set->context,
									 sizeof(int32) * Max(sum, 1));
	for (int i = 0; i < set->nrows; i++)
	{
		if (rules[i] != NULL)
			targets[rules[i]->first_target + rules[i]->ntargets++] =
				set->rows[i].target_id;
	}
	pfree(rules);
	set->must_link = false;
	if (set->targets != NULL)
		pfree(set->targets);
	set->targets = targets;
	set->ntargets = sum;
	if (set->answer_size < sum || set->answer == NULL)
	{
		if (set->answer != NULL)
			pfree(set->answer);
		set->answer = MemoryContextAllocHuge(set->context,
											 sizeof(int32) * Max(sum * 2, 1));
		set->answer_size = sum * 2;
	}
}

/* ----- compiling ----- */

/* Compiles the rules that are in no matcher yet. */
static void
compile_stale(RuleSet *set)
{
	HASH_SEQ_STATUS status;
	Bus		   *bus;
	bool		want_all = false;
	MemoryContext caller = MemoryContextSwitchTo(set->context);

	hash_seq_init(&status, set->buses);
	while ((bus = hash_seq_search(&status)) != NULL)
	{
		if (!bus->is_stale)
			continue;
		collect_few(bus);
		if (wants_all(bus))
		{
			list_free(bus->waiting);
			bus->waiting = NIL;
			want_all = true;
			continue;
		}
		replace_matcher(set, &bus->few, &bus->waiting);
		bus->is_stale = false;
	}
	if (want_all)
		collect_all(set);
	hash_seq_init(&status, set->buses);
	while ((bus = hash_seq_search(&status)) != NULL)
	{
		if (!bus->is_stale)
			continue;
		replace_matcher(set, &bus->many, &bus->waiting);
		delete_matcher(&bus->few);
		bus->ngone = 0;
		bus->is_stale = false;
	}
	MemoryContextSwitchTo(caller);
}

/* Has those in the bus's matcher of few wait, too. */
static void
collect_few(Bus *bus)
{
	for (int i = 0; bus->few != NULL && i < bus->few->nrules; i++)
	{
		if (bus->few->rules[i] != NULL)
			bus->waiting = lappend(bus->waiting, bus->few->rules[i]);
	}
}

/* Has all rules wait of buses that are stale. */
static void
collect_all(RuleSet *set)
{
	HASH_SEQ_STATUS status;
	Rule	   *rule;

	hash_seq_init(&status, set->rules);
	while ((rule = hash_seq_search(&status)) != NULL)
	{
		if (rule->bus->is_stale && rule->pattern != NULL)
			rule->bus->waiting = lappend(rule->bus->waiting, rule);
	}
}

/* Is it better to compile all rules of the bus than those that wait? */
static bool
wants_all(const Bus *bus)
{
	int			nmany = bus->many == NULL ? 0 : bus->many->nrules;
	int			nfew = list_length(bus->waiting);

	return nmany + nfew <= MAX_FEW || bus->ngone > nmany / 2 ||
		nfew > MAX_FEW + nmany / MAX_FEW_PART;
}

/* Puts a matcher of the rules in the place of the one that is there. */
static void
replace_matcher(RuleSet *set, Matcher **place, List **rules)
{
	Matcher    *made = make_matcher(set, *rules);

	delete_matcher(place);
	*place = made;
	list_free(*rules);
	*rules = NIL;
}

static Matcher *
make_matcher(RuleSet *set, List *rules)
{
	MemoryContext context = AllocSetContextCreate(set->context,
												  "eventbus matcher",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext scratch = AllocSetContextCreate(context,
												  "eventbus pattern",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	int			n = list_length(rules);
	Matcher    *matcher = palloc0(sizeof(Matcher));
	ListCell   *cell;

	matcher->context = context;
	matcher->rules = palloc_extended(sizeof(Rule *) * Max(n, 1),
									 MCXT_ALLOC_HUGE);
	matcher->matched = palloc(sizeof(int) * Max(n, 1));
	matcher->matcher = eb_matcher_create();
	foreach(cell, rules)
	{
		Rule	   *rule = lfirst(cell);
		EbPattern  *pattern;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(scratch);
		pattern = compile(rule);
		MemoryContextSwitchTo(context);
		if (pattern != NULL)
		{
			rule->matcher = matcher;
			rule->number = eb_matcher_add(matcher->matcher, pattern);
			matcher->rules[matcher->nrules++] = rule;
		}
		else
			forget_pattern(rule);
		MemoryContextReset(scratch);
	}
	eb_matcher_finish(matcher->matcher);
	MemoryContextDelete(scratch);
	MemoryContextSwitchTo(caller);
	return matcher;
}

/* Compiles a rule's pattern; NULL, with a warning, when it cannot. */
static EbPattern *
compile(const Rule *rule)
{
	MemoryContext context = CurrentMemoryContext;
	EbPattern  *volatile pattern = NULL;

	PG_TRY();
	{
		pattern = eb_pattern_from_jsonb(rule->pattern);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		const EbRule *known;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		known = eb_catalog_rule(rule->rule_id);
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("rule \"%s\" on event bus \"%s\" is not routed",
						known == NULL ? "" : known->name,
						known == NULL ? "" : known->bus_name),
				 errdetail_internal("%s", error->message)));
	}
	PG_END_TRY();
	return pattern;
}

static void
delete_matcher(Matcher **matcher)
{
	if (*matcher != NULL)
		MemoryContextDelete((*matcher)->context);
	*matcher = NULL;
}
