/*-------------------------------------------------------------------------
 *
 * queue_catalog.c
 *		Creating, changing and describing queues: eventbus.queue.
 *
 * Limits of values and words of answers are those of SQS.
 *
 * A queue that is deleted leaves its messages behind, which nobody can reach:
 * they go with their partitions, its other rows with the next maintenance
 * (queue_keep.c). Its number is not given again, so a new queue of that name is
 * another one.
 *
 * Who locks what: whoever changes or deletes a queue has its row locked; whoever
 * makes one the dead-letter queue of another locks its row FOR KEY SHARE, and
 * whoever deletes it FOR UPDATE, and looks for such queues only then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "answer.h"
#include "arn.h"
#include "catalog_sql.h"
#include "partition.h"
#include "queue_catalog.h"

#define MAX_VISIBILITY	(INT64CONST(12) * USECS_PER_HOUR)
#define MIN_RETENTION	(INT64CONST(60) * USECS_PER_SEC)
#define MAX_RETENTION	(INT64CONST(14) * USECS_PER_DAY)
#define MAX_RECEIVES	1000

static EbSqlArg
sql_interval(Interval *value)
{
	EbSqlArg	arg = {INTERVALOID, IntervalPGetDatum(value), value == NULL};

	return arg;
}

static EbSqlArg
sql_null_int(const int32 *value)
{
	EbSqlArg	arg = eb_sql_int(value != NULL ? *value : 0);

	arg.isnull = value == NULL;
	return arg;
}

static void
check_interval(const Interval *value, const char *name, int64 min, int64 max,
			   const char *range)
{
	int64		us;

	if (value == NULL)
		return;
	us = eb_queue_interval(value);
	if (us < min || us > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be %s", name, range)));
}

/* What can be checked of a spec without a look at other queues. */
static void
check_values(const EbQueueSpec *spec)
{
	check_interval(spec->visibility_timeout, "visibility_timeout",
				   0, MAX_VISIBILITY, "between 0 and 12 hours");
	check_interval(spec->message_retention, "message_retention",
				   MIN_RETENTION, MAX_RETENTION,
				   "between 1 minute and 14 days");
	if (spec->max_receive_count != NULL &&
		(*spec->max_receive_count < 1 ||
		 *spec->max_receive_count > MAX_RECEIVES))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_receive_count must be between 1 and %d",
						MAX_RECEIVES)));
}

/* Finds the dead-letter queue of a queue, and keeps it from being deleted. */
static const char *
lock_dead_letter_queue(const EbQueueSpec *spec, bool fifo)
{
	EbQueue    *queue = eb_queue_get(spec->dead_letter_queue);
	EbSqlArg	arg = eb_sql_int(queue->queue_id);

	if (strcmp(queue->name, spec->name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a queue cannot be its own dead-letter queue")));
	if (queue->fifo != fifo)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dead-letter queue \"%s\" is of the other kind",
						queue->name),
				 errdetail("The dead-letter queue of a FIFO queue must be a FIFO queue, that of any other must not.")));
	eb_queue_check_sender(queue, GetUserId());
	if (eb_sql_run("SELECT FROM eventbus.queue"
				   " WHERE queue_id OPERATOR(pg_catalog.=) $1"
				   " FOR KEY SHARE", 1, &arg, NULL) == 0)
		(void) eb_queue_get(spec->dead_letter_queue);
	return queue->name;
}

void
eb_queue_create(const EbQueueSpec *spec)
{
	const char *dead_letter_queue = NULL;
	EbSqlArg	args[7];
	EbSqlRow	row;
	EbSqlArg	head[2];

	eb_arn_check_name(spec->name, "queueName", EB_MAX_QUEUE_NAME, false);
	if (spec->visibility_timeout == NULL || spec->message_retention == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("visibility_timeout and message_retention must not be null")));
	check_values(spec);
	if ((spec->max_receive_count == NULL) !=
		(spec->dead_letter_queue == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_receive_count and dead_letter_queue go together"),
				 errdetail("Messages that were received too often move to the dead-letter queue.")));
	if (spec->dead_letter_queue != NULL)
		dead_letter_queue = lock_dead_letter_queue(spec, spec->fifo);

	args[0] = eb_sql_text(spec->name);
	args[1] = eb_sql_text(GetUserNameFromId(GetUserId(), false));
	args[2] = eb_sql_int(spec->fifo);
	args[3] = sql_interval(spec->visibility_timeout);
	args[4] = sql_interval(spec->message_retention);
	args[5] = sql_null_int(spec->max_receive_count);
	args[6] = eb_sql_text(dead_letter_queue);
	if (eb_sql_run("INSERT INTO eventbus.queue (name, owner, fifo,"
				   " visibility_timeout, message_retention,"
				   " max_receive_count, dead_letter_queue)"
				   " VALUES ($1, $2, $3::boolean, $4, $5, $6, $7)"
				   " ON CONFLICT (name) DO NOTHING RETURNING queue_id",
				   7, args, &row) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("queue \"%s\" already exists", spec->name)));
	head[0] = eb_sql_int(eb_generation());
	head[1] = eb_sql_int(DatumGetInt32(row.values[0]));
	eb_sql_run("INSERT INTO eventbus.queue_heads VALUES ($1, $2, 0, 0)",
			   2, head, NULL);
}

/* Finds a queue whose row is then locked. */
static EbQueue *
lock_queue(const char *name, const char *lock)
{
	EbQueue    *queue = eb_queue_get(name);
	EbSqlArg	arg = eb_sql_int(queue->queue_id);

	eb_queue_check_owner(queue);
	if (eb_sql_run(psprintf("SELECT FROM eventbus.queue"
							" WHERE queue_id OPERATOR(pg_catalog.=) $1 %s",
							lock), 1, &arg, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("queue \"%s\" does not exist", queue->name)));
	return eb_queue_get(name);
}

/* As with SQS, an empty policy removes the one that there is. */
static bool
removes_dead_letter_queue(const EbQueueSpec *spec)
{
	if (spec->dead_letter_queue == NULL || spec->dead_letter_queue[0] != '\0')
		return false;
	if (spec->max_receive_count != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_receive_count needs a dead_letter_queue")));
	return true;
}

void
eb_queue_update(const EbQueueSpec *spec)
{
	EbQueue    *queue = lock_queue(spec->name, "FOR NO KEY UPDATE");
	EbQueueSpec bare = *spec;
	bool		removes = removes_dead_letter_queue(spec);
	EbSqlArg	args[6];

	check_values(spec);
	bare.name = queue->name;
	if (removes)
		bare.dead_letter_queue = NULL;
	else if (spec->dead_letter_queue != NULL)
		bare.dead_letter_queue = lock_dead_letter_queue(&bare, queue->fifo);
	if (spec->max_receive_count != NULL && bare.dead_letter_queue == NULL &&
		queue->dead_letter_queue == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_receive_count needs a dead_letter_queue")));
	if (bare.dead_letter_queue != NULL && spec->max_receive_count == NULL &&
		queue->max_receive_count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dead_letter_queue needs a max_receive_count")));

	args[0] = eb_sql_int(queue->queue_id);
	args[1] = sql_interval(spec->visibility_timeout);
	args[2] = sql_interval(spec->message_retention);
	args[3] = sql_null_int(spec->max_receive_count);
	args[4] = eb_sql_text(bare.dead_letter_queue);
	args[5] = eb_sql_int(removes);
	eb_sql_run("UPDATE eventbus.queue SET"
			   " visibility_timeout = COALESCE($2, visibility_timeout),"
			   " message_retention = COALESCE($3, message_retention),"
			   " max_receive_count = CASE WHEN $6::boolean THEN NULL"
			   " ELSE COALESCE($4, max_receive_count) END,"
			   " dead_letter_queue = CASE WHEN $6::boolean THEN NULL"
			   " ELSE COALESCE($5, dead_letter_queue) END,"
			   " modified_at = pg_catalog.clock_timestamp()"
			   " WHERE queue_id OPERATOR(pg_catalog.=) $1", 6, args, NULL);
}

void
eb_queue_delete(const char *name)
{
	EbQueue    *queue = lock_queue(name, "FOR UPDATE");
	EbSqlArg	arg = eb_sql_text(queue->name);

	if (eb_sql_run("SELECT FROM eventbus.queue"
				   " WHERE dead_letter_queue OPERATOR(pg_catalog.=) $1"
				   " LIMIT 1", 1, &arg, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("queue \"%s\" is the dead-letter queue of another one",
						queue->name)));
	arg = eb_sql_int(queue->queue_id);
	eb_sql_run("DELETE FROM eventbus.queue"
			   " WHERE queue_id OPERATOR(pg_catalog.=) $1", 1, &arg, NULL);
}

void
eb_queue_grant(const char *name, const char *role, bool grant)
{
	EbQueue    *queue = lock_queue(name, "FOR NO KEY UPDATE");
	EbSqlArg	args[2];

	if (role == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("role must not be null")));
	if (grant)
		(void) get_role_oid(role, false);
	args[0] = eb_sql_int(queue->queue_id);
	args[1] = eb_sql_text(role);
	eb_sql_run("UPDATE eventbus.queue"
			   " SET consumers = pg_catalog.array_remove(consumers, $2)"
			   " WHERE queue_id OPERATOR(pg_catalog.=) $1", 2, args, NULL);
	if (grant)
		eb_sql_run("UPDATE eventbus.queue"
				   " SET consumers = pg_catalog.array_append(consumers, $2)"
				   " WHERE queue_id OPERATOR(pg_catalog.=) $1", 2, args, NULL);
}

Jsonb *
eb_queue_describe(const char *name)
{
	EbQueue    *queue = eb_queue_get(name);
	EbAnswer	answer = {0};

	eb_answer_begin(&answer);
	eb_answer_add_text(&answer, "QueueName", queue->name);
	eb_answer_add_text(&answer, "QueueArn", eb_arn_of_queue(queue->name));
	eb_answer_add_text(&answer, "FifoQueue", queue->fifo ? "true" : "false");
	eb_answer_add_int(&answer, "VisibilityTimeout",
					  queue->visibility_timeout / USECS_PER_SEC);
	eb_answer_add_int(&answer, "MessageRetentionPeriod",
					  queue->message_retention / USECS_PER_SEC);
	if (queue->dead_letter_queue != NULL)
	{
		eb_answer_add_int(&answer, "MaxReceiveCount",
						  queue->max_receive_count);
		eb_answer_add_text(&answer, "DeadLetterTargetArn",
						   eb_arn_of_queue(queue->dead_letter_queue));
	}
	eb_answer_end(&answer);
	return eb_answer_result(&answer);
}
