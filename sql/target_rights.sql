-- With whose rights deliveries run.
CREATE ROLE rights_superuser SUPERUSER;
CREATE ROLE rights_admin IN ROLE eventbus_admin;
CREATE ROLE rights_owner;
SELECT eb_create_event_bus('rights') IS NOT NULL AS created;

CREATE TABLE rights_inbox (detail jsonb, who text DEFAULT current_user, trigger_who text);
CREATE FUNCTION rights_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.trigger_who := current_user;
	IF NEW.detail ? 'grab' THEN
		EXECUTE 'ALTER ROLE rights_owner SUPERUSER';
	END IF;
	RETURN NEW;
END
$$;
CREATE TABLE rights_plain (detail jsonb, who text DEFAULT current_user);
ALTER TABLE rights_inbox OWNER TO rights_owner;
ALTER TABLE rights_plain OWNER TO rights_owner;
ALTER FUNCTION rights_note() OWNER TO rights_owner;
GRANT INSERT ON rights_inbox TO rights_admin;

-- a superuser's rule: the owner of the table, not the superuser
SET ROLE rights_superuser;
SELECT eb_put_rule('by-superuser', '{"source":["rights.test"]}', 'rights') IS NOT NULL AS put;
SELECT eb_put_target('by-superuser', 'plain', 'table', 'public.rights_plain', 'rights');
SELECT eb_put_target('by-superuser', 'trigger', 'table', 'public.rights_inbox', 'rights');
RESET ROLE;
CREATE TRIGGER note BEFORE INSERT ON rights_inbox FOR EACH ROW EXECUTE FUNCTION rights_note();
SELECT eb_put_event('rights.test', 'Rights', '{"n": 1}', 'rights') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT * FROM rights_plain;
SELECT * FROM rights_inbox;

-- what the trigger wants is not allowed: class 42, so the target fails and waits
SELECT eb_put_event('rights.test', 'Rights', '{"n": 2, "grab": true}', 'rights') IS NOT NULL AS put;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN EXISTS (SELECT FROM eventbus.targets WHERE event_bus = 'rights' AND id = 'trigger' AND state = 'failed')
			AND (SELECT count(*) FROM rights_plain) = 2;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
SELECT state, regexp_replace(last_error, '([0-9A-Z]{5}).*', '\1') AS sqlstate
FROM eventbus.targets WHERE event_bus = 'rights' AND id = 'trigger';
SELECT rolname, rolsuper FROM pg_roles WHERE rolname = 'rights_owner';
SELECT count(*) FROM rights_plain;
SELECT eb_remove_target('by-superuser', 'trigger', 'rights');
SELECT eb_remove_target('by-superuser', 'plain', 'rights');
SELECT eb_delete_rule('by-superuser', 'rights');

-- a rule of any other role: that role
SET ROLE rights_admin;
SELECT eb_put_rule('by-admin', '{"source":["rights.test"]}', 'rights') IS NOT NULL AS put;
SELECT eb_put_target('by-admin', 'trigger', 'table', 'public.rights_inbox', 'rights');
SELECT eb_put_target('by-admin', 'plain', 'table', 'public.rights_plain', 'rights');
RESET ROLE;
SELECT eb_put_event('rights.test', 'Rights', '{"n": 3}', 'rights') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT * FROM rights_inbox WHERE detail ->> 'n' = '3';

SELECT eb_remove_target('by-admin', 'trigger', 'rights');
SELECT eb_delete_rule('by-admin', 'rights');
SELECT eb_delete_event_bus('rights');
DROP TABLE rights_inbox, rights_plain;
DROP FUNCTION rights_note();
DROP ROLE rights_superuser, rights_admin, rights_owner;
