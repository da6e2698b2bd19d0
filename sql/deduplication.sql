-- Deduplication ids: what is put twice is stored once.

SELECT eb_create_event_bus('dedup_a') IS NOT NULL AS created;
SELECT eb_create_event_bus('dedup_b') IS NOT NULL AS created;

-- An entry on dedup_a, changed.
CREATE FUNCTION dedup_entry(id text, change jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('Source', 'dedup', 'DetailType', 'Test', 'Detail', '{"a": 1}'::jsonb,
							  'EventBusName', 'dedup_a', 'DeduplicationId', id) || change
$$;
-- Puts entries; says of each what became of it, and how many events that gave.
CREATE FUNCTION dedup_put(VARIADIC entries jsonb[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint = (SELECT count(*) FROM eventbus.events WHERE source = 'dedup');
	answer jsonb = eb_put_events(to_jsonb(entries), 'report');
BEGIN
	RETURN (SELECT string_agg(coalesce(e->>'SuccessCode', e->>'ErrorMessage', 'put'), ', ' ORDER BY n)
			FROM jsonb_array_elements(answer->'Entries') WITH ORDINALITY AS a (e, n))
		|| ': ' || (SELECT count(*) FROM eventbus.events WHERE source = 'dedup') - before;
END $$;
-- Makes all that was put older.
CREATE PROCEDURE dedup_age(by interval) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE eventbus.deduplication_0 SET put_at = put_at - by;
	UPDATE eventbus.deduplication_1 SET put_at = put_at - by;
	UPDATE eventbus.deduplication_2 SET put_at = put_at - by;
END $$;

--
-- The answer: the first event's id, and what became of the entry
--
SELECT eb_put_events(jsonb_build_array(dedup_entry('answer'))) AS first \gset
SELECT eb_put_events(jsonb_build_array(dedup_entry('answer'))) AS again \gset
SELECT :'first'::jsonb #- '{Entries,0,EventId}' AS first, :'again'::jsonb #- '{Entries,0,EventId}' AS again,
	   :'first'::jsonb #> '{Entries,0,EventId}' = :'again'::jsonb #> '{Entries,0,EventId}' AS same_id,
	   (SELECT count(*) FROM eventbus.events WHERE source = 'dedup') AS events;
-- an entry without an id is answered as ever, also beside others
SELECT eb_put_events(jsonb_build_array(dedup_entry('answer'), dedup_entry(NULL), dedup_entry('mixed')))
	#- '{Entries,0,EventId}' #- '{Entries,1,EventId}' #- '{Entries,2,EventId}' AS answer;
-- what is stored
SELECT event_group_id, deduplication_id, detail FROM eventbus.events WHERE source = 'dedup' ORDER BY seq, ord;

--
-- Scope: event bus and event group
--
SELECT n, dedup_put(VARIADIC entries) FROM (VALUES
	(1, ARRAY[dedup_entry('scope')]),
	(2, ARRAY[dedup_entry('scope', '{"EventBusName": "dedup_b"}'), dedup_entry('scope', '{"EventBusName": "default"}')]),
	(3, ARRAY[dedup_entry('scope', '{"EventGroupId": "g"}'), dedup_entry('scope', '{"EventGroupId": "h"}')]),
	(4, ARRAY[dedup_entry('scope'), dedup_entry('scope', '{"EventGroupId": "g"}'), dedup_entry('scope', '{"EventGroupId": "i"}')]),
	(5, ARRAY[dedup_entry('g', '{"EventGroupId": "scope"}'), dedup_entry('Scope'), dedup_entry('scope '), dedup_entry('scop'), dedup_entry('é')]),
	(6, ARRAY[dedup_entry('scope', '{"Source": "dedup", "Detail": {"other": true}, "DetailType": "Other"}')]),
	(7, ARRAY[dedup_entry(NULL), dedup_entry(NULL)])
) AS v (n, entries) ORDER BY n;

--
-- Within one call: the first of them is the one
--
SELECT dedup_put(dedup_entry('call', '{"Detail": {"n": 1}}'), dedup_entry('call2', '{"Detail": {"n": 2}}'),
				 dedup_entry('call', '{"Detail": {"n": 3}}'), dedup_entry(NULL, '{"Detail": {"n": 4}}'),
				 dedup_entry('call2', '{"Detail": {"n": 5}}'), '{}', dedup_entry('call', '{"Detail": {"n": 6}}'));
SELECT deduplication_id, detail, ord FROM eventbus.events WHERE source = 'dedup' AND detail ? 'n' ORDER BY seq, ord;
-- many, over more than one chunk
SELECT (SELECT count(*) FROM jsonb_array_elements(r->'Entries') e WHERE e->>'SuccessCode' = 'PUBLISHED') AS published,
	   (SELECT count(*) FROM jsonb_array_elements(r->'Entries') e WHERE e->>'SuccessCode' = 'DEDUPLICATED') AS deduplicated,
	   (SELECT count(DISTINCT e->>'EventId') FROM jsonb_array_elements(r->'Entries') e) AS ids
FROM (SELECT eb_put_events((SELECT jsonb_agg(dedup_entry('many ' || i % 1000) ORDER BY i) FROM generate_series(1, 3000) i)) AS r) AS q;
SELECT count(*), count(DISTINCT deduplication_id) AS ids, min(ord), max(ord)
FROM eventbus.events WHERE source = 'dedup' AND deduplication_id LIKE 'many %';

--
-- eb_put_event
--
SELECT eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => 'one') AS id \gset
SELECT eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => 'one') = :'id' AS same_id,
	   eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => 'two') <> :'id' AS other_id,
	   eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => 'one', event_group_id => 'g') <> :'id' AS other_group,
	   eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => NULL) <> :'id' AS none;
SELECT dedup_put(dedup_entry('one'), dedup_entry('two'));
-- several calls of one statement
SELECT count(DISTINCT eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => 'many ' || i % 3)) AS ids
FROM generate_series(1, 100) i;

--
-- SystemMetadata, as entries for the newer buses have it
--
SELECT n, dedup_put(VARIADIC entries) FROM (VALUES
	(1, ARRAY[dedup_entry(NULL, '{"SystemMetadata": {"DeduplicationId": "meta", "EventGroupId": "g"}}')]),
	(2, ARRAY[dedup_entry('meta', '{"EventGroupId": "g"}'), dedup_entry('meta', '{"SystemMetadata": {"EventGroupId": "g"}}')]),
	(3, ARRAY[dedup_entry('meta', '{"SystemMetadata": {}}'), dedup_entry('meta', '{"SystemMetadata": null}')]),
	(4, ARRAY[dedup_entry('meta', '{"SystemMetadata": {"DeduplicationId": "meta"}}'), dedup_entry('x', '{"SystemMetadata": []}')]),
	(5, ARRAY[dedup_entry('x', '{"SystemMetadata": {"ContentType": "x"}}'), dedup_entry('x', '{"SystemMetadata": {"SystemMetadata": {}}}')]),
	(6, ARRAY[dedup_entry('x', '{"EventGroupId": "g", "SystemMetadata": {"EventGroupId": "g"}}')])
) AS v (n, entries) ORDER BY n;

--
-- Values that are refused
--
SELECT n, dedup_put(VARIADIC entries) FROM (VALUES
	(1, ARRAY[dedup_entry(''), dedup_entry(' '), dedup_entry(E' \t\n\r'), dedup_entry(repeat('é', 129)), dedup_entry('x', '{"DeduplicationId": 1}')]),
	(2, ARRAY[dedup_entry(repeat('é', 128)), dedup_entry('  x')])
) AS v (n, entries) ORDER BY n;
SELECT dedup_put(dedup_entry('x') - 'DeduplicationId' || '{"deduplication_id": "x"}');
SELECT eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => ' ');

--
-- Rollback, savepoints
--
BEGIN;
SELECT dedup_put(dedup_entry('rollback'));
SELECT dedup_put(dedup_entry('rollback'));
ROLLBACK;
SELECT dedup_put(dedup_entry('rollback'));
BEGIN;
SELECT dedup_put(dedup_entry('savepoint 1'));
SAVEPOINT a;
SELECT dedup_put(dedup_entry('savepoint 1'), dedup_entry('savepoint 2'));
SAVEPOINT b;
SELECT dedup_put(dedup_entry('savepoint 3'));
RELEASE b;
ROLLBACK TO a;
SELECT dedup_put(dedup_entry('savepoint 1'), dedup_entry('savepoint 2'), dedup_entry('savepoint 3'));
COMMIT;
SELECT dedup_put(dedup_entry('savepoint 1'), dedup_entry('savepoint 2'), dedup_entry('savepoint 3'));
-- nothing of a call that fails
SELECT eb_put_events(jsonb_build_array(dedup_entry('bad'), '{}'));
SELECT dedup_put(dedup_entry('bad'));

--
-- The window: 300 seconds from the first event, which its duplicates do not extend
--
SELECT dedup_put(dedup_entry('window'));
CALL dedup_age('4 min');
SELECT dedup_put(dedup_entry('window'));
CALL dedup_age('61 s');
SELECT dedup_put(dedup_entry('window'), dedup_entry('window'));
SELECT dedup_put(dedup_entry('window'));
-- an id that is over is put again, and that is rolled back: put again then
CALL dedup_age('301 s');
BEGIN;
SELECT dedup_put(dedup_entry('window'));
ROLLBACK;
SELECT dedup_put(dedup_entry('window'));
SELECT dedup_put(dedup_entry('window'));

--
-- No rights on the tables are needed, and none given
--
CREATE ROLE regress_dedup_publisher;
GRANT eventbus_publisher TO regress_dedup_publisher;
SET ROLE regress_dedup_publisher;
SELECT eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => 'rights') =
	   eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => 'rights') AS same_id;
SELECT * FROM eventbus.deduplication_0;
RESET ROLE;
DROP ROLE regress_dedup_publisher;

-- read-only transactions
BEGIN READ ONLY;
SELECT eb_put_event('dedup', 'Test', '{}', 'dedup_a', deduplication_id => 'one');
ROLLBACK;

-- the id is no part of the envelope
SELECT count(*) AS envelopes FROM eventbus.events WHERE source = 'dedup' AND event::text ~ 'savepoint|eduplication';

DROP PROCEDURE dedup_age;
DROP FUNCTION dedup_put, dedup_entry;
SELECT eb_delete_event_bus('dedup_a');
SELECT eb_delete_event_bus('dedup_b');
