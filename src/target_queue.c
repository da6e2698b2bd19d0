/*-------------------------------------------------------------------------
 *
 * target_queue.c
 *		Target type "queue": each event becomes a message.
 *
 * The resource is a queue's name, or its ARN. The body of the message is
 * what the target is sent of the event: its envelope, unless it is transformed. The message group is the parameter message_group_id, or
 * else the event's own group; an event without one cannot go to a FIFO queue.
 *
 * Rights: the rule's owner needs those of the queue's owner, or to be a member of
 * eventbus_admin.
 *
 * Locks: the queue's append lock, to the end of the transaction, without
 * waiting: where another transaction appends to the queue, it is busy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "queue.h"
#include "target.h"

#define TARGET_TYPE_NAME	"queue"
#define GROUP_PARAMETER		"message_group_id"

static const char *validate(const char *resource, Jsonb *parameters,
							Oid owner);
static int	deliver(EbTargetRun *run);

const EbTargetType eb_target_queue = {
	.name = TARGET_TYPE_NAME,
	.validate = validate,
	.deliver = deliver,
};

/* The group that the parameters name, NULL when they name none. */
static text *
group_of_parameters(Jsonb *parameters)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(&parameters->root, GROUP_PARAMETER,
									 strlen(GROUP_PARAMETER),
									 &value) == NULL)
		return NULL;
	if (value.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" must be a string",
						GROUP_PARAMETER)));
	return cstring_to_text_with_len(value.val.string.val,
									value.val.string.len);
}

static void
check_parameters(Jsonb *parameters)
{
	JsonbIterator *it = JsonbIteratorInit(&parameters->root);
	JsonbIteratorToken token;
	JsonbValue	v;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY &&
			(v.val.string.len != strlen(GROUP_PARAMETER) ||
			 memcmp(v.val.string.val, GROUP_PARAMETER,
					v.val.string.len) != 0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized parameter \"%.*s\" for a target of type \"%s\"",
							v.val.string.len, v.val.string.val,
							TARGET_TYPE_NAME),
					 errhint("The only parameter is \"%s\".",
							 GROUP_PARAMETER)));
	}
	(void) group_of_parameters(parameters);
}

/* Returns the bare name of the queue, in CurrentMemoryContext. */
static const char *
validate(const char *resource, Jsonb *parameters, Oid owner)
{
	EbQueue    *queue;

	eb_target_need_resource(TARGET_TYPE_NAME, resource,
							"the queue that takes the events");
	queue = eb_queue_get(resource);
	check_parameters(parameters);
	eb_queue_check_sender(queue, owner);
	return queue->name;
}

/* Sends the events as messages; see target.h. */
static int
deliver(EbTargetRun *run)
{
	const EbTarget *target = run->target;
	EbQueue    *queue = eb_queue_get(target->resource);
	text	   *group = group_of_parameters(target->parameters);
	int			n = Min(run->n, EB_MAX_QUEUE_BATCH);
	EbQueueItem *items = palloc0(n * sizeof(EbQueueItem));

	eb_target_shape(run);
	eb_queue_check_sender(queue, GetUserId());
	for (int i = 0; i < n; i++)
	{
		EbEvent    *event = &run->items[i].event;

		items[i].event_id = &event->id;
		items[i].body = eb_delivery_json(&run->items[i]);
		items[i].group_id = group != NULL ? group : event->event_group_id;
	}
	(void) eb_queue_send(queue, items, n, false);
	return n;
}
