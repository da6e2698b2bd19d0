-- Targets of type notify and log. What arrives at a listener and in the log:
-- test/t/081_notify_log.pl.
SELECT eb_create_event_bus('tn') IS NOT NULL AS created;
SELECT eb_put_rule('all', '{"source":["tn"]}', event_bus => 'tn') IS NOT NULL AS put;

-- a channel is any name, taken literally
SELECT eb_put_target('all', 'a', 'notify', 'Orders & more', event_bus => 'tn');
SELECT eb_put_target('all', 'b', 'notify', 'arn:aws:sns:eu-west-1:123456789012:topic', event_bus => 'tn');
SELECT eb_put_target('all', 'c', 'notify', repeat('x', 63), event_bus => 'tn');
SELECT eb_put_target('all', 'd', 'notify', repeat('x', 64), event_bus => 'tn');
SELECT eb_put_target('all', 'd', 'notify', '', event_bus => 'tn');
SELECT eb_put_target('all', 'd', 'notify', event_bus => 'tn');
SELECT eb_put_target('all', 'd', 'notify', 'x', event_bus => 'tn', parameters => '{"a": 1}');
SELECT eb_put_target('all', 'e', 'log', event_bus => 'tn');
SELECT eb_put_target('all', 'f', 'log', 'orders', event_bus => 'tn');
SELECT eb_put_target('all', 'f', 'log', event_bus => 'tn', parameters => '{"a": 1}');
SELECT id, type, resource FROM eventbus.targets WHERE event_bus = 'tn' ORDER BY id;

SELECT eb_put_event('tn', 't', jsonb_build_object('text', repeat('x', n)), 'tn') IS NOT NULL AS put FROM unnest('{1,7900,20000}'::int[]) n;
SELECT eb_wait_until_delivered('30 s');
SELECT id, type, state, delivered, dead_lettered FROM eventbus.targets WHERE event_bus = 'tn' ORDER BY id;

SELECT eb_remove_targets('all', '{a,b,c,e}', 'tn')->'FailedEntryCount' AS failed;
SELECT eb_delete_rule('all', 'tn');
SELECT eb_delete_event_bus('tn');
