/*-------------------------------------------------------------------------
 *
 * queue_receive.c
 *		Receiving messages from queues, and what consumers do with them.
 *
 * The messages of a queue are an append-only log (queue_log.c), numbered from 1.
 * What has become of them is in claims, which are only ever inserted, and in the
 * queue's head (queue_claims.c tells what they mean). Where to look for
 * messages is known from shared memory (queue_hint.c). So a receive costs the
 * same however long the queue is, however much is in flight, and however long
 * somebody else holds a transaction or a snapshot open.
 *
 * A receive takes the queue's receive lock for its own length; then
 *
 *	1.	claims that have ended, in the order of their ends: messages whose last
 *		claim it is are received again, or, when that was too often, moved to
 *		the dead-letter queue;
 *	2.	messages that were never received, in the order of their numbers, from
 *		the front on;
 *	3.	it inserts a claim for each, and gives the lock back.
 *
 * A claim counts for others from that moment on, though its transaction may run
 * for hours: they see it as in progress, and pass. If the transaction fails, the
 * messages are free again at once, as no claim is left.
 *
 * FIFO queues have one way only, in the order of numbers: claims up to the head,
 * then messages beyond it. A message that is in flight, or that has to wait,
 * holds back all later ones of its group. To find a group that is not held back
 * it looks at no more than 20,000 messages.
 *
 * Moving a message to the dead-letter queue takes that queue's append lock, to
 * the end of the transaction. Where somebody else has it, the message stays
 * where it is and is moved by a later receive.
 *
 * A message is deleted or changed by its receipt, which counts as long as no
 * other claim has followed: also after the claim has ended.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "answer.h"
#include "arn.h"
#include "partition.h"
#include "queue_receive.h"
#include "wake.h"

/* how far to look ahead in a FIFO queue: what SQS did for years */
#define FIFO_LOOK_AHEAD		20000

/* as many done messages passed in one look: time for maintenance */
#define FIFO_MANY_DONE		2000

#define MAX_GROUP_ID		128

/* One receive. */
typedef struct Receive
{
	EbClaims	claims;
	const EbQueue *queue;
	EbQueue    *dead_letter_queue;	/* NULL: none */
	TimestampTz now;
	TimestampTz visible_at;		/* of what is received */
	int64		receipt;
	EbQueueHead head;			/* of some moment after the claims were read */
	int			max;
	int			n;
	EbReceived *received;
	EbClaim    *rows;			/* to be written: one for each, and for each
								 * that was moved */
	int			nrows;
	int			max_rows;
	TimestampTz retry;			/* end of a claim that could not be moved */
} Receive;

/* --- taking one message ----------------------------------------------------- */

static bool
is_old(const Receive *receive, TimestampTz sent_at)
{
	return sent_at < receive->now - receive->queue->message_retention;
}

static void
add_row(Receive *receive, const EbClaim *row)
{
	if (receive->nrows == receive->max_rows)
	{
		receive->max_rows *= 2;
		receive->rows = repalloc(receive->rows,
								 receive->max_rows * sizeof(EbClaim));
	}
	receive->rows[receive->nrows++] = *row;
}

/* Receives a message; last is its last claim, or NULL. */
static void
take(Receive *receive, const EbMessage *message, const EbClaim *last)
{
	EbReceived *received = &receive->received[receive->n++];
	EbClaim		row = {0};

	if (last != NULL)
	{
		eb_queue_hint_supersede(&receive->claims.hint, last->visible_at);
		row = *last;
	}
	else
	{
		row.number = message->number;
		row.sent_at = message->sent_at;
		row.leaf_id = message->leaf_id;
		row.first_received_at = receive->now;
		if (receive->queue->fifo)
			row.group_id = text_to_cstring(message->group_id);
	}
	row.version++;
	row.receive_count++;
	row.receipt = receive->receipt;
	row.visible_at = receive->visible_at;
	add_row(receive, &row);

	received->message = *message;
	received->receipt.generation = receive->claims.generation;
	received->receipt.number = row.number;
	received->receipt.receipt = row.receipt;
	received->receive_count = row.receive_count;
	received->first_received_at = row.first_received_at;
}

/* The attributes of a message that comes from that queue. */
static Jsonb *
with_source(Jsonb *attributes, const char *queue)
{
	EbAnswer	answer = {0};
	Jsonb	   *source;

	eb_answer_begin(&answer);
	eb_answer_add_text(&answer, "DeadLetterQueueSourceArn",
					   eb_arn_of_queue(queue));
	eb_answer_end(&answer);
	source = eb_answer_result(&answer);
	if (attributes == NULL)
		return source;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(attributes),
											  JsonbPGetDatum(source)));
}

/* Moves a message to the dead-letter queue. False: that one is busy. */
static bool
move(Receive *receive, EbMessage *message, const EbClaim *last)
{
	EbQueueItem item = {
		.id = &message->id,
		.event_id = message->has_event_id ? &message->event_id : NULL,
		.sent_at = message->sent_at,
		.body = message->body,
		.attributes = with_source(message->attributes, receive->queue->name),
		.group_id = message->group_id
	};
	EbClaim		row = *last;

	if (!eb_queue_try_send(receive->dead_letter_queue, &item, 1))
		return false;
	eb_queue_hint_supersede(&receive->claims.hint, last->visible_at);
	row.version++;
	row.done = true;
	add_row(receive, &row);
	return true;
}

/*
 * Receives or moves a message whose last claim has ended. False: it has to wait.
 * A message whose partition is gone counts as done.
 */
static bool
take_again(Receive *receive, const EbClaim *last)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	EbMessage	message;
	bool		found;

	found = eb_message_fetch(receive->claims.generation,
							 receive->queue->queue_id, last->leaf_id,
							 last->number, snapshot, &message);
	UnregisterSnapshot(snapshot);
	if (!found)
		return true;
	if (receive->dead_letter_queue != NULL &&
		last->receive_count >= receive->queue->max_receive_count)
		return move(receive, &message, last);
	take(receive, &message, last);
	return true;
}

/* --- standard queues -------------------------------------------------------- */

typedef struct ExpiryState
{
	Receive    *receive;
	TimestampTz next;			/* where the next look has to begin */
} ExpiryState;

/* EbClaimVisitor: receives the message again, if this is its last claim. */
static bool
visit_claim(int64 number, int32 version, TimestampTz visible_at, void *arg)
{
	ExpiryState *state = arg;
	Receive    *receive = state->receive;
	EbClaim    *claim;

	state->next = visible_at;
	if (visible_at > receive->now || receive->n == receive->max)
		return false;
	if (eb_claims_read(&receive->claims, number, number, NULL, &claim) == 0)
		return true;
	if (!claim->done && !claim->foreign && claim->version == version &&
		number > receive->head.purged && !is_old(receive, claim->sent_at) &&
		!take_again(receive, claim))
		receive->retry = Min(receive->retry, visible_at);
	pfree(claim);
	return true;
}

static void
receive_expired(Receive *receive)
{
	const EbQueueHint *hint = &receive->claims.hint;
	TimestampTz from = eb_queue_hint_begin_expiry(hint);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ExpiryState state = {receive, DT_NOEND};

	/* a claim that nobody has seen yet cannot have begun, or will say so */
	eb_claims_by_time(&receive->claims, from, snapshot, visit_claim, &state);
	UnregisterSnapshot(snapshot);
	eb_queue_hint_end_expiry(hint, Min(Min(state.next, receive->retry),
									   receive->now));
}

/* Reads messages and what is known of them, in this order, and the head. */
static int
read_messages(Receive *receive, int64 first, int64 last, int limit,
			  EbMessage *messages, EbClaim **claims, int *nclaims)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			n = eb_messages_read(receive->claims.generation,
									 receive->queue->queue_id, first, last,
									 snapshot, true, limit, messages);

	UnregisterSnapshot(snapshot);
	*nclaims = 0;
	*claims = NULL;
	if (n == 0)
		return 0;
	*nclaims = eb_claims_read(&receive->claims, messages[0].number,
							  messages[n - 1].number, NULL, claims);
	eb_queue_head_read(receive->claims.generation, receive->queue->queue_id,
					   &receive->head);
	return n;
}

/*
 * The memory of one look at messages: what nothing was taken of is not kept,
 * however many are passed.
 */
static MemoryContext
begin_look(void)
{
	MemoryContext look = AllocSetContextCreate(CurrentMemoryContext,
											   "eventbus messages",
											   ALLOCSET_DEFAULT_SIZES);

	return MemoryContextSwitchTo(look);
}

static void
end_look(MemoryContext caller, bool keep)
{
	MemoryContext look = MemoryContextSwitchTo(caller);

	if (!keep)
		MemoryContextDelete(look);
}

/* Nothing is to be found up to there. */
static int64
done_upto(const Receive *receive)
{
	return Max(receive->head.head, receive->head.purged);
}

/*
 * Takes what is free of the next messages of a range. Returns how many it has
 * looked at, until there was enough; *upto is the last one of them.
 */
static int
receive_some(Receive *receive, int64 first, int64 last, int limit,
			 int64 *upto)
{
	EbMessage  *messages = palloc(limit * sizeof(EbMessage));
	EbClaim    *claims;
	int			nclaims;
	int			n = read_messages(receive, first, last, limit, messages,
								  &claims, &nclaims);

	for (int i = 0; i < n && receive->n < receive->max; i++)
	{
		EbMessage  *message = &messages[i];

		if (message->number > done_upto(receive) &&
			!is_old(receive, message->sent_at) &&
			eb_claims_search(claims, nclaims, message->number) == NULL)
			take(receive, message, NULL);
		*upto = message->number;
	}
	return n;
}

/* Receives what is free in a range; returns up to where it has looked. */
static int64
receive_range(Receive *receive, const EbNumberRange *range)
{
	int64		upto = Max(range->first - 1, done_upto(receive));
	int			limit = receive->max - receive->n;

	for (;;)
	{
		MemoryContext caller = begin_look();
		int			nrows = receive->nrows;
		int			n;

		CHECK_FOR_INTERRUPTS();
		n = receive_some(receive, upto + 1, range->last, limit, &upto);
		end_look(caller, receive->nrows > nrows);
		if (receive->n == receive->max)
			return upto;
		if (n < limit)
			return range->last == PG_INT64_MAX ? upto : range->last;
		limit = Min(2 * limit, EB_MAX_QUEUE_BATCH);
	}
}

static void
receive_fresh(Receive *receive)
{
	EbNumberRange range;

	while (receive->n < receive->max &&
		   eb_queue_hint_take(&receive->claims.hint, &range))
	{
		eb_queue_hint_give_back(&receive->claims.hint,
								receive_range(receive, &range));
		if (range.last == PG_INT64_MAX)
			break;
	}
}

/* --- FIFO queues ------------------------------------------------------------ */

typedef struct FifoState
{
	Receive    *receive;
	HTAB	   *blocked;		/* groups */
	int64		low;			/* all below is done */
	bool		at_low;			/* nothing that is not done was passed */
	int			ndone;
} FifoState;

static void
block(FifoState *state, const char *group_id)
{
	char		key[MAX_GROUP_ID + 1];

	strlcpy(key, group_id, sizeof(key));
	(void) hash_search(state->blocked, key, HASH_ENTER, NULL);
}

static bool
is_blocked(FifoState *state, const char *group_id)
{
	char		key[MAX_GROUP_ID + 1];

	strlcpy(key, group_id, sizeof(key));
	return hash_search(state->blocked, key, HASH_FIND, NULL) != NULL;
}

/* This message is done, and stays so if that is settled. */
static void
pass_done(FifoState *state, int64 number, bool settled)
{
	state->at_low &= settled;
	if (state->at_low)
		state->low = number + 1;
	state->ndone++;
}

/* Looks at a message that has a claim. */
static void
visit_claimed(FifoState *state, EbClaim *claim)
{
	Receive    *receive = state->receive;

	if (claim->number <= receive->head.purged ||
		is_old(receive, claim->sent_at))
	{
		pass_done(state, claim->number, true);
		return;
	}
	if (claim->done && !claim->foreign)
	{
		pass_done(state, claim->number, claim->settled);
		return;
	}
	state->at_low = false;
	if (claim->done || claim->foreign || claim->visible_at > receive->now ||
		is_blocked(state, claim->group_id) || !take_again(receive, claim))
		block(state, claim->group_id);
}

/* Looks at a message that has none. */
static void
visit_unclaimed(FifoState *state, EbMessage *message)
{
	Receive    *receive = state->receive;

	if (message->number <= done_upto(receive) ||
		is_old(receive, message->sent_at))
	{
		pass_done(state, message->number, true);
		return;
	}
	state->at_low = false;
	if (!is_blocked(state, text_to_cstring(message->group_id)))
		take(receive, message, NULL);
}

/* Claims up to the head. */
static void
receive_behind_head(FifoState *state)
{
	Receive    *receive = state->receive;
	int64		head = receive->head.head;
	EbClaim    *claims;
	int			n = eb_claims_read(&receive->claims, state->low, head, NULL,
								   &claims);

	for (int i = 0; i < n && receive->n < receive->max; i++)
	{
		if (state->at_low)
			state->low = claims[i].number;
		visit_claimed(state, &claims[i]);
	}
	if (state->at_low)
		state->low = Max(state->low, head + 1);
}

/* Looks at messages beyond the head; returns at how many. */
static int
receive_some_fifo(FifoState *state, int64 *next, int limit)
{
	Receive    *receive = state->receive;
	EbMessage  *messages = palloc(limit * sizeof(EbMessage));
	EbClaim    *claims;
	int			nclaims;
	int			n = read_messages(receive, *next, PG_INT64_MAX, limit,
								  messages, &claims, &nclaims);

	for (int i = 0; i < n && receive->n < receive->max; i++)
	{
		EbClaim    *claim = eb_claims_search(claims, nclaims,
											 messages[i].number);

		if (claim != NULL)
			visit_claimed(state, claim);
		else
			visit_unclaimed(state, &messages[i]);
	}
	if (n > 0)
		*next = messages[n - 1].number + 1;
	return n;
}

static void
receive_beyond_head(FifoState *state)
{
	Receive    *receive = state->receive;
	int64		next = Max(state->low, receive->head.head + 1);
	int			limit = Min(2 * receive->max, EB_MAX_QUEUE_BATCH);
	int			looked_at = 0;

	while (receive->n < receive->max && looked_at < FIFO_LOOK_AHEAD)
	{
		MemoryContext caller = begin_look();
		int			nrows = receive->nrows;
		int			n;

		CHECK_FOR_INTERRUPTS();
		n = receive_some_fifo(state, &next, limit);
		end_look(caller, receive->nrows > nrows);
		looked_at += n;
		if (n < limit)
			break;
		limit = Min(2 * limit, EB_MAX_QUEUE_BATCH);
	}
}

/* Has the head moved on when there is much behind it that is done. */
static void
ask_for_maintenance(int ndone)
{
	static TimestampTz last = 0;
	TimestampTz now;

	if (ndone < FIFO_MANY_DONE)
		return;
	now = GetCurrentTimestamp();
	if (!TimestampDifferenceExceeds(last, now, 1000))
		return;
	last = now;
	eb_wake_for_maintenance();
}

static void
receive_fifo(Receive *receive)
{
	FifoState	state = {.receive = receive, .at_low = true};
	HASHCTL		ctl;

	ctl.keysize = MAX_GROUP_ID + 1;
	ctl.entrysize = MAX_GROUP_ID + 1;
	ctl.hcxt = CurrentMemoryContext;
	state.blocked = hash_create("eventbus blocked groups", 64, &ctl,
								HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	state.low = eb_queue_hint_low(&receive->claims.hint);
	receive_behind_head(&state);
	if (receive->n < receive->max)
		receive_beyond_head(&state);
	eb_queue_hint_set_low(&receive->claims.hint, state.low);
	ask_for_maintenance(state.ndone);
	hash_destroy(state.blocked);
}

/* --- receiving -------------------------------------------------------------- */

/* Opens the claims and takes the lock under which they may be written. */
static void
begin(const EbQueue *queue, EbClaims *claims)
{
	eb_claims_open(queue, claims);
	(void) eb_queue_lock(EB_QUEUE_RECEIVE_LOCK, queue->queue_id, true);
}

static void
end(EbClaims *claims)
{
	eb_queue_unlock(EB_QUEUE_RECEIVE_LOCK, claims->queue->queue_id);
	eb_claims_close(claims);
}

static void
write_rows(Receive *receive)
{
	eb_claims_write(&receive->claims, receive->rows, receive->nrows);
	for (int i = 0; i < receive->nrows; i++)
		if (!receive->rows[i].done)
			eb_queue_hint_touch(&receive->claims.hint,
								receive->rows[i].visible_at);
}

int
eb_queue_receive(const EbQueue *queue, int max, int64 visibility,
				 EbReceived **received)
{
	Receive		receive = {.queue = queue, .max = max, .retry = DT_NOEND};

	receive.received = palloc(max * sizeof(EbReceived));
	receive.max_rows = max;
	receive.rows = palloc(max * sizeof(EbClaim));
	if (queue->dead_letter_queue != NULL)
		receive.dead_letter_queue = eb_queue_find(queue->dead_letter_queue);
	receive.receipt = (int64) (pg_prng_uint64(&pg_global_prng_state) >> 1);

	begin(queue, &receive.claims);
	receive.now = GetCurrentTimestamp();
	receive.visible_at = receive.now + visibility;
	eb_queue_head_read(receive.claims.generation, queue->queue_id,
					   &receive.head);
	if (queue->fifo)
		receive_fifo(&receive);
	else
	{
		receive_expired(&receive);
		receive_fresh(&receive);
	}
	write_rows(&receive);
	end(&receive.claims);
	*received = receive.received;
	return receive.n;
}

typedef struct NextState
{
	EbClaims   *claims;
	TimestampTz next;
	int			looks;
} NextState;

/* EbClaimVisitor: is the message of this claim in flight? */
static bool
visit_next(int64 number, int32 version, TimestampTz visible_at, void *arg)
{
	NextState  *state = arg;
	EbClaim    *claim;

	if (eb_claims_read(state->claims, number, number, NULL, &claim) > 0 &&
		!claim->done && claim->version == version)
		state->looks = 0;
	if (--state->looks > 0)
		return true;
	state->next = visible_at;
	return false;
}

TimestampTz
eb_queue_next_visible(const EbQueue *queue)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	EbClaims	claims;
	NextState	state = {&claims, DT_NOEND, 100};

	eb_claims_open(queue, &claims);
	eb_claims_by_time(&claims, GetCurrentTimestamp(), snapshot, visit_next,
					  &state);
	eb_claims_close(&claims);
	UnregisterSnapshot(snapshot);
	return state.next;
}

/* --- by receipt ------------------------------------------------------------- */

static int
compare_receipts(const void *a, const void *b)
{
	int64		left = ((const EbReceipt *) a)->number;
	int64		right = ((const EbReceipt *) b)->number;

	return left < right ? -1 : left > right;
}

/* Is it the receipt of the last claim of a message that is not done? */
static bool
is_current(const EbClaims *claims, const EbClaim *claim,
		   const EbReceipt *receipt)
{
	return receipt->generation == claims->generation && claim != NULL &&
		!claim->done && !claim->foreign && claim->receipt == receipt->receipt;
}

int
eb_queue_delete_received(const EbQueue *queue, EbReceipt *receipts, int n)
{
	EbClaims	claims;
	EbClaim    *rows = palloc(n * sizeof(EbClaim));
	EbClaim    *known = NULL;
	int			nknown = 0;
	int			nrows = 0;

	if (n == 0)
		return 0;
	qsort(receipts, n, sizeof(EbReceipt), compare_receipts);
	begin(queue, &claims);
	for (int i = 0; i < n; i++)
	{
		int64		number = receipts[i].number;
		EbClaim    *claim;
		int			last;

		if (nrows > 0 && number == rows[nrows - 1].number)
			continue;

		/* what is close together is read together */
		if (nknown == 0 || number > known[nknown - 1].number)
		{
			for (last = i; last + 1 < n; last++)
				if (receipts[last + 1].number - receipts[last].number > 4)
					break;
			nknown = eb_claims_read(&claims, number, receipts[last].number,
									NULL, &known);
		}
		claim = eb_claims_search(known, nknown, number);
		if (!is_current(&claims, claim, &receipts[i]))
			continue;
		rows[nrows] = *claim;
		rows[nrows].version++;
		rows[nrows].done = true;
		nrows++;
		eb_queue_hint_supersede(&claims.hint, claim->visible_at);
	}
	eb_claims_write(&claims, rows, nrows);

	/* the next one of its group may be received then */
	if (queue->fifo && nrows > 0)
		eb_queue_hint_sent(&claims.hint);
	end(&claims);
	return nrows;
}

bool
eb_queue_change_visibility(const EbQueue *queue, const EbReceipt *receipt,
						   int64 visibility)
{
	EbClaims	claims;
	EbClaim    *claim;
	bool		current;

	begin(queue, &claims);
	current = eb_claims_read(&claims, receipt->number, receipt->number, NULL,
							 &claim) > 0 &&
		is_current(&claims, claim, receipt);
	if (current)
	{
		eb_queue_hint_supersede(&claims.hint, claim->visible_at);
		claim->version++;
		claim->visible_at = GetCurrentTimestamp() + visibility;
		eb_queue_hint_touch(&claims.hint, claim->visible_at);
		eb_claims_write(&claims, claim, 1);
		eb_queue_hint_sent(&claims.hint);
	}
	end(&claims);
	return current;
}

/* --- the queue as a whole --------------------------------------------------- */

void
eb_queue_purge(const EbQueue *queue)
{
	int32		generation = eb_generation();
	Snapshot	snapshot;
	EbQueueHead head;
	EbQueueHint hint;
	TimestampTz at;
	int64		tail;

	(void) eb_queue_lock(EB_QUEUE_HEAD_LOCK, queue->queue_id, true);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	tail = eb_messages_tail(generation, queue->queue_id, snapshot, &at);
	UnregisterSnapshot(snapshot);
	eb_queue_head_read(generation, queue->queue_id, &head);
	head.purged = Max(head.purged, Max(head.head, tail));
	eb_queue_head_write(generation, queue->queue_id, &head);
	hint = eb_queue_hint(generation, queue->queue_id);
	eb_queue_hint_doubt(&hint);
}

/* The number of the first message that was never received, if it exists. */
static int64
first_fresh(const EbClaim *claims, int n, int64 done)
{
	int64		number = done + 1;

	for (int i = 0; i < n && claims[i].number <= number; i++)
		if (claims[i].number == number)
			number++;
	return number;
}

void
eb_queue_status(const EbQueue *queue, EbQueueStatus *status)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TimestampTz now = GetCurrentTimestamp();
	EbClaims	claims;
	EbClaim    *array;
	EbQueueHead head;
	EbMessage	message;
	TimestampTz at;
	int64		done;
	int			n;

	eb_claims_open(queue, &claims);
	n = eb_claims_read(&claims, 0, PG_INT64_MAX, snapshot, &array);
	eb_queue_head_read(claims.generation, queue->queue_id, &head);
	done = Max(head.head, head.purged);
	status->available = eb_messages_tail(claims.generation, queue->queue_id,
										 snapshot, &at) - done;
	status->available = Max(status->available, 0);
	status->in_flight = 0;
	status->oldest = DT_NOEND;
	for (int i = 0; i < n; i++)
	{
		if (array[i].number > done)
			status->available--;
		if (array[i].done || array[i].number <= head.purged)
			continue;
		if (array[i].visible_at > now)
			status->in_flight++;
		else
			status->available++;
		status->oldest = Min(status->oldest, array[i].sent_at);
	}
	if (eb_messages_read(claims.generation, queue->queue_id,
						 first_fresh(array, n, done), PG_INT64_MAX, snapshot,
						 false, 1, &message) > 0)
		status->oldest = Min(status->oldest, message.sent_at);
	eb_claims_close(&claims);
	UnregisterSnapshot(snapshot);
}
