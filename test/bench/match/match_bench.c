/*-------------------------------------------------------------------------
 *
 * match_bench.c
 *		Times the matcher beside jsonb's input function, in one backend.
 *
 * A module of its own, with the sources of src/core and src/jsonb_fields.c
 * compiled in: what is timed is the matcher on events that are jsonb, and
 * nothing else. Both are timed by the processor time of this process, in
 * turns of TURN events, so that what else the machine does meets both alike;
 * of several rounds over all events, the least time of each counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "common/string.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "core/matcher.h"
#include "jsonb_fields.h"

PG_MODULE_MAGIC;

#define TURN		500

typedef struct Events
{
	int			n;
	char	  **texts;
	Jsonb	  **events;
} Events;

static Events events;

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* The lines of a file, NULL after the last. */
static char **
read_lines(const char *name, int *n)
{
	FILE	   *file = AllocateFile(name, "r");
	int			capacity = 1024;
	char	  **lines = palloc(capacity * sizeof(char *));
	StringInfoData line;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", name)));
	initStringInfo(&line);
	*n = 0;
	while (pg_get_line_append(file, &line, NULL))
	{
		if (*n == capacity)
		{
			capacity *= 2;
			lines = repalloc_huge(lines, capacity * sizeof(char *));
		}
		lines[(*n)++] = pstrdup(line.data);
		resetStringInfo(&line);
	}
	FreeFile(file);
	return lines;
}

static Jsonb *
read_jsonb(char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(text)));
}

PG_FUNCTION_INFO_V1(match_bench_load);

/* match_bench_load(file text) RETURNS int: reads the events, says how many. */
Datum
match_bench_load(PG_FUNCTION_ARGS)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	events.texts = read_lines(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							  &events.n);
	events.events = palloc(events.n * sizeof(Jsonb *));
	for (int i = 0; i < events.n; i++)
		events.events[i] = read_jsonb(events.texts[i]);
	MemoryContextSwitchTo(caller);
	PG_RETURN_INT32(events.n);
}

static EbPattern *
compile(Jsonb *source)
{
	EbJson		doc;
	EbPatternError error;
	EbPattern  *pattern;

	eb_json_from_jsonb(source, &doc);
	pattern = eb_pattern_compile(&doc, EB_PATTERN_STRICT, NULL, &error);
	if (pattern == NULL)
		elog(ERROR, "%s at %s", error.reason, error.path);
	return pattern;
}

/* Compiles the rules of a file; seconds and bytes are what that took. */
static EbMatcher *
build(const char *file, int *nrules, double *seconds, Size *bytes)
{
	char	  **lines = read_lines(file, nrules);
	Jsonb	  **sources = palloc(*nrules * sizeof(Jsonb *));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "matcher",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "pattern",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller;
	EbMatcher  *matcher;
	double		start;

	for (int i = 0; i < *nrules; i++)
		sources[i] = read_jsonb(lines[i]);
	caller = MemoryContextSwitchTo(context);
	start = cpu_seconds();
	matcher = eb_matcher_create();
	for (int i = 0; i < *nrules; i++)
	{
		EbPattern  *pattern;

		MemoryContextSwitchTo(scratch);
		pattern = compile(sources[i]);
		MemoryContextSwitchTo(context);
		(void) eb_matcher_add(matcher, pattern);
		MemoryContextReset(scratch);
	}
	eb_matcher_finish(matcher);
	*seconds = cpu_seconds() - start;
	*bytes = MemoryContextMemAllocated(context, true);
	MemoryContextSwitchTo(caller);
	return matcher;
}

/* Seconds that jsonb_in takes for the events of one turn. */
static double
time_input(int from, int to, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	double		start = cpu_seconds();

	for (int i = from; i < to; i++)
		(void) read_jsonb(events.texts[i]);
	start = cpu_seconds() - start;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(context);
	return start;
}

static double
time_match(int from, int to, EbMatcher *matcher, int *matched, int64 *matches,
		   MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	double		start = cpu_seconds();

	for (int i = from; i < to; i++)
	{
		eb_fields_add_jsonb(eb_matcher_begin(matcher),
							eb_matcher_paths(matcher),
							&events.events[i]->root);
		*matches += eb_matcher_match(matcher, matched);
	}
	start = cpu_seconds() - start;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(context);
	return start;
}

PG_FUNCTION_INFO_V1(match_bench);

/*
 * match_bench(file text, rounds int, OUT rules int, OUT build_ms float8,
 * OUT build_mb float8, OUT input_us float8, OUT match_us float8,
 * OUT matches float8): the times per event of jsonb_in and of a match against
 * the rules of the file, and the mean number of rules that match.
 */
Datum
match_bench(PG_FUNCTION_ARGS)
{
	int			rounds = PG_GETARG_INT32(1);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "turn",
												  ALLOCSET_DEFAULT_SIZES);
	double		best_input = 0;
	double		best_match = 0;
	int64		matches = 0;
	double		build_seconds;
	Size		bytes;
	int			nrules;
	EbMatcher  *matcher;
	int		   *matched;
	Datum		values[6];
	bool		nulls[6] = {false};
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	matcher = build(text_to_cstring(PG_GETARG_TEXT_PP(0)), &nrules,
					&build_seconds, &bytes);
	matched = palloc((nrules + 1) * sizeof(int));
	for (int round = 0; round < rounds; round++)
	{
		double		input = 0;
		double		match = 0;

		matches = 0;
		for (int from = 0; from < events.n; from += TURN)
		{
			int			to = Min(from + TURN, events.n);

			CHECK_FOR_INTERRUPTS();
			input += time_input(from, to, context);
			match += time_match(from, to, matcher, matched, &matches,
								context);
		}
		best_input = round == 0 ? input : Min(best_input, input);
		best_match = round == 0 ? match : Min(best_match, match);
	}
	values[0] = Int32GetDatum(nrules);
	values[1] = Float8GetDatum(build_seconds * 1e3);
	values[2] = Float8GetDatum(bytes / 1048576.0);
	values[3] = Float8GetDatum(best_input * 1e6 / events.n);
	values[4] = Float8GetDatum(best_match * 1e6 / events.n);
	values[5] = Float8GetDatum((double) matches / events.n);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
													  values, nulls)));
}
