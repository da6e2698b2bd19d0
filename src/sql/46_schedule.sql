-- Schedules of rules.

CREATE FUNCTION @extschema@.eb_next_fire_times(schedule_expression text, n int DEFAULT 10,
		timezone text DEFAULT 'UTC', after timestamptz DEFAULT pg_catalog.now()) RETURNS SETOF timestamptz
	LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME', 'eventbus_next_fire_times';
COMMENT ON FUNCTION @extschema@.eb_next_fire_times(text, int, text, timestamptz) IS 'the next times at which a schedule would fire that began at that time';
REVOKE ALL ON FUNCTION @extschema@.eb_next_fire_times(text, int, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_next_fire_times(text, int, text, timestamptz) TO eventbus_admin, eventbus_monitor;
