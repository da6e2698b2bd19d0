-- Dead letters that are delivered again, and those that are discarded.
\set VERBOSITY terse
SELECT eb_create_event_bus('rd') IS NOT NULL AS created;
CREATE TABLE rd_inbox (detail jsonb, id uuid, i bigserial, n int GENERATED ALWAYS AS ((detail ->> 'n')::int) STORED,
	CONSTRAINT small CHECK (n < 100));
CREATE TABLE rd_other (detail jsonb CHECK (false));
SELECT eb_put_rule('r1', '{"detail":{"to":["r1"]}}', 'rd') IS NOT NULL AS put;
SELECT eb_put_rule('r2', '{"detail":{"to":["r2"]}}', 'rd') IS NOT NULL AS put;
SELECT eb_put_target('r1', 'a', 'table', 'rd_inbox', 'rd', maximum_retry_attempts => 0);
SELECT eb_put_target('r2', 'b', 'table', 'rd_other', 'rd', maximum_retry_attempts => 0);

CREATE PROCEDURE rd_put("to" text, ns int[]) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM eb_put_event('rd', 't', jsonb_build_object('to', "to", 'n', n), 'rd') FROM unnest(ns) n;
	COMMIT;
	PERFORM eb_wait_until_delivered('30 s');
END
$$;
-- until that is true
CREATE PROCEDURE rd_until(condition text) LANGUAGE plpgsql AS $$
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
-- until nothing is to be tried again
CREATE PROCEDURE rd_settle() LANGUAGE plpgsql AS $$
BEGIN
	CALL rd_until($q$NOT EXISTS (SELECT FROM eventbus.targets WHERE event_bus = 'rd' AND to_retry > 0)$q$);
END
$$;
CREATE VIEW rd_letters AS
	SELECT rule, target, event -> 'detail' -> 'n' AS n, redrive, state, resolved_at IS NOT NULL AS resolved, attempts, error_code
	FROM eventbus.dead_letters WHERE event_bus = 'rd' ORDER BY dead_letter_id;
CALL rd_put('r1', '{1,101,102,103}');
CALL rd_put('r2', '{201,202}');
TABLE rd_letters;

-- something has to be said
SELECT eb_redrive();
SELECT eb_redrive(everything => false);
SELECT eb_discard_dead_letters();
SELECT eb_redrive(everything => true, rate_limit => 0);
SELECT eb_redrive(ids => '{}');
SELECT eb_redrive(rule => 'r3'), eb_redrive(event_bus => 'nothing'), eb_redrive(error_code => 'TIMEOUT', event_bus => 'rd'),
	   eb_redrive(event_bus => 'rd', "to" => '2026-01-01'), eb_redrive(event_bus => 'rd', "from" => now() + '1 hour');

-- by id: it fails again and comes back as a new one, the old one stays
SELECT eb_redrive(ids => array_agg(dead_letter_id)) AS redriven FROM eventbus.dead_letters WHERE event_bus = 'rd' AND event @> '{"detail": {"n": 101}}';
CALL rd_settle();
TABLE rd_letters;
-- once only
SELECT eb_redrive(ids => array_agg(dead_letter_id)) AS redriven FROM eventbus.dead_letters WHERE event_bus = 'rd' AND state = 'redriven';
SELECT id, delivered, to_retry, dead_lettered, dead_letters FROM eventbus.targets WHERE event_bus = 'rd' ORDER BY id;

-- repaired: by rule, bus as ARN; what was redriven before is one event
ALTER TABLE rd_inbox DROP CONSTRAINT small;
SELECT eb_redrive(rule => 'r1', event_bus => eb_event_bus_arn('rd'), "from" => now() - '1 hour'::interval, "to" => now() + '1 hour'::interval, error_code => 'TARGET_REJECTED') AS redriven;
CALL rd_settle();
SELECT n, e.id IS NOT NULL AS same_event FROM rd_inbox r LEFT JOIN eventbus.events e USING (id) ORDER BY n;
TABLE rd_letters;
SELECT id, delivered, to_retry, dead_lettered, dead_letters FROM eventbus.targets WHERE event_bus = 'rd' ORDER BY id;

-- discarded: out of the count, still to be seen, never redriven
SELECT eb_discard_dead_letters(target => 'b', ids => ARRAY[min(dead_letter_id)]) AS discarded FROM eventbus.dead_letters WHERE event_bus = 'rd' AND target = 'b';
SELECT eb_discard_dead_letters(target => 'b', ids => ARRAY[min(dead_letter_id)]) AS discarded FROM eventbus.dead_letters WHERE event_bus = 'rd' AND target = 'b';
SELECT id, delivered, to_retry, dead_lettered, dead_letters FROM eventbus.targets WHERE event_bus = 'rd' ORDER BY id;

-- a target that was removed: put again under its names, it gets them; until then they wait
SELECT eb_remove_target('r2', 'b', 'rd');
SELECT eb_redrive(event_bus => 'rd') AS redriven;
SELECT eb_put_target('r2', 'b', 'table', 'rd_inbox', 'rd', maximum_retry_attempts => 0);
SELECT eb_redrive(event_bus => 'rd') AS redriven;
CALL rd_settle();
SELECT n FROM rd_inbox ORDER BY n;
TABLE rd_letters;

-- rolled back: as if it had not been
ALTER TABLE rd_inbox ADD CONSTRAINT small CHECK (n < 100) NOT VALID;
CALL rd_put('r1', '{301,302,303}');
BEGIN;
SELECT eb_redrive(rule => 'r1', event_bus => 'rd') AS redriven;
ROLLBACK;
SELECT count(*) FROM rd_letters WHERE state = 'waiting';

-- at a rate: the first at once, the others in their turn; a target that is put
-- again does not pull them forward
ALTER TABLE rd_inbox DROP CONSTRAINT small;
SELECT eb_redrive(rule => 'r1', event_bus => 'rd', rate_limit => 1.0 / 3600) AS redriven;
SELECT eb_put_target('r1', 'a', 'table', 'rd_inbox', 'rd', maximum_retry_attempts => 0);
CALL rd_until('EXISTS (SELECT FROM rd_inbox WHERE n = 301)');
SELECT n FROM rd_inbox WHERE n > 300 ORDER BY n;
SELECT detail -> 'n' AS n, r.attempts, redrive, round(extract(epoch FROM next_attempt_at - accepted_at)) AS late,
	   round(extract(epoch FROM next_attempt_at - now()) / 3600) AS hours
FROM eventbus.delivery_retries r JOIN eventbus.targets t USING (target_id) WHERE t.event_bus = 'rd' ORDER BY next_attempt_at;
UPDATE eventbus.delivery_retries r SET next_attempt_at = now() FROM eventbus.targets t WHERE t.target_id = r.target_id AND t.event_bus = 'rd';
SELECT eb_pause_target('r1', 'a', 'rd'), eb_resume_target('r1', 'a', 'rd');
CALL rd_settle();

-- FIFO: each event group in its order
SELECT eb_put_target('r1', 'a', 'table', 'rd_inbox', 'rd', maximum_retry_attempts => 0, fifo => true);
ALTER TABLE rd_inbox ADD CONSTRAINT small CHECK (n < 100) NOT VALID;
TRUNCATE rd_inbox;
SELECT count(eb_put_event('rd', 't', jsonb_build_object('to', 'r1', 'n', 400 + n), 'rd', event_group_id => 'g' || n % 3)) FROM generate_series(1, 30) n;
SELECT eb_wait_until_delivered('30 s');
CALL rd_settle();
SELECT count(*) FROM rd_letters WHERE state = 'waiting';
ALTER TABLE rd_inbox DROP CONSTRAINT small;
SELECT eb_redrive(rule => 'r1', event_bus => 'rd') AS redriven;
CALL rd_settle();
SELECT n % 3 AS g, array_agg(n ORDER BY i) AS ns FROM rd_inbox GROUP BY 1 ORDER BY 1;

-- rights
CREATE ROLE regress_eb_redriver;
SELECT p.proname, r.rolname, has_function_privilege(r.rolname, p.oid, 'EXECUTE') AS may
FROM pg_proc p, unnest('{regress_eb_redriver,eventbus_publisher,eventbus_monitor,eventbus_admin}'::name[]) r(rolname)
WHERE p.proname IN ('eb_redrive', 'eb_discard_dead_letters') ORDER BY 1, 2;
GRANT eventbus_admin TO regress_eb_redriver;
SET ROLE regress_eb_redriver;
SELECT eb_redrive(event_bus => 'rd'), eb_discard_dead_letters(event_bus => 'rd');
RESET ROLE;
DROP ROLE regress_eb_redriver;
BEGIN READ ONLY;
SELECT eb_redrive(event_bus => 'rd');
ROLLBACK;

SELECT eb_remove_target(rule, id, event_bus) FROM eventbus.targets WHERE event_bus = 'rd';
SELECT eb_delete_rule('r1', 'rd'), eb_delete_rule('r2', 'rd'), eb_delete_event_bus('rd');
DROP TABLE rd_inbox, rd_other;
DROP VIEW rd_letters;
DROP PROCEDURE rd_put, rd_settle, rd_until;
