-- Searching the log by event patterns.

CREATE FUNCTION eventbus.row_matches(
	id uuid,
	source text,
	detail_type text,
	"time" timestamptz,
	resources text[],
	detail jsonb,
	replay_name text,
	pattern jsonb)
	RETURNS boolean
	LANGUAGE C STABLE PARALLEL SAFE COST 20
	AS 'MODULE_PATHNAME', 'eventbus_row_matches';
COMMENT ON FUNCTION eventbus.row_matches(uuid, text, text, timestamptz, text[], jsonb, text, jsonb) IS 'internal: whether an event pattern matches a stored event, without making its envelope';
REVOKE ALL ON FUNCTION eventbus.row_matches(uuid, text, text, timestamptz, text[], jsonb, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventbus.row_matches(uuid, text, text, timestamptz, text[], jsonb, text, jsonb) TO eventbus_admin, eventbus_monitor;

-- The rows of the log for those who may read eventbus.events.
CREATE VIEW eventbus.event_rows AS
	SELECT * FROM eventbus.event_log;
COMMENT ON VIEW eventbus.event_rows IS 'internal: the event log as eb_find_events() reads it';
GRANT SELECT ON eventbus.event_rows TO eventbus_admin, eventbus_monitor;

CREATE VIEW eventbus.event_bus_ids AS
	SELECT 0 AS bus_id, 'default' AS name
	UNION ALL
	SELECT b.bus_id, b.name FROM eventbus.event_bus b;
COMMENT ON VIEW eventbus.event_bus_ids IS 'internal: numbers and names of event buses, also of deleted ones';
GRANT SELECT ON eventbus.event_bus_ids TO eventbus_admin, eventbus_monitor;

-- One SELECT, so that it is inlined into the query that calls it: conditions
-- on ingested_at leave out partitions, one on the bus uses the index on
-- (bus_id, seq) of sealed ones, and only what matches gets an envelope.
CREATE FUNCTION @extschema@.eb_find_events(
	event_pattern jsonb,
	event_bus text DEFAULT NULL,
	"from" timestamptz DEFAULT NULL,
	"to" timestamptz DEFAULT NULL)
	RETURNS SETOF eventbus.events
	LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
	BEGIN ATOMIC
		SELECT b.name, l.id, l.source, l.detail_type, l."time",
			   COALESCE(l.resources, '{}'::pg_catalog.text[]),
			   l.detail, l.trace_header, l.event_group_id, l.deduplication_id, l.replay_name,
			   l.causation_id, l.hop_count, l.ingested_at, l.seq, l.ord, l.xid,
			   @extschema@.eb_event_envelope(l.id, l.source, l.detail_type, l."time",
											 l.resources, l.detail, l.replay_name)
		FROM eventbus.event_rows l
		LEFT JOIN eventbus.event_bus_ids b ON b.bus_id OPERATOR(pg_catalog.=) l.bus_id
		WHERE l.ingested_at OPERATOR(pg_catalog.>=) COALESCE(eb_find_events."from", '-infinity'::pg_catalog.timestamptz)
			AND l.ingested_at OPERATOR(pg_catalog.<) COALESCE(eb_find_events."to", 'infinity'::pg_catalog.timestamptz)
			AND (eb_find_events.event_bus IS NULL OR
				 l.bus_id OPERATOR(pg_catalog.=) ANY (ARRAY(
					SELECT i.bus_id FROM eventbus.event_bus_ids i
					WHERE i.name OPERATOR(pg_catalog.=)
						pg_catalog.regexp_replace(eb_find_events.event_bus, '^arn:.*:event-bus/', ''))))
			AND eventbus.row_matches(l.id, l.source, l.detail_type, l."time", l.resources, l.detail,
									 l.replay_name, eb_find_events.event_pattern);
	END;
COMMENT ON FUNCTION @extschema@.eb_find_events(jsonb, text, timestamptz, timestamptz) IS 'the stored events of an event bus (null: of all) that match an event pattern and were put at "from" or later and before "to"';
REVOKE ALL ON FUNCTION @extschema@.eb_find_events(jsonb, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_find_events(jsonb, text, timestamptz, timestamptz) TO eventbus_admin, eventbus_monitor;
