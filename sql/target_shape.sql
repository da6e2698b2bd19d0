-- What targets of each type get with an input, an input path or an input
-- transformer. Templates by themselves: input_transformer. Tables:
-- target_table_payload. Channels and the log: test/t/083_shaped_text.pl.
CREATE SCHEMA ts;
SET search_path = ts, public;
SELECT eb_create_event_bus(b) IS NOT NULL AS created FROM unnest('{ts,ts-next}'::text[]) b;
SELECT eb_put_rule('all', '{"source":["ts"]}', event_bus => b) IS NOT NULL AS put FROM unnest('{ts,ts-next}'::text[]) b;
CREATE TABLE calls (n serial, target text, payload jsonb, events int);
CREATE FUNCTION one(event jsonb, context jsonb) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS
	$$ INSERT INTO calls (target, payload) VALUES (context->>'target', event) $$;
CREATE FUNCTION many(events jsonb[], context jsonb) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS
	$$ INSERT INTO calls (target, payload, events) SELECT context->>'target', e, cardinality(events) FROM unnest(events) WITH ORDINALITY AS u (e, o) ORDER BY o $$;
CREATE FUNCTION send(VARIADIC details jsonb[]) RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
	answer jsonb := eb_put_events((SELECT jsonb_agg(jsonb_build_object('Source', 'ts', 'DetailType', 'Order Placed', 'Time', '2026-01-02T03:04:05Z', 'Detail', d, 'EventBusName', 'ts') ORDER BY o)
								   FROM unnest(details) WITH ORDINALITY AS u (d, o)));
BEGIN
	RETURN answer->>'FailedEntryCount';
END
$$;
\pset format unaligned
\pset tuples_only on

-- as EventBridge has them: the three, in its spelling; others are entries that failed, with its text
SELECT jsonb_pretty(eb_put_targets('all', '[
	{"Id": "template", "Type": "function", "Resource": "one", "InputTransformer": {"InputPathsMap": {"order": "$.detail.orderId", "total": "$.detail.totalAmount"},
		"InputTemplate": "{\"text\": \"Order <order>\", \"total\": <total>, \"rule\": <aws.events.rule-name>}"}},
	{"Id": "text", "Type": "function", "Resource": "one", "InputTransformer": {"InputPathsMap": {"order": "$.detail.orderId"}, "InputTemplate": "\"Order <order> placed\""}},
	{"Id": "lines", "Type": "function", "Resource": "many", "InputTransformer": {"InputTemplate": "<aws.events.rule-arn>"}},
	{"Id": "input", "Type": "function", "Resource": "one", "Input": "{\"a\":1}"},
	{"Id": "string", "Type": "function", "Resource": "one", "Input": "\"text\""},
	{"Id": "json", "Type": "function", "Resource": "one", "Input": [1, {"b": null}]},
	{"Id": "path", "Type": "function", "Resource": "one", "InputPath": "$.detail.orderId"},
	{"Id": "nothing", "Type": "function", "Resource": "one", "InputPath": "$.detail.none"},
	{"Id": "paths", "Type": "function", "Resource": "many", "InputPath": "$.detail.items[*].sku"},
	{"Id": "whole", "Type": "function", "Resource": "many", "InputPath": "$"},
	{"Id": "null", "Type": "function", "Resource": "one", "Input": null, "InputPath": null, "InputTransformer": null},
	{"Id": "bad-1", "Type": "function", "Resource": "one", "Input": "{\"a\":"},
	{"Id": "bad-2", "Type": "function", "Resource": "one", "Input": "text"},
	{"Id": "bad-3", "Type": "function", "Resource": "one", "Input": "1", "InputPath": "$"},
	{"Id": "bad-4", "Type": "function", "Resource": "one", "InputTransformer": {"InputPathsMap": {"order": "$.detail.orderId"}, "InputTemplate": "<notdefinedkey>"}},
	{"Id": "bad-5", "Type": "function", "Resource": "one", "InputTransformer": {"InputTemplate": "{\"a\": "}},
	{"Id": "bad-6", "Type": "function", "Resource": "one", "InputTransformer": {"InputPathsMap": {}}},
	{"Id": "bad-7", "Type": "function", "Resource": "one", "InputTransformer": {"InputPathsMap": {"aws.x": "$"}, "InputTemplate": "x"}},
	{"Id": "bad-8", "Type": "function", "Resource": "one", "InputTransformer": "x"},
	{"Id": "bad-9", "Type": "table", "Resource": "calls", "Input": "{\"none\": 1}"},
	{"Id": "bad-10", "Type": "table", "Resource": "calls", "Input": "[]"}]', 'ts'));
SELECT eb_put_target('all', 'bad', 'function', 'one', event_bus => 'ts', input => '1', input_path => '$');
SELECT id, parameters FROM eventbus.targets WHERE event_bus = 'ts' ORDER BY id COLLATE "C";

SELECT send('{"orderId": "ORD-1", "totalAmount": 1249.00, "items": [{"sku": "A"}, {"sku": "B"}]}', '{"orderId": "q\"q", "items": []}');
SELECT eb_wait_until_delivered('30 s');
SELECT target, payload - 'id' FROM calls WHERE jsonb_typeof(payload) = 'object' ORDER BY target COLLATE "C", n;
SELECT target, payload FROM calls WHERE jsonb_typeof(payload) <> 'object' ORDER BY target COLLATE "C", n;
SELECT target, max(events), count(*) FROM calls GROUP BY 1 HAVING max(events) > 1 ORDER BY 1;

-- what eb_test_target() says is what they got; of a text in quotes that is JSON, what is between them
SELECT target, count(*), bool_and(coalesce(CASE WHEN target = 'lines' OR shown LIKE '%q"q%' AND target = 'text' THEN to_jsonb(shown) ELSE shown::jsonb END = payload, false)) AS agrees
FROM (SELECT c.target, c.payload, eb_test_target('all', c.target, e.id, 'ts') AS shown
	  FROM (SELECT *, row_number() OVER (PARTITION BY target ORDER BY n) AS o FROM calls) c
	  JOIN (SELECT id, row_number() OVER (ORDER BY seq, ord) AS o FROM eventbus.events WHERE event_bus = 'ts') e USING (o)) x
GROUP BY 1 ORDER BY target COLLATE "C";
SELECT eb_remove_targets('all', array_agg(id), 'ts')->'FailedEntryCount' FROM eventbus.targets WHERE event_bus = 'ts';
TRUNCATE calls;

-- a template whose result is no JSON for one of a hundred events: that one is a dead letter at once
SELECT eb_put_target('all', 'x', 'function', 'many', event_bus => 'ts',
	input_transformer => '{"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": "{\"minus\": -<n>}"}');
SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'ts', 'DetailType', 't', 'EventBusName', 'ts', 'Detail',
	jsonb_build_object('n', CASE WHEN i = 42 THEN '"text"' ELSE to_jsonb(i) END)) ORDER BY i))->'FailedEntryCount' FROM generate_series(1, 100) i;
SELECT eb_wait_until_delivered('30 s');
SELECT count(*), sum((payload->>'minus')::int), bool_and(n_is_next) FROM (SELECT payload, coalesce(payload->'minus' < lag(payload->'minus') OVER (ORDER BY n), true) AS n_is_next FROM calls) x;
SELECT event->'detail', error_code, exhausted_retry_condition, sqlstate, error_message, error_detail, attempts FROM eventbus.dead_letters WHERE event_bus = 'ts';
SELECT delivered, dead_lettered, to_retry, state FROM eventbus.targets WHERE event_bus = 'ts';
-- preview and delivery say the same
SELECT eb_test_target('all', 'x', event_id, 'ts') FROM eventbus.dead_letters WHERE event_bus = 'ts';
TRUNCATE calls;

-- a target that waits takes what its transformer is when it goes on
SELECT eb_put_target('all', 'x', 'function', 'one', event_bus => 'ts', input => '["before"]');
SELECT eb_pause_target('all', 'x', 'ts');
SELECT send('{"n": 1}', '{"n": 2}');
SELECT eb_put_target('all', 'x', 'function', 'one', event_bus => 'ts', input_path => '$.detail.n');
SELECT eb_resume_target('all', 'x', 'ts');
SELECT eb_wait_until_delivered('30 s');
SELECT payload FROM calls ORDER BY n;
TRUNCATE calls;
SELECT eb_remove_target('all', 'x', 'ts');

-- a bus takes an object as the detail; all else of the event stays
SELECT eb_put_target('all', 'sink', 'function', 'one', event_bus => 'ts-next');
SELECT eb_put_target('all', 'x', 'bus', 'ts-next', event_bus => 'ts',
	input_transformer => '{"InputPathsMap": {"order": "$.detail.orderId"}, "InputTemplate": "{\"order\": <order>, \"at\": <aws.events.event.ingestion-time>}"}');
SELECT send('{"orderId": "ORD-2"}');
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT payload->'source', payload->'detail-type', payload->'time', (payload->'detail') - 'at', payload->'detail' ? 'at', payload->>'id' = e.id::text
FROM calls, eventbus.events e WHERE e.event_bus = 'ts' AND e.detail->>'orderId' = 'ORD-2';
-- and nothing else: dead letters, at once and without a retry
SELECT eb_put_target('all', 'x', 'bus', 'ts-next', event_bus => 'ts', input_path => '$.detail.value');
SELECT send('{"value": "scalar"}', '{"value": [{}]}', '{"value": {"good": true}}', '{}');
SELECT eb_wait_until_delivered('30 s');
SELECT event->'detail', error_code, exhausted_retry_condition, sqlstate, error_message, error_detail, attempts
FROM eventbus.dead_letters WHERE event_bus = 'ts' AND target = 'x' AND NOT event->'detail' ? 'n' ORDER BY dead_letter_id;
SELECT detail FROM eventbus.events WHERE event_bus = 'ts-next' ORDER BY seq, ord OFFSET 1;
SELECT delivered, dead_lettered, to_retry, state FROM eventbus.targets WHERE event_bus = 'ts';

-- the example of the manual: an order as a function of the warehouse takes it
CREATE FUNCTION process_order(payload jsonb) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS
	$$ INSERT INTO calls (target, payload) VALUES ('process_order', payload) $$;
SELECT eb_put_target('all', 'x', 'function', 'process_order', event_bus => 'ts', input_transformer => '{
	"InputPathsMap": {"orderId": "$.detail.orderId", "totalAmount": "$.detail.totalAmount", "timestamp": "$.time"},
	"InputTemplate": "{\"orderId\": <orderId>, \"totalAmount\": <totalAmount>, \"timestamp\": <timestamp>, \"processedBy\": \"event-transformer\", \"priority\": \"high\"}"}');
SELECT send('{"orderId": "ORD-12345", "customerId": "C-1", "totalAmount": 1249.99}');
SELECT eb_wait_until_delivered('30 s');
SELECT payload FROM calls WHERE target = 'process_order';
-- the same object as a row
CREATE TABLE processed_orders ("orderId" text PRIMARY KEY, "totalAmount" numeric, "timestamp" timestamptz, "processedBy" text, priority text, received_at timestamptz DEFAULT now());
SELECT eb_put_target('all', 'row', 'table', 'processed_orders', event_bus => 'ts', on_conflict => 'ignore', input_transformer => '{
	"InputPathsMap": {"orderId": "$.detail.orderId", "totalAmount": "$.detail.totalAmount", "timestamp": "$.time"},
	"InputTemplate": "{\"orderId\": <orderId>, \"totalAmount\": <totalAmount>, \"timestamp\": <timestamp>, \"processedBy\": \"event-transformer\", \"priority\": \"high\"}"}');
SELECT send('{"orderId": "ORD-12346", "totalAmount": 5}', '{"orderId": "ORD-12346", "totalAmount": 6}');
SELECT eb_wait_until_delivered('30 s');
SELECT "orderId", "totalAmount", "timestamp" = '2026-01-02T03:04:05Z', "processedBy", priority, received_at IS NOT NULL FROM processed_orders;

SELECT eb_remove_targets('all', '{x,row}', 'ts')->'FailedEntryCount';
SELECT eb_remove_target('all', 'sink', 'ts-next');
SELECT eb_delete_rule('all', b) FROM unnest('{ts,ts-next}'::text[]) b;
SELECT eb_delete_event_bus(b) FROM unnest('{ts,ts-next}'::text[]) b;
SET client_min_messages = warning;
DROP SCHEMA ts CASCADE;
