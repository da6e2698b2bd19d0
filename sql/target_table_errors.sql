-- Events that their table does not take go to the dead letters, one by one;
-- the others arrive. What fails for all events fails the target instead.
CREATE SCHEMA tte;
SET search_path = tte, public;
CREATE ROLE regress_tte_owner;
GRANT eventbus_admin TO regress_tte_owner;
GRANT USAGE ON SCHEMA tte TO regress_tte_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA tte GRANT INSERT ON TABLES TO regress_tte_owner;
SELECT eb_create_event_bus('tte') IS NOT NULL AS created;

-- One rule with one target for each table; it matches events whose source is
-- the table's name.
CREATE PROCEDURE target(name text, on_conflict text DEFAULT NULL)
	LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM set_config('role', 'regress_tte_owner', true);
	PERFORM eb_put_rule(name, jsonb_build_object('source', jsonb_build_array(name)), event_bus => 'tte');
	PERFORM eb_put_target(name, 'into', 'table', 'tte.' || name, event_bus => 'tte', on_conflict => on_conflict,
		maximum_retry_attempts => 0);
END
$$;
-- puts events 1 to n for a table in one call, their number as detail type
CREATE PROCEDURE put(name text, n int)
	LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM eb_put_events(jsonb_agg(jsonb_build_object('Source', name, 'DetailType', i::text,
		'EventBusName', 'tte', 'Detail', jsonb_build_object('n', i)) ORDER BY i))
	FROM generate_series(1, n) AS i;
END
$$;
CREATE VIEW failed AS
	SELECT d.rule, d.target, d.event ->> 'detail-type' AS n, d.sqlstate, d.error_message,
		d.event -> 'detail' AS detail, d.event_id = (d.event ->> 'id')::uuid AS same_id
	FROM eventbus.dead_letters d WHERE d.event_bus = 'tte';

-- by a constraint
CREATE TABLE checked (detail_type int CHECK (detail_type % 10 <> 0));
CALL target('checked');
CALL put('checked', 25);
CREATE TABLE uniq (detail_type text, half int DEFAULT 0);
CREATE UNIQUE INDEX uniq_key ON uniq ((detail_type::int / 2));
CALL target('uniq');
CALL put('uniq', 5);
CREATE TABLE uniq_ignored (detail_type text);
CREATE UNIQUE INDEX uniq_ignored_key ON uniq_ignored ((detail_type::int / 2));
CALL target('uniq_ignored', on_conflict => 'ignore');
CALL put('uniq_ignored', 5);
CREATE TABLE excluded (detail_type text, EXCLUDE USING btree ((detail_type::int / 3) WITH =));
CALL target('excluded');
CALL put('excluded', 4);
CREATE TABLE unfit (detail_type int) PARTITION BY LIST (detail_type);
CREATE TABLE unfit_odd PARTITION OF unfit FOR VALUES IN (1, 3);
CALL target('unfit');
CALL put('unfit', 3);
CALL target('unfit_odd');
CALL put('unfit_odd', 2);
SELECT eb_wait_until_delivered('30 s');
SELECT count(*), sum(detail_type) FROM checked;
SELECT detail_type FROM uniq ORDER BY 1;
SELECT detail_type FROM uniq_ignored ORDER BY 1;
SELECT detail_type FROM excluded ORDER BY 1;
SELECT tableoid::regclass, detail_type FROM unfit ORDER BY 1, 2;
SELECT * FROM failed ORDER BY rule, n;

-- by a constraint that waits for the end of the transaction elsewhere
CREATE TABLE parent (detail_type text PRIMARY KEY);
INSERT INTO parent VALUES ('1'), ('3');
CREATE TABLE child (detail_type text REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CALL target('child');
CALL put('child', 3);
CREATE TABLE patient (detail_type text, k int DEFAULT 1 UNIQUE DEFERRABLE INITIALLY DEFERRED);
CALL target('patient');
CALL put('patient', 2);
CREATE TABLE constrained (detail_type text);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.detail_type = '2' THEN
		RAISE EXCEPTION 'no % today', NEW.detail_type USING ERRCODE = 'ZZ123';
	END IF;
	RETURN NEW;
END
$$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON constrained DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION refuse();
CALL target('constrained');
CALL put('constrained', 3);
SELECT eb_wait_until_delivered('30 s');
TABLE child ORDER BY 1;
TABLE patient ORDER BY 1;
TABLE constrained ORDER BY 1;
SELECT rule, n, sqlstate, error_message FROM failed WHERE rule IN ('child', 'patient', 'constrained') ORDER BY rule, n;

-- by a type, a domain, a trigger, a policy, a view
CREATE TYPE number AS ENUM ('1', '3');
CREATE TABLE numbers (detail_type number);
CALL target('numbers');
CALL put('numbers', 3);
CREATE DOMAIN not_two AS text CHECK (VALUE <> '2');
CREATE TABLE domains (detail_type not_two);
CALL target('domains');
CALL put('domains', 3);
CREATE DOMAIN something AS text CHECK (VALUE IS NOT NULL);
CREATE TABLE lacking (detail_type text, thing something);
CALL target('lacking');
CALL put('lacking', 1);
CREATE TABLE short (detail_type varchar(1));
CALL target('short');
CALL put('short', 10);
CREATE TABLE triggered (detail_type text, source text);
CREATE TRIGGER refuse BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION refuse();
CALL target('triggered');
CALL put('triggered', 3);
CREATE TABLE policed (detail_type text);
ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
CREATE POLICY no_two ON policed FOR INSERT WITH CHECK (detail_type <> '2');
CALL target('policed');
CALL put('policed', 3);
CREATE VIEW viewed AS SELECT detail_type FROM short WHERE detail_type > '5' WITH CHECK OPTION;
CALL target('viewed');
CALL put('viewed', 6);
CREATE TABLE generated (detail_type int, quotient int GENERATED ALWAYS AS (6 / (detail_type - 2)) STORED);
CALL target('generated');
CALL put('generated', 3);
SELECT eb_wait_until_delivered('30 s');
TABLE numbers ORDER BY 1;
TABLE domains ORDER BY 1;
TABLE short ORDER BY 1;
SELECT detail_type FROM triggered ORDER BY 1;
TABLE policed ORDER BY 1;
TABLE generated ORDER BY 1;
SELECT rule, n, sqlstate, error_message FROM failed
WHERE rule IN ('numbers', 'domains', 'lacking', 'short', 'triggered', 'policed', 'viewed', 'generated') ORDER BY rule, n;

-- what a trigger leaves behind in the process, whether it succeeds or not
CREATE TABLE locked (detail_type text);
CREATE FUNCTION lock_for_good() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_lock(hashtext('tte'), NEW.detail_type::int);
	PERFORM pg_advisory_lock_shared(hashtext('tte'), 3);
	PERFORM 1 / (NEW.detail_type::int - 2);
	RETURN NEW;
END
$$;
CREATE TRIGGER lock_for_good BEFORE INSERT ON locked FOR EACH ROW EXECUTE FUNCTION lock_for_good();
CALL target('locked');
CALL put('locked', 2);
SELECT eb_wait_until_delivered('30 s');
TABLE locked;
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = hashtext('tte')::oid;

SELECT count(eb_remove_target(name, 'into', event_bus => 'tte')), count(eb_delete_rule(name, event_bus => 'tte'))
FROM unnest(ARRAY['checked', 'uniq', 'uniq_ignored', 'excluded', 'unfit', 'unfit_odd', 'child', 'patient',
	'constrained', 'numbers', 'domains', 'lacking', 'short', 'triggered', 'policed',
	'viewed', 'generated', 'locked']) AS name;
SELECT eb_delete_event_bus('tte');
SET client_min_messages = warning;
DROP SCHEMA tte CASCADE;
DROP OWNED BY regress_tte_owner;
DROP ROLE regress_tte_owner;
