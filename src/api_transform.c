/*-------------------------------------------------------------------------
 *
 * api_transform.c
 *		SQL functions that show what a target would get of an event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api_args.h"
#include "arn.h"
#include "transform.h"

/* what errors call a target that there is not */
#define TARGET_ID	"preview"

PG_FUNCTION_INFO_V1(eventbus_test_target_input);
PG_FUNCTION_INFO_V1(eventbus_row_input);

/* eb_test_target_input(event, parameters, rule, event_bus, ingestion_time) */
Datum
eventbus_test_target_input(PG_FUNCTION_ARGS)
{
	Jsonb	   *event = eb_arg_jsonb(fcinfo, 0);
	EbRule		rule = {
		.name = eb_arg_text(fcinfo, 2),
		.bus_name = eb_arg_text(fcinfo, 3)
	};
	EbTransform *transform;
	EbPayload	payload;

	if (event == NULL)
		eb_arn_null_error("event");
	if (!JB_ROOT_IS_OBJECT(event))
		ereport(ERROR,
		/* EventBridge's text */
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Parameter Event is not valid."),
				 errdetail("An event is a JSON object.")));
	eb_arn_check_name(rule.name, "rule", EB_MAX_RULE_NAME, false);
	eb_arn_check_name(rule.bus_name, "eventBus", EB_MAX_BUS_NAME, true);
	if (PG_ARGISNULL(4))
		eb_arn_null_error("ingestionTime");

	transform = eb_transform_compile(TARGET_ID, eb_arg_jsonb(fcinfo, 1));
	eb_transform_warn(transform);
	eb_transform_apply_jsonb(transform, &rule, event,
							 PG_GETARG_TIMESTAMPTZ(4), &payload);
	PG_RETURN_TEXT_P(eb_payload_text(&payload));
}

/*
 * row_input(id, source, detail_type, time, resources, detail, replay_name,
 * ingested_at, target_id, parameters, rule, event_bus) RETURNS text: of a
 * stored event, as a delivery takes it.
 */
Datum
eventbus_row_input(PG_FUNCTION_ARGS)
{
	EbEvent		event = {0};
	EbRule		rule = {0};
	EbTransform *transform;
	EbPayload	payload;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		/* resources, replay_name and parameters may be missing */
		if (PG_ARGISNULL(i) && i != 4 && i != 6 && i != 9)
			PG_RETURN_NULL();
	}
	event.id = *PG_GETARG_UUID_P(0);
	event.source = PG_GETARG_TEXT_PP(1);
	event.detail_type = PG_GETARG_TEXT_PP(2);
	event.time = PG_GETARG_TIMESTAMPTZ(3);
	if (!PG_ARGISNULL(4))
		event.resources = PG_GETARG_ARRAYTYPE_P(4);
	event.detail = PG_GETARG_JSONB_P(5);
	if (!PG_ARGISNULL(6))
		event.replay_name = PG_GETARG_TEXT_PP(6);
	event.ingested_at = PG_GETARG_TIMESTAMPTZ(7);
	rule.name = eb_arg_text(fcinfo, 10);
	rule.bus_name = eb_arg_text(fcinfo, 11);

	transform = eb_transform_compile(eb_arg_text(fcinfo, 8),
									 eb_arg_jsonb(fcinfo, 9));
	eb_transform_apply(transform, &rule, &event, &payload);
	PG_RETURN_TEXT_P(eb_payload_text(&payload));
}
