-- What a target gets of an event: previews.

-- The parameters are those of a target; beside the members input, input_path
-- and input_transformer they may have any.
CREATE FUNCTION @extschema@.eb_test_target_input(
	event jsonb,
	parameters jsonb,
	rule text DEFAULT 'rule-name',
	event_bus text DEFAULT 'default',
	ingestion_time timestamptz DEFAULT pg_catalog.now())
	RETURNS text
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'eventbus_test_target_input';
COMMENT ON FUNCTION @extschema@.eb_test_target_input(jsonb, jsonb, text, text, timestamptz) IS 'what a target with these parameters would get of an event';
REVOKE ALL ON FUNCTION @extschema@.eb_test_target_input(jsonb, jsonb, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_test_target_input(jsonb, jsonb, text, text, timestamptz) TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_test_input_transformer(
	event jsonb,
	input_paths jsonb,
	input_template text,
	rule text DEFAULT 'rule-name',
	event_bus text DEFAULT 'default',
	ingestion_time timestamptz DEFAULT pg_catalog.now())
	RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN @extschema@.eb_test_target_input(event,
		pg_catalog.jsonb_build_object('input_transformer',
			pg_catalog.jsonb_build_object('InputPathsMap', input_paths, 'InputTemplate', input_template)),
		rule, event_bus, ingestion_time);
COMMENT ON FUNCTION @extschema@.eb_test_input_transformer(jsonb, jsonb, text, text, text, timestamptz) IS 'what an input transformer makes of an event';
REVOKE ALL ON FUNCTION @extschema@.eb_test_input_transformer(jsonb, jsonb, text, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_test_input_transformer(jsonb, jsonb, text, text, text, timestamptz) TO eventbus_admin, eventbus_monitor;

-- Of a stored event, straight from its columns, as a delivery takes it.
CREATE FUNCTION eventbus.row_input(
	id uuid,
	source text,
	detail_type text,
	"time" timestamptz,
	resources text[],
	detail jsonb,
	replay_name text,
	ingested_at timestamptz,
	target_id text,
	parameters jsonb,
	rule text,
	event_bus text)
	RETURNS text
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'eventbus_row_input';
COMMENT ON FUNCTION eventbus.row_input(uuid, text, text, timestamptz, text[], jsonb, text, timestamptz, text, jsonb, text, text) IS 'internal: what a target with these parameters gets of a stored event';
REVOKE ALL ON FUNCTION eventbus.row_input(uuid, text, text, timestamptz, text[], jsonb, text, timestamptz, text, jsonb, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventbus.row_input(uuid, text, text, timestamptz, text[], jsonb, text, timestamptz, text, jsonb, text, text) TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_test_target(
	rule text,
	target_id text,
	event_id uuid,
	event_bus text DEFAULT 'default')
	RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT eventbus.row_input(e.id, e.source, e.detail_type, e."time", e.resources, e.detail, e.replay_name,
								  e.ingested_at, t.id, t.parameters, t.rule, t.event_bus)
		FROM eventbus.targets t, eventbus.events e
		WHERE t.rule OPERATOR(pg_catalog.=) eb_test_target.rule
			AND t.id OPERATOR(pg_catalog.=) eb_test_target.target_id
			AND t.event_bus OPERATOR(pg_catalog.=) pg_catalog.regexp_replace(eb_test_target.event_bus, '^arn:.*:event-bus/', '')
			AND e.id OPERATOR(pg_catalog.=) eb_test_target.event_id
			AND e.ingested_at OPERATOR(pg_catalog.=) @extschema@.eb_event_id_time(eb_test_target.event_id)
		LIMIT 1;
	END;
COMMENT ON FUNCTION @extschema@.eb_test_target(text, text, uuid, text) IS 'what a target would get of a stored event, whether or not its rule matches it; null when there is no such target or event';
REVOKE ALL ON FUNCTION @extschema@.eb_test_target(text, text, uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_test_target(text, text, uuid, text) TO eventbus_admin, eventbus_monitor;
