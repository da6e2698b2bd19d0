/*-------------------------------------------------------------------------
 *
 * api_event_bus.c
 *		SQL functions for event buses; the work is done in catalog_bus.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "api_args.h"
#include "arn.h"
#include "catalog_write.h"

PG_FUNCTION_INFO_V1(eventbus_create_event_bus);
PG_FUNCTION_INFO_V1(eventbus_update_event_bus);
PG_FUNCTION_INFO_V1(eventbus_delete_event_bus);
PG_FUNCTION_INFO_V1(eventbus_describe_event_bus);
PG_FUNCTION_INFO_V1(eventbus_event_bus_arn);

/* eb_create_event_bus(name, description) returns the ARN */
Datum
eventbus_create_event_bus(PG_FUNCTION_ARGS)
{
	char	   *name = eb_arg_text(fcinfo, 0);

	PreventCommandIfReadOnly("eb_create_event_bus()");
	eb_catalog_create_bus(name, eb_arg_text(fcinfo, 1));
	PG_RETURN_TEXT_P(cstring_to_text(eb_arn_of_bus(name)));
}

/* eb_update_event_bus(name, description) */
Datum
eventbus_update_event_bus(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("eb_update_event_bus()");
	eb_catalog_update_bus(eb_arg_text(fcinfo, 0), eb_arg_text(fcinfo, 1));
	PG_RETURN_VOID();
}

/* eb_delete_event_bus(name) */
Datum
eventbus_delete_event_bus(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("eb_delete_event_bus()");
	eb_catalog_delete_bus(eb_arg_text(fcinfo, 0));
	PG_RETURN_VOID();
}

/* eb_describe_event_bus(name) */
Datum
eventbus_describe_event_bus(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(eb_catalog_describe_bus(eb_arg_text(fcinfo, 0)));
}

/* eb_event_bus_arn(name), strict */
Datum
eventbus_event_bus_arn(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(eb_arn_of_bus(eb_arg_text(fcinfo, 0))));
}
