--
-- Stored events match as their envelopes do: what rules pick from the log,
-- straight from its columns, is what the operator picks from eventbus.events.
--
SELECT eb_create_event_bus('em') IS NOT NULL AS created;
CREATE TABLE em_sink (id uuid, rule text);
CREATE TABLE em_pattern (rule text, pattern jsonb);
INSERT INTO em_pattern VALUES
	('source', '{"source": ["em.1", "em.3"]}'),
	('source_not', '{"source": [{"anything-but": ["em.1", "em.3"]}]}'),
	('detail_type', '{"detail-type": ["type 2"], "source": [{"prefix": "em."}]}'),
	('id', '{"id": [{"wildcard": "*-*-7*-*-*"}]}'),
	('id_not', '{"id": [{"exists": false}]}'),
	('version', '{"version": ["0"]}'),
	('version_not', '{"version": [0]}'),
	('account', '{"account": [{"anything-but": ""}], "region": [{"exists": true}]}'),
	('time', '{"time": ["1999-01-02T03:04:05Z"]}'),
	('time_month', '{"time": [{"prefix": "1999-01-"}]}'),
	('resources', '{"resources": ["arn:2"]}'),
	('resources_two', '{"resources": [{"suffix": ":2"}], "detail": {"n": [{"numeric": [">", 20]}]}}'),
	('resources_none', '{"resources": [{"exists": false}]}'),
	('replay_none', '{"replay-name": [{"exists": false}]}'),
	('replay', '{"replay-name": [{"exists": true}]}'),
	('detail', '{"detail": {"n": [3, 5, 8]}}'),
	('detail_dots', '{"detail.a.b": ["x1", "x2"]}'),
	('detail_array', '{"detail": {"list": {"k": [1], "v": [2]}}}'),
	('detail_only', '{"detail": [{"exists": true}]}'),
	('detail_none', '{"detail": [{"exists": false}]}'),
	('either', '{"$or": [{"source": ["em.4"]}, {"detail": {"n": [{"numeric": [">=", 38]}]}}]}'),
	('columns_are_leaves', '{"source": {"x": [{"exists": false}]}, "resources": {"x": [{"exists": true}]}}'),
	('no_column', '{"ingested_at": [{"exists": true}], "bus_id": [{"exists": true}]}');
SELECT count(eb_put_rule(rule, pattern, 'em')) AS rules FROM em_pattern;
SELECT count(*) AS targets FROM em_pattern, eb_put_target(rule, 'sink', 'table', 'em_sink', 'em');

-- 40 events that differ in everything
CREATE TABLE em_event AS
SELECT eb_put_event('em.' || i % 5, 'type ' || i % 3,
	CASE i % 4
		WHEN 0 THEN jsonb_build_object('n', i)
		WHEN 1 THEN jsonb_build_object('n', i::text, 'a', jsonb_build_object('b', 'x' || i % 3))
		WHEN 2 THEN jsonb_build_object('n', i, 'a.b', 'x' || i % 3, 'list', jsonb_build_array(
			jsonb_build_object('k', 1, 'v', i % 4), jsonb_build_object('k', i % 3, 'v', 2)))
		ELSE jsonb_build_object('n', jsonb_build_array(i, i / 2.0), 'list', jsonb_build_array(
			jsonb_build_object('k', 1, 'v', 1), jsonb_build_object('k', 2, 'v', 2)))
	END,
	'em',
	CASE i % 3 WHEN 1 THEN ARRAY['arn:1', 'arn:' || i % 4] WHEN 2 THEN '{}'::text[] END,
	CASE i % 2 WHEN 0 THEN timestamptz '1999-01-02 03:04:05.999+00' END) AS id
FROM generate_series(1, 40) i;
SELECT eb_wait_until_delivered();

-- each rule: how many events it got, and whether they are the right ones
SELECT p.rule, count(s.id) AS delivered,
	count(*) FILTER (WHERE (s.id IS NOT NULL) IS DISTINCT FROM (e.event @~ p.pattern)) AS wrong
FROM em_pattern p CROSS JOIN em_event JOIN eventbus.events e USING (id) LEFT JOIN em_sink s ON s.id = em_event.id AND s.rule = p.rule
GROUP BY p.rule ORDER BY p.rule COLLATE "C";
SELECT count(*) - count(DISTINCT (id, rule)) AS twice FROM em_sink;

SELECT count(*) AS targets FROM em_pattern, eb_remove_targets(rule, ARRAY['sink'], 'em');
SELECT count(*) AS rules FROM em_pattern, eb_delete_rule(rule, 'em');
SELECT eb_delete_event_bus('em');
DROP TABLE em_sink, em_pattern, em_event;
