-- Bus targets: events go on to another bus, as the same events.
SELECT eb_create_event_bus('tb-' || n) IS NOT NULL AS created FROM generate_series(1, 3) n;
CREATE TABLE tb_got (id uuid, event jsonb, event_bus text, detail jsonb);
SELECT eb_put_rule('on', '{"source":["tb"]}', event_bus => 'tb-1') IS NOT NULL AS put;
SELECT eb_put_rule('on', '{"source":["tb"], "detail": {"far": [true]}}', event_bus => 'tb-2') IS NOT NULL AS put;
SELECT eb_put_rule('keep', '{"source":["tb"]}', event_bus => b) IS NOT NULL AS put FROM unnest('{tb-2,tb-3}'::text[]) b;
SELECT eb_put_target('keep', 'table', 'table', 'tb_got', event_bus => b) FROM unnest('{tb-2,tb-3}'::text[]) b;

-- by name or ARN; what is stored is the name
SELECT eb_put_target('on', 'x', 'bus', 'arn:aws:events:eu-west-1:123456789012:event-bus/tb-2', event_bus => 'tb-1');
SELECT eb_put_target('on', 'x', 'bus', 'tb-3', event_bus => 'tb-2');
SELECT event_bus, id, type, resource FROM eventbus.targets WHERE event_bus LIKE 'tb-%' AND type = 'bus' ORDER BY 1;
SELECT eb_put_target('on', 'x', 'bus', 'tb-absent', event_bus => 'tb-2');
SELECT eb_put_target('on', 'x', 'bus', 'not a bus', event_bus => 'tb-2');
SELECT eb_put_target('on', 'x', 'bus', event_bus => 'tb-2');
SELECT eb_put_target('on', 'x', 'bus', 'tb-3', event_bus => 'tb-2', parameters => '{"on_conflict": "ignore"}');

SELECT eb_put_events('[
	{"Source": "tb", "DetailType": "t", "Detail": {"n": 1}, "EventBusName": "tb-1"},
	{"Source": "tb", "DetailType": "t", "Detail": {"n": 2, "far": true}, "EventBusName": "tb-1", "Resources": ["r"],
	 "TraceHeader": "trace", "EventGroupId": "group", "Time": "2026-01-02T03:04:05Z"}]')->'FailedEntryCount' AS failed;
-- each call waits for what is committed by then, so one for each step
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
-- the same event at each place, and how often it went on
SELECT event_bus, detail, resources, trace_header, event_group_id, "time" = '2026-01-02T03:04:05Z' AS "time",
	   causation_id, hop_count, count(*) OVER (PARTITION BY id) AS "of this id"
FROM eventbus.events WHERE event_bus LIKE 'tb-%' ORDER BY seq, ord;
SELECT g.event_bus, g.detail, g.event = e.event AS same FROM tb_got g JOIN eventbus.events e USING (id, event_bus) ORDER BY 1, g.detail->'n';
SELECT count(DISTINCT eb_get_event(id)) FROM eventbus.events WHERE event_bus LIKE 'tb-%';

-- a bus that is deleted: the target fails, events wait until there is one again
SELECT eb_remove_target('keep', 'table', 'tb-3');
SELECT eb_delete_rule('keep', 'tb-3');
SELECT eb_delete_event_bus('tb-3');
SELECT eb_put_event('tb', 't', '{"n": 3, "far": true}', 'tb-2') IS NOT NULL AS put;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN EXISTS (SELECT FROM eventbus.targets WHERE event_bus = 'tb-2' AND id = 'x' AND state = 'failed');
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
SELECT state, last_error FROM eventbus.targets WHERE event_bus = 'tb-2' AND id = 'x';
SELECT eb_create_event_bus('tb-3') IS NOT NULL AS created;
SELECT eb_put_target('on', 'x', 'bus', 'tb-3', event_bus => 'tb-2');
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT event_bus, detail, hop_count FROM eventbus.events WHERE source = 'tb' AND detail->'n' = '3' ORDER BY seq;

-- the owner of the rule has to be one who may put events
CREATE ROLE regress_tb_owner;
GRANT EXECUTE ON FUNCTION eb_put_rule TO regress_tb_owner;
GRANT USAGE ON SCHEMA eventbus TO regress_tb_owner;
GRANT ALL ON ALL TABLES IN SCHEMA eventbus TO regress_tb_owner;
GRANT ALL ON ALL SEQUENCES IN SCHEMA eventbus TO regress_tb_owner;
SET ROLE regress_tb_owner;
SELECT eb_put_rule('owned', '{"source":["tb"]}', event_bus => 'tb-1') IS NOT NULL AS put;
RESET ROLE;
SELECT eb_put_target('owned', 'x', 'bus', 'tb-3', event_bus => 'tb-1');
GRANT eventbus_publisher TO regress_tb_owner;
SELECT eb_put_target('owned', 'x', 'bus', 'tb-3', event_bus => 'tb-1');
SELECT eb_remove_target('owned', 'x', 'tb-1');

SELECT eb_remove_target('on', 'x', b) FROM unnest('{tb-1,tb-2}'::text[]) b;
SELECT eb_remove_target('keep', 'table', 'tb-2');
SELECT eb_delete_rule(r, b) FROM unnest('{on,keep,owned}'::text[]) r, unnest('{tb-1,tb-2}'::text[]) b;
SELECT eb_delete_event_bus('tb-' || n) FROM generate_series(1, 3) n;
DROP TABLE tb_got;
DROP OWNED BY regress_tb_owner;
DROP ROLE regress_tb_owner;
