-- Publishing events, and reading them back.

-- The answer is that of PutEvents, in request order.
CREATE FUNCTION @extschema@.eb_put_events(entries jsonb, on_error text DEFAULT 'raise')
	RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_put_events';
COMMENT ON FUNCTION @extschema@.eb_put_events(jsonb, text) IS 'puts events on event buses, in the caller''s transaction; on_error: raise, report';
REVOKE ALL ON FUNCTION @extschema@.eb_put_events(jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_put_events(jsonb, text) TO eventbus_admin, eventbus_publisher;

CREATE FUNCTION @extschema@.eb_put_event(
	source text,
	detail_type text,
	detail jsonb,
	event_bus text DEFAULT 'default',
	resources text[] DEFAULT NULL,
	"time" timestamptz DEFAULT NULL,
	trace_header text DEFAULT NULL,
	event_group_id text DEFAULT NULL,
	deduplication_id text DEFAULT NULL)
	RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_put_event';
COMMENT ON FUNCTION @extschema@.eb_put_event(text, text, jsonb, text, text[], timestamptz, text, text, text) IS 'puts one event on an event bus, in the caller''s transaction; returns its id, or that of the first event with its deduplication id';
REVOKE ALL ON FUNCTION @extschema@.eb_put_event(text, text, jsonb, text, text[], timestamptz, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_put_event(text, text, jsonb, text, text[], timestamptz, text, text, text) TO eventbus_admin, eventbus_publisher;

-- Not IMMUTABLE: account and region are settings.
CREATE FUNCTION @extschema@.eb_event_envelope(
	id uuid,
	source text,
	detail_type text,
	"time" timestamptz,
	resources text[],
	detail jsonb,
	replay_name text)
	RETURNS jsonb
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'eventbus_event_envelope';
COMMENT ON FUNCTION @extschema@.eb_event_envelope(uuid, text, text, timestamptz, text[], jsonb, text) IS 'the event as one JSON object, as targets receive it';
REVOKE ALL ON FUNCTION @extschema@.eb_event_envelope(uuid, text, text, timestamptz, text[], jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_event_envelope(uuid, text, text, timestamptz, text[], jsonb, text) TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_event_id_time(id uuid)
	RETURNS timestamptz
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'eventbus_event_id_time';
COMMENT ON FUNCTION @extschema@.eb_event_id_time(uuid) IS 'when the event of that id was put: its ingested_at';
REVOKE ALL ON FUNCTION @extschema@.eb_event_id_time(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_event_id_time(uuid) TO eventbus_admin, eventbus_publisher, eventbus_monitor;

-- All committed events that are kept. A condition on ingested_at leaves out
-- partitions.
CREATE VIEW eventbus.events AS
	SELECT COALESCE(b.name, 'default') AS event_bus,
		   l.id,
		   l.source,
		   l.detail_type,
		   l."time",
		   COALESCE(l.resources, '{}'::pg_catalog.text[]) AS resources,
		   l.detail,
		   l.trace_header,
		   l.event_group_id,
		   l.deduplication_id,
		   l.replay_name,
		   l.causation_id,
		   l.hop_count,
		   l.ingested_at,
		   l.seq,
		   l.ord,
		   l.xid,
		   @extschema@.eb_event_envelope(l.id, l.source, l.detail_type, l."time",
										 l.resources, l.detail, l.replay_name) AS event
	FROM eventbus.event_log l
	LEFT JOIN eventbus.event_bus b ON b.bus_id OPERATOR(pg_catalog.=) l.bus_id;
COMMENT ON VIEW eventbus.events IS 'the events of all buses, in the order of seq and ord';
GRANT SELECT ON eventbus.events TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_get_event(id uuid)
	RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	BEGIN ATOMIC
		SELECT e.event
		FROM eventbus.events e
		WHERE e.id OPERATOR(pg_catalog.=) eb_get_event.id
			AND e.ingested_at OPERATOR(pg_catalog.=) @extschema@.eb_event_id_time(eb_get_event.id)
		LIMIT 1;
	END;
COMMENT ON FUNCTION @extschema@.eb_get_event(uuid) IS 'the event of that id as one JSON object, null when there is none; reads the one partition that the id names';
REVOKE ALL ON FUNCTION @extschema@.eb_get_event(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_get_event(uuid) TO eventbus_admin, eventbus_monitor;
