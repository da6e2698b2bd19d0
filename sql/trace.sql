-- What became of one event.
\set VERBOSITY terse
SELECT eb_create_event_bus('trace') IS NOT NULL AS created, eb_create_event_bus('trace2') IS NOT NULL AS created;
CREATE TABLE trace_inbox (detail jsonb, id uuid, CONSTRAINT small CHECK ((detail ->> 'n')::int < 100));
CREATE TABLE trace_other (id uuid);
SELECT eb_put_rule('all', '{"source":["trace"]}', 'trace') IS NOT NULL AS put;
SELECT eb_put_rule('big', '{"detail":{"n":[{"numeric": [">", 100]}]}}', 'trace') IS NOT NULL AS put;
SELECT eb_put_rule('off', '{"source":["trace"]}', 'trace', state => 'DISABLED') IS NOT NULL AS put;
SELECT eb_put_rule('later', '{"source":["nothing"]}', 'trace') IS NOT NULL AS put;
SELECT eb_put_target('all', 'quiet', 'table', 'trace_inbox', 'trace', maximum_retry_attempts => 0);
SELECT eb_put_target('all', 'logged', 'table', 'trace_inbox', 'trace', maximum_retry_attempts => 0, log_level => 'all');
SELECT eb_put_target('all', 'drop', 'table', 'trace_inbox', 'trace', maximum_retry_attempts => 0, dead_letters => false, log_level => 'error');
SELECT eb_put_target('all', 'retry', 'table', 'trace_inbox', 'trace');
SELECT eb_put_target('all', 'paused', 'table', 'trace_inbox', 'trace');
SELECT eb_pause_target('all', 'paused', 'trace');
SELECT eb_put_target('off', 'off', 'table', 'trace_other', 'trace');
SELECT eb_put_target('later', 'later', 'table', 'trace_other', 'trace');
SELECT eb_put_rule('none', '{"source":["nothing"]}', 'trace2') IS NOT NULL AS put;

-- what differs from run to run is left out; dispatchers work side by side
CREATE FUNCTION trace(uuid) RETURNS TABLE ("at" boolean, message_type text, event_bus text, rule text, target text, state text,
	attempt int, error_code text, detail text) LANGUAGE sql SET datestyle = 'ISO' AS $$
	SELECT t."at" IS NOT NULL, t.message_type, t.event_bus, t.rule, t.target, t.state,
		CASE WHEN t.state IS DISTINCT FROM 'retrying' THEN t.attempt END, t.error_code,
		regexp_replace(regexp_replace(regexp_replace(t.detail, '\d{4}-\d\d-\d\d [0-9:.+-]+\d', 'TIME', 'g'),
			'dead letter \d+', 'dead letter N'), '[0-9.]+ ms', 'N ms')
	FROM eb_trace($1) WITH ORDINALITY t ORDER BY t.target NULLS FIRST, t.ordinality
$$;
-- many others before and after, so that there is something to search
SELECT count(eb_put_event('trace', 't', '{"n": 0}', 'trace')) FROM generate_series(1, 1000);
SELECT eb_put_event('trace', 't', '{"n": 1}', 'trace') AS good \gset
SELECT eb_put_event('trace', 't', '{"n": 101}', 'trace') AS bad \gset
SELECT eb_put_event('other', 't', '{"n": 1}', 'trace2') AS unmatched \gset
SELECT count(eb_put_event('trace', 't', '{"n": 0}', 'trace')) FROM generate_series(1, 1000);
CREATE PROCEDURE trace_until(condition text) LANGUAGE plpgsql AS $$
DECLARE
	done boolean;
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXECUTE 'SELECT ' || condition INTO done;
		COMMIT;
		EXIT WHEN done;
		PERFORM pg_sleep(0.01);
	END LOOP;
	ASSERT done, condition;
END
$$;
CALL trace_until($$(SELECT bool_and(delivered = 2001) FROM eventbus.targets WHERE event_bus = 'trace' AND rule = 'all' AND id <> 'paused')$$);
CALL trace_until($$(SELECT sum(to_retry) = 1 AND sum(dead_letters) = 2 FROM eventbus.targets WHERE event_bus = 'trace')$$);

SELECT * FROM trace(:'good');
SELECT * FROM trace(:'bad');
SELECT * FROM trace(:'unmatched');
SELECT * FROM trace('00000000-0000-7000-8000-000000000000');
SELECT * FROM trace(NULL);

-- redriven: fails again, then goes well
SELECT eb_redrive(event_bus => 'trace', target => 'quiet');
CALL trace_until($$(SELECT dead_lettered = 2 FROM eventbus.targets WHERE event_bus = 'trace' AND id = 'quiet')$$);
ALTER TABLE trace_inbox DROP CONSTRAINT small;
SELECT eb_redrive(event_bus => 'trace', target => 'quiet');
SELECT eb_discard_dead_letters(event_bus => 'trace', target => 'logged');
CALL trace_until($$EXISTS (SELECT FROM eventbus.targets WHERE event_bus = 'trace' AND id = 'quiet' AND delivered = 2002)$$);
SELECT * FROM trace(:'bad') WHERE target IN ('quiet', 'logged');

-- a rule that matches by now, one that does not any more
SELECT eb_put_rule('later', '{"source":["trace"]}', 'trace') IS NOT NULL AS put;
SELECT eb_put_rule('all', '{"source":["nothing"]}', 'trace') IS NOT NULL AS put;
SELECT * FROM trace(:'good');

-- rights
CREATE ROLE regress_eb_tracer;
SET ROLE regress_eb_tracer;
SELECT * FROM eb_trace(:'good');
RESET ROLE;
GRANT eventbus_monitor TO regress_eb_tracer;
SET ROLE regress_eb_tracer;
SELECT count(*) > 1 AS seen FROM eb_trace(:'good');
RESET ROLE;
DROP ROLE regress_eb_tracer;

SELECT count(*) FROM (SELECT eb_remove_target(rule, id, event_bus) FROM eventbus.targets WHERE event_bus = 'trace') r;
SELECT count(*) FROM (SELECT eb_delete_rule(name, event_bus) FROM eventbus.rules WHERE event_bus LIKE 'trace%') r;
SELECT eb_delete_event_bus('trace'), eb_delete_event_bus('trace2');
DROP TABLE trace_inbox, trace_other;
DROP FUNCTION trace;
DROP PROCEDURE trace_until;
