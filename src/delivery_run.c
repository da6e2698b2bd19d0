/*-------------------------------------------------------------------------
 *
 * delivery_run.c
 *		Hands events over to a target, and finds whose fault a failure is.
 *
 * The events of a batch are handed over in runs, each in a subtransaction
 * (attempt.c). What its failure means:
 *
 *	rejected	One of the events is to blame. Where the type does not say which,
 *				the run is tried again at half its length, down to that one.
 *	busy		Likely the target's fault, and soon over: all that is left waits
 *				a little. Surely, where it waits for a lock.
 *	broken		Likely the target's fault, and not soon over: it has failed.
 *
 * Likely: where the first event alone fails like this, the next one is tried.
 * If that is delivered, it was the first one's own fault.
 *
 * An event that is to blame is set aside. It is tried again later
 * (delivery_retry.c) or given up and becomes a dead letter (retry_policy.c
 * decides), and the runs grow again. So one bad event among a thousand costs
 * some twenty attempts at most, and events that are all bad cost one each. The
 * number of attempts in one transaction is bounded, since each is a
 * subtransaction; what is left is for the next turn, and the length of a run
 * is remembered in the lease.
 *
 * A target that goes on failing event after event is given one now and then,
 * so that its backlog stays in the log, where it costs nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "dead_letter.h"
#include "delivery_batch.h"
#include "delivery_log.h"
#include "errcodes.h"
#include "guc.h"
#include "retry_policy.h"

/* below the 64 subtransactions that a snapshot lists without overflowing */
#define MAX_ATTEMPTS	48

/* a busy target that was tried so often may have only one bad event */
#define MAX_BUSY		3

/* --- the log of attempts ---------------------------------------------------- */

/* The last attempt was of n events from item i on; error NULL: it went well. */
static void
log_attempt(EbBatch *batch, EbDeliveryRecord record, int i, int n,
			const ErrorData *error)
{
	EbDeliveryCall call = {
		.target = batch->target,
		.options = &batch->options,
		.started_at = batch->attempted_at,
		.error = error,
		.error_code = error ? eb_retry_error_code(error->sqlerrcode) : NULL
	};

	eb_delivery_log(&call, record, &batch->items[i], n);
}

/* --- what is behind us ------------------------------------------------------ */

/* The next n events are done with, one way or another. */
static void
pass(EbBatch *batch, int n)
{
	batch->done += n;
	if (batch->retries == NULL)
		batch->position.position =
			Max(batch->position.position,
				batch->items[batch->done - 1].delivery_seq);
	batch->dirty = true;
}

/* The target works. */
static void
note_health(EbBatch *batch)
{
	batch->position.attempts = 0;
	batch->position.state = EB_TARGET_OK;
	batch->lease->failures = 0;
}

static void
run_delivered(EbBatch *batch, int n)
{
	EbLease    *lease = batch->lease;
	int			limit = eb_batch_limit(batch);

	log_attempt(batch, EB_ATTEMPT_SUCCESS, batch->done, n, NULL);
	if (batch->retries != NULL)
		eb_batch_retries_done(batch, batch->done, n);
	pass(batch, n);
	note_health(batch);
	batch->position.delivered += n;
	lease->setbacks = 0;
	if (n >= lease->batch_size)
		lease->batch_size = Min(2 * n, limit);
}

char *
eb_error_line(const ErrorData *error)
{
	return psprintf("%s: %s%s%s", unpack_sql_state(error->sqlerrcode),
					error->message ? error->message : "",
					error->hint ? "\nHINT:  " : "",
					error->hint ? error->hint : "");
}

/* Remembers an error as the last one of the target. */
static void
note_error(EbBatch *batch, const ErrorData *error)
{
	batch->position.last_error = eb_error_line(error);
	batch->position.last_error_at = GetCurrentTimestamp();
	batch->dirty = true;
}

/* --- events that are to blame ---------------------------------------------- */

/* The first event that is not done is given up. */
static void
give_up(EbBatch *batch, EbRetryDecision decision, const ErrorData *error)
{
	EbDelivery *item = &batch->items[batch->done];
	EbDeadLetter letter = {
		.target = batch->target,
		.options = &batch->options,
		.item = item,
		.error = error,
		.error_code = eb_retry_error_code(error->sqlerrcode),
		.exhausted_condition = eb_retry_exhausted_condition(decision),
		.transform = batch->transform
	};

	if (batch->retries != NULL)
	{
		letter.first_attempt_at = batch->retries[batch->done].first_attempt_at;
		letter.first_error = batch->retries[batch->done].first_error;
		eb_batch_retries_done(batch, batch->done, 1);
	}
	log_attempt(batch, eb_dead_letter(&letter, &batch->position) ?
				EB_INVOCATION_DLQ : EB_INVOCATION_FAILURE, batch->done, 1,
				error);
}

/* Events that have become too old while their target could not take them. */
static void
give_up_expired(EbBatch *batch, const ErrorData *error)
{
	TimestampTz now = GetCurrentTimestamp();

	while (batch->done < batch->n &&
		   eb_retry_expired(batch->target, &batch->options,
							&batch->items[batch->done], now))
	{
		give_up(batch, EB_RETRY_AGE_EXHAUSTED, error);
		pass(batch, 1);
	}
}

/* The first event that is not done is to blame: it must not hold up others. */
static void
set_aside(EbBatch *batch, const ErrorData *error)
{
	EbDelivery *item = &batch->items[batch->done];
	EbRetryDecision decision;
	TimestampTz next;

	decision = eb_retry_decide(batch->target, &batch->options, item,
							   error->sqlerrcode, &next);
	log_attempt(batch, decision == EB_RETRY ? EB_ATTEMPT_RETRYABLE_FAILURE :
				EB_ATTEMPT_PERMANENT_FAILURE, batch->done, 1, error);
	if (decision == EB_RETRY)
	{
		eb_batch_retry_later(batch, batch->done, error, next);
		if (batch->retries == NULL)
			batch->lease->setbacks++;
	}
	else
		give_up(batch, decision, error);
	batch->lease->rejected = true;
	note_error(batch, error);
	pass(batch, 1);
	if (batch->retries == NULL)
		note_health(batch);
	if (batch->lease->setbacks >= EB_MAX_SETBACKS)
	{
		batch->verdict = EB_REJECTED;
		give_up_expired(batch, error);
	}
}

/* --- targets that are to blame --------------------------------------------- */

static void
log_failed_target(const EbBatch *batch, const ErrorData *error)
{
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("target \"%s\" of rule \"%s\" on event bus \"%s\" has failed",
					batch->target->id, batch->target->rule->name,
					batch->target->rule->bus_name),
			 errdetail_internal("%s", error->message),
			 error->hint ? errhint("%s", error->hint) :
			 errhint("Its deliveries wait and are tried again.")));
}

/* The target is busy or broken: all that is left waits. */
static void
run_stopped(EbBatch *batch, EbVerdict verdict, const ErrorData *error)
{
	EbLease    *lease = batch->lease;
	EbPosition *position = &batch->position;

	batch->verdict = verdict;

	/* it may have been too much for the time it is given */
	lease->batch_size = Max(1, Min(lease->batch_size,
								   batch->n - batch->done) / 2);
	if (verdict == EB_TARGET_BROKEN && position->state != EB_TARGET_FAILED)
		log_failed_target(batch, error);
	if (verdict == EB_TARGET_BROKEN)
		position->state = EB_TARGET_FAILED;

	/* a busy target is tried often: not each try is worth a write */
	if (verdict == EB_TARGET_BROKEN ||
		(lease->failures & (lease->failures - 1)) == 0)
		note_error(batch, error);
	lease->failures++;
	position->attempts = lease->failures;
	give_up_expired(batch, error);
}

/* --- runs ------------------------------------------------------------------ */

/*
 * Has the event been caused by an event that was caused by ... too many? It is
 * delivered to nobody, which ends the loop.
 */
static bool
is_looping(const EbDelivery *item)
{
	return item->event.hop_count >= eb_guc_max_hops;
}

static void
loop_detected(EbBatch *batch)
{
	ErrorData	error = {
		.sqlerrcode = EB_ERRCODE_LOOP_DETECTED,
		.message = psprintf("event has passed %d hops",
							batch->items[batch->done].event.hop_count),
		.detail = "Each hop is a bus target, or an event that was put while another one was delivered.",
		.hint = "Find the rules that match what their own targets publish, or increase eventbus.max_hops."
	};

	set_aside(batch, &error);
}

/* Tries n events from item i on. */
static EbVerdict
try_run(EbBatch *batch, int i, EbTargetRun *run, int *done, ErrorData **error)
{
	CHECK_FOR_INTERRUPTS();
	run->target = batch->target;
	run->options = &batch->options;
	run->transform = batch->transform;
	run->items = &batch->items[i];
	batch->attempts++;
	batch->attempted_at = GetCurrentTimestamp();
	return eb_attempt(run, done, error);
}

/*
 * The first event alone fails with a busy or broken target. Is the next one
 * delivered? Then that is done, and the first one takes its place as the one
 * to look at.
 */
static bool
next_is_delivered(EbBatch *batch)
{
	int			first = batch->done;
	EbTargetRun run = {.n = 1};
	EbDelivery	item;
	ErrorData  *error;
	int			done;

	if (first + 1 >= batch->n || batch->attempts >= MAX_ATTEMPTS ||
		eb_batch_is_behind(batch, first + 1, first) ||
		is_looping(&batch->items[first + 1]))
		return false;
	if (try_run(batch, first + 1, &run, &done, &error) != EB_DELIVERED)
		return false;
	batch->position.delivered++;
	log_attempt(batch, EB_ATTEMPT_SUCCESS, first + 1, 1, NULL);

	/* both will be behind us when this transaction commits */
	item = batch->items[first];
	batch->items[first] = batch->items[first + 1];
	batch->items[first + 1] = item;
	pass(batch, 1);
	return true;
}

/* Is it others whom the target waits for? Then this event goes first again. */
static bool
is_conflict(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:	/* 40: deadlock, serialization */
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:	/* 55: locked */
			return true;
		default:
			return false;
	}
}

/* One event alone has failed, or is known to be the one that has. */
static void
event_failed(EbBatch *batch, EbVerdict verdict, const ErrorData *error)
{
	int			failures = batch->lease->failures;
	bool		own_fault;

	if (verdict == EB_REJECTED || batch->retries != NULL)
		own_fault = true;
	else if (verdict == EB_BUSY &&
			 (failures < MAX_BUSY || is_conflict(error)))
		own_fault = false;
	else
	{
		/* alone, an event that takes too long each time is hopeless, too */
		own_fault = next_is_delivered(batch) ||
			(verdict == EB_BUSY &&
			 error->sqlerrcode == ERRCODE_QUERY_CANCELED);
	}
	if (own_fault)
		set_aside(batch, error);
	else
		run_stopped(batch, verdict, error);
}

static void
run_failed(EbBatch *batch, const EbTargetRun *run, EbVerdict verdict,
		   const ErrorData *error)
{
	EbLease    *lease = batch->lease;

	if (run->n == 1 || run->at == 0)
		event_failed(batch, verdict, error);
	else if (run->at > 0)
		lease->batch_size = run->at;	/* those before it are good */
	else if (verdict == EB_REJECTED)
	{
		lease->batch_size = run->n / 2;
		lease->rejected = true;
	}
	else
		run_stopped(batch, verdict, error);
}

/*
 * How many events the next run has: none that waits for a retry or is not to
 * be delivered at all.
 */
static int
run_length(EbBatch *batch)
{
	int			length = Min(batch->lease->batch_size,
							 batch->n - batch->done);
	int			n;

	if (batch->options.max_batch_size > 0)
		length = Min(length, batch->options.max_batch_size);
	for (n = 0; n < length; n++)
		if (is_looping(&batch->items[batch->done + n]) ||
			eb_batch_is_held(batch, batch->done + n))
			break;
	return n;
}

void
eb_batch_run(EbBatch *batch)
{
	if (batch->lease->batch_size == 0)
		batch->lease->batch_size = eb_batch_limit(batch);
	while (batch->done < batch->n && batch->verdict == EB_DELIVERED &&
		   batch->attempts < MAX_ATTEMPTS)
	{
		EbTargetRun run = {.n = run_length(batch)};
		ErrorData  *error;
		EbVerdict	verdict;
		int			done;

		if (run.n == 0 && is_looping(&batch->items[batch->done]))
		{
			loop_detected(batch);
			continue;
		}
		if (run.n == 0)
		{
			eb_batch_park(batch, batch->done);
			pass(batch, 1);
			continue;
		}
		verdict = try_run(batch, batch->done, &run, &done, &error);
		if (verdict == EB_DELIVERED)
			run_delivered(batch, done);
		else
			run_failed(batch, &run, verdict, error);

		/* what is done has taken long enough for one transaction */
		if (verdict == EB_DELIVERED && done < run.n)
			break;
	}
}
