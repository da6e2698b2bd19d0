-- What an operator sees.
SELECT eb_create_event_bus('status') IS NOT NULL AS created;
CREATE TABLE status_inbox (id uuid, detail jsonb, CHECK (detail ->> 'n' <> '13'));
SELECT eb_put_rule('all', event_bus => 'status', event_pattern => '{"source": ["status.test"]}') IS NOT NULL AS put;
SELECT eb_put_target('all', 'inbox', 'table', 'status_inbox', event_bus => 'status', maximum_retry_attempts => 0);

SELECT count(eb_put_event('status.test', 'Counted', jsonb_build_object('n', n), 'status')) FROM generate_series(11, 15) n;
SELECT eb_wait_until_delivered('30 s');
SELECT count(*) FROM status_inbox;

SELECT item, name, state, waiting, detail, last_error FROM eventbus.status WHERE item = 'target' AND name LIKE 'status/%';
SELECT item, state FROM eventbus.status WHERE item IN ('launcher', 'router') ORDER BY item;
SELECT item, state FROM eventbus.status WHERE item = 'dispatcher' AND name = '0';
SELECT event_bus, rule, target, sqlstate, error_message, attempts, event -> 'detail' AS detail
FROM eventbus.dead_letters WHERE event_bus = 'status';

-- a target that cannot be used keeps its backlog; putting it again tries it at once
ALTER TABLE status_inbox RENAME TO status_inbox_away;
SELECT count(eb_put_event('status.test', 'Counted', jsonb_build_object('n', n), 'status')) FROM generate_series(21, 23) n;
SELECT eb_wait_until_delivered('0 s');
CREATE FUNCTION pg_temp.wait_for_state(wanted text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		IF EXISTS (SELECT FROM eventbus.status WHERE name = 'status/all/inbox' AND state = wanted) THEN
			RETURN true;
		END IF;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN false;
END
$$;
SELECT pg_temp.wait_for_state('failed');
SELECT state, waiting, detail, last_error, oldest < interval '1 hour' AS oldest FROM eventbus.status WHERE name = 'status/all/inbox';
ALTER TABLE status_inbox_away RENAME TO status_inbox;
SELECT eb_put_target('all', 'inbox', 'table', 'status_inbox', event_bus => 'status', maximum_retry_attempts => 0);
SELECT eb_wait_until_delivered('30 s');
SELECT state, waiting, detail FROM eventbus.status WHERE name = 'status/all/inbox';
SELECT count(*) FROM status_inbox;

-- waiting
SELECT eb_wait_until_delivered(NULL);
SELECT eb_wait_until_delivered('-1 s');
SELECT eb_wait_until_delivered('0 s') IS NOT NULL AS at_once;

-- what this transaction put is not waited for: nobody can see it yet
BEGIN;
SELECT eb_put_event('status.test', 'Counted', '{"n": 31}', 'status') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT count(*) FROM status_inbox;
COMMIT;
SELECT eb_wait_until_delivered('30 s');
SELECT count(*) FROM status_inbox;

-- a monitor sees all this, and may not change it
CREATE ROLE status_monitor IN ROLE eventbus_monitor;
SET ROLE status_monitor;
SELECT count(*) > 3 AS rows FROM eventbus.status;
SELECT count(*) FROM eventbus.dead_letters WHERE event_bus = 'status';
SELECT eb_run_maintenance();
RESET ROLE;
DROP ROLE status_monitor;

-- a target that was put off for long, and is removed then, is not waited for
DROP TABLE status_inbox;
SELECT eb_put_event('status.test', 'Counted', '{"n": 41}', 'status') IS NOT NULL AS put;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN EXISTS (SELECT FROM eventbus.targets WHERE event_bus = 'status' AND attempts > 6);
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
SELECT eb_remove_target('all', 'inbox', event_bus => 'status');
SELECT eb_wait_until_delivered('5 s');

SELECT eb_delete_rule('all', event_bus => 'status');
SELECT eb_delete_event_bus('status');
