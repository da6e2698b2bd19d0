-- What became of one event.

CREATE FUNCTION eventbus.event_deliveries(generation int, seq bigint, ord int, ingested_at timestamptz, target_ids int[],
		OUT target_id int, OUT delivery_seq bigint, OUT routed_at timestamptz, OUT searched boolean)
	RETURNS SETOF record
	LANGUAGE C STABLE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_event_deliveries';
COMMENT ON FUNCTION eventbus.event_deliveries(int, bigint, int, timestamptz, int[]) IS 'internal: the deliveries of an event in the delivery stream; searched is false where there was too much of it';
REVOKE ALL ON FUNCTION eventbus.event_deliveries(int, bigint, int, timestamptz, int[]) FROM PUBLIC;

-- An event that went on to other buses has a row of the log on each. Rules are
-- asked as they stand.
CREATE FUNCTION eventbus.trace(event_id uuid)
	RETURNS TABLE ("at" timestamptz, message_type text, event_bus text, rule text, target text, state text,
				   attempt int, error_code text, detail text)
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
	BEGIN ATOMIC
		WITH event AS MATERIALIZED (
			SELECT l.*, b.name AS event_bus, g.routed
			FROM eventbus.event_log l
			LEFT JOIN eventbus.event_bus_ids b ON b.bus_id OPERATOR(pg_catalog.=) l.bus_id
			LEFT JOIN LATERAL (
				SELECT pg_catalog.pg_visible_in_snapshot(l.xid, c.last_snapshot) OR
					   (c.next_snapshot IS NOT NULL AND
						pg_catalog.pg_visible_in_snapshot(l.xid, c.next_snapshot) AND
						(l.seq OPERATOR(pg_catalog.<) c.last_seq OR
						 (l.seq OPERATOR(pg_catalog.=) c.last_seq AND l.ord OPERATOR(pg_catalog.<=) c.last_ord))) AS routed
				FROM eventbus.router_cursor c
				WHERE c.generation OPERATOR(pg_catalog.=) l.generation) g ON true
			WHERE l.id OPERATOR(pg_catalog.=) trace.event_id
			  AND l.ingested_at OPERATOR(pg_catalog.>=) @extschema@.eb_event_id_time(trace.event_id)
			  AND l.ingested_at OPERATOR(pg_catalog.<)
				  (@extschema@.eb_event_id_time(trace.event_id) OPERATOR(pg_catalog.+) '1 day'::pg_catalog.interval)
		), rule AS MATERIALIZED (
			SELECT e.seq, e.ord, e.event_bus, e.routed, r.rule_id, r.name, r.state,
				   s.matches OR COALESCE(
						eventbus.row_matches(e.id, e.source, e.detail_type, e."time", e.resources, e.detail,
											 e.replay_name, r.event_pattern), false) AS matches
			FROM event e
			JOIN eventbus.rule r ON r.bus_id OPERATOR(pg_catalog.=) e.bus_id
			CROSS JOIN LATERAL (
				SELECT r.schedule_expression IS NOT NULL
					   AND e.source OPERATOR(pg_catalog.=) 'aws.events'
					   AND e.detail_type OPERATOR(pg_catalog.=) 'Scheduled Event'
					   AND e.bus_id OPERATOR(pg_catalog.=) 0 AND e.hop_count OPERATOR(pg_catalog.=) 0
					   AND pg_catalog.split_part(e.resources[1], ':rule/', 2) OPERATOR(pg_catalog.=) r.name AS matches) s
			WHERE r.event_pattern IS NOT NULL OR s.matches
		), delivery AS MATERIALIZED (
			SELECT e.generation, e.event_group_id, r.event_bus, r.name AS rule, t.id AS target, d.target_id,
				   d.delivery_seq, d.routed_at, d.searched, r.routed,
				   r.matches AND r.state OPERATOR(pg_catalog.=) 'ENABLED' AS expected,
				   COALESCE(t.parameters OPERATOR(pg_catalog.->>) 'log_level', 'off') AS log_level
			FROM event e
			CROSS JOIN LATERAL eventbus.event_deliveries(e.generation, e.seq, e.ord, e.ingested_at, ARRAY(
				SELECT t.target_id FROM rule r JOIN eventbus.target t ON t.rule_id OPERATOR(pg_catalog.=) r.rule_id
				WHERE r.seq OPERATOR(pg_catalog.=) e.seq AND r.ord OPERATOR(pg_catalog.=) e.ord
				ORDER BY r.matches DESC, t.target_id)) d
			JOIN eventbus.target t ON t.target_id OPERATOR(pg_catalog.=) d.target_id
			JOIN rule r ON r.rule_id OPERATOR(pg_catalog.=) t.rule_id
				AND r.seq OPERATOR(pg_catalog.=) e.seq AND r.ord OPERATOR(pg_catalog.=) e.ord
			WHERE d.delivery_seq IS NOT NULL OR r.matches
		), letter AS MATERIALIZED (
			SELECT d.*, COALESCE(s.resolution, 'waiting') AS state, s.resolved_at
			FROM eventbus.dead_letter_log d
			LEFT JOIN eventbus.resolved_dead_letters s ON s.dead_letter_id OPERATOR(pg_catalog.=) d.dead_letter_id
			WHERE d.id OPERATOR(pg_catalog.=) trace.event_id
			  AND d.dead_lettered_at OPERATOR(pg_catalog.>=) @extschema@.eb_event_id_time(trace.event_id)
		), retry AS MATERIALIZED (
			SELECT q.target_id, r.delivery_seq, r.redrive, r.attempts, r.accepted_at, r.next_attempt_at, r.last_error
			FROM (SELECT d.target_id, d.event_group_id FROM delivery d
				  UNION SELECT l.target_id, l.event_group_id FROM letter l
				  UNION SELECT t.target_id, l.event_group_id FROM letter l
				  JOIN eventbus.targets t ON t.event_bus OPERATOR(pg_catalog.=) l.event_bus
					AND t.rule OPERATOR(pg_catalog.=) l.rule AND t.id OPERATOR(pg_catalog.=) l.target) q
			JOIN eventbus.delivery_retries r ON r.target_id OPERATOR(pg_catalog.=) q.target_id
				AND COALESCE(r.event_group_id, '') OPERATOR(pg_catalog.=) COALESCE(q.event_group_id, '')
				AND r.id OPERATOR(pg_catalog.=) trace.event_id
		)
		SELECT f."at", f.message_type, f.event_bus, f.rule, f.target, f.state, f.attempt, f.error_code, f.detail
		FROM (
			SELECT 1 AS step, e.ingested_at AS "at", 'EVENT_RECEIPT' AS message_type, e.event_bus, NULL::pg_catalog.text AS rule,
				   NULL::pg_catalog.text AS target, CASE WHEN e.routed THEN 'routed' ELSE 'not routed yet' END AS state,
				   NULL::pg_catalog.int4 AS attempt, NULL::pg_catalog.text AS error_code,
				   pg_catalog.format('source "%s", detail-type "%s"', e.source, e.detail_type) AS detail
			FROM event e
			UNION ALL
			SELECT 2, NULL, 'RULE_MATCH', r.event_bus, r.name, NULL, r.state, NULL, NULL, 'as the rule stands now'
			FROM rule r WHERE r.matches
			UNION ALL
			SELECT 2, NULL, 'NO_STANDARD_RULES_MATCHED', e.event_bus, NULL, NULL, NULL, NULL, NULL, 'as the rules stand now'
			FROM event e
			WHERE NOT EXISTS (SELECT FROM rule r WHERE r.matches AND r.seq OPERATOR(pg_catalog.=) e.seq
							  AND r.ord OPERATOR(pg_catalog.=) e.ord)
			UNION ALL
			SELECT 3, d.routed_at, 'INVOCATION_START', d.event_bus, d.rule, d.target,
				   CASE WHEN d.delivery_seq IS NULL AND NOT d.searched THEN 'unknown'
						WHEN d.delivery_seq IS NULL AND NOT d.routed THEN 'not routed yet'
						WHEN d.delivery_seq IS NULL THEN 'no delivery'
						WHEN r.attempts OPERATOR(pg_catalog.>) 0 THEN 'retrying'
						WHEN r.attempts OPERATOR(pg_catalog.=) 0 THEN 'behind its event group'
						WHEN l.dead_letter_id IS NOT NULL THEN 'dead letter'
						WHEN p.position OPERATOR(pg_catalog.<) d.delivery_seq THEN 'waiting'
						WHEN p.position IS NULL THEN 'unknown'
						WHEN EXISTS (SELECT FROM eventbus.delivery_log g
									 WHERE g.event_id OPERATOR(pg_catalog.=) trace.event_id
									   AND g.target_id OPERATOR(pg_catalog.=) d.target_id
									   AND g.delivery_seq OPERATOR(pg_catalog.=) d.delivery_seq
									   AND g.redrive OPERATOR(pg_catalog.=) 0
									   AND g.message_type OPERATOR(pg_catalog.=) 'INVOCATION_FAILURE') THEN 'dropped'
						WHEN p.dropped OPERATOR(pg_catalog.>) 0 AND d.log_level OPERATOR(pg_catalog.=) 'off' THEN 'delivered or dropped'
						ELSE 'delivered' END,
				   COALESCE(r.attempts, l.attempts), NULL,
				   CASE WHEN d.delivery_seq IS NULL AND NOT d.searched THEN 'The delivery stream is too long to search all of it.'
						WHEN d.delivery_seq IS NULL AND d.routed
						THEN 'The rule did not match when the event was routed, or the target was not there.'
						WHEN r.next_attempt_at IS NOT NULL
						THEN pg_catalog.format('next attempt at %s: %s', r.next_attempt_at, r.last_error)
						WHEN d.log_level OPERATOR(pg_catalog.=) 'off' THEN 'Attempts are not logged: log_level is off.' END
			FROM delivery d
			LEFT JOIN retry r ON r.target_id OPERATOR(pg_catalog.=) d.target_id
				AND r.delivery_seq OPERATOR(pg_catalog.=) d.delivery_seq AND r.redrive OPERATOR(pg_catalog.=) 0
			LEFT JOIN letter l ON l.target_id OPERATOR(pg_catalog.=) d.target_id
				AND l.delivery_generation OPERATOR(pg_catalog.=) d.generation
				AND l.delivery_seq OPERATOR(pg_catalog.=) d.delivery_seq AND l.redrive OPERATOR(pg_catalog.=) 0
			LEFT JOIN eventbus.target_positions p ON p.target_id OPERATOR(pg_catalog.=) d.target_id
				AND p.generation OPERATOR(pg_catalog.=) d.generation
			UNION ALL
			SELECT 4, l.dead_lettered_at, 'INVOCATION_DLQ', l.event_bus, l.rule, l.target, l.state, l.attempts, l.error_code,
				   pg_catalog.format('dead letter %s: %s: %s%s', l.dead_letter_id, l.sqlstate, l.error_message,
									 CASE WHEN l.state OPERATOR(pg_catalog.<>) 'waiting'
										  THEN pg_catalog.format('; %s at %s', l.state, l.resolved_at) END)
			FROM letter l
			UNION ALL
			SELECT 3, l.resolved_at, 'INVOCATION_START', l.event_bus, l.rule, l.target,
				   CASE WHEN n.dead_letter_id IS NOT NULL THEN 'dead letter'
						WHEN r.attempts IS NULL THEN 'delivered'
						WHEN r.attempts OPERATOR(pg_catalog.=) 0 THEN 'waiting'
						ELSE 'retrying' END, COALESCE(r.attempts, n.attempts), NULL,
				   pg_catalog.format('redrive %s of dead letter %s%s', l.redrive OPERATOR(pg_catalog.+) 1, l.dead_letter_id,
									 CASE WHEN r.next_attempt_at IS NOT NULL
										  THEN pg_catalog.format('; next attempt at %s%s', r.next_attempt_at,
																 ': ' OPERATOR(pg_catalog.||) r.last_error) END)
			FROM letter l
			LEFT JOIN letter n ON n.event_bus OPERATOR(pg_catalog.=) l.event_bus AND n.rule OPERATOR(pg_catalog.=) l.rule
				AND n.target OPERATOR(pg_catalog.=) l.target
				AND n.redrive OPERATOR(pg_catalog.=) (l.redrive OPERATOR(pg_catalog.+) 1)
			LEFT JOIN retry r ON r.redrive OPERATOR(pg_catalog.=) (l.redrive OPERATOR(pg_catalog.+) 1)
				AND r.delivery_seq OPERATOR(pg_catalog.=) ANY (ARRAY[l.delivery_seq,
					l.dead_letter_id OPERATOR(pg_catalog.-) 4611686018427387904])
			WHERE l.state OPERATOR(pg_catalog.=) 'redriven'
			UNION ALL
			SELECT 3, a.logged_at, a.message_type, a.event_bus, a.rule, a.target, NULL, a.attempt, a.error_code,
				   pg_catalog.format('%s ms%s', a.duration_ms, ': ' OPERATOR(pg_catalog.||) a.error_message)
			FROM eventbus.delivery_attempts a
			WHERE a.event_id OPERATOR(pg_catalog.=) trace.event_id
			  AND a.logged_at OPERATOR(pg_catalog.>=) @extschema@.eb_event_id_time(trace.event_id)
			  AND a.message_type OPERATOR(pg_catalog.<>) 'INVOCATION_DLQ'
		) f
		ORDER BY LEAST(f.step, 3), f."at", f.step, f.event_bus, f.rule, f.target;
	END;
COMMENT ON FUNCTION eventbus.trace(uuid) IS 'internal: what eb_trace() runs as the owner of the tables';
REVOKE ALL ON FUNCTION eventbus.trace(uuid) FROM PUBLIC;

CREATE FUNCTION @extschema@.eb_trace(event_id uuid)
	RETURNS TABLE ("at" timestamptz, message_type text, event_bus text, rule text, target text, state text,
				   attempt int, error_code text, detail text)
	LANGUAGE C STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_trace';
COMMENT ON FUNCTION @extschema@.eb_trace(uuid) IS 'what became of an event: when it was put, which rules match it as they stand, and each delivery; attempts where log_level has them logged';
REVOKE ALL ON FUNCTION @extschema@.eb_trace(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_trace(uuid) TO eventbus_admin, eventbus_monitor;
