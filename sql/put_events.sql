-- Putting events: what is taken, what is refused and how, all in one transaction.

SELECT eb_create_event_bus('put-bus') IS NOT NULL AS created;

-- The answer to one entry, without its id.
CREATE FUNCTION answer_to(entry jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN e ? 'EventId' THEN 'put' ELSE (e->>'ErrorCode') || ': ' || (e->>'ErrorMessage') END
	FROM (SELECT eb_put_events(jsonb_build_array(entry), 'report') AS r) AS q, jsonb_array_elements(r->'Entries') AS e
$$;
-- A good entry, changed.
CREATE FUNCTION entry(change jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT '{"Source": "put.test", "DetailType": "Test", "Detail": {"a": 1}}'::jsonb || change
$$;

--
-- The result: FailedEntryCount and, in request order, an id or an error.
--
SELECT r->'FailedEntryCount' AS failed, jsonb_array_length(r->'Entries') AS n,
	   r #- '{Entries,0,EventId}' #- '{Entries,2,EventId}' AS rest
FROM (SELECT eb_put_events(jsonb_build_array(entry(), '{}'::jsonb, entry('{"EventBusName": "put-bus"}'), entry('{"Detail": []}')), 'report') AS r) AS q;
SELECT event_bus, source, detail_type, detail, ord, hop_count, trace_header, event_group_id, replay_name, causation_id
FROM eventbus.events WHERE source = 'put.test' ORDER BY seq, ord;
-- all good: the same shape, also with the default on_error
SELECT r->'FailedEntryCount' AS failed, (SELECT array_agg(k) FROM jsonb_object_keys(r) AS k) AS keys,
	   (SELECT array_agg(DISTINCT k) FROM jsonb_array_elements(r->'Entries') AS e, jsonb_object_keys(e) AS k) AS entry_keys
FROM (SELECT eb_put_events(jsonb_build_array(entry(), entry())) AS r) AS q;

--
-- Required members, and the order in which an entry is looked at
--
SELECT label, answer_to(entry) FROM (VALUES
	(1, 'nothing', '{}'::jsonb),
	(2, 'no source', entry() - 'Source'),
	(3, 'empty source', entry('{"Source": ""}')),
	(4, 'null source', entry('{"Source": null}')),
	(5, 'no detail type', entry() - 'DetailType'),
	(6, 'empty detail type', entry('{"DetailType": ""}')),
	(7, 'no detail', entry() - 'Detail'),
	(8, 'empty detail', entry('{"Detail": ""}')),
	(9, 'null detail', entry('{"Detail": null}')),
	(10, 'source before detail type', '{"Detail": []}'),
	(11, 'detail type before detail', '{"Source": "s", "Detail": []}'),
	(12, 'malformed before source', entry('{"Source": "aws.ec2", "Detail": []}')),
	(13, 'source before bus', entry('{"Source": "aws.ec2", "EventBusName": "nowhere"}')),
	(14, 'aws source', entry('{"Source": "aws.ec2"}')),
	(15, 'not an aws source', entry('{"Source": "awsome"}')),
	(16, 'not an aws source either', entry('{"Source": "aws"}')),
	(17, 'nor this', entry('{"Source": "AWS.ec2"}')),
	(18, 'unknown bus', entry('{"EventBusName": "nowhere"}'))
) AS v (n, label, entry) ORDER BY n;

--
-- Form: kinds, members that there are not, entries that are none
--
SELECT label, answer_to(entry) FROM (VALUES
	(1, 'number', '5'::jsonb),
	(2, 'string', '"x"'),
	(3, 'null', 'null'),
	(4, 'array', '[]'),
	(5, 'source a number', entry('{"Source": 1}')),
	(6, 'source an object', entry('{"Source": {}}')),
	(7, 'detail type an array', entry('{"DetailType": ["x"]}')),
	(8, 'bus a boolean', entry('{"EventBusName": true}')),
	(9, 'trace header a number', entry('{"TraceHeader": 1}')),
	(10, 'group a number', entry('{"EventGroupId": 1}')),
	(11, 'nulls', entry('{"EventBusName": null, "TraceHeader": null, "EventGroupId": null, "Time": null, "Resources": null}')),
	(12, 'detail-type', entry('{"detail-type": "x"}')),
	(13, 'detail_type', entry('{"detail_type": "x"}')),
	(14, 'source', entry('{"source": "x"}')),
	(15, 'eventBusName', entry('{"eventBusName": "x"}')),
	(16, 'other', entry('{"Id": "x"}')),
	(17, 'empty name', entry('{"": "x"}'))
) AS v (n, label, entry) ORDER BY n;
-- messages repeat no more of a name than is useful
SELECT length(answer_to(entry(jsonb_build_object(repeat('x', 100000), 1)))) < 400 AS member,
	   length(answer_to(entry(jsonb_build_object('EventBusName', repeat('x', 1600))))) < 400 AS bus;

--
-- Detail: an object, or a string that holds one
--
SELECT label, answer_to(entry('{}') || jsonb_build_object('Detail', detail)) FROM (VALUES
	(1, 'object', '{"a": {"b": [1, 2.50, "x", true, null]}}'::jsonb),
	(2, 'empty object', '{}'),
	(3, 'string', to_jsonb('{"a": {"b": [1, 2.50, "x", true, null]}}'::text)),
	(4, 'string with space', to_jsonb(E' \n\t{ } '::text)),
	(5, 'array', '[]'),
	(6, 'number', '1'),
	(7, 'boolean', 'false'),
	(8, 'string of array', to_jsonb('[1]'::text)),
	(9, 'string of string', to_jsonb('"x"'::text)),
	(10, 'string of number', to_jsonb('1'::text)),
	(11, 'string of null', to_jsonb('null'::text)),
	(12, 'space', to_jsonb(' '::text)),
	(13, 'no JSON', to_jsonb('hello'::text)),
	(14, 'unfinished', to_jsonb('{"a":'::text)),
	(15, 'trailing comma', to_jsonb('{"a":1,}'::text)),
	(16, 'two values', to_jsonb('{} {}'::text)),
	(17, 'bare key', to_jsonb('{a:1}'::text)),
	(18, 'zero character', to_jsonb('{"a":"\u0000"}'::text)),
	(19, 'zero character in key', to_jsonb('{"\u0000":1}'::text)),
	(20, 'high surrogate alone', to_jsonb('{"a":"\ud83d"}'::text)),
	(21, 'low surrogate alone', to_jsonb('{"a":"\ude00"}'::text)),
	(22, 'surrogate pair', to_jsonb('{"a":"\ud83d\ude00"}'::text)),
	(23, 'control character', to_jsonb(E'{"a":"\n"}'::text)),
	(24, 'wrong escape', to_jsonb('{"a":"\x"}'::text)),
	(25, 'largest number', to_jsonb('{"a":1e131071}'::text)),
	(26, 'too large a number', to_jsonb('{"a":1e131072}'::text)),
	(27, 'smallest number', to_jsonb('{"a":1e-16383}'::text)),
	(28, 'too small a number', to_jsonb('{"a":1e-16384}'::text)),
	(29, 'absurd exponent', to_jsonb('{"a":1e99999999999999999999}'::text)),
	(30, 'negative and fraction', to_jsonb('{"a":[-0.5,-1E+2,1e-2]}'::text)),
	(31, 'leading zero', to_jsonb('{"a":01}'::text)),
	(32, 'no number', to_jsonb('{"a":NaN}'::text)),
	(33, 'duplicate key', to_jsonb('{"a":1,"a":2}'::text)),
	(34, '1000 levels', (repeat('{"a":', 999) || '{}' || repeat('}', 999))::jsonb),
	(35, '1001 levels', (repeat('{"a":', 1000) || '{}' || repeat('}', 1000))::jsonb),
	(36, '1001 levels of arrays', ('{"a":' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb),
	(37, '1000 levels in a string', to_jsonb(repeat('{"a":', 999) || '{}' || repeat('}', 999))),
	(38, '1001 levels in a string', to_jsonb(repeat('{"a":', 1000) || '{}' || repeat('}', 1000))),
	(39, 'a million brackets', to_jsonb(repeat('[', 1000000))),
	(40, 'brackets in a string', to_jsonb('{"a":"' || repeat('[{\"', 1000) || '"}'))
) AS v (n, label, detail) ORDER BY n;
-- the string and the object are one: numbers keep their digits, the last of two keys counts
SELECT count(*), count(DISTINCT detail::text) FROM eventbus.events WHERE source = 'put.test' AND detail->'a' ? 'b';
SELECT DISTINCT detail FROM eventbus.events WHERE source = 'put.test' AND detail->'a' IN ('2', '[-0.5, -100, 0.01]', '"\ud83d\ude00"') ORDER BY detail;

--
-- Time: ISO 8601 or seconds since 1970; nothing of the session counts
--
SET TimeZone = 'America/New_York';
SET DateStyle = 'SQL, DMY';
CREATE FUNCTION time_of(value jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r jsonb := eb_put_events(jsonb_build_array(entry() || jsonb_build_object('Time', value)), 'report');
BEGIN
	RETURN COALESCE((SELECT to_char(e."time" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || ' ' || (e.event->>'time')
					 FROM eventbus.events e WHERE id = (r#>>'{Entries,0,EventId}')::uuid),
					r#>>'{Entries,0,ErrorMessage}');
END $$;
SELECT value, time_of(value) FROM (VALUES
	(1, '"2024-05-13T12:27:20Z"'::jsonb), (2, '"2024-05-13"'), (3, '"2024-05-13T12:27"'), (4, '"2024-05-13 12:27:20"'),
	(5, '"2024-05-13T12:27:20.999999+02:00"'), (6, '"2024-05-13T12:27:20.1234567-0330"'), (7, '"2024-05-13t12:27:20+14z"'),
	(8, '"2024-05-13T12:27:20+14"'), (9, '"2024-02-29"'), (10, '"2023-02-29"'), (11, '"2024-13-01"'), (12, '"2024-05-32"'),
	(13, '"2024-05-13T24:00:00Z"'), (14, '"2016-12-31T23:59:60Z"'), (15, '"2024-05-13T12:60:00Z"'), (16, '"2000-01-01T00:00:00Z"'),
	(17, '"0001-01-01T00:00:00Z"'), (18, '"0001-01-01T00:00:00+01"'), (19, '"9999-12-31T23:59:59Z"'), (20, '"9999-12-31T23:59:59-01"'),
	(21, '"0000-01-01"'), (22, '"13-05-2024"'), (23, '"infinity"'), (24, '"-infinity"'), (25, '"now"'), (26, '"epoch"'), (27, '""'),
	(28, '"2024-05-13T12:27:20Z "'), (29, '"2024-05-13T"'), (30, '"2024-05-13T12:27:20."'), (31, '1715603240'), (32, '1715603240.123456'),
	(33, '0'), (34, '-1.5'), (35, '946684800'), (36, '1e20'), (37, '253402300800'), (38, '-1e12'), (39, 'true'), (40, '{}')
) AS v (n, value) ORDER BY n;
RESET TimeZone;
RESET DateStyle;
-- without one, the time of the call
SELECT count(*) > 0 AS some, bool_and("time" = ingested_at) AS same FROM eventbus.events WHERE source = 'put.test' AND trace_header IS NULL AND "time" BETWEEN now() - interval '1 hour' AND now() + interval '1 hour';

--
-- Resources, and lengths
--
SELECT label, answer_to(entry) FROM (VALUES
	(1, 'resources', entry('{"Resources": ["a", "", "b \" c"]}')),
	(2, 'no resources', entry('{"Resources": []}')),
	(3, 'resources a string', entry('{"Resources": "a"}')),
	(4, 'resources an object', entry('{"Resources": {"a": 1}}')),
	(5, 'a resource a number', entry('{"Resources": ["a", 1]}')),
	(6, 'a resource null', entry('{"Resources": [null]}')),
	(7, 'a resource an array', entry('{"Resources": [["a"]]}')),
	(8, 'resource of 2048', entry(jsonb_build_object('Resources', jsonb_build_array(repeat('ä', 2048))))),
	(9, 'resource of 2049', entry(jsonb_build_object('Resources', jsonb_build_array(repeat('ä', 2049))))),
	(10, 'detail type of 128', entry(jsonb_build_object('DetailType', repeat('ä', 128)))),
	(11, 'detail type of 129', entry(jsonb_build_object('DetailType', repeat('ä', 129)))),
	(12, 'trace header of 500', entry(jsonb_build_object('TraceHeader', repeat('x', 500)))),
	(13, 'trace header of 501', entry(jsonb_build_object('TraceHeader', repeat('x', 501)))),
	(14, 'empty trace header', entry('{"TraceHeader": ""}')),
	(15, 'group of 128', entry(jsonb_build_object('EventGroupId', repeat('x', 128)))),
	(16, 'group of 129', entry(jsonb_build_object('EventGroupId', repeat('x', 129)))),
	(17, 'empty group', entry('{"EventGroupId": ""}')),
	(18, 'bus of 1601', entry(jsonb_build_object('EventBusName', repeat('x', 1601)))),
	(19, 'empty bus', entry('{"EventBusName": ""}'))
) AS v (n, label, entry) ORDER BY n;
SELECT resources, event->'resources' AS envelope FROM eventbus.events WHERE source = 'put.test' AND resources[1] = 'a';

--
-- Size: the bytes of Source, DetailType, Detail, Resources, and 14 for Time
--
SHOW eventbus.max_event_bytes;
SET eventbus.max_event_bytes = 2048;
-- as a string, exactly: 8 + 4 + n
SELECT n, answer_to(entry() || jsonb_build_object('Detail', '{"a":"' || repeat('x', n - 12 - 8) || '"}') || more)
FROM (VALUES (2048, '{}'::jsonb), (2049, '{}'), (2034, '{"Time": 0}'), (2035, '{"Time": 0}'), (2047, '{"Resources": ["x"]}'), (2048, '{"Resources": ["x"]}')) AS v (n, more);
-- as an object: by its jsonb, or by its text where that is less
SELECT answer_to(entry() || jsonb_build_object('Detail', jsonb_build_object('a', repeat('x', n)))) FROM (VALUES (2000), (2100)) AS v (n);
SELECT pg_column_size(d) > 4000 AS large_jsonb, length(d::text) < 2000 AS short_text, answer_to(entry() || jsonb_build_object('Detail', d))
FROM (SELECT jsonb_build_object('a', jsonb_agg(n % 10)) AS d FROM generate_series(1, 500) AS n) AS q;
SELECT answer_to(entry() || jsonb_build_object('Detail', jsonb_build_object('a', jsonb_agg(n % 10)))) FROM generate_series(1, 1100) AS n;
RESET eventbus.max_event_bytes;

--
-- Buses by name and by ARN
--
SELECT bus, answer_to(entry(jsonb_build_object('EventBusName', bus))) FROM (VALUES
	('default'), ('put-bus'),
	('arn:aws:events:local:000000000000:event-bus/put-bus'), ('arn:aws:events:local:000000000000:event-bus/default'),
	('arn:aws:events:local:000000000000:event-bus/nowhere'), ('Put-Bus'), ('put-bus '), ('put')) AS v (bus);

--
-- on_error => 'raise': nothing is put, each bad entry is named
--
SELECT count(*) AS before FROM eventbus.events WHERE source = 'put.raise' \gset
SELECT eb_put_events(jsonb_build_array(entry('{"Source": "put.raise"}'), entry('{"Detail": "x"}'), entry('{"EventBusName": "nowhere"}'), 1));
SELECT eb_put_events(jsonb_build_array(entry('{"Source": "put.raise"}'), entry('{"EventBusName": "nowhere"}')), on_error => 'raise');
SELECT count(*) = :before AS none FROM eventbus.events WHERE source = 'put.raise';
SELECT eb_put_events((SELECT jsonb_agg(n) FROM generate_series(1, 23) AS n));
-- the SQLSTATE is that of the first bad entry
DO $$
DECLARE
	bad jsonb;
BEGIN
	FOR bad IN VALUES (entry() - 'Source'), (entry('{"Detail": []}')), (entry('{"Source": "aws.s3"}')), (entry('{"EventBusName": "nowhere"}')) LOOP
		BEGIN
			PERFORM eb_put_events(jsonb_build_array(entry(), bad, '{}'::jsonb));
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '% %', SQLSTATE, SQLERRM;
		END;
	END LOOP;
END $$;

--
-- Requests that are wrong as a whole
--
SELECT eb_put_events('[]');
SELECT eb_put_events('[]', 'report');
SELECT eb_put_events('{"Entries": []}');
SELECT eb_put_events('"x"', 'report');
SELECT eb_put_events('null');
SELECT eb_put_events(NULL);
SELECT eb_put_events('[{}]', NULL);
SELECT eb_put_events('[{}]', 'ignore');
-- (what jsonb itself does not take never comes here)
DO $$
BEGIN
	PERFORM eb_put_events('[{"Detail": "\u0000"}]');
EXCEPTION WHEN untranslatable_character THEN
	RAISE NOTICE '%', SQLERRM;
END $$;

--
-- eb_put_event
--
SELECT eb_put_event('put.one', 'Test', '{"a": 1}', 'put-bus', ARRAY['r1', 'r2'], '2024-05-13 12:27:20.9+00', 'Root=1', 'group 1') AS id \gset
SELECT count(*) FROM eventbus.events WHERE id = :'id';
SELECT eb_put_event('put.one', 'Test', '"{\"b\": 2}"') IS NOT NULL AS put;
SELECT eb_put_event(source => 'put.one', detail_type => 'Test', detail => '{}', "time" => '2000-01-01 00:00+00') IS NOT NULL AS put;
SELECT event_bus, detail, resources, CASE WHEN "time" < ingested_at THEN event->'time' END AS "time", trace_header, event_group_id FROM eventbus.events WHERE source = 'put.one' ORDER BY seq;
SELECT eb_put_event(NULL, 'Test', '{}');
SELECT eb_put_event('put.one', '', '{}');
SELECT eb_put_event('put.one', 'Test', NULL);
SELECT eb_put_event('put.one', 'Test', 'null');
SELECT eb_put_event('put.one', 'Test', '[]');
SELECT eb_put_event('put.one', 'Test', '{}', 'nowhere');
SELECT eb_put_event('put.one', 'Test', '{}', NULL) IS NOT NULL AS default_bus;
SELECT eb_put_event('aws.one', 'Test', '{}');
SELECT eb_put_event('put.one', 'Test', '{}', "time" => 'infinity');
SELECT eb_put_event('put.one', 'Test', '{}', "time" => '-infinity');
SELECT eb_put_event('put.one', 'Test', '{}', "time" => '10000-01-01 00:00+00');
SELECT eb_put_event('put.one', 'Test', '{}', "time" => '0044-03-15 00:00+00 BC');
SELECT eb_put_event('put.one', 'Test', '{}', resources => ARRAY['a', NULL]);
SELECT eb_put_event('put.one', 'Test', '{}', resources => ARRAY[['a'], ['b']]);
SELECT eb_put_event('put.one', 'Test', '{}', resources => '{}') IS NOT NULL AS put;

--
-- Transactions: what is rolled back was never there; one seq per call
--
BEGIN;
SELECT eb_put_event('put.tx', 'kept', '{}') IS NOT NULL AS put;
SAVEPOINT s;
SELECT eb_put_event('put.tx', 'rolled back', '{}') IS NOT NULL AS put;
ROLLBACK TO s;
SELECT eb_put_events(jsonb_build_array(entry('{"Source": "put.tx", "DetailType": "second"}'), entry('{"Source": "put.tx", "DetailType": "third"}')))->'FailedEntryCount' AS failed;
SAVEPOINT s;
SELECT eb_put_events('[1]');
ROLLBACK TO s;
SELECT detail_type, dense_rank() OVER (ORDER BY seq) AS call, ord, xid = pg_current_xact_id() AS mine FROM eventbus.events WHERE source = 'put.tx' ORDER BY seq, ord;
COMMIT;
BEGIN;
SELECT eb_put_event('put.tx', 'aborted', '{}') IS NOT NULL AS put;
ROLLBACK;
SELECT detail_type FROM eventbus.events WHERE source = 'put.tx' ORDER BY seq, ord;

-- read-only: the server's own error, before anything else is looked at
BEGIN READ ONLY;
SELECT eb_put_events('[]');
ROLLBACK;
BEGIN READ ONLY;
SELECT eb_put_event(NULL, NULL, NULL);
ROLLBACK;

-- ids: UUIDv7 of ingested_at, all different, also within a call
SELECT count(*) = count(DISTINCT id) AS unique, bool_and(substr(id::text, 15, 1) = '7') AS version_7,
	   bool_and(substr(id::text, 20, 1) IN ('8', '9', 'a', 'b')) AS variant, bool_and(eb_event_id_time(id) = ingested_at) AS time
FROM eventbus.events WHERE source LIKE 'put.%';
SELECT eb_event_id_time('017F22E2-79B0-7CC3-98C4-DC0C0C07398F') AT TIME ZONE 'UTC' AS rfc_9562, eb_event_id_time('919108f7-52d1-4320-9bac-f847db4148a8') AS version_4, eb_event_id_time(NULL);

--
-- 100,000 entries in one call
--
SELECT r->'FailedEntryCount' AS failed, jsonb_array_length(r->'Entries') AS n
FROM (SELECT eb_put_events((SELECT jsonb_agg(entry(jsonb_build_object('Source', 'put.many', 'Detail', jsonb_build_object('n', n)))) FROM generate_series(1, 100000) AS n)) AS r) AS q;
SELECT count(*), count(DISTINCT seq) AS seqs, count(DISTINCT id) AS ids, count(DISTINCT ingested_at) AS times, bool_and(ord + 1 = (detail->>'n')::int) AS in_order FROM eventbus.events WHERE source = 'put.many';
-- large details go to TOAST, and come back
SELECT eb_put_event('put.large', 'Test', jsonb_build_object('a', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 3000) AS n))) IS NOT NULL AS put;
SELECT length(detail->>'a') AS large, event->'detail' = detail AS whole FROM eventbus.events WHERE source = 'put.large';

--
-- What a DBA adds to a leaf: indexes are kept
--
BEGIN;
SELECT format('eventbus.%I', (SELECT c.relname FROM eventbus.events e JOIN eventbus.event_log l ON l.id = e.id JOIN pg_class c ON c.oid = l.tableoid
	WHERE e.source = 'put.large' LIMIT 1)) AS leaf \gset
CREATE INDEX put_test_partial ON :leaf ((detail->>'k')) WHERE source = 'put.index';
SELECT eb_put_event('put.index', 'Test', '{"k": "v"}') IS NOT NULL AS put;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT detail FROM :leaf WHERE detail->>'k' = 'v' AND source = 'put.index';
-- and nothing of a call stays open, so that DDL can follow
DROP INDEX eventbus.put_test_partial;
ALTER TABLE :leaf ADD CONSTRAINT put_test CHECK (source IS NOT NULL);
ROLLBACK;

--
-- Rights: EXECUTE for publishers, nobody else
--
CREATE ROLE regress_put_publisher IN ROLE eventbus_publisher;
CREATE ROLE regress_put_stranger;
SET ROLE regress_put_publisher;
SELECT eb_put_event('put.rights', 'Test', '{}') IS NOT NULL AS put;
SELECT eb_put_events('[{"Source": "put.rights", "DetailType": "Test", "Detail": {}, "EventBusName": "put-bus"}]')->'FailedEntryCount' AS failed;
SELECT count(*) FROM eventbus.events;
SET ROLE regress_put_stranger;
SELECT eb_put_event('put.rights', 'Test', '{}');
SELECT eb_put_events('[]');
RESET ROLE;
DROP ROLE regress_put_publisher, regress_put_stranger;

DROP FUNCTION time_of, answer_to, entry;
SELECT eb_delete_event_bus('put-bus');
