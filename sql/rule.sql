-- Rules: put, enable, disable, delete, describe, list.
SELECT eb_create_event_bus('rule-bus') IS NOT NULL AS created;

-- put creates; omitted attributes have their defaults
SELECT eb_put_rule('r1', '{"source":["orders.service"]}');
SELECT eb_put_rule('r1', event_bus => 'rule-bus', event_pattern => '{"source":["a"],"detail":{"total":[{"numeric":[">",10]}]}}',
                   state => 'DISABLED', description => 'the first');
SELECT eb_describe_rule('r1') - 'CreatedBy';
SELECT eb_describe_rule('r1', 'rule-bus') - 'CreatedBy';
SELECT eb_describe_rule('r1') ->> 'CreatedBy' = current_user AS mine;
SELECT eb_rule_arn('r1'), eb_rule_arn('r1', 'rule-bus');

-- put again replaces all of it, and keeps the targets
CREATE TABLE rule_inbox (id uuid, detail jsonb);
SELECT eb_put_target('r1', 't', 'table', 'rule_inbox', 'rule-bus');
SELECT eb_put_rule('r1', '{"source":["b"]}', 'arn:aws:events:eu-west-1:123456789012:event-bus/rule-bus');
SELECT eb_describe_rule('r1', 'rule-bus') - 'CreatedBy';
SELECT id FROM eventbus.targets WHERE rule = 'r1';

-- state
SELECT eb_disable_rule('r1', 'rule-bus');
SELECT eb_describe_rule('r1', 'rule-bus') ->> 'State' AS state;
SELECT eb_disable_rule('r1', 'rule-bus');
SELECT eb_enable_rule('r1', 'rule-bus');
SELECT eb_describe_rule('r1', 'rule-bus') ->> 'State' AS state;
SELECT eb_put_rule('r2', '{"source":["a"]}', state => 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS') IS NOT NULL AS put;
SELECT eb_put_rule('r2', '{"source":["a"]}', state => 'enabled');
SELECT eb_put_rule('r2', '{"source":["a"]}', state => NULL);

-- what is no rule
SELECT eb_put_rule('r3');
SELECT eb_put_rule('r3', NULL);
SELECT eb_put_rule('r 3', '{"source":["a"]}');
SELECT eb_put_rule('a/b', '{"source":["a"]}');
SELECT eb_put_rule(NULL, '{"source":["a"]}');
SELECT eb_put_rule('r3', '{"source":["a"]}', 'rule-bus-none');
SELECT eb_put_rule('r3', '{"source":["a"]}', NULL);
SELECT eb_put_rule('r3', '{"source":["a"]}', 'rule bus');
SELECT length(eb_put_rule(repeat('r', 64), '{"source":["a"]}')) AS longest;
SELECT eb_delete_rule(repeat('r', 64));
\set VERBOSITY sqlstate
SELECT eb_put_rule(repeat('r', 65), '{"source":["a"]}');
SELECT eb_put_rule('r3', '{"source":["a"]}', description => repeat('d', 513));
SELECT eb_put_rule('r3', '["source"]');
SELECT eb_put_rule('r3', '{"source":"a"}');
SELECT eb_put_rule('r3', '{"source":[]}');
SELECT eb_put_rule('r3', 'null');
\set VERBOSITY default
SELECT eb_put_rule('r3', '["source"]');
SELECT eb_put_rule('r3', '{"detail":{"total":[{"numeric":[">","1"]}]}}');

-- rules that are not there
SELECT eb_describe_rule('r3');
SELECT eb_describe_rule('r3', 'rule-bus');
SELECT eb_describe_rule('r3', 'rule-bus-none');
SELECT eb_describe_rule(NULL);
SELECT eb_enable_rule('r3');
SELECT eb_disable_rule('r3', 'rule-bus');
SELECT eb_enable_rule(NULL);
SELECT eb_enable_rule('r1', NULL);

-- lists
SELECT event_bus, name, arn, event_pattern, state, description, owner = current_user AS mine
  FROM eventbus.rules WHERE name IN ('r1', 'r2') ORDER BY event_bus, name;

-- delete: not with targets, a missing rule is fine, a missing bus is not
SELECT eb_delete_rule('r1', 'rule-bus');
SELECT eb_remove_target('r1', 't', 'rule-bus');
SELECT eb_delete_rule('r1', 'rule-bus');
SELECT eb_delete_rule('r1', 'rule-bus');
SELECT eb_delete_rule('r1', 'rule-bus-none');
SELECT eb_delete_rule(NULL);
SELECT eb_delete_rule('r1'), eb_delete_rule('r2');
SELECT count(*) FROM eventbus.rules WHERE name IN ('r1', 'r2');

-- in a transaction that sees an old snapshot, what is there now counts
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT eb_put_rule('r4', '{"source":["a"]}', 'rule-bus') IS NOT NULL AS put;
SELECT eb_delete_event_bus('rule-bus');
ROLLBACK;
BEGIN READ ONLY;
SELECT eb_describe_event_bus('rule-bus') ->> 'Name' AS name;
SELECT eb_put_rule('r4', '{"source":["a"]}', 'rule-bus');
ROLLBACK;

SELECT eb_delete_event_bus('rule-bus');
DROP TABLE rule_inbox;
