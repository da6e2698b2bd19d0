/*-------------------------------------------------------------------------
 *
 * queue_find.c
 *		The queues that there are, and who may use them.
 *
 * A process keeps eventbus.queue in memory, to find a queue for each receive. A
 * trigger on the table sends a relcache invalidation for it at each change; the
 * callback here has it read again. Callers get copies, which stay as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "arn.h"
#include "compat.h"
#include "eventbus.h"
#include "queue.h"
#include "queue_catalog.h"
#include "schema.h"

/* columns of eventbus.queue, in order */
enum
{
	QUEUE_QUEUE_ID = 1,
	QUEUE_NAME,
	QUEUE_OWNER,
	QUEUE_CONSUMERS,
	QUEUE_FIFO,
	QUEUE_VISIBILITY_TIMEOUT,
	QUEUE_MESSAGE_RETENTION,
	QUEUE_MAX_RECEIVE_COUNT,
	QUEUE_DEAD_LETTER_QUEUE
};

static MemoryContext cache_context = NULL;
static List *cache = NIL;		/* of EbQueue */
static Oid	cache_oid = InvalidOid; /* eventbus.queue when it was read */
static bool cache_valid = false;

/* --- the cache ------------------------------------------------------------ */

static void
queues_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == cache_oid)
		cache_valid = false;
}

int64
eb_queue_interval(const Interval *interval)
{
	int64		days = (int64) interval->month * DAYS_PER_MONTH +
		interval->day;
	int64		us;

	/* what is out of range is out of any range that we allow */
	if (pg_mul_s64_overflow(days, USECS_PER_DAY, &us) ||
		pg_add_s64_overflow(us, interval->time, &us))
		return days < 0 ? PG_INT64_MIN : PG_INT64_MAX;
	return us;
}

static List *
names_of_array(Datum array)
{
	Datum	   *names;
	int			n;
	List	   *list = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, NULL, &n);
	for (int i = 0; i < n; i++)
		list = lappend(list, TextDatumGetCString(names[i]));
	return list;
}

static EbQueue *
queue_from_slot(TupleTableSlot *slot)
{
	EbQueue    *queue = palloc0(sizeof(EbQueue));
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;
	Interval   *interval;

	slot_getallattrs(slot);
	queue->queue_id = DatumGetInt32(values[QUEUE_QUEUE_ID - 1]);
	queue->name = TextDatumGetCString(values[QUEUE_NAME - 1]);
	queue->owner = TextDatumGetCString(values[QUEUE_OWNER - 1]);
	queue->consumers = names_of_array(values[QUEUE_CONSUMERS - 1]);
	queue->fifo = DatumGetBool(values[QUEUE_FIFO - 1]);
	interval = DatumGetIntervalP(values[QUEUE_VISIBILITY_TIMEOUT - 1]);
	queue->visibility_timeout = eb_queue_interval(interval);
	interval = DatumGetIntervalP(values[QUEUE_MESSAGE_RETENTION - 1]);
	queue->message_retention = eb_queue_interval(interval);
	if (!isnull[QUEUE_MAX_RECEIVE_COUNT - 1])
		queue->max_receive_count =
			DatumGetInt32(values[QUEUE_MAX_RECEIVE_COUNT - 1]);
	if (!isnull[QUEUE_DEAD_LETTER_QUEUE - 1])
		queue->dead_letter_queue =
			TextDatumGetCString(values[QUEUE_DEAD_LETTER_QUEUE - 1]);
	return queue;
}

static void
read_cache(void)
{
	Oid			oid = eb_relation_oid("queue");
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	Snapshot	snapshot;
	MemoryContext caller;

	MemoryContextReset(cache_context);
	cache = NIL;
	cache_oid = oid;
	if (!OidIsValid(oid))
		return;

	/* a change that comes to light while reading makes it stale again */
	cache_valid = true;
	rel = table_open(oid, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	caller = MemoryContextSwitchTo(cache_context);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		cache = lappend(cache, queue_from_slot(slot));
	MemoryContextSwitchTo(caller);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
}

/* All queues, as this process knows them now. */
static List *
get_cache(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(queues_changed, (Datum) 0);
		cache_context = AllocSetContextCreate(CacheMemoryContext,
											  "eventbus queues",
											  ALLOCSET_SMALL_SIZES);
		registered = true;
	}
	AcceptInvalidationMessages();
	if (!cache_valid)
	{
		PG_TRY();
		{
			read_cache();
		}
		PG_CATCH();
		{
			cache_valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	return cache;
}

static List *
copy_names(const List *names)
{
	List	   *copy = NIL;
	const ListCell *cell;

	foreach(cell, names)
		copy = lappend(copy, pstrdup(lfirst(cell)));
	return copy;
}

static EbQueue *
copy_queue(const EbQueue *queue)
{
	EbQueue    *copy = palloc(sizeof(EbQueue));

	*copy = *queue;
	copy->name = pstrdup(queue->name);
	copy->owner = pstrdup(queue->owner);
	copy->consumers = copy_names(queue->consumers);
	if (queue->dead_letter_queue != NULL)
		copy->dead_letter_queue = pstrdup(queue->dead_letter_queue);
	return copy;
}

/* --- lookups -------------------------------------------------------------- */

EbQueue *
eb_queue_find(const char *name)
{
	const char *bare = eb_arn_name(name, "sqs", "");
	ListCell   *cell;

	if (bare == NULL)
		bare = name;
	foreach(cell, get_cache())
	{
		EbQueue    *queue = lfirst(cell);

		if (strcmp(queue->name, bare) == 0)
			return copy_queue(queue);
	}
	return NULL;
}

EbQueue *
eb_queue_get(const char *name)
{
	EbQueue    *queue;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name of a queue must not be null")));
	queue = eb_queue_find(name);
	if (queue == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("queue \"%s\" does not exist", name)));
	return queue;
}

List *
eb_queue_list(void)
{
	List	   *list = NIL;
	ListCell   *cell;

	foreach(cell, get_cache())
		list = lappend(list, copy_queue(lfirst(cell)));
	return list;
}

char *
eb_queue_arn(const char *name)
{
	return eb_arn_of_queue(name);
}

/* --- rights --------------------------------------------------------------- */

/* Has it the rights of the role of that name, if there is one? */
static bool
has_rights_of(Oid role, const char *name)
{
	Oid			of = get_role_oid(name, true);

	return OidIsValid(of) && has_privs_of_role(role, of);
}

static bool
may_send(const EbQueue *queue, Oid role)
{
	return has_rights_of(role, queue->owner) ||
		has_rights_of(role, EB_ROLE_ADMIN);
}

pg_noreturn static void
refuse(const EbQueue *queue, Oid role, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for queue \"%s\"", queue->name),
			 errdetail("Role \"%s\" may not %s it.",
					   GetUserNameFromId(role, false), what)));
}

void
eb_queue_check_sender(const EbQueue *queue, Oid role)
{
	if (!may_send(queue, role))
		refuse(queue, role, "send to");
}

void
eb_queue_check_consumer(const EbQueue *queue)
{
	ListCell   *cell;

	if (may_send(queue, GetUserId()))
		return;
	foreach(cell, queue->consumers)
	{
		if (has_rights_of(GetUserId(), lfirst(cell)))
			return;
	}
	refuse(queue, GetUserId(), "receive from");
}

void
eb_queue_check_owner(const EbQueue *queue)
{
	Oid			role = get_role_oid(queue->owner, true);

	/* what belonged to a role that was dropped is a superuser's business */
	if (!OidIsValid(role))
		role = BOOTSTRAP_SUPERUSERID;
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of queue \"%s\"", queue->name)));
}
