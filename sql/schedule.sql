-- Schedules of rules: what is valid, when they fire, what is known of them.
-- That they fire once, whatever happens, is for test/t/090_schedule.pl.
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- when they would fire
SELECT * FROM eb_next_fire_times('rate(5 minutes)', 3, after => '2026-11-20 10:00:30.5Z');
SELECT * FROM eb_next_fire_times('cron(0 18 ? * MON-FRI *)', 3, 'Europe/Berlin', '2026-03-26 20:00Z');
SELECT * FROM eb_next_fire_times('cron(30 2 * * ? *)', 3, 'Europe/Berlin', '2026-03-28 00:00Z');
SELECT * FROM eb_next_fire_times('cron(30 2 * * ? *)', 2, 'Europe/Berlin', '2026-10-24 12:00Z');
SELECT * FROM eb_next_fire_times('cron(0 12 * * ? *)', 3, 'Pacific/Apia', '2011-12-29Z');
SELECT * FROM eb_next_fire_times('cron(45 1 * * ? *)', 2, 'Australia/Lord_Howe', '2026-04-04 12:00Z');
SELECT * FROM eb_next_fire_times('at(2026-11-20T13:00:00)', timezone => 'America/New_York', after => '2026-11-20Z');
SELECT * FROM eb_next_fire_times('at(2026-11-20T13:00:00)', after => '2026-11-20 13:00Z');
SELECT * FROM eb_next_fire_times('cron(0 0 30 2 ? *)');
SELECT count(*), min(eb_next_fire_times) > now() AS later FROM eb_next_fire_times('rate(1 day)');
SELECT count(*) FROM eb_next_fire_times('cron(* * * * ? *)', 20000);
SELECT count(*) FROM eb_next_fire_times('rate(1 day)', 0);
SELECT * FROM eb_next_fire_times('cron(0 0 1 1 ? 2199)', 5, after => '2026-01-01Z');
SELECT * FROM eb_next_fire_times('cron(0 0 1 1 ? *)', 1, after => '4713-01-01Z BC');
SELECT count(*) FROM eb_next_fire_times('rate(999999999 days)');
SELECT count(*) FROM eb_next_fire_times(NULL);
-- far in the past and in the future, local time is that of the server
SELECT bool_and(extract(hour FROM t AT TIME ZONE z) = 9 AND extract(minute FROM t AT TIME ZONE z) = 30 AND extract(second FROM t) = 0), count(*)
  FROM unnest(ARRAY['America/New_York', 'Asia/Kathmandu', 'Europe/Dublin', 'Africa/Casablanca', 'Pacific/Chatham', 'Antarctica/Troll']) AS z,
       eb_next_fire_times('cron(30 9 * * ? *)', 20000, z, '1975-01-01Z') AS t;

-- what is no schedule
SELECT * FROM eb_next_fire_times('rate(5 minute)');
SELECT * FROM eb_next_fire_times('cron(0 10 * * ?)');
SELECT * FROM eb_next_fire_times('cron(0 24 * * ? *)');
SELECT * FROM eb_next_fire_times('cron(0 0 ü * ? *)');
SELECT * FROM eb_next_fire_times('at(2026-02-29T00:00:00)');
SELECT * FROM eb_next_fire_times('rate(1 day)', timezone => 'Europe/Berlni');
SELECT * FROM eb_next_fire_times('rate(1 day)', timezone => repeat('x', 300));
SELECT * FROM eb_next_fire_times('rate(1 day)', -1);
SELECT * FROM eb_next_fire_times('rate(1 day)', after => 'infinity');

-- a rule with one
SELECT eb_put_rule('sched', schedule_expression => 'cron(0 0 1 1 ? *)');
SELECT eb_describe_rule('sched') - 'CreatedBy';
SELECT eb_put_rule('sched', schedule_expression => 'rate(7 days)', schedule_timezone => 'Europe/Berlin',
                   flexible_time_window => '15 minutes', schedule_start => '2030-01-01Z', schedule_end => '2031-01-01Z',
                   missed_runs => 'skip', state => 'DISABLED', event_pattern => '{"source":["a"]}', description => 'a week');
SELECT eb_describe_rule('sched') - 'CreatedBy';
SELECT schedule_expression, schedule_timezone, flexible_time_window, schedule_start, schedule_end, missed_runs, next_fire_at, last_fired_at
  FROM eventbus.rules WHERE name = 'sched';

-- what it may not be
SELECT eb_create_event_bus('sched-bus') IS NOT NULL AS created;
SELECT eb_put_rule('sched2', event_bus => 'sched-bus', schedule_expression => 'rate(1 day)');
SELECT eb_put_rule('sched2');
SELECT eb_put_rule('sched2', schedule_expression => '');
SELECT eb_put_rule('sched2', schedule_expression => 'rate(1 days)');
SELECT eb_put_rule('sched2', '{"source":["a"]}', schedule_timezone => 'UTC');
SELECT eb_put_rule('sched2', schedule_expression => 'rate(1 day)', schedule_timezone => 'Mars/Olympus');
SELECT eb_put_rule('sched2', schedule_expression => 'rate(1 day)', flexible_time_window => '25 hours');
SELECT eb_put_rule('sched2', schedule_expression => 'rate(1 day)', flexible_time_window => '59 seconds');
SELECT eb_put_rule('sched2', schedule_expression => 'rate(1 day)', flexible_time_window => '1 month');
SELECT eb_put_rule('sched2', schedule_expression => 'rate(1 day)', schedule_start => '2031-01-01Z', schedule_end => '2031-01-01Z');
SELECT eb_put_rule('sched2', schedule_expression => 'rate(1 day)', schedule_end => 'infinity');
SELECT eb_put_rule('sched2', schedule_expression => 'rate(1 day)', missed_runs => 'none');
SELECT eb_delete_event_bus('sched-bus');

-- it may be one that never fires
SELECT eb_put_rule('sched2', schedule_expression => 'cron(15 10 ? * 6L 2002-2005)');
SELECT eb_put_rule('sched2', schedule_expression => 'at(2020-01-01T00:00:00)');

-- what it counts from: put again as it is, it goes on; changed or enabled, it begins anew
CREATE TEMP TABLE sched_since AS SELECT schedule_since FROM eventbus.rule WHERE name = 'sched2';
CREATE FUNCTION pg_temp.since() RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN r.schedule_since IS NULL THEN 'none' WHEN r.schedule_since = s.schedule_since THEN 'as before'
		WHEN r.schedule_since > s.schedule_since THEN 'later' END
	FROM eventbus.rule r, sched_since s WHERE r.name = 'sched2' $$;
DO $$ BEGIN PERFORM eb_put_rule('sched2', '{"source":["b"]}', description => 'x', schedule_expression => 'at(2020-01-01T00:00:00)'); END $$;
SELECT pg_temp.since();
SELECT eb_disable_rule('sched2');
SELECT eb_enable_rule('sched2');
SELECT pg_temp.since();
UPDATE sched_since s SET schedule_since = r.schedule_since FROM eventbus.rule r WHERE r.name = 'sched2';
SELECT eb_enable_rule('sched2');
SELECT pg_temp.since();
SELECT eb_put_rule('sched2', schedule_expression => 'rate(400 days)') IS NOT NULL AS put;
SELECT pg_temp.since();
SELECT eb_put_rule('sched2', '{"source":["b"]}') IS NOT NULL AS put;
SELECT pg_temp.since();
SELECT eb_describe_rule('sched2') ? 'ScheduleExpression' AS scheduled;

-- waits until a query gives true
CREATE PROCEDURE pg_temp.wait_for(query text) LANGUAGE plpgsql AS $$
DECLARE
	done boolean;
BEGIN
	FOR i IN 1 .. 1200 LOOP
		EXECUTE query INTO done;
		IF done THEN RETURN; END IF;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RAISE 'not true in time: %', query;
END $$;

-- it fires: for its own targets, and for patterns that match the event
CREATE TABLE sched_inbox (rule text, detail_type text, source text, "time" timestamptz, resources text[], detail jsonb);
SELECT eb_put_rule('sched-any', '{"source":["aws.events"]}') IS NOT NULL AS put;
SELECT eb_put_target('sched-any', 't', 'table', 'sched_inbox');
SELECT eb_put_rule('sched-other', schedule_expression => 'cron(0 0 1 1 ? *)') IS NOT NULL AS put;
SELECT eb_put_target('sched-other', 't', 'table', 'sched_inbox');
SELECT eb_put_rule('sched-own', '{"source":["aws.events"]}') IS NOT NULL AS put;
SELECT eb_put_target('sched-own', 't', 'table', 'sched_inbox');
SELECT eb_put_target('sched-own', 'again', 'table', 'sched_inbox');
SELECT eb_put_rule('sched-own', '{"source":["aws.events"]}',
                   schedule_expression => to_char(clock_timestamp() + interval '2 s', '"at("YYYY-MM-DD"T"HH24:MI:SS")"')) IS NOT NULL AS put;
SELECT substr(schedule_expression, 4, 19) AS soon FROM eventbus.rules WHERE name = 'sched-own' \gset
CALL pg_temp.wait_for($$SELECT last_fired_at IS NOT NULL FROM eventbus.rules WHERE name = 'sched-own'$$);
SELECT eb_wait_until_delivered('30 s');
SELECT rule, detail_type, source, "time" = :'soon'::timestamptz AS on_time, resources, detail FROM sched_inbox ORDER BY rule;
SELECT event_bus, "time" = :'soon'::timestamptz AS on_time, ingested_at >= "time" AND ingested_at < "time" + interval '30 s' AS soon, event - '{id,time}'::text[] AS event
  FROM eventbus.events WHERE source = 'aws.events' AND resources = ARRAY[eb_rule_arn('sched-own')];
SELECT next_fire_at, last_fired_at = :'soon'::timestamptz AS fired FROM eventbus.rules WHERE name = 'sched-own';
SELECT message_type, rule, target FROM eventbus.events e, eb_trace(e.id)
  WHERE e.source = 'aws.events' AND resources = ARRAY[eb_rule_arn('sched-own')] ORDER BY 1, 2, 3;

-- publishers cannot make such an event
SELECT eb_put_event('aws.events', 'Scheduled Event', '{}', resources => ARRAY[eb_rule_arn('sched-own')]);

-- the next time is computed soon, and is nobody's when the rule is disabled
CALL pg_temp.wait_for($$SELECT next_fire_at IS NOT NULL FROM eventbus.rules WHERE name = 'sched-other'$$);
SELECT to_char(next_fire_at, 'MM-DD HH24:MI:SS') FROM eventbus.rules WHERE name = 'sched-other';
SELECT eb_disable_rule('sched-other');
SELECT next_fire_at, last_fired_at FROM eventbus.rules WHERE name = 'sched-other';
SELECT eb_enable_rule('sched-other');
CALL pg_temp.wait_for($$SELECT next_fire_at IS NOT NULL FROM eventbus.rules WHERE name = 'sched-other'$$);

-- in a window: the time is stored
SELECT eb_put_rule('sched-window', schedule_expression => 'cron(0 0 * * ? *)', flexible_time_window => '1 hour') IS NOT NULL AS put;
CALL pg_temp.wait_for($$SELECT next_fire_at IS NOT NULL FROM eventbus.rules WHERE name = 'sched-window'$$);
SELECT s.fire_at >= s.scheduled_for AND s.fire_at < s.scheduled_for + interval '1 hour' AS within
  FROM eventbus.rule_schedules s JOIN eventbus.rule r USING (rule_id) WHERE r.name = 'sched-window';

-- what is gone is forgotten
SELECT eb_remove_target(rule, id) FROM eventbus.targets WHERE rule LIKE 'sched%' ORDER BY rule, id;
SELECT eb_delete_rule(name) FROM eventbus.rules WHERE name LIKE 'sched%' ORDER BY name;
CALL pg_temp.wait_for($$SELECT NOT EXISTS (SELECT FROM eventbus.rule_schedules s WHERE NOT EXISTS (SELECT FROM eventbus.rule r WHERE r.rule_id = s.rule_id))$$);
DROP TABLE sched_inbox;

-- rights
SET ROLE eventbus_publisher;
SELECT eb_next_fire_times('rate(1 day)');
RESET ROLE;
SET ROLE eventbus_monitor;
SELECT count(*) FROM eb_next_fire_times('rate(1 day)');
RESET ROLE;
