-- A target whose table cannot take any event fails as a whole: what was
-- matched for it waits, and arrives in order when the table is as it should.
CREATE SCHEMA ttf;
SET search_path = ttf, public;
CREATE ROLE regress_ttf_owner;
GRANT eventbus_admin TO regress_ttf_owner;
GRANT USAGE ON SCHEMA ttf TO regress_ttf_owner;
SELECT eb_create_event_bus('ttf') IS NOT NULL AS created;
CREATE TABLE inbox (n bigint GENERATED ALWAYS AS IDENTITY, detail_type text);
CREATE TABLE healthy (detail_type text);
GRANT INSERT ON inbox, healthy TO regress_ttf_owner;
SET ROLE regress_ttf_owner;
SELECT count(eb_put_rule(t, '{"source":["ttf"]}', event_bus => 'ttf')),
	count(eb_put_target(t, 'into', 'table', 'ttf.' || t, event_bus => 'ttf'))
FROM unnest(ARRAY['inbox', 'healthy']) AS t;
RESET ROLE;

-- puts an event of that detail type
CREATE PROCEDURE put(detail_type text) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM eb_put_event('ttf', detail_type, '{}', event_bus => 'ttf');
END
$$;
-- waits until it is in the other table while this one has failed, and says why
CREATE PROCEDURE wait_failed(put text) LANGUAGE plpgsql AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + '30 s';
	inbox record;
BEGIN
	LOOP
		SELECT t.state, t.last_error INTO inbox FROM eventbus.targets t
		WHERE t.event_bus = 'ttf' AND t.rule = 'inbox';
		EXIT WHEN inbox.state = 'failed' AND EXISTS (SELECT FROM ttf.healthy h WHERE h.detail_type = put);
		IF clock_timestamp() > deadline THEN
			RAISE 'inbox is still %', inbox;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE NOTICE '%', inbox.last_error;
END
$$;

-- no table
ALTER TABLE inbox RENAME TO outbox;
CALL put('renamed');
CALL wait_failed('renamed');
CALL put('renamed too');
ALTER TABLE outbox RENAME TO inbox;
SELECT eb_wait_until_delivered('30 s');
-- no schema
ALTER SCHEMA ttf RENAME TO ttf_away;
SET search_path = ttf_away, public;
SELECT count(eb_put_event('ttf', 'no schema', '{}', event_bus => 'ttf'));
ALTER SCHEMA ttf_away RENAME TO ttf;
SET search_path = ttf, public;
SELECT eb_wait_until_delivered('30 s');
-- no right
REVOKE INSERT ON inbox FROM regress_ttf_owner;
CALL put('no insert');
CALL wait_failed('no insert');
GRANT INSERT (detail_type) ON inbox TO regress_ttf_owner;
SELECT eb_wait_until_delivered('30 s');
-- no way to fill a row
ALTER TABLE inbox ADD must int NOT NULL DEFAULT 0;
ALTER TABLE inbox ALTER must DROP DEFAULT;
CALL put('no default');
CALL wait_failed('no default');
ALTER TABLE inbox ALTER must SET DEFAULT 1;
SELECT eb_wait_until_delivered('30 s');
-- no column of a fitting type
ALTER TABLE inbox ALTER detail_type TYPE bytea USING detail_type::bytea;
CALL put('no type');
CALL wait_failed('no type');
ALTER TABLE inbox ALTER detail_type TYPE text USING convert_from(detail_type, 'UTF8');
SELECT eb_wait_until_delivered('30 s');
-- no column at all
ALTER TABLE inbox RENAME detail_type TO kind;
CALL put('no column');
CALL wait_failed('no column');
ALTER TABLE inbox RENAME kind TO detail_type;
SELECT eb_wait_until_delivered('30 s');
-- a statement that the table does not take
SET ROLE regress_ttf_owner;
SELECT eb_put_target('inbox', 'into', 'table', 'ttf.inbox', event_bus => 'ttf', on_conflict => 'ignore');
RESET ROLE;
CREATE RULE copy AS ON INSERT TO inbox DO ALSO NOTIFY ttf;
CALL put('rule');
CALL wait_failed('rule');
DROP RULE copy ON inbox;
SELECT eb_wait_until_delivered('30 s');

SELECT detail_type, must FROM inbox ORDER BY n;
SELECT state, delivered, dead_lettered FROM eventbus.targets WHERE event_bus = 'ttf' AND rule = 'inbox';
SELECT count(*) FROM healthy;

SELECT count(eb_remove_target(name, 'into', event_bus => 'ttf')), count(eb_delete_rule(name, event_bus => 'ttf'))
FROM unnest(ARRAY['inbox', 'healthy']) AS name;
SELECT eb_delete_event_bus('ttf');
SET client_min_messages = warning;
DROP SCHEMA ttf CASCADE;
DROP OWNED BY regress_ttf_owner;
DROP ROLE regress_ttf_owner;
