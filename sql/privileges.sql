-- Rights: what PUBLIC, publishers, monitors and admins may do, and who may
-- change a rule.
CREATE ROLE regress_eb_nobody;
CREATE ROLE regress_eb_publisher IN ROLE eventbus_publisher;
CREATE ROLE regress_eb_monitor IN ROLE eventbus_monitor;
CREATE ROLE regress_eb_consumer IN ROLE eventbus_consumer;
CREATE ROLE regress_eb_admin IN ROLE eventbus_admin;
CREATE ROLE regress_eb_admin2 IN ROLE eventbus_admin;
CREATE ROLE regress_eb_boss IN ROLE eventbus_admin, regress_eb_admin;
CREATE TABLE priv_inbox (id uuid, detail jsonb);
GRANT INSERT ON priv_inbox TO regress_eb_admin;

-- who may execute what (N.B.: a new function must be granted, and listed here)
SELECT p.proname AS function,
       has_function_privilege('regress_eb_nobody', p.oid, 'EXECUTE') AS everybody,
       has_function_privilege('regress_eb_publisher', p.oid, 'EXECUTE') AS publisher,
       has_function_privilege('regress_eb_monitor', p.oid, 'EXECUTE') AS monitor,
       has_function_privilege('regress_eb_consumer', p.oid, 'EXECUTE') AS consumer,
       has_function_privilege('regress_eb_admin', p.oid, 'EXECUTE') AS admin
  FROM pg_proc p
  WHERE p.proname ~ '^eb_(create|update|delete|describe|put|enable|disable|remove|event_bus_arn|rule_arn|queue_arn|send|receive|purge|change|grant|revoke)'
  ORDER BY p.proname COLLATE "C";

-- nothing else of the extension is anybody's: objects that roles have rights on
SELECT c.relname AS object, r.rolname AS role, privilege_type AS may
  FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
  WHERE c.relnamespace = 'eventbus'::regnamespace AND a.grantee <> c.relowner
    AND c.relname IN ('event_buses', 'rules', 'targets', 'event_bus', 'rule', 'target', 'event_log', 'deliveries',
                      'target_positions', 'router_cursor', 'generations', 'leaves', 'queues', 'queue', 'queue_heads', 'messages',
                      'message_claims')
  ORDER BY 1, 2, 3;
SELECT count(*) AS for_public
  FROM pg_class c, aclexplode(c.relacl) a
  WHERE c.relnamespace = 'eventbus'::regnamespace AND a.grantee = 0;

-- base tables are read by none of them
SELECT r.rolname, c.relname
  FROM pg_roles r, pg_class c
  WHERE r.rolname LIKE 'regress\_eb\_%' AND c.relnamespace = 'eventbus'::regnamespace AND c.relkind IN ('r', 'p', 'S')
    AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');

-- nobody
SET ROLE regress_eb_nobody;
SELECT eb_create_event_bus('priv-bus');
SELECT eb_put_event('a', 'b', '{}');
SELECT * FROM eventbus.rules;
RESET ROLE;

-- publisher: puts, and nothing else
SET ROLE regress_eb_publisher;
SELECT eb_put_event('priv', 'b', '{}') IS NOT NULL AS put;
SELECT eb_put_rule('priv-rule', '{"source":["priv"]}');
SELECT * FROM eventbus.event_buses;
SELECT * FROM eventbus.event_log;
RESET ROLE;

-- admin: has no rights on the tables, and needs none
SET ROLE regress_eb_admin;
SELECT eb_create_event_bus('priv-bus') IS NOT NULL AS created;
SELECT eb_put_rule('priv-rule', '{"source":["priv.test"]}', 'priv-bus') IS NOT NULL AS put;
SELECT eb_put_target('priv-rule', 't', 'table', 'public.priv_inbox', 'priv-bus');
SELECT event_bus, name, owner FROM eventbus.rules WHERE name = 'priv-rule';
SELECT current_user;
RESET ROLE;

-- another admin may not change that rule, its targets or the bus
SET ROLE regress_eb_admin2;
SELECT eb_put_rule('priv-rule', '{"source":["x"]}', 'priv-bus');
SELECT eb_disable_rule('priv-rule', 'priv-bus');
SELECT eb_enable_rule('priv-rule', 'priv-bus');
SELECT eb_delete_rule('priv-rule', 'priv-bus');
SELECT eb_put_target('priv-rule', 't', 'table', 'public.priv_inbox', 'priv-bus');
SELECT eb_put_targets('priv-rule', '[{"Id":"t","Type":"table","Resource":"priv_inbox"}]', 'priv-bus');
SELECT eb_remove_target('priv-rule', 't', 'priv-bus');
SELECT eb_remove_targets('priv-rule', '{t}', 'priv-bus');
SELECT eb_update_event_bus('priv-bus', 'mine');
SELECT eb_delete_event_bus('priv-bus');
-- but put its own rule on the bus, with its own rights: it has none on the table
SELECT eb_put_rule('priv-rule2', '{"source":["priv.test"]}', 'priv-bus') IS NOT NULL AS put;
\set VERBOSITY sqlstate
SELECT eb_put_target('priv-rule2', 't', 'table', 'public.priv_inbox', 'priv-bus');
\set VERBOSITY default
SELECT e ->> 'ErrorCode' AS code
  FROM jsonb_array_elements(eb_put_targets('priv-rule2', '[{"Id":"t","Type":"table","Resource":"public.priv_inbox"}]', 'priv-bus') -> 'FailedEntries') e;
SELECT eb_delete_rule('priv-rule2', 'priv-bus');
RESET ROLE;

-- who has the owner's rights may, and the rule stays the owner's
SET ROLE regress_eb_boss;
SELECT eb_put_rule('priv-rule', '{"source":["priv.test2"]}', 'priv-bus') IS NOT NULL AS put;
SELECT eb_put_target('priv-rule', 't2', 'table', 'public.priv_inbox', 'priv-bus');
SELECT name, owner, event_pattern FROM eventbus.rules WHERE name = 'priv-rule';
RESET ROLE;

-- monitor: looks
SET ROLE regress_eb_monitor;
SELECT name, owner FROM eventbus.event_buses WHERE name LIKE 'priv%';
SELECT name, owner FROM eventbus.rules WHERE name LIKE 'priv%';
SELECT rule, id, type, resource, state FROM eventbus.targets WHERE rule LIKE 'priv%' ORDER BY id;
SELECT eb_describe_rule('priv-rule', 'priv-bus') ->> 'CreatedBy' AS created_by;
SELECT eb_describe_event_bus('priv-bus') ->> 'Name' AS name;
SELECT * FROM eventbus.target;
SELECT eb_disable_rule('priv-rule', 'priv-bus');
RESET ROLE;

-- a superuser may change all; a rule that lost its owner is for superusers only
SELECT eb_remove_target('priv-rule', 't', 'priv-bus');
DROP ROLE regress_eb_boss;
REVOKE ALL ON priv_inbox FROM regress_eb_admin;
DROP ROLE regress_eb_admin;
SET ROLE regress_eb_admin2;
SELECT eb_enable_rule('priv-rule', 'priv-bus');
RESET ROLE;
\set VERBOSITY sqlstate
SELECT eb_put_target('priv-rule', 't', 'table', 'public.priv_inbox', 'priv-bus');
\set VERBOSITY default
SELECT eb_put_rule('priv-rule', '{"source":["priv.test"]}', 'priv-bus') IS NOT NULL AS put;
SELECT owner = current_user AS adopted FROM eventbus.rules WHERE name = 'priv-rule';
SELECT eb_put_target('priv-rule', 't', 'table', 'public.priv_inbox', 'priv-bus');

-- a function that runs with its owner's rights makes rules of its owner
CREATE FUNCTION priv_put() RETURNS text LANGUAGE sql SECURITY DEFINER
  AS $$ SELECT eb_put_rule('priv-rule3', '{"source":["x"]}', 'priv-bus'); SELECT owner::text FROM eventbus.rules WHERE name = 'priv-rule3' $$;
GRANT CREATE ON SCHEMA public TO regress_eb_admin2;
ALTER FUNCTION priv_put() OWNER TO regress_eb_admin2;
SELECT priv_put();

SELECT eb_remove_targets('priv-rule', '{t,t2}', 'priv-bus') ->> 'FailedEntryCount' AS failed;
SELECT eb_delete_rule('priv-rule', 'priv-bus'), eb_delete_rule('priv-rule3', 'priv-bus');
SELECT eb_delete_event_bus('priv-bus');
DROP FUNCTION priv_put();
REVOKE CREATE ON SCHEMA public FROM regress_eb_admin2;
DROP TABLE priv_inbox;
DROP ROLE regress_eb_admin2, regress_eb_monitor, regress_eb_consumer, regress_eb_publisher, regress_eb_nobody;
