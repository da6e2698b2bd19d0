-- Reading the log: eventbus.events, the envelope, eb_get_event.

SELECT eb_create_event_bus('events-bus') IS NOT NULL AS created;
SELECT eb_put_event('events.test', 'Order Placed', '{"b": 1, "a": {"x": [1, "2", null, true, {}], "long key": 1.50}}', 'events-bus',
	ARRAY['arn:one', 'arn "two"', ''], '2024-05-13 12:27:20.999999+00', 'Root=1', 'g1') AS first \gset
SELECT eb_put_event('events.test', 'Empty', '{}', "time" => '1999-12-31 23:59:59.5+00') AS second \gset

-- the envelope: nine keys, UTC, fractions of a second cut, resources always there
SELECT event - 'id' AS event, event->>'id' = id::text AS id FROM eventbus.events WHERE source = 'events.test' ORDER BY seq;
-- the same jsonb that the server would build
SELECT event = jsonb_build_object('version', '0', 'id', id, 'detail-type', detail_type, 'source', source, 'account', '000000000000',
	'time', to_char("time" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'region', 'local', 'resources', resources, 'detail', detail) AS same,
	event = event::text::jsonb AS valid, pg_column_size(event) = pg_column_size(event::text::jsonb) AS same_size
FROM eventbus.events WHERE source = 'events.test' ORDER BY seq;
-- it can be searched and taken apart
SELECT event @> '{"detail": {"b": 1}, "resources": ["arn:one"]}' AS contains, event #> '{detail,a,x,1}' AS path,
	(SELECT string_agg(key, ' ') FROM jsonb_each(event)) AS keys, event - 'detail' ? 'detail' AS still
FROM eventbus.events WHERE id = :'first';
SELECT eb_event_envelope(:'first', 's', 'd', '2024-01-01 00:00+00', NULL, '{"a": 1}', 'my-replay') - 'id' AS replayed;
-- every alignment of what comes before detail and resources
SELECT bool_and(e = e::text::jsonb AND e->'detail' = '{"k": [1, 2]}' AND e->'resources' = '["x", "yy"]' AND e->>'detail-type' = repeat('d', n / 8)) AS sound
FROM (SELECT n, eb_event_envelope(:'first', repeat('s', n % 8), repeat('d', n / 8), now(), '{x,yy}', '{"k": [1, 2]}', CASE WHEN n % 2 = 0 THEN repeat('r', n % 5) END) AS e
	  FROM generate_series(0, 127) AS n) AS q;
SELECT eb_event_envelope(:'first', 's', 'd', NULL, NULL, '{}', NULL) IS NULL AS null_time;
SELECT eb_event_envelope(:'first', 's', 'd', 'infinity', NULL, '{}', NULL);

-- columns
SELECT event_bus, source, detail_type, "time" AT TIME ZONE 'UTC' AS "time", resources, trace_header, event_group_id, replay_name, causation_id, hop_count, ord
FROM eventbus.events WHERE source = 'events.test' ORDER BY seq;

-- by id
SELECT eb_get_event(:'first') = event AS found FROM eventbus.events WHERE id = :'first';
SELECT eb_get_event(:'second')->>'detail-type' AS found;
SELECT eb_get_event(gen_random_uuid()) IS NULL AS not_there, eb_get_event(NULL) IS NULL AS null,
	   eb_get_event(overlay(:'first' PLACING '000000' FROM 31)::uuid) IS NULL AS same_time;

-- a deleted bus keeps its name
SELECT eb_delete_event_bus('events-bus');
SELECT event_bus FROM eventbus.events WHERE id = :'first';
-- and one made anew under that name is another
SELECT eb_create_event_bus('events-bus') IS NOT NULL AS created;
SELECT event_bus FROM eventbus.events WHERE id = :'first';

-- one partition is read: when planning, and for an id when executing
CREATE FUNCTION occurrences(pattern text, query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (VERBOSE, FORMAT json) ' || query INTO plan;
	RETURN (SELECT count(*) FROM regexp_matches(plan::text, pattern, 'g'));
END $$;
CREATE FUNCTION partitions_of(query text) RETURNS bigint LANGUAGE sql AS $$
	SELECT occurrences('"Relation Name": "event_log_', query)
$$;
SELECT partitions_of('SELECT event FROM eventbus.events') > 10 AS all_partitions,
	   partitions_of(format('SELECT event FROM eventbus.events WHERE ingested_at = %L', now())) AS one,
	   partitions_of('SELECT event FROM eventbus.events WHERE ingested_at >= now() AND ingested_at < now() + interval ''1 us''') AS one_stable,
	   partitions_of(format('SELECT event FROM eventbus.events WHERE id = %L AND ingested_at = eb_event_id_time(%L)', :'first', :'first')) AS by_id;
-- the same where the id is a parameter, as in eb_get_event
PREPARE by_id(uuid) AS SELECT event FROM eventbus.events WHERE id = $1 AND ingested_at = eb_event_id_time($1);
SET plan_cache_mode = force_generic_plan;
SELECT partitions_of(format('EXECUTE by_id(%L)', :'first')) AS by_parameter;
RESET plan_cache_mode;
DEALLOCATE by_id;
-- what a query does not ask for is not put together, nor is a bus's name looked up
SELECT occurrences('eb_event_envelope', q) > 0 AS envelope, occurrences('"Relation Name": "event_bus"', q) > 0 AS bus
FROM (VALUES ('SELECT source, detail FROM eventbus.events'),
			 (format('SELECT event FROM eventbus.events WHERE ingested_at = %L', now())),
			 (format('SELECT event_bus FROM eventbus.events WHERE ingested_at = %L', now()))) AS v (q);

-- rights
CREATE ROLE regress_events_monitor IN ROLE eventbus_monitor;
SET ROLE regress_events_monitor;
SELECT count(*) FROM eventbus.events WHERE source = 'events.test';
SELECT event->>'source' AS source, eb_get_event(id) = event AS same FROM eventbus.events WHERE id = :'second';
SELECT count(*) FROM eventbus.event_log;
RESET ROLE;
DROP ROLE regress_events_monitor;

DROP FUNCTION partitions_of, occurrences;
SELECT eb_delete_event_bus('events-bus');
