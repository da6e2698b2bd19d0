-- Targets: put, replace, remove, list.
SELECT eb_create_event_bus('target-bus') IS NOT NULL AS created;
SELECT eb_put_rule('t-rule', '{"source":["target.test"]}', 'target-bus') IS NOT NULL AS put;
CREATE TABLE target_inbox (id uuid PRIMARY KEY, source text, detail jsonb);
CREATE TABLE target_other (id uuid, detail jsonb);
CREATE VIEW targets_here AS
  SELECT id, type, resource, parameters, state, attempts, delivered, dead_lettered
    FROM eventbus.targets WHERE event_bus = 'target-bus' AND rule = 't-rule' ORDER BY id;

-- one
SELECT eb_put_target('t-rule', 'inbox', 'table', 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule', 'other', 'table', 'public.target_other', event_bus => 'target-bus', on_conflict => 'ignore');
TABLE targets_here;

-- replaced by id: it stays the same target, and its failures are forgotten
SELECT t.target_id, p.position FROM eventbus.target t JOIN eventbus.target_positions p USING (target_id)
  WHERE t.id = 'inbox' AND t.rule_id = (SELECT rule_id FROM eventbus.rule WHERE name = 't-rule') \gset
UPDATE eventbus.target_positions SET state = 'failed', attempts = 3, last_error = 'no such table', last_error_at = now(), delivered = 7
  WHERE target_id = :target_id;
SELECT eb_put_target('t-rule', 'inbox', 'table', 'target_other', 'target-bus', parameters => '{"on_conflict": "error"}');
TABLE targets_here;
SELECT t.target_id = :target_id AS same, p.position = :position AS at, p.last_error, p.last_error_at
  FROM eventbus.target t JOIN eventbus.target_positions p USING (target_id)
  WHERE t.id = 'inbox' AND t.rule_id = (SELECT rule_id FROM eventbus.rule WHERE name = 't-rule');

-- what is no target
SELECT eb_put_target('t-rule', 'inbox 2', 'table', 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule', NULL, 'table', 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule', 'x', 'lambda', 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule', 'x', NULL, 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule-none', 'x', 'table', 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule', 'x', 'table', 'target_inbox');
SELECT eb_put_target('t-rule', 'x', 'table', 'target_inbox', 'target-bus-none');
SELECT eb_put_target(NULL, 'x', 'table', 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule', 'x', 'table', 'target_inbox', NULL);
SELECT eb_put_target('t-rule', 'x', 'table', 'target_inbox', 'target-bus', parameters => '[1]');
SELECT eb_put_target('t-rule', 'x', 'table', 'target_inbox', 'target-bus', parameters => '{"on_conflict": "error"}', on_conflict => 'ignore');
\set VERBOSITY sqlstate
SELECT eb_put_target('t-rule', repeat('x', 65), 'table', 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule', 'x', 'table', 'target_none', 'target-bus');
SELECT eb_put_target('t-rule', 'x', 'table', NULL, 'target-bus');
SELECT eb_put_target('t-rule', 'x', 'table', 'target_inbox', 'target-bus', on_conflict => 'explode');
SELECT eb_put_target('t-rule', 'x', 'table', 'target_inbox', 'target-bus', parameters => '{"color": "red"}');
\set VERBOSITY default
SELECT eb_put_target('t-rule', 'y', 'table', 'target_inbox', 'target-bus', parameters => NULL);
SELECT eb_remove_target('t-rule', 'y', 'target-bus');

-- many: what is wrong with one entry is reported, the others are put
SELECT eb_put_targets('t-rule', '[{"Id": "m1", "Type": "table", "Resource": "target_inbox"},
                                  {"Id": "m2", "Type": "table", "Resource": "target_inbox", "Parameters": {"on_conflict": "ignore"}},
                                  {"Id": "m3", "Type": "table", "Resource": "target_inbox", "OnConflict": "ignore", "Parameters": null}]', 'target-bus');
SELECT jsonb_pretty(eb_put_targets('t-rule', '[{"Id": "m4", "Type": "table", "Resource": "target_inbox"},
                                  {"Id": "m5", "Type": "nosuch", "Resource": "target_inbox"},
                                  {"Id": "m6", "Type": "table", "Resource": "target_inbox", "RoleArn": "arn:x"},
                                  {"Id": "m7", "Type": 7},
                                  {"Id": "m8"}]', 'target-bus'));
SELECT e ->> 'TargetId' AS id, e ->> 'ErrorCode' AS code
  FROM jsonb_array_elements(eb_put_targets('t-rule', '[{"Id": "m9", "Type": "table", "Resource": "target_none"}]', 'target-bus') -> 'FailedEntries') e;
TABLE targets_here;

-- many: what is wrong with the call is raised, and nothing is put
SELECT eb_put_targets('t-rule', '[{"Id": "n1", "Type": "table", "Resource": "target_inbox"}, {"Id": "n 2"}]', 'target-bus');
SELECT eb_put_targets('t-rule', '[{"Id": "n1", "Type": "table", "Resource": "target_inbox"}, {"Type": "table"}]', 'target-bus');
SELECT eb_put_targets('t-rule', '[{"Id": "n1", "Type": "table", "Resource": "target_inbox"}, {"Id": null}]', 'target-bus');
SELECT eb_put_targets('t-rule', '[{"Id": 1}]', 'target-bus');
SELECT eb_put_targets('t-rule', '["n1"]', 'target-bus');
SELECT eb_put_targets('t-rule', '[[]]', 'target-bus');
SELECT eb_put_targets('t-rule', '{"Id": "n1"}', 'target-bus');
SELECT eb_put_targets('t-rule', '"n1"', 'target-bus');
SELECT eb_put_targets('t-rule', '[]', 'target-bus');
SELECT eb_put_targets('t-rule', NULL, 'target-bus');
SELECT eb_put_targets('t-rule-none', '[{"Id": "n1"}]', 'target-bus');
SELECT count(*) FROM targets_here WHERE id LIKE 'n%';

-- remove: the position goes too
SELECT eb_remove_target('t-rule', 'inbox', 'target-bus');
SELECT count(*) AS positions FROM eventbus.target_positions WHERE target_id = :target_id;
SELECT eb_remove_target('t-rule', 'inbox', 'target-bus');
SELECT eb_remove_target('t-rule', NULL, 'target-bus');
SELECT eb_remove_target('t-rule', 'inbox', 'target-bus-none');
SELECT eb_remove_targets('t-rule', ARRAY['m1', 'nosuch', 'm2'], 'target-bus');
SELECT eb_remove_targets('t-rule', ARRAY['m3', NULL], 'target-bus');
SELECT eb_remove_targets('t-rule', '{}', 'target-bus');
SELECT eb_remove_targets('t-rule', NULL, 'target-bus');
SELECT eb_remove_targets('t-rule', ARRAY['m3', 'm4', 'other'], 'target-bus');
TABLE targets_here;

-- the same id under another rule is another target; rolled back, none is
SELECT eb_put_rule('t-rule2', '{"source":["target.test"]}', 'target-bus') IS NOT NULL AS put;
BEGIN;
SELECT eb_put_target('t-rule', 'inbox', 'table', 'target_inbox', 'target-bus');
SELECT eb_put_target('t-rule2', 'inbox', 'table', 'target_inbox', 'target-bus');
SELECT rule, id FROM eventbus.targets WHERE event_bus = 'target-bus' ORDER BY rule;
ROLLBACK;
SELECT rule, id FROM eventbus.targets WHERE event_bus = 'target-bus' ORDER BY rule;

-- a target that is copied in, as a restore does, has a position too
BEGIN;
SELECT set_config('test.rule_id', rule_id::text, true) IS NOT NULL AS set FROM eventbus.rule WHERE name = 't-rule';
CREATE FUNCTION pg_temp.this_rule() RETURNS int LANGUAGE sql AS $$ SELECT current_setting('test.rule_id')::int $$;
ALTER TABLE eventbus.target ALTER rule_id SET DEFAULT pg_temp.this_rule();
SET LOCAL session_replication_role = replica;
COPY eventbus.target (id, type, resource, parameters) FROM stdin;
copied	table	public.target_inbox	{}
\.
SELECT id, state, delivered FROM targets_here;
ROLLBACK;

-- the trigger that gives it one is good for nothing else
CREATE TABLE target_like (LIKE eventbus.target);
CREATE TRIGGER a AFTER INSERT ON target_like FOR EACH ROW EXECUTE FUNCTION eventbus.target_created();
CREATE TRIGGER b AFTER TRUNCATE ON target_like FOR EACH STATEMENT EXECUTE FUNCTION eventbus.target_created();
INSERT INTO target_like (target_id, rule_id, id, type, parameters, pauses, search_path, created_at)
	VALUES (0, 0, 'like', 'table', '{}', '{}', '', now());
TRUNCATE target_like;
DROP TABLE target_like;

SELECT eb_delete_rule('t-rule', 'target-bus'), eb_delete_rule('t-rule2', 'target-bus');
SELECT eb_delete_event_bus('target-bus');
DROP VIEW targets_here;
DROP TABLE target_inbox, target_other;
