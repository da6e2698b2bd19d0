/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *		Fires the schedules of rules.
 *
 * Part of the router's process. When a schedule fires, an event is put on the
 * default bus, as any event is (source aws.events, detail-type Scheduled Event,
 * the rule's ARN among its resources, the time that was due as its time); the
 * router then delivers it to the targets of that rule (ruleset.c). In the same
 * transaction the next time is stored. So each time fires once: a crash takes
 * back both or neither.
 *
 * What is stored is what decides, not the clock: a time that was fired is
 * passed for good, also when the clock is set back. A clock that is back by
 * more than a day (or was that far ahead before) would have schedules rest
 * until it is there again: they begin anew then, from the time that it is.
 *
 * Times that passed while no router ran are missed runs; missed_runs says
 * which of them fire:
 *
 *		last	the last one
 *		skip	the last one, if it is no more than a minute late
 *		all		one after the other, those of the last 24 hours
 *
 * Where a schedule begins: a rule's, when it got it or was enabled, whenever
 * the router comes to see it; but not before this generation of the log, so a
 * restored database does not fire for the time before it was restored.
 *
 * With a flexible time window, the time within it is chosen when the run is
 * computed, and stored; a window ends where the next one would begin.
 *
 * A schedule that cannot be computed (its time zone is gone, say) is left
 * alone with a warning, until the rule is put again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "arn.h"
#include "catalog_schedule.h"
#include "eventbus.h"
#include "put.h"
#include "scheduler.h"
#include "worker.h"

/* rules that are seen to in one transaction */
#define BATCH			500

/* transactions before the router has its turn */
#define MAX_TURNS		10

/* later than this is too late for missed_runs 'skip' */
#define ON_TIME			USECS_PER_MINUTE

/* how far back missed_runs 'all' goes */
#define OLDEST_MISSED	USECS_PER_DAY

/* a clock that is back by this is another clock */
#define CLOCK_BACK		USECS_PER_DAY

/* There may be schedules that are new: until all of them were seen to. */
static bool looking = false;

static bool turn(TimestampTz *first);
static int	begin_schedules(TimestampTz now);
static int	fire_schedules(TimestampTz now);
static bool open_clock(const EbScheduledRule *rule, TimestampTz since,
					   EbScheduleClock *clock);
static bool choose_run(const EbScheduledRule *rule,
					   const EbScheduleClock *clock, TimestampTz now,
					   TimestampTz *run);
static void store_next(const EbScheduledRule *rule,
					   const EbScheduleClock *clock, TimestampTz after,
					   TimestampTz fired_for, TimestampTz now);
static TimestampTz time_in_window(const EbScheduledRule *rule,
								  const EbScheduleClock *clock,
								  TimestampTz scheduled_for);
static void make_event(const EbScheduledRule *rule, TimestampTz run,
					   EbEvent *event);

TimestampTz
eb_scheduler_run(bool look_for_new)
{
	TimestampTz first = DT_NOEND;

	looking |= look_for_new;
	for (int i = 0; i < MAX_TURNS; i++)
	{
		if (!turn(&first))
			return first;
	}
	return GetCurrentTimestamp();
}

/*
 * One transaction. Returns whether there may be more to do at once; *first is
 * when the next one is due.
 */
static bool
turn(TimestampTz *first)
{
	TimestampTz now = GetCurrentTimestamp();
	int			nbegun = 0;
	int			nfired;

	eb_worker_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (looking)
	{
		eb_catalog_schedules_clean();
		nbegun = begin_schedules(now);
		CommandCounterIncrement();
		UpdateActiveSnapshotCommandId();
	}
	nfired = fire_schedules(now);
	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
	*first = eb_catalog_schedule_first();
	PopActiveSnapshot();
	eb_worker_commit();
	looking = nbegun == BATCH;
	return looking || nfired == BATCH || *first <= now;
}

/* Computes the first time of schedules that are new. */
static int
begin_schedules(TimestampTz now)
{
	EbScheduledRule *rules;
	int			n = eb_catalog_schedules_to_begin(now + CLOCK_BACK, BATCH,
												  &rules);
	TimestampTz began = n > 0 ? eb_catalog_generation_began() : 0;

	for (int i = 0; i < n; i++)
	{
		TimestampTz after = Max(rules[i].since, began);
		EbScheduleClock clock;

		if (after > now + CLOCK_BACK ||
			(rules[i].is_known && rules[i].computed_at > now + CLOCK_BACK))
			after = now;
		if (open_clock(&rules[i], Min(rules[i].since, after), &clock))
			store_next(&rules[i], &clock, after, 0, now);
		else
			eb_catalog_schedule_store(&rules[i], NULL, 0, now);
	}
	return n;
}

/* Fires what is due. */
static int
fire_schedules(TimestampTz now)
{
	EbScheduledRule *rules;
	int			n = eb_catalog_schedules_due(now, BATCH, &rules);
	EbEvent    *events = palloc0(Max(n, 1) * sizeof(EbEvent));
	int			nevents = 0;

	for (int i = 0; i < n; i++)
	{
		const EbScheduledRule *rule = &rules[i];
		EbScheduleClock clock;
		TimestampTz run;
		bool		fires;

		if (!open_clock(rule, Min(rule->since, rule->scheduled_for), &clock))
		{
			eb_catalog_schedule_store(rule, NULL, 0, now);
			continue;
		}
		fires = choose_run(rule, &clock, now, &run);
		if (fires)
			make_event(rule, run, &events[nevents++]);
		store_next(rule, &clock, run, fires ? run : 0, now);
	}
	eb_put_insert(events, nevents);
	return n;
}

/* False, with a warning, where a schedule cannot be computed. */
static bool
open_clock(const EbScheduledRule *rule, TimestampTz since,
		   EbScheduleClock *clock)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool opened = false;

	PG_TRY();
	{
		eb_schedule_spec_open(&rule->spec, since, clock);
		opened = true;
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
				 errmsg("schedule of rule \"%s\" does not fire", rule->name),
				 errdetail_internal("%s", error->message),
				 errhint("Put the rule again when this is mended.")));
	}
	PG_END_TRY();
	return opened;
}

/*
 * Chooses among the times that are due. *run is the one that fires; or, where
 * none does (false), the last that is passed over.
 */
static bool
choose_run(const EbScheduledRule *rule, const EbScheduleClock *clock,
		   TimestampTz now, TimestampTz *run)
{
	TimestampTz first = rule->scheduled_for;
	TimestampTz last = eb_schedule_clock_last(clock, first, now);

	*run = last;
	if (strcmp(rule->spec.missed_runs, EB_MISSED_ALL) == 0)
	{
		TimestampTz oldest = now - OLDEST_MISSED;

		*run = first;
		if (first >= oldest)
			return true;
		/* what is too old is passed over, be it all */
		if (eb_schedule_clock_next(clock, oldest, run) && *run <= last)
			return true;
		*run = last;
		return false;
	}
	if (strcmp(rule->spec.missed_runs, EB_MISSED_SKIP) == 0)
		return now - (last == first ? rule->fire_at : last) <= ON_TIME;
	return true;
}

/* Stores the first run after that time. */
static void
store_next(const EbScheduledRule *rule, const EbScheduleClock *clock,
		   TimestampTz after, TimestampTz fired_for, TimestampTz now)
{
	EbScheduledRun next;
	bool		found = eb_schedule_clock_next(clock, after,
											   &next.scheduled_for);

	if (found)
		next.fire_at = time_in_window(rule, clock, next.scheduled_for);
	eb_catalog_schedule_store(rule, found ? &next : NULL, fired_for, now);
}

/* When a run that is scheduled for that time fires. */
static TimestampTz
time_in_window(const EbScheduledRule *rule, const EbScheduleClock *clock,
			   TimestampTz scheduled_for)
{
	int64		window = rule->spec.window * USECS_PER_SEC;
	TimestampTz following;

	if (window > 0 &&
		eb_schedule_clock_next(clock, scheduled_for, &following))
		window = Min(window, following - scheduled_for);
	if (window <= 0)
		return scheduled_for;
	return scheduled_for + (int64)
		pg_prng_uint64_range(&pg_global_prng_state, 0, window - 1);
}

static void
make_event(const EbScheduledRule *rule, TimestampTz run, EbEvent *event)
{
	char	   *arn = eb_arn_of_rule(EB_DEFAULT_BUS_NAME, rule->name);
	Datum		resource = CStringGetTextDatum(arn);
	Datum		detail = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));

	event->bus_id = EB_DEFAULT_BUS_ID;
	event->time = run;
	event->source = cstring_to_text(EB_SCHEDULE_SOURCE);
	event->detail_type = cstring_to_text(EB_SCHEDULE_DETAIL_TYPE);
	event->resources = construct_array(&resource, 1, TEXTOID, -1, false,
									   TYPALIGN_INT);
	event->detail = DatumGetJsonbP(detail);
}
