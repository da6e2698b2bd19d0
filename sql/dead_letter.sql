-- Dead letters: what they hold, how they are counted, who is told.
\set VERBOSITY terse
SELECT eb_create_event_bus('dl') IS NOT NULL AS created;
CREATE TABLE dl_inbox (detail jsonb CHECK ((detail ->> 'n')::int < 100));
CREATE TABLE dl_alerts (id uuid);
SELECT eb_put_rule('all', '{"source":["dl"]}', 'dl') IS NOT NULL AS put;
SELECT eb_put_target('all', 'once', 'table', 'dl_inbox', 'dl', maximum_retry_attempts => 0);
SELECT eb_put_target('all', 'drop', 'table', 'dl_inbox', 'dl', maximum_retry_attempts => 0, dead_letters => false);
-- the alert is an event on the default bus
SELECT eb_put_rule('dl-alerts', '{"source":["eventbus"], "detail": {"event_bus": ["dl"]}}') IS NOT NULL AS put;
SELECT eb_put_target('dl-alerts', 'keep', 'table', 'dl_alerts');

SELECT eb_put_events('[
	{"Source": "dl", "DetailType": "t", "EventBusName": "dl", "Detail": {"n": 1}, "Resources": ["r"], "TraceHeader": "trace",
	 "Time": "2026-01-02T03:04:05Z"},
	{"Source": "dl", "DetailType": "t", "EventBusName": "dl", "Detail": {"n": 101}, "Resources": ["r"], "TraceHeader": "trace",
	 "Time": "2026-01-02T03:04:05Z"},
	{"Source": "dl", "DetailType": "t", "EventBusName": "dl", "Detail": {"n": 102}, "Time": "2026-01-02T03:04:06Z"}]') ->> 'FailedEntryCount' AS failed;
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');

SELECT event_bus, rule, target, state, error_code, exhausted_retry_condition, sqlstate, error_message, error_detail,
	   first_error, attempts, first_attempt_at <= dead_lettered_at AS in_order, source, detail_type, input, redrive
FROM eventbus.dead_letters WHERE event_bus = 'dl' ORDER BY dead_letter_id \gx
-- the event is whole
SELECT d.event = e.event AS same, d.event -> 'time' AS "time", l.trace_header, l.resources, l.seq = e.seq AND l.ord = e.ord AS same_place
FROM eventbus.dead_letters d
JOIN eventbus.events e ON e.id = d.event_id
JOIN eventbus.dead_letter_log l USING (dead_letter_id) WHERE d.event_bus = 'dl' ORDER BY dead_letter_id;

-- counted; and those that were dropped
SELECT id, state, delivered, to_retry, dead_lettered, dead_letters, dropped FROM eventbus.targets WHERE event_bus = 'dl' ORDER BY id;
SELECT name, state, detail FROM eventbus.status WHERE name LIKE 'dl/%' ORDER BY name;

-- the first one of a target makes an alert, and it alone
SELECT detail_type, detail - 'event_id' - 'dead_letter_id' - 'error_message' AS detail,
	   detail ->> 'error_message' LIKE 'new row%violates check%' AS message,
	   (SELECT n FROM (SELECT id, detail ->> 'n' AS n FROM eventbus.events WHERE source = 'dl') e WHERE e.id = causation_id) AS comes_of,
	   causation_id::text = detail ->> 'event_id' AS same, hop_count
FROM dl_alerts JOIN eventbus.events USING (id);
-- the target that is put again is told of again
SELECT eb_put_target('all', 'once', 'table', 'dl_inbox', 'dl', maximum_retry_attempts => 0);
SELECT eb_put_event('dl', 't', '{"n": 103}', 'dl') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT eb_put_event('dl', 't', '{"n": 104}', 'dl') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT count(*) AS alerts FROM dl_alerts;

-- an alert that becomes a dead letter makes no other one
SELECT eb_put_rule('dl-loop', '{"source":["eventbus"], "detail": {"event_bus": ["dl", "default"]}}') IS NOT NULL AS put;
CREATE TABLE dl_never (id uuid CHECK (id IS NULL));
SELECT eb_put_target('dl-loop', 'never', 'table', 'dl_never', maximum_retry_attempts => 0);
SELECT eb_put_target('all', 'once', 'table', 'dl_inbox', 'dl', maximum_retry_attempts => 0);
SELECT eb_put_event('dl', 't', '{"n": 105}', 'dl') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT rule, detail_type, attempts FROM eventbus.dead_letters WHERE rule = 'dl-loop';
SELECT count(*) AS alerts FROM eventbus.events WHERE source = 'eventbus' AND detail ->> 'rule' = 'dl-loop';

-- nobody else can put such events
SELECT eb_put_event('eventbus', 'Dead Letter Arrived', '{}');
SELECT eb_put_event('eventbus.x', 't', '{}', 'dl') IS NOT NULL AS put;

-- what is logged of attempts: nothing, failures, all
SELECT eb_put_target('all', 'once', 'table', 'dl_inbox', 'dl', maximum_retry_attempts => 0, log_level => 'error');
SELECT eb_put_target('all', 'drop', 'table', 'dl_inbox', 'dl', maximum_retry_attempts => 0, dead_letters => false, log_level => 'all');
SELECT eb_put_events('[
	{"Source": "dl", "DetailType": "log", "EventBusName": "dl", "Detail": {"n": 2}},
	{"Source": "dl", "DetailType": "log", "EventBusName": "dl", "Detail": {"n": 106}}]') ->> 'FailedEntryCount' AS failed;
SELECT eb_wait_until_delivered('30 s');
SELECT a.target, e.detail -> 'n' AS n, a.message_type, a.attempt, a.error_code, a.sqlstate, a.error_message LIKE 'new row%' AS message,
	   a.duration_ms >= 0 AS duration, a.latency_ms >= 0 AS latency
FROM eventbus.delivery_attempts a JOIN eventbus.events e ON e.id = a.event_id
WHERE a.event_bus = 'dl' ORDER BY 1, 2, 3;

-- what was to be sent, where a transformer makes it
SELECT eb_remove_target('all', id, 'dl') FROM eventbus.targets WHERE event_bus = 'dl';
CREATE FUNCTION dl_reject(event jsonb) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'not %', event USING ERRCODE = 'check_violation'; END$$;
SELECT eb_put_target('all', 'shaped', 'function', 'dl_reject', 'dl', maximum_retry_attempts => 0, input_path => '$.detail');
SELECT eb_put_event('dl', 'shaped', '{"n": 107}', 'dl') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT error_message, input, event -> 'detail' AS detail FROM eventbus.dead_letters WHERE event_bus = 'dl' AND target = 'shaped';
SELECT eb_remove_target('all', 'shaped', 'dl');

-- to a queue instead
SELECT eb_create_queue('dl-queue') IS NOT NULL AS created, eb_create_queue('dl-fifo', fifo => true) IS NOT NULL AS created;
SELECT eb_put_target('all', 'q', 'table', 'dl_inbox', 'dl', dead_letter_queue => 'dl-nowhere');
SELECT eb_put_target('all', 'q', 'table', 'dl_inbox', 'dl', dead_letter_queue => 'dl-fifo');
SELECT eb_put_target('all', 'f', 'table', 'dl_inbox', 'dl', dead_letter_queue => 'dl-fifo', fifo => true, maximum_retry_attempts => 0);
SELECT eb_put_target('all', 'q', 'table', 'dl_inbox', 'dl', dead_letter_queue => 'dl-queue', input => '{"detail": {"n": 200}}', maximum_retry_attempts => 0);
SELECT eb_put_event('dl', 'queued', '{"n": 108}', 'dl', event_group_id => 'group') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT m.body ->> 'detail-type' AS detail_type, m.body -> 'detail' AS detail, m.body = e.event AS whole, m.event_id = e.id AS same, m.attributes
FROM eb_receive_messages('dl-queue', 10) m JOIN eventbus.events e ON e.id = m.event_id;
SELECT m.body -> 'detail' AS detail, message_group_id, m.attributes ->> 'ERROR_CODE' AS code FROM eb_receive_messages('dl-fifo', 10) m;
SELECT id, dead_lettered, dead_letters FROM eventbus.targets WHERE event_bus = 'dl' ORDER BY id;
-- the queue is gone: nothing is lost
SELECT eb_delete_queue('dl-queue');
SELECT eb_put_event('dl', 'queue gone', '{"n": 109}', 'dl') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT target, detail_type, error_code, input FROM eventbus.dead_letters WHERE event_bus = 'dl' AND target = 'q';
SELECT body -> 'detail' AS detail, message_group_id = event_id::text AS own_group FROM eb_receive_messages('dl-fifo', 10);
SELECT eb_delete_queue('dl-fifo');

SELECT eb_remove_target(rule, id, event_bus) FROM eventbus.targets WHERE event_bus = 'dl' OR rule LIKE 'dl-%';
SELECT eb_delete_rule('all', 'dl'), eb_delete_rule('dl-alerts'), eb_delete_rule('dl-loop'), eb_delete_event_bus('dl');
DROP TABLE dl_inbox, dl_alerts, dl_never;
DROP FUNCTION dl_reject;
