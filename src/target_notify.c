/*-------------------------------------------------------------------------
 *
 * target_notify.c
 *		Target type "notify": each event is sent to a channel, as NOTIFY does.
 *
 * The dispatcher notifies, not the publisher: NOTIFY takes a lock at commit
 * that all who notify share. Who listens when the delivery is committed gets
 * the event, and nobody else, ever: what has to arrive belongs in a table or a
 * queue.
 *
 * The payload is the event as JSON text. NOTIFY takes 7,999 bytes; of a longer
 * event a listener gets {"id": ..., "source": ..., "detail-type": ...,
 * "event_bus": ..., "truncated": true}, less source and detail-type if even
 * that is too long, and can read it with eb_get_event(id).
 *
 * A channel is any name, taken literally, as in pg_notify(). NOTIFY sends two
 * messages that are the same in one transaction only once; events differ by
 * their ids.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "answer.h"
#include "arn.h"
#include "target.h"
#include "uuid7.h"

#define TARGET_TYPE_NAME	"notify"

/* NOTIFY_PAYLOAD_MAX_LENGTH of async.c, without its terminating zero */
#define MAX_PAYLOAD			(BLCKSZ - NAMEDATALEN - 128 - 1)

/* the queue is too full for more when it is so full */
#define MAX_QUEUE_USAGE		0.9

static const char *validate(const char *resource, Jsonb *parameters,
							Oid owner);
static int	deliver(EbTargetRun *run);
static void check_queue(void);
static char *payload(const EbTarget *target, const EbDelivery *item);
static char *short_payload(const EbTarget *target, const EbEvent *event,
						   bool with_text);

const EbTargetType eb_target_notify = {
	.name = TARGET_TYPE_NAME,
	.validate = validate,
	.deliver = deliver,
};

/* Resource is a channel's name; of an SNS topic's ARN, the topic's. */
static const char *
validate(const char *resource, Jsonb *parameters, Oid owner)
{
	const char *topic;

	eb_target_no_parameters(TARGET_TYPE_NAME, parameters);
	eb_target_need_resource(TARGET_TYPE_NAME, resource,
							"the channel that is notified");
	topic = eb_arn_name(resource, "sns", "");
	if (topic != NULL)
		resource = topic;
	if (resource[0] == '\0' || strlen(resource) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("channel name \"%s\" is not valid", resource),
				 errdetail("A channel name has 1 to %d bytes.",
						   NAMEDATALEN - 1)));
	return resource;
}

static int
deliver(EbTargetRun *run)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventbus notify",
												  ALLOCSET_DEFAULT_SIZES);

	check_queue();
	for (int i = 0; i < run->n; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		run->at = i;
		Async_Notify(run->target->resource,
					 payload(run->target, &run->items[i]));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	return run->n;
}

/*
 * A full queue would be an error at commit, where it is no target's any more.
 * A session that listens and stays in a transaction makes it so.
 */
static void
check_queue(void)
{
	double		usage;

	usage = DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage,
											   (Datum) 0));
	if (usage > MAX_QUEUE_USAGE)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("NOTIFY queue is %.0f%% full", usage * 100),
				 errhint("A session that listens keeps a transaction open.")));
}

static char *
payload(const EbTarget *target, const EbDelivery *item)
{
	char	   *text = eb_delivery_text(item);

	if (strlen(text) > MAX_PAYLOAD)
		text = short_payload(target, &item->event, true);
	if (strlen(text) > MAX_PAYLOAD)
		text = short_payload(target, &item->event, false);
	return text;
}

static char *
short_payload(const EbTarget *target, const EbEvent *event, bool with_text)
{
	EbAnswer	answer = {0};
	char		id[EB_UUID_TEXT_SIZE];
	Jsonb	   *json;

	eb_uuid_text(&event->id, id);
	eb_answer_begin(&answer);
	eb_answer_add_text(&answer, "id", id);
	if (with_text)
	{
		eb_answer_add_text(&answer, "source", text_to_cstring(event->source));
		eb_answer_add_text(&answer, "detail-type",
						   text_to_cstring(event->detail_type));
	}
	eb_answer_add_text(&answer, "event_bus", target->rule->bus_name);
	eb_answer_add_bool(&answer, "truncated", true);
	eb_answer_end(&answer);
	json = eb_answer_result(&answer);
	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}
