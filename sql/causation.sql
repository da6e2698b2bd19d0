-- What is put while an event is delivered comes of it.
SELECT eb_create_event_bus('cause') IS NOT NULL AS created;
CREATE TABLE cause_inbox (id uuid, detail jsonb);
-- puts an event about each event, down to 0; shows what it can know of it
CREATE FUNCTION cause_next(detail jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT public.eb_put_event('cause', detail->>'by', jsonb_set(detail, '{n}', to_jsonb((detail->>'n')::int - 1))
		|| jsonb_build_object('because', current_setting('eventbus.event_id')), 'cause')
	WHERE (detail->>'n')::int > 0
$$;
CREATE FUNCTION cause_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM public.cause_next(NEW.detail); RETURN NEW; END$$;
CREATE TRIGGER next AFTER INSERT ON cause_inbox FOR EACH ROW EXECUTE FUNCTION cause_trigger();
CREATE FUNCTION cause_function(event jsonb) RETURNS void LANGUAGE sql AS $$SELECT public.cause_next(event->'detail')$$;
CREATE FUNCTION cause_batch(events jsonb[]) RETURNS void LANGUAGE sql AS $$SELECT public.cause_next(e->'detail') FROM unnest(events) e$$;
SELECT eb_put_rule('by-' || type, jsonb_build_object('detail', jsonb_build_object('by', jsonb_build_array(type))), event_bus => 'cause') IS NOT NULL AS put
FROM unnest('{table,function,batch}'::text[]) type;
SELECT eb_put_target('by-table', 'x', 'table', 'cause_inbox', event_bus => 'cause');
SELECT eb_put_target('by-function', 'x', 'function', 'cause_function', event_bus => 'cause');
SELECT eb_put_target('by-batch', 'x', 'function', 'cause_batch', event_bus => 'cause');

SELECT eb_put_event('cause', type, jsonb_build_object('by', type, 'n', 3), 'cause') IS NOT NULL AS put
FROM unnest('{table,function,batch}'::text[]) type;
-- each call waits for what is committed by then, so one for each step
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT eb_wait_until_delivered('30 s');
SELECT e.detail_type, e.detail->'n' AS n, e.hop_count, e.causation_id IS NULL AS first,
	   c.detail->'n' AS comes_of, e.detail->>'because' = c.id::text AS known
FROM eventbus.events e LEFT JOIN eventbus.events c ON c.id = e.causation_id
WHERE e.source = 'cause' ORDER BY e.detail_type, e.seq;

-- of a batch: the first one, and the highest hop_count
SELECT eb_disable_rule('by-function', 'cause');
CREATE FUNCTION cause_both(events jsonb[]) RETURNS void LANGUAGE sql AS $$
	SELECT public.eb_put_event('cause', 'both', jsonb_build_object('ids', jsonb_agg(e->'id' ORDER BY i)), 'cause')
	FROM unnest(events) WITH ORDINALITY a(e, i)
$$;
CREATE FUNCTION cause_pair(event jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT public.eb_put_event('cause', 'pair', '{"caused": true}', 'cause')
$$;
SELECT eb_put_rule('both', '{"detail-type": ["pair"]}', event_bus => 'cause') IS NOT NULL AS put;
SELECT eb_put_target('both', 'x', 'function', 'cause_both', event_bus => 'cause');
SELECT eb_put_rule('to-pair', '{"detail-type": ["one"]}', event_bus => 'cause') IS NOT NULL AS put;
SELECT eb_put_target('to-pair', 'x', 'function', 'cause_pair', event_bus => 'cause');
-- without the function, five wait for it that were put, and four that came of others;
-- however they are batched then, some of both are in one batch
ALTER FUNCTION cause_both RENAME TO cause_away;
SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'cause', 'DetailType', CASE WHEN n <= 5 THEN 'pair' ELSE 'one' END,
	'Detail', '{}', 'EventBusName', 'cause')))->'FailedEntryCount' AS failed FROM generate_series(1, 9) n;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN (SELECT count(*) FROM eventbus.events WHERE detail_type = 'pair') = 9
			AND (SELECT events FROM eventbus.unrouted()) = 0;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
ALTER FUNCTION cause_away RENAME TO cause_both;
SELECT eb_put_target('both', 'x', 'function', 'cause_both', event_bus => 'cause');
SELECT eb_wait_until_delivered('30 s');
WITH batch AS (
	SELECT e.id, e.hop_count, e.causation_id::text = e.detail->'ids'->>0 AS first, max(p.hop_count) AS max, min(p.hop_count) AS min, count(*) AS n
	FROM eventbus.events e JOIN eventbus.events p ON e.detail->'ids' ? p.id::text
	WHERE e.detail_type = 'both' GROUP BY 1, 2, 3)
SELECT sum(n) AS events, bool_and(first) AS first, bool_and(hop_count = max + 1) AS highest, bool_or(max > min) AS mixed FROM batch;

-- a failed attempt leaves nothing behind; nor is anything set elsewhere
SELECT current_setting('eventbus.event_id') AS event_id;
SET eventbus.event_id = '01a20727-b37e-7e00-8f2b-41491675bc81';
SELECT count(*) AS without FROM eventbus.events WHERE source = 'cause' AND causation_id IS NULL AND hop_count > 0;

-- loops end: a function that puts what it is called with, two buses that send to each other
CREATE FUNCTION cause_loop(event jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT public.eb_put_event('cause', 'loop', '{}', 'cause')
$$;
SELECT eb_put_rule('loop', '{"detail-type": ["loop"]}', event_bus => 'cause') IS NOT NULL AS put;
SELECT eb_put_target('loop', 'x', 'function', 'cause_loop', event_bus => 'cause');
SELECT eb_create_event_bus('cause-' || n) IS NOT NULL AS created FROM generate_series(1, 2) n;
SELECT eb_put_rule('circle', '{"detail-type": ["circle"]}', event_bus => 'cause-' || n) IS NOT NULL AS put FROM generate_series(1, 2) n;
SELECT eb_put_target('circle', 'x', 'bus', 'cause-' || (3 - n), event_bus => 'cause-' || n) FROM generate_series(1, 2) n;
SELECT eb_put_event('cause', 'loop', '{}', 'cause') IS NOT NULL AND eb_put_event('cause', 'circle', '{}', 'cause-1') IS NOT NULL AS put;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN (SELECT count(*) FROM eventbus.dead_letters WHERE rule IN ('loop', 'circle')) = 2;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
SELECT eb_wait_until_delivered('30 s');
SELECT rule, error_code, sqlstate, error_message FROM eventbus.dead_letters WHERE rule IN ('loop', 'circle') ORDER BY rule;
SELECT detail_type, count(*), max(hop_count), count(DISTINCT id) AS ids, count(DISTINCT causation_id) AS causes
FROM eventbus.events WHERE detail_type IN ('loop', 'circle') GROUP BY 1 ORDER BY 1;
SELECT eb_remove_target('circle', 'x', 'cause-' || n) FROM generate_series(1, 2) n;
SELECT eb_delete_rule('circle', 'cause-' || n) FROM generate_series(1, 2) n;
SELECT eb_delete_event_bus('cause-' || n) FROM generate_series(1, 2) n;

SELECT eb_remove_target(r, 'x', 'cause') FROM unnest('{by-table,by-function,by-batch,both,to-pair,loop}'::text[]) r;
SELECT eb_delete_rule(r, 'cause') FROM unnest('{by-table,by-function,by-batch,both,to-pair,loop}'::text[]) r;
SELECT eb_delete_event_bus('cause');
DROP TABLE cause_inbox;
DROP FUNCTION cause_trigger, cause_function, cause_batch, cause_both, cause_pair, cause_loop, cause_next;
