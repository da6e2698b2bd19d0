-- What exists, as lists.

CREATE VIEW eventbus.event_buses AS
	SELECT b.name,
		   @extschema@.eb_event_bus_arn(b.name) AS arn,
		   b.description,
		   b.owner,
		   b.created_at,
		   b.modified_at
	FROM (SELECT 'default' AS name, NULL::pg_catalog.text AS description, NULL::pg_catalog.text AS owner,
				 NULL::pg_catalog.timestamptz AS created_at, NULL::pg_catalog.timestamptz AS modified_at
		  UNION ALL
		  SELECT e.name, e.description, e.owner, e.created_at, e.modified_at
		  FROM eventbus.event_bus e
		  WHERE e.deleted_at IS NULL) b;
COMMENT ON VIEW eventbus.event_buses IS 'event buses, the default one among them';

CREATE VIEW eventbus.rules AS
	SELECT COALESCE(b.name, 'default') AS event_bus,
		   r.name,
		   @extschema@.eb_rule_arn(r.name, COALESCE(b.name, 'default')) AS arn,
		   r.event_pattern,
		   r.state,
		   r.description,
		   r.owner,
		   r.created_at,
		   r.schedule_expression,
		   r.schedule_timezone,
		   r.flexible_time_window,
		   r.schedule_start,
		   r.schedule_end,
		   r.missed_runs,
		   s.scheduled_for AS next_fire_at,
		   l.last_fired_for AS last_fired_at
	FROM eventbus.rule r
	LEFT JOIN eventbus.rule_schedules l ON l.rule_id OPERATOR(pg_catalog.=) r.rule_id
		AND l.generation OPERATOR(pg_catalog.=) eventbus.generation()
	LEFT JOIN eventbus.rule_schedules s ON s.rule_id OPERATOR(pg_catalog.=) l.rule_id
		AND s.generation OPERATOR(pg_catalog.=) l.generation
		AND s.since OPERATOR(pg_catalog.=) r.schedule_since
		AND r.state OPERATOR(pg_catalog.<>) 'DISABLED'
	LEFT JOIN eventbus.event_bus b ON b.bus_id OPERATOR(pg_catalog.=) r.bus_id;
COMMENT ON VIEW eventbus.rules IS 'rules of all event buses';

-- A restored dump brings positions of an earlier generation along.
CREATE VIEW eventbus.targets AS
	SELECT COALESCE(b.name, 'default') AS event_bus,
		   r.name AS rule,
		   t.id,
		   t.target_id,
		   t.type,
		   t.resource,
		   t.parameters,
		   CASE WHEN t.paused_at IS NOT NULL THEN 'paused' ELSE p.state END AS state,
		   p."position",
		   p.attempts,
		   p.delivered,
		   (SELECT pg_catalog.count(*) FROM eventbus.delivery_retries d
			WHERE d.target_id OPERATOR(pg_catalog.=) t.target_id) AS to_retry,
		   p.dead_lettered,
		   (SELECT pg_catalog.count(*) FROM eventbus.dead_letter_log d
			WHERE d.target_id OPERATOR(pg_catalog.=) t.target_id) OPERATOR(pg_catalog.-)
		   (SELECT pg_catalog.count(*) FROM eventbus.resolved_dead_letters d
			WHERE d.target_id OPERATOR(pg_catalog.=) t.target_id) AS dead_letters,
		   p.dropped,
		   p.last_error,
		   p.last_error_at,
		   t.created_at
	FROM eventbus.target t
	JOIN eventbus.rule r ON r.rule_id OPERATOR(pg_catalog.=) t.rule_id
	LEFT JOIN eventbus.event_bus b ON b.bus_id OPERATOR(pg_catalog.=) r.bus_id
	LEFT JOIN eventbus.target_positions p ON p.target_id OPERATOR(pg_catalog.=) t.target_id
		AND p.generation OPERATOR(pg_catalog.=) eventbus.generation();
COMMENT ON VIEW eventbus.targets IS 'targets of all rules, and how they do';

GRANT SELECT ON eventbus.event_buses, eventbus.rules, eventbus.targets TO eventbus_admin, eventbus_monitor;
