-- Seeing what goes on, waiting for it, and maintenance.

CREATE FUNCTION eventbus.workers(OUT kind text, OUT number int, OUT pid int,
		OUT started_at timestamptz, OUT failures int, OUT restart_at timestamptz)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'eventbus_workers';
COMMENT ON FUNCTION eventbus.workers() IS 'launcher, and router, dispatchers and maintenance worker of this database; pid is null where none runs';
REVOKE ALL ON FUNCTION eventbus.workers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventbus.workers() TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION eventbus.work_queue(OUT places int, OUT taken int,
		OUT taken_here int, OUT targets_outside int)
	RETURNS record
	LANGUAGE C VOLATILE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'eventbus_work_queue';
COMMENT ON FUNCTION eventbus.work_queue() IS 'places of the cluster''s work queue, those taken by all databases and by this one, and targets of this one that wait outside; nulls where the library is not preloaded';
REVOKE ALL ON FUNCTION eventbus.work_queue() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventbus.work_queue() TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION eventbus.unrouted(OUT events bigint, OUT oldest timestamptz)
	RETURNS record
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_unrouted';
COMMENT ON FUNCTION eventbus.unrouted() IS 'committed events that are not routed yet (counted up to a million), and when the oldest was put';
REVOKE ALL ON FUNCTION eventbus.unrouted() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventbus.unrouted() TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION eventbus.backlog(target_id int, "position" bigint,
		OUT deliveries bigint, OUT oldest timestamptz)
	RETURNS record
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_backlog';
COMMENT ON FUNCTION eventbus.backlog(int, bigint) IS 'deliveries of a target after a position, and when the oldest was routed';
REVOKE ALL ON FUNCTION eventbus.backlog(int, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventbus.backlog(int, bigint) TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_wait_until_delivered(timeout interval DEFAULT '30 seconds')
	RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_wait_until_delivered';
COMMENT ON FUNCTION @extschema@.eb_wait_until_delivered(interval) IS 'waits until all that had committed before the call is routed and delivered or a dead letter; false: not in time';
REVOKE ALL ON FUNCTION @extschema@.eb_wait_until_delivered(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_wait_until_delivered(interval)
	TO eventbus_admin, eventbus_monitor, eventbus_publisher;

CREATE FUNCTION @extschema@.eb_run_maintenance()
	RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_run_maintenance';
COMMENT ON FUNCTION @extschema@.eb_run_maintenance() IS 'makes partitions ahead of time and seals those that are over; workers do it each minute';
REVOKE ALL ON FUNCTION @extschema@.eb_run_maintenance() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_run_maintenance() TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_resume_after_restore(deliver boolean)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_resume_after_restore';
COMMENT ON FUNCTION @extschema@.eb_resume_after_restore(boolean) IS 'delivers what a restored log had not delivered, or, with false, none of it; says how many deliveries wait now';
REVOKE ALL ON FUNCTION @extschema@.eb_resume_after_restore(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_resume_after_restore(boolean) TO eventbus_admin;

-- Partitions that are over and cannot be sealed, and the transactions that
-- may still belong to them.
CREATE VIEW eventbus.pinned_leaves AS
	SELECT l.name, l.range_end, x.xid,
		   CASE WHEN p.gid IS NOT NULL
				THEN pg_catalog.format('prepared transaction "%s" of %s', p.gid, p.owner)
				WHEN a.pid IS NOT NULL
				THEN pg_catalog.format('process %s of %s, %s since %s', a.pid, a.usename, a.state,
									   pg_catalog.date_trunc('second', a.xact_start))
				ELSE 'transaction that has ended since' END AS pinned_by
	FROM eventbus.leaves l
	JOIN eventbus.router_cursor c ON c.generation OPERATOR(pg_catalog.=) l.generation
	CROSS JOIN LATERAL pg_catalog.pg_snapshot_xip(c.last_snapshot) AS x(xid)
	LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction OPERATOR(pg_catalog.=) x.xid::pg_catalog.xid
	LEFT JOIN pg_catalog.pg_stat_activity a ON a.backend_xid OPERATOR(pg_catalog.=) x.xid::pg_catalog.xid
	WHERE l.parent OPERATOR(pg_catalog.=) 'event_log'
	  AND l.sealed_at IS NULL
	  AND l.range_end OPERATOR(pg_catalog.<=) pg_catalog.now()
	  AND (l.seal_xid IS NULL OR x.xid OPERATOR(pg_catalog.<=) l.seal_xid);
COMMENT ON VIEW eventbus.pinned_leaves IS 'partitions of the event log that are over but may still get events, and the transactions that hold them';

-- One row per thing that an operator looks at.
CREATE VIEW eventbus.status AS
	SELECT w.kind AS item,
		   CASE w.kind WHEN 'dispatcher' THEN w.number::pg_catalog.text END AS name,
		   CASE WHEN w.pid IS NOT NULL THEN 'running'
				WHEN w.failures OPERATOR(pg_catalog.>) 0 THEN 'failed, restarts'
				ELSE 'not running' END AS state,
		   NULL::bigint AS waiting,
		   NULL::interval AS oldest,
		   CASE WHEN w.pid IS NOT NULL THEN pg_catalog.format('pid %s since %s', w.pid,
												 pg_catalog.date_trunc('second', w.started_at))
				WHEN w.failures OPERATOR(pg_catalog.>) 0
				THEN pg_catalog.format('restarts at %s after %s failures', w.restart_at, w.failures) END AS detail,
		   NULL::text AS last_error,
		   NULL::timestamptz AS last_error_at
	FROM eventbus.workers() w
	UNION ALL
	SELECT 'workers', NULL, 'not preloaded', NULL, NULL,
		   'Nothing is delivered until eventbus is in shared_preload_libraries.', NULL, NULL
	WHERE NOT EXISTS (SELECT 1 FROM eventbus.workers())
	UNION ALL
	SELECT 'event log', NULL,
		   CASE WHEN u.events IS NULL THEN 'on a standby'
				WHEN u.events OPERATOR(pg_catalog.=) 0 THEN 'routed'
				ELSE 'routing' END,
		   u.events, CASE WHEN u.oldest IS NOT NULL THEN
		   GREATEST(pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) u.oldest, '0'::pg_catalog.interval) END, NULL, NULL, NULL
	FROM eventbus.unrouted() u
	UNION ALL
	SELECT 'work queue', NULL, 'full', q.targets_outside, NULL,
		   pg_catalog.format('%s of %s places taken, %s by this database; eventbus.max_queued_targets sets how many there are',
							 q.taken, q.places, q.taken_here), NULL, NULL
	FROM eventbus.work_queue() q
	WHERE q.targets_outside OPERATOR(pg_catalog.>) 0
	UNION ALL
	SELECT 'target', pg_catalog.format('%s/%s/%s', t.event_bus, t.rule, t.id),
		   CASE WHEN t.state OPERATOR(pg_catalog.<>) 'ok' THEN t.state
				WHEN b.deliveries OPERATOR(pg_catalog.=) 0 AND t.to_retry OPERATOR(pg_catalog.>) 0 THEN 'retrying'
				WHEN b.deliveries OPERATOR(pg_catalog.=) 0 THEN 'idle'
				WHEN t.attempts OPERATOR(pg_catalog.>) 0 THEN 'waiting'
				ELSE 'delivering' END,
		   b.deliveries, CASE WHEN b.oldest IS NOT NULL THEN
		   GREATEST(pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) b.oldest, '0'::pg_catalog.interval) END,
		   pg_catalog.format('%s delivered, %s to retry, %s dead letters%s', t.delivered, t.to_retry, t.dead_letters,
							 CASE WHEN t.dropped OPERATOR(pg_catalog.>) 0
								  THEN pg_catalog.format(', %s dropped', t.dropped) END),
		   t.last_error, t.last_error_at
	FROM eventbus.targets t
	CROSS JOIN LATERAL eventbus.backlog(t.target_id, t.position) b
	UNION ALL
	SELECT 'restored log', g.generation::pg_catalog.text,
		   CASE WHEN g.state OPERATOR(pg_catalog.=) 'active' THEN 'parked' ELSE g.state END, NULL,
		   pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) g.created_at,
		   CASE WHEN g.state OPERATOR(pg_catalog.=) 'active'
				THEN 'eb_resume_after_restore() delivers the rest of it, or not.' END, NULL, NULL
	FROM eventbus.generations g
	WHERE g.state OPERATOR(pg_catalog.=) ANY (ARRAY['active', 'resumed'])
	  AND g.generation OPERATOR(pg_catalog.<>) eventbus.generation()
	UNION ALL
	SELECT 'partition', p.name, 'pinned', NULL,
		   pg_catalog.now() OPERATOR(pg_catalog.-) p.range_end, p.pinned_by, NULL, NULL
	FROM eventbus.pinned_leaves p;
COMMENT ON VIEW eventbus.status IS 'workers, what waits to be routed and delivered, what holds partitions, last errors';

GRANT SELECT ON eventbus.status, eventbus.pinned_leaves
	TO eventbus_admin, eventbus_monitor;
