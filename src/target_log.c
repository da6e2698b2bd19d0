/*-------------------------------------------------------------------------
 *
 * target_log.c
 *		Target type "log": each event is a line of the server's log.
 *
 * The line is of level LOG, which log_min_messages lets through unless it is
 * fatal or panic, and says which target it is of. It is written before the
 * delivery is committed: an event whose delivery a crash takes back is there
 * twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "target.h"

#define TARGET_TYPE_NAME	"log"

static const char *validate(const char *resource, Jsonb *parameters,
							Oid owner);
static int	deliver(EbTargetRun *run);

const EbTargetType eb_target_log = {
	.name = TARGET_TYPE_NAME,
	.validate = validate,
	.deliver = deliver,
};

/* There is one log: nothing to name. */
static const char *
validate(const char *resource, Jsonb *parameters, Oid owner)
{
	eb_target_no_parameters(TARGET_TYPE_NAME, parameters);
	if (resource != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a target of type \"%s\" has no resource",
						TARGET_TYPE_NAME),
				 errdetail("Events are written to the server's log.")));
	return NULL;
}

static int
deliver(EbTargetRun *run)
{
	const EbTarget *target = run->target;

	for (int i = 0; i < run->n; i++)
	{
		char	   *event = eb_delivery_text(&run->items[i]);

		CHECK_FOR_INTERRUPTS();
		run->at = i;
		ereport(LOG,
				(errmsg("target \"%s\" of rule \"%s\" on event bus \"%s\": %s",
						target->id, target->rule->name,
						target->rule->bus_name, event),
				 errhidestmt(true),
				 errhidecontext(true)));
		pfree(event);
	}
	return run->n;
}
