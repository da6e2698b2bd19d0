/*-------------------------------------------------------------------------
 *
 * dead_letter_queue.c
 *		Sends what a target could not take to the queue that it names.
 *
 * The message is EventBridge's: the body is the event, whatever the target was
 * to be sent of it, and six attributes tell what was wrong, all of them
 * strings. It is sent in the transaction that gives the event up: once.
 *
 * One transaction at a time appends to a queue. It is waited for, but no longer
 * than eventbus.target_lock_timeout, and after that not at all for ten times as
 * long: many dead letters must not add up to a dispatcher that only waits. When the queue is not to be had by then,
 * was deleted, or its owner has taken the rights back, the dead letter goes to
 * eventbus.dead_letters, and the log says why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "answer.h"
#include "arn.h"
#include "dead_letter_queue.h"
#include "guc.h"
#include "queue.h"
#include "subtransaction.h"
#include "uuid7.h"

/* The queue that was waited for in vain; until then it is not waited for. */
static int32 busy_queue_id = 0;
static TimestampTz busy_until = 0;

void
eb_dead_letter_queue_check(const EbTargetOptions *options, Oid owner)
{
	EbQueue    *queue;

	if (options->dead_letter_queue == NULL)
		return;
	queue = eb_queue_get(options->dead_letter_queue);
	eb_queue_check_sender(queue, owner);
	if (queue->fifo && !options->fifo)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("FIFO queue \"%s\" cannot be the dead-letter queue of a target that is not FIFO",
						queue->name),
				 errhint("Use a standard queue, or put the target with fifo => true.")));
}

static Jsonb *
attributes_of(const EbDeadLetter *letter)
{
	const EbTarget *target = letter->target;
	const char *message = letter->error->message;
	EbAnswer	answer = {0};

	eb_answer_begin(&answer);
	eb_answer_add_text(&answer, "RULE_ARN",
					   eb_arn_of_rule(target->rule->bus_name,
									  target->rule->name));
	eb_answer_add_text(&answer, "TARGET_ARN",
					   strcmp(target->type, "queue") == 0 ?
					   eb_queue_arn(target->resource) : target->resource);
	eb_answer_add_text(&answer, "ERROR_CODE", letter->error_code);
	eb_answer_add_text(&answer, "ERROR_MESSAGE", message ? message : "");
	eb_answer_add_text(&answer, "EXHAUSTED_RETRY_CONDITION",
					   letter->exhausted_condition);
	eb_answer_add_text(&answer, "RETRY_ATTEMPTS",
					   psprintf("%d", letter->item->attempt - 1));
	eb_answer_end(&answer);
	return eb_answer_result(&answer);
}

/* An event without a group is a group of its own. */
static text *
group_of(const EbEvent *event)
{
	char		id[EB_UUID_TEXT_SIZE];

	if (event->event_group_id != NULL)
		return event->event_group_id;
	eb_uuid_text(&event->id, id);
	return cstring_to_text(id);
}

/* Sends it, and waits for the queue if that was not in vain lately. */
static void
send_to(const EbQueue *queue, const EbQueueItem *item)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz longest = eb_guc_target_lock_timeout * INT64CONST(10000);
	bool		wait = queue->queue_id != busy_queue_id || now >= busy_until ||
		busy_until > now + longest;

	if (wait)
	{
		/* stands unless the message is sent */
		busy_queue_id = queue->queue_id;
		busy_until = now + longest;
	}
	(void) eb_queue_send(queue, item, 1, wait);
	busy_queue_id = 0;
}

static void
send_message(void *arg)
{
	const EbDeadLetter *letter = arg;
	EbQueue    *queue = eb_queue_get(letter->options->dead_letter_queue);
	const EbEvent *event = &letter->item->event;
	pg_uuid_t	event_id = event->id;
	EbQueueItem item = {
		.event_id = &event_id,
		.body = eb_event_envelope(event),
		.attributes = attributes_of(letter),
		.group_id = queue->fifo ? group_of(event) : NULL
	};
	int			nest_level = NewGUCNestLevel();
	char		timeout[16];

	eb_queue_check_sender(queue,
						  get_role_oid(letter->target->rule->owner, false));
	snprintf(timeout, sizeof(timeout), "%d", eb_guc_target_lock_timeout);
	(void) set_config_option("lock_timeout", timeout, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	send_to(queue, &item);
	AtEOXact_GUC(false, nest_level);
}

bool
eb_dead_letter_queue_send(const EbDeadLetter *letter)
{
	ErrorData  *error = eb_try(send_message,
							   unconstify(EbDeadLetter *, letter));

	if (error == NULL)
		return true;
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("dead letter of target \"%s\" of rule \"%s\" on event bus \"%s\" cannot be sent to queue \"%s\"",
					letter->target->id, letter->target->rule->name,
					letter->target->rule->bus_name,
					letter->options->dead_letter_queue),
			 errdetail_internal("%s", error->message),
			 errhint("It is in eventbus.dead_letters.")));
	return false;
}
