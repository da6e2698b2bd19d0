-- Dead letters and logged attempts, as people read them.

CREATE VIEW eventbus.dead_letters AS
	SELECT d.dead_letter_id,
		   d.dead_lettered_at,
		   d.event_bus,
		   d.rule,
		   d.target,
		   COALESCE(r.resolution, 'waiting') AS state,
		   r.resolved_at,
		   d.error_code,
		   d.exhausted_retry_condition,
		   d.sqlstate,
		   d.error_message,
		   d.error_detail,
		   d.first_error,
		   d.attempts,
		   d.first_attempt_at,
		   d.id AS event_id,
		   d.source,
		   d.detail_type,
		   @extschema@.eb_event_envelope(d.id, d.source, d.detail_type, d."time",
										 d.resources, d.detail, d.replay_name) AS event,
		   d.input,
		   d.target_id,
		   d.delivery_seq,
		   d.redrive
	FROM eventbus.dead_letter_log d
	LEFT JOIN eventbus.resolved_dead_letters r ON r.dead_letter_id OPERATOR(pg_catalog.=) d.dead_letter_id;
COMMENT ON VIEW eventbus.dead_letters IS 'events that a target could not take, with the reason, and what became of them: waiting, redriven, discarded';

CREATE VIEW eventbus.delivery_attempts AS
	SELECT l.logged_at,
		   l.message_type,
		   t.event_bus,
		   t.rule,
		   t.id AS target,
		   l.event_id,
		   l.attempt,
		   l.duration_us OPERATOR(pg_catalog./) 1000.0 AS duration_ms,
		   pg_catalog.date_part('epoch', l.logged_at OPERATOR(pg_catalog.-) l.accepted_at)
				OPERATOR(pg_catalog.*) 1000 AS latency_ms,
		   l.error_code,
		   l.sqlstate,
		   l.error_message,
		   l.target_id,
		   l.delivery_seq,
		   l.redrive
	FROM eventbus.delivery_log l
	LEFT JOIN eventbus.targets t ON t.target_id OPERATOR(pg_catalog.=) l.target_id;
COMMENT ON VIEW eventbus.delivery_attempts IS 'attempts of deliveries to targets whose log_level is error or all; no names where the target is gone';

GRANT SELECT ON eventbus.dead_letters, eventbus.delivery_attempts TO eventbus_admin, eventbus_monitor;

-- The arguments are those of src/api_dead_letter.c, in its order.
CREATE FUNCTION @extschema@.eb_redrive(ids bigint[] DEFAULT NULL, event_bus text DEFAULT NULL,
		rule text DEFAULT NULL, target text DEFAULT NULL, error_code text DEFAULT NULL,
		"from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL,
		everything boolean DEFAULT false, rate_limit float8 DEFAULT NULL) RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_redrive';
COMMENT ON FUNCTION @extschema@.eb_redrive(bigint[], text, text, text, text, timestamptz, timestamptz, boolean, float8) IS 'delivers dead letters again that wait, rate_limit a second (null: as fast as it goes), returns how many';
REVOKE ALL ON FUNCTION @extschema@.eb_redrive(bigint[], text, text, text, text, timestamptz, timestamptz, boolean, float8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_redrive(bigint[], text, text, text, text, timestamptz, timestamptz, boolean, float8) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_discard_dead_letters(ids bigint[] DEFAULT NULL, event_bus text DEFAULT NULL,
		rule text DEFAULT NULL, target text DEFAULT NULL, error_code text DEFAULT NULL,
		"from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL,
		everything boolean DEFAULT false) RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_discard_dead_letters';
COMMENT ON FUNCTION @extschema@.eb_discard_dead_letters(bigint[], text, text, text, text, timestamptz, timestamptz, boolean) IS 'nothing is to be done with these dead letters any more, returns how many; they stay visible until their partition goes';
REVOKE ALL ON FUNCTION @extschema@.eb_discard_dead_letters(bigint[], text, text, text, text, timestamptz, timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_discard_dead_letters(bigint[], text, text, text, text, timestamptz, timestamptz, boolean) TO eventbus_admin;
