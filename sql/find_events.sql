--
-- eb_find_events: searching the log.
--
SELECT eb_create_event_bus('find_a') IS NOT NULL AND eb_create_event_bus('find_b') IS NOT NULL AS created;
SELECT count(eb_put_event('find.' || i % 3, 'type ' || i % 2, jsonb_build_object('n', i, 'tags', ARRAY['x' || i]),
	CASE WHEN i % 4 = 0 THEN 'find_b' ELSE 'find_a' END, CASE i % 5 WHEN 0 THEN ARRAY['arn:5'] END)) AS put
FROM generate_series(1, 40) i;

-- by columns, by detail, by both; of one bus, by name and ARN, or of all
SELECT event_bus, source, detail_type, resources, detail, event->'detail' = detail AS whole
FROM eb_find_events('{"source": ["find.1"], "detail": {"n": [{"numeric": [">", 30]}]}}', 'find_a') ORDER BY seq, ord;
SELECT count(*) FROM eb_find_events('{"source": [{"prefix": "find."}]}', eb_event_bus_arn('find_b'));
SELECT event_bus, count(*) FROM eb_find_events('{"source": [{"prefix": "find."}]}') GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM eb_find_events('{"source": ["find.1"]}', 'default');
SELECT count(*) FROM eb_find_events('{"source": ["find.1"]}', 'there is none');
SELECT count(*) FROM eb_find_events('{"resources": ["arn:5"], "detail.tags": [{"suffix": "0"}]}', 'find_a');
SELECT count(*) FROM eb_find_events(NULL, 'find_a');
SELECT * FROM eb_find_events('{"source": "find.1"}', 'find_a');

-- it finds what the operator finds in eventbus.events
SELECT p.pattern, count(*) FILTER (WHERE f.id IS NOT NULL) AS found,
	count(*) FILTER (WHERE (f.id IS NOT NULL) IS DISTINCT FROM (e.event @~ p.pattern)) AS wrong
FROM (VALUES ('{"detail-type": ["type 1"]}'::jsonb), ('{"id": [{"exists": true}], "detail": {"n": [{"anything-but": [1, 2]}]}}'),
	('{"$or": [{"source": ["find.0"]}, {"detail": {"n": [1]}}]}'), ('{"replay-name": [{"exists": false}], "region": ["local"]}')) p (pattern)
CROSS JOIN eventbus.events e LEFT JOIN LATERAL (SELECT f.id FROM eb_find_events(p.pattern) f WHERE f.id = e.id) f ON true
WHERE e.event_bus IN ('find_a', 'find_b') GROUP BY 1 ORDER BY 1;

-- from this time to before that
SELECT min(ingested_at) AS first, max(ingested_at) AS last FROM eventbus.events WHERE event_bus = 'find_a' \gset
SELECT (SELECT count(*) FROM eb_find_events('{"source": [{"prefix": "find."}]}', 'find_a', :'first', :'last')) AS but_the_last,
	(SELECT count(*) FROM eb_find_events('{"source": [{"prefix": "find."}]}', 'find_a', :'first')) AS all,
	(SELECT count(*) FROM eb_find_events('{"source": [{"prefix": "find."}]}', 'find_a', "to" => :'first')) AS before;

-- only the partitions of that time are read, also when it is known at run time only
CREATE FUNCTION pg_temp.plan(query text, OUT scans bigint, OUT removed int, OUT bus_index boolean)
LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	scans := 0;
	bus_index := false;
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		scans := scans + (line ~ '(Seq|Index|Bitmap Heap) Scan.* on event_log_')::int;
		removed := COALESCE(removed, substring(line FROM 'Subplans Removed: (\d+)')::int);
		bus_index := bus_index OR line ~ 'Index Cond:.*bus_id = ANY';
	END LOOP;
END $$;
SELECT scans < 3 AS pruned FROM pg_temp.plan(format('SELECT * FROM eb_find_events(''{"source": ["x"]}'', ''find_a'', %L, %L)', :'first', :'last'));
SELECT scans < 5 AS pruned, removed > 3 AS removed FROM pg_temp.plan('SELECT * FROM eb_find_events(''{"source": ["x"]}'', ''find_a'', ''-infinity'', now())');
SELECT scans > 3 AS all_scanned FROM pg_temp.plan('SELECT * FROM eb_find_events(''{"source": ["x"]}'')');

-- the index on (bus_id, seq), which a leaf has once it is sealed, finds the bus
BEGIN;
DO $$ DECLARE leaf text; BEGIN
	FOR leaf IN SELECT name FROM eventbus.leaves WHERE parent = 'event_log' LOOP
		EXECUTE format('CREATE INDEX ON eventbus.%I (bus_id, seq)', leaf);
	END LOOP;
END $$;
SET LOCAL enable_seqscan = off;
SELECT scans < 3 AS pruned, bus_index FROM pg_temp.plan(format('SELECT * FROM eb_find_events(''{"source": ["x"]}'', ''find_a'', %L, %L)', :'first', :'last'));
SELECT count(*) FROM eb_find_events('{"source": ["find.1"]}', 'find_a', :'first');
ROLLBACK;

-- who may read events may search them
CREATE ROLE find_reader;
SET ROLE find_reader;
SELECT * FROM eb_find_events('{"source": ["find.1"]}');
RESET ROLE;
GRANT eventbus_monitor TO find_reader;
SET ROLE find_reader;
SELECT count(*) FROM eb_find_events('{"source": ["find.1"]}', 'find_a');
RESET ROLE;
DROP ROLE find_reader;
SELECT eb_delete_event_bus('find_a'), eb_delete_event_bus('find_b');
