--
-- Event patterns: the operators and functions.
-- What the language means is tested by event_pattern_conformance.
--

-- an event like those that are delivered
\set event '{"version":"0","id":"12345678-1234-1234-1234-123456789012","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"111122223333","time":"2024-05-13T12:27:20Z","region":"us-east-1","resources":["arn:aws:ec2:us-east-1:111122223333:instance/i-1"],"detail":{"state":"running","cpu":72.5,"ip":"10.1.2.3","tags":[{"key":"env","value":"prod"},{"key":"team","value":"blue"}],"stopped-by":null}}'

-- each operator of the language, both ways to write it
CREATE TEMP TABLE pattern (id int, pattern jsonb);
INSERT INTO pattern VALUES
	(1, '{"source": ["aws.ec2"]}'),
	(2, '{"source": ["aws.s3", "aws.ec2"], "detail": {"state": ["running"]}}'),
	(3, '{"detail.state": ["running"]}'),
	(4, '{"detail": {"state": ["stopped"]}}'),
	(5, '{"source": [{"prefix": "aws."}]}'),
	(6, '{"detail": {"state": [{"suffix": "ing"}]}}'),
	(7, '{"detail": {"state": [{"prefix": {"equals-ignore-case": "RUN"}}]}}'),
	(8, '{"detail": {"state": [{"equals-ignore-case": "RUNNING"}]}}'),
	(9, '{"resources": [{"wildcard": "arn:*:instance/*"}]}'),
	(10, '{"detail": {"cpu": [{"numeric": [">", 70, "<=", 72.5]}]}}'),
	(11, '{"detail": {"cpu": [{"numeric": ["<", 70]}]}}'),
	(12, '{"detail": {"cpu": [72.50]}}'),
	(13, '{"detail": {"cpu": ["72.5"]}}'),
	(14, '{"detail": {"ip": [{"cidr": "10.0.0.0/8"}]}}'),
	(15, '{"detail": {"stopped-by": [null]}}'),
	(16, '{"detail": {"stopped-by": [{"exists": true}]}}'),
	(17, '{"detail": {"absent": [{"exists": false}]}}'),
	(18, '{"detail": {"state": [{"anything-but": ["stopped", "terminated"]}]}}'),
	(19, '{"detail": {"state": [{"anything-but": {"prefix": "run"}}]}}'),
	(20, '{"detail": {"tags": {"key": ["env"], "value": ["prod"]}}}'),
	(21, '{"detail": {"tags": {"key": ["env"], "value": ["blue"]}}}'),
	(22, '{"$or": [{"source": ["aws.s3"]}, {"detail": {"state": ["running"]}}]}'),
	(23, '{"unknown": [{"exists": true}]}');
SELECT id, :'event' @~ pattern AS matches, pattern ~@ :'event' AS commuted, pattern
FROM pattern ORDER BY id;

-- the pattern may change from row to row, and the event too
SELECT count(*) FROM (SELECT :'event'::jsonb AS event FROM generate_series(1, 3)) e JOIN pattern ON event @~ pattern;
SELECT count(*) FROM pattern p JOIN pattern q ON p.pattern @~ q.pattern;

-- nothing comes of NULL
SELECT NULL::jsonb @~ '{"a": [1]}' AS event, '{}'::jsonb @~ NULL AS pattern,
	eb_test_event_pattern(NULL, '{}') AS test, eb_validate_event_pattern(NULL) AS validate;

-- an event that is no object has no fields
SELECT e.event, e.event::jsonb @~ '{"a": [1]}' AS has_a, e.event::jsonb @~ '{"a": [{"exists": false}]}' AS lacks_a
FROM (VALUES ('1'), ('"a"'), ('null'), ('[]'), ('[{"a": 1}]'), ('{}'), ('{"a": {}}'), ('{"a": []}'), ('{"a": {"b": 1}}')) e (event);

-- TestEventPattern demands what every event has
SELECT eb_test_event_pattern('{"source": ["aws.ec2"]}', :'event');
SELECT eb_test_event_pattern('{"source": ["aws.s3"]}', :'event');
SELECT eb_test_event_pattern('{"source": ["aws.ec2"]}', '{"source": "aws.ec2"}');
SELECT eb_test_event_pattern('{"source": ["aws.ec2"]}', '["source"]');
SELECT eb_test_event_pattern('{"source": "aws.ec2"}', :'event');

-- errors: EventBridge's reason, where, and what was perhaps meant
CREATE FUNCTION pg_temp.validate(pattern jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	RETURN eb_validate_event_pattern(pattern)::text;
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', sqlerrm, detail, nullif(hint, ''));
END $$;
SELECT p.pattern, pg_temp.validate(p.pattern::jsonb) AS answer
FROM (VALUES
	('[]'), ('"x"'), ('{}'),
	('{"source": {}}'),
	('{"source": []}'),
	('{"source": "aws.ec2"}'),
	('{"detail": {"count": 7}}'),
	('{"source": [["aws.ec2"]]}'),
	('{"source": ["aws.ec2", {}]}'),
	('{"detail": {"c": [1, {"NUMERIC": ["=", 1]}]}}'),
	('{"detail": {"c": [{"anythingBut": "x"}]}}'),
	('{"detail": {"c": [{"equals_ignore_case": "x"}]}}'),
	('{"detail": {"c": [{"startsWith": "x"}]}}'),
	('{"detail": {"odd key": {"b.c": [{"prefix": 1}]}}}'),
	('{"c": [{"prefix": "a", "suffix": "b"}]}'),
	('{"c": [{"numeric": [">", 1, ">", 2]}]}'),
	('{"c": [{"numeric": [">", 2, "<", 1]}]}'),
	('{"c": [{"numeric": ["=", 0.12345678901234567890]}]}'),
	('{"c": [{"anything-but": [1, "x"]}]}'),
	('{"c": [{"anything-but": {"prefix": ""}}]}'),
	('{"c": [{"anything-but": {"wildcard": []}}]}'),
	('{"c": [{"wildcard": "a**b"}]}'),
	('{"c": [{"wildcard": "a\\b"}]}'),
	('{"c": [{"cidr": "10.0.0.0"}]}'),
	('{"c": [{"cidr": "10.0.0.0/32"}]}'),
	('{"c": [{"exists": 1}]}'),
	('{"$or": [{"a": [1]}]}'),
	('{"$or": [{"a": [1]}, {"prefix": "b"}]}'),
	('{"a": {"b": [1]}, "a.b": [2]}'),
	('{"a": [1], "$or": [{"a": [2]}, {"b": [2]}]}')) p (pattern);

-- "$or" that is not the operator is a field, as for EventBridge; we say so
SELECT eb_validate_event_pattern('{"$or": {"a": [1]}}');
SELECT '{"$or": {"a": 1}}'::jsonb @~ '{"$or": {"a": [1]}}';

-- limits: combinations that $or multiplies to, fields
SET eventbus.max_pattern_characters = 100000;
SELECT left(pg_temp.validate(jsonb_object_agg('f' || i, jsonb_build_object('$or', '[{"a": [1]}, {"b": [1]}]'::jsonb))), 110)
FROM generate_series(1, 9) i;
SELECT left(pg_temp.validate(jsonb_object_agg('f' || i, jsonb_build_object('$or', '[{"a": [1]}, {"b": [1]}]'::jsonb))), 110)
FROM generate_series(1, 10) i;
SELECT left(pg_temp.validate(jsonb_object_agg('f' || i, '[1]'::jsonb)), 110) FROM generate_series(1, 256) i;
SELECT left(pg_temp.validate(jsonb_object_agg('f' || i, '[1]'::jsonb)), 110) FROM generate_series(1, 257) i;

-- 1,000 levels deep: objects on both sides, arrays in the event
SELECT (repeat('{"a":', 1000) || '1' || repeat('}', 1000))::jsonb @~ (repeat('{"a":', 1000) || '[1]' || repeat('}', 1000))::jsonb;
SELECT (repeat('{"a":', 1000) || '2' || repeat('}', 1000))::jsonb @~ (repeat('{"a":', 1000) || '[1]' || repeat('}', 1000))::jsonb;
SELECT ('{"a":' || repeat('[', 1000) || '1' || repeat(']', 1000) || '}')::jsonb @~ '{"a": [1]}';
SELECT ('{"a":' || repeat('[{"a":', 400) || '1' || repeat('}]', 400) || '}')::jsonb @~ '{"a.a.a": [1]}';
SELECT ('{"a":' || repeat('[{"b":', 400) || '1' || repeat('}]', 400) || '}')::jsonb @~ ('{"a' || repeat('.b', 400) || '": [1]}')::jsonb;
SELECT left(pg_temp.validate((repeat('{"a":', 1001) || '[1]' || repeat('}', 1001))::jsonb), 90);

RESET eventbus.max_pattern_characters;

-- objects of more members than one offset entry covers, keys of all lengths
SELECT count(*) FILTER (WHERE event @~ pattern) AS matches, count(*) AS patterns
FROM (SELECT jsonb_object_agg(repeat('k', i % 7) || i, i) AS event FROM generate_series(1, 200) i) e,
	 (SELECT jsonb_build_object(repeat('k', i % 7) || i, jsonb_build_array(i)) AS pattern FROM generate_series(1, 200) i) p;
SELECT count(*) FILTER (WHERE event @~ pattern) AS matches, count(*) AS patterns
FROM (SELECT jsonb_build_object('a', jsonb_agg(jsonb_build_object('n', i, 'text', 'v' || i))) AS event FROM generate_series(1, 200) i) e,
	 (SELECT jsonb_build_object('a', jsonb_build_object('n', jsonb_build_array(i), 'text', jsonb_build_array('v' || i + i % 2))) AS pattern FROM generate_series(1, 200) i) p;

-- keys with dots, empty keys
SELECT e.event, e.event::jsonb @~ '{"a": {"b": {"c": [1]}}}' AS abc
FROM (VALUES ('{"a": {"b": {"c": 1}}}'), ('{"a.b": {"c": 1}}'), ('{"a": {"b.c": 1}}'), ('{"a.b.c": 1}'), ('{"a": {"b": {"c": 2}}, "a.b.c": 1}'), ('{"a.b": 1}'), ('{"a..c": 1}')) e (event);
SELECT '{"": {"": 1}}'::jsonb @~ '{"": {"": [1]}}' AS nested, '{".": 1}'::jsonb @~ '{"": {"": [1]}}' AS joined, '{"": 1}'::jsonb @~ '{"": [1]}' AS one;

-- Unicode: bytes count, but not for equals-ignore-case
SELECT '{"a": "\u00e9"}'::jsonb @~ '{"a": ["é"]}' AS escape, '{"a": "e\u0301"}'::jsonb @~ '{"a": ["é"]}' AS decomposed,
	'{"a": "É"}'::jsonb @~ '{"a": [{"equals-ignore-case": "é"}]}' AS accent,
	'{"a": "SS"}'::jsonb @~ '{"a": [{"equals-ignore-case": "ß"}]}' AS expands, '{"a": "ß"}'::jsonb @~ '{"a": [{"equals-ignore-case": "SS"}]}' AS contracts,
	'{"a": "😀x"}'::jsonb @~ '{"a": [{"prefix": "😀"}]}' AS emoji, '{"é": {"ü": 1}}'::jsonb @~ '{"é.ü": [1]}' AS keys;

-- numbers: those that double precision holds compare, others by their digits
SELECT e.number, p.number AS pattern, ('{"a": ' || e.number || '}')::jsonb @~ ('{"a": [' || p.number || ']}')::jsonb AS equal,
	('{"a": ' || e.number || '}')::jsonb @~ ('{"a": [{"anything-but": ' || p.number || '}]}')::jsonb AS anything_but
FROM (VALUES ('1', '1.000'), ('1e2', '100'), ('-0.0', '0'), ('0.1', '0.10'), ('9007199254740993', '9007199254740992'),
	('12345678901234567890', '12345678901234567890'), ('12345678901234567890', '12345678901234567891'),
	('12345678901234567890.0', '12345678901234567890'), ('1e400', '1e400'), ('1e400', '1'), ('1e-400', '0'), ('5e-324', '5e-324')) x (e, p),
	LATERAL (SELECT x.e AS number) e, LATERAL (SELECT x.p AS number) p;
SELECT n.number, ('{"a": ' || n.number || '}')::jsonb @~ '{"a": [{"numeric": [">", 0]}]}' AS positive
FROM (VALUES ('0'), ('5e-324'), ('1e308'), ('1e309'), ('0.10000000000000001'), ('-1')) n (number);
SELECT ('{"a": ' || repeat('9', 100000) || '}')::jsonb @~ '{"a": [{"numeric": [">", 0]}]}' AS range,
	('{"a": ' || repeat('9', 100000) || '}')::jsonb @~ ('{"a": [' || repeat('9', 100000) || ']}')::jsonb AS digits;

-- large arrays are joined, not multiplied out: outside, inside of others, deep inside
CREATE TEMP TABLE large AS SELECT jsonb_agg(jsonb_build_object('k', i, 'l', i, 'm', i, 'n', i)) AS list FROM generate_series(1, 50000) i;
SELECT e.nesting, v.l = 49999 AS same_element,
	e.event @~ jsonb_build_object(e.path, jsonb_build_object('n', '[{"exists": true}]'::jsonb, 'm', '[{"exists": true}]'::jsonb, 'k', '[49999]'::jsonb, 'l', jsonb_build_array(v.l))) AS matches
FROM (SELECT 1, 'a', jsonb_build_object('a', list) FROM large
	UNION ALL SELECT 2, 'a.b', jsonb_build_object('a', jsonb_build_array(jsonb_build_object('b', list))) FROM large
	UNION ALL SELECT 3, 'a', ('{"a":' || repeat('[', 900) || list::text || repeat(']', 900) || '}')::jsonb FROM large) e (nesting, path, event),
	(VALUES (49999), (49998)) v (l)
ORDER BY 1, 2 DESC;

-- usable in a table: compressed and out of line, in a CHECK, estimated
CREATE TEMP TABLE event (id int, event jsonb);
INSERT INTO event SELECT i, jsonb_build_object('source', 's' || i % 10, 'detail', jsonb_build_object('n', i, 'pad', repeat('x', i * 10)))
FROM generate_series(1, 1000) i;
ANALYZE event;
SELECT count(*), min(id), max(id) FROM event WHERE event @~ '{"source": ["s3"], "detail": {"n": [{"numeric": [">", 500]}]}}';
CREATE TEMP TABLE subscription (pattern jsonb CHECK (eb_validate_event_pattern(pattern)));
INSERT INTO subscription VALUES ('{"source": ["s4"]}');
INSERT INTO subscription VALUES ('{"source": "s4"}');
SELECT count(*) FROM event JOIN subscription ON pattern ~@ event;
EXPLAIN (COSTS OFF) SELECT * FROM event WHERE event @~ '{"source": ["s3"]}';

-- for everybody
SELECT proname, has_function_privilege('public', oid, 'EXECUTE') AS public, provolatile, proparallel, proisstrict
FROM pg_proc WHERE proname IN ('eb_event_matches', 'eb_pattern_matches', 'eb_test_event_pattern', 'eb_validate_event_pattern')
ORDER BY 1;
SELECT oprname, oprcode, oprcom::regoperator, oprrest, oprjoin FROM pg_operator WHERE oprname IN ('@~', '~@') ORDER BY 1;

-- limits: those of rules; @~ has none
CREATE FUNCTION pg_temp.big(n int, what text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE what
		WHEN 'characters' THEN jsonb_build_object('a', jsonb_build_array(repeat('é', n - 10)))
		WHEN 'paths' THEN (SELECT jsonb_object_agg('f' || i, '[1]'::jsonb) FROM generate_series(1, n) i)
		WHEN 'combinations' THEN (SELECT jsonb_build_object('$or', jsonb_agg(jsonb_build_object('f', jsonb_build_array(i)))) FROM generate_series(1, n) i)
	END
$$;
SET eventbus.max_pattern_characters = 2048;
SELECT what, n, pg_temp.validate(pg_temp.big(n, what)) AS answer
FROM (VALUES ('characters', 2048), ('characters', 2049), ('paths', 5)) v (what, n);
SET eventbus.max_pattern_characters = 100000;
SELECT what, n, pg_temp.validate(pg_temp.big(n, what)) AS answer
FROM (VALUES ('paths', 256), ('paths', 257), ('combinations', 1000), ('combinations', 1001)) v (what, n);
SELECT p.pattern, pg_temp.validate(p.pattern::jsonb) AS answer
FROM (VALUES
	('{"detail": {"arn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}}'),
	('{"detail": {"arn": [{"anything-but": {"wildcard": "*:*:*:*:*:event-bus/*"}}]}}'),
	('{"arn": [{"wildcard": "*:stack/A/*"}, {"wildcard": "*:stack/B/*"}, {"wildcard": "*:stack/C/*"}]}'),
	('{"arn": [{"wildcard": "*:stack/A/*"}, {"wildcard": "*:stack/B/*"}, {"wildcard": "*:stack/C/*"}, {"wildcard": "*:stack/D/*"}]}')
) p (pattern);
SELECT eb_put_rule('too_complex', '{"detail": {"arn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}}');
SELECT eb_test_event_pattern('{"detail": {"arn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}}', :'event');
SELECT '{"f": 2000}'::jsonb @~ pg_temp.big(2000, 'combinations') AS combinations,
	'{"arn": "a:b:c:d:e:event-bus/f"}' @~ '{"arn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}' AS complexity;
SET eventbus.max_pattern_complexity = 0;
SELECT eb_validate_event_pattern('{"detail": {"arn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}}');
RESET eventbus.max_pattern_complexity;
RESET eventbus.max_pattern_characters;

-- the planner: estimates are the operator run on the column's statistics, and
-- parallel workers can run it
CREATE TABLE event_pattern_estimate AS
	SELECT jsonb_build_object('source', 's' || i % 10, 'n', i) AS event FROM generate_series(1, 5000) i;
ANALYZE event_pattern_estimate;
CREATE FUNCTION pg_temp.estimate(condition text, OUT rows int, OUT parallel boolean) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) SELECT * FROM event_pattern_estimate WHERE ' || condition INTO plan;
	rows := plan->0->'Plan'->>'Plan Rows';
	parallel := plan::text ~ 'Gather';
END $$;
SELECT rows > 4500 AS nearly_all FROM pg_temp.estimate($$event @~ '{"source": [{"prefix": "s"}]}'$$);
SELECT rows BETWEEN 2000 AND 3000 AS half FROM pg_temp.estimate($$'{"n": [{"numeric": ["<=", 2500]}]}' ~@ event$$);
SELECT rows < 100 AS hardly_any FROM pg_temp.estimate($$event @~ '{"source": ["none"]}'$$);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT parallel FROM pg_temp.estimate($$event @~ '{"source": ["s1"]}'$$);
SELECT count(*) FROM event_pattern_estimate WHERE event @~ '{"source": ["s1"]}';
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
DROP TABLE event_pattern_estimate;
