/*-------------------------------------------------------------------------
 *
 * target_bus.c
 *		Target type "bus": events go on to another bus of this database.
 *
 * What is put on the other bus is the same event: id, time, source, detail,
 * trace header, event group, replay name and causation_id stay, as they do in
 * EventBridge. Its place in the log is new (it is routed from there), and its
 * hop_count is one more, so that buses which send to one another in a circle
 * come to an end (eventbus.max_hops).
 *
 * What an input transformer of the target makes of the event, an object, is its
 * detail on the other bus.
 *
 * It is put in the dispatcher's transaction, together with the position: once,
 * through any crash. No code of a user runs.
 *
 * Rights: the owner of the rule has to be one who may put events, a member of
 * eventbus_publisher or eventbus_admin.
 *
 * A bus is known by its name. One that is deleted makes the target fail; its
 * events wait until there is a bus of that name again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "catalog.h"
#include "catalog_write.h"
#include "errcodes.h"
#include "put.h"
#include "target.h"

#define TARGET_TYPE_NAME	"bus"

static const char *validate(const char *resource, Jsonb *parameters,
							Oid owner);
static int	deliver(EbTargetRun *run);
static void check_may_put(Oid role);

const EbTargetType eb_target_bus = {
	.name = TARGET_TYPE_NAME,
	.validate = validate,
	.deliver = deliver,
};

/* Resource is a bus's name or ARN; what is stored is the name. */
static const char *
validate(const char *resource, Jsonb *parameters, Oid owner)
{
	EbBusRef	bus;

	eb_target_no_parameters(TARGET_TYPE_NAME, parameters);
	eb_target_need_resource(TARGET_TYPE_NAME, resource,
							"the event bus that takes the events");
	eb_catalog_get_bus(resource, true, &bus);
	check_may_put(owner);
	return bus.name;
}

/* What an input transformer made of the event is the detail that it gets. */
static Jsonb *
as_detail(Jsonb *payload)
{
	if (!JB_ROOT_IS_OBJECT(payload))
		ereport(ERROR,
				(errcode(EB_ERRCODE_TRANSFORMATION),
				 errmsg("an event bus takes a JSON object as the detail of an event"),
				 errdetail("The input transformer of the target made something else.")));
	return payload;
}

static int
deliver(EbTargetRun *run)
{
	const char *name = run->target->resource;
	EbEvent    *events = palloc(run->n * sizeof(EbEvent));
	int32		bus_id;

	check_may_put(GetUserId());
	if (!eb_catalog_find_bus(name, strlen(name), &bus_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
		/* EventBridge's text */
				 errmsg("Event bus %s does not exist.", name)));
	for (int i = 0; i < run->n; i++)
	{
		events[i] = run->items[i].event;
		events[i].bus_id = bus_id;
		events[i].hop_count++;
		if (run->items[i].payload != NULL)
		{
			run->at = i;
			events[i].detail = as_detail(eb_delivery_json(&run->items[i]));
		}
	}
	run->at = -1;
	eb_put_insert(events, run->n);
	return run->n;
}

/* Who has the rights of one of these roles may put events. */
static void
check_may_put(Oid role)
{
	static const char *const publishers[] = {
		"eventbus_publisher", "eventbus_admin"
	};
	const char *name;

	for (int i = 0; i < lengthof(publishers); i++)
	{
		Oid			publisher = get_role_oid(publishers[i], true);

		if (OidIsValid(publisher) && has_privs_of_role(role, publisher))
			return;
	}
	name = GetUserNameFromId(role, false);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to put events"),
			 errdetail("Role \"%s\", which owns the rule, needs the privileges of eventbus_publisher.",
					   name),
			 errhint("GRANT eventbus_publisher TO %s;",
					 quote_identifier(name))));
}
