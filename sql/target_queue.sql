--
-- Target type "queue": events become messages.
--
SELECT eb_create_queue('tq', '1 hour');
SELECT eb_create_queue('tq.fifo', '1 hour', fifo => true);
SELECT eb_create_event_bus('tq');
SELECT eb_put_rule('tq', '{"source": ["tq"]}', 'tq') IS NOT NULL AS put;

-- checked when it is put
SELECT eb_put_target('tq', 'a', 'queue', NULL, 'tq');
SELECT eb_put_target('tq', 'a', 'queue', 'nowhere', 'tq');
SELECT eb_put_target('tq', 'a', 'queue', 'tq', 'tq', '{"group": "x"}');
SELECT eb_put_target('tq', 'a', 'queue', 'tq', 'tq', '{"message_group_id": 1}');
SELECT eb_put_target('tq', 'a', 'queue', 'arn:aws:sqs:us-east-1:123456789012:tq', 'tq');
SELECT eb_put_target('tq', 'b', 'queue', 'tq.fifo', 'tq', maximum_retry_attempts => 0);
SELECT eb_put_target('tq', 'c', 'queue', 'tq.fifo', 'tq', '{"message_group_id": "all"}');
SELECT id, type, resource FROM eventbus.targets WHERE event_bus = 'tq' ORDER BY id;

-- the body is the envelope; a FIFO queue wants a group
SELECT eb_put_event('tq', 'Test', '{"n": 1}', 'tq', event_group_id => 'mine') AS id \gset
SELECT eb_wait_until_delivered('30 s');
SELECT body ->> 'source' AS source, body -> 'detail' AS detail, message_group_id, event_id = :'id' AS same,
       body ->> 'id' = :'id' AS same_in_body, attributes, receive_count FROM eb_receive_messages('tq', 10);
SELECT body -> 'detail' AS detail, message_group_id FROM eb_receive_messages('tq.fifo', 10) ORDER BY 2;
SELECT eb_put_event('tq', 'Test', '{"n": 2}', 'tq') IS NOT NULL AS put;
SELECT eb_wait_until_delivered('30 s');
SELECT body -> 'detail' AS detail, message_group_id FROM eb_receive_messages('tq', 10);
SELECT id, state, delivered, dead_lettered FROM eventbus.targets WHERE event_bus = 'tq' ORDER BY id;
SELECT target, sqlstate, error_message, event -> 'detail' AS detail FROM eventbus.dead_letters WHERE event_bus = 'tq';

-- rights: of the rule's owner
CREATE ROLE tq_owner IN ROLE eventbus_admin;
CREATE ROLE tq_consumer IN ROLE eventbus_consumer;
CREATE ROLE tq_other IN ROLE eventbus_consumer;
SET ROLE tq_owner;
SELECT eb_create_queue('tq-owned');
RESET ROLE;
SET ROLE tq_consumer;
SELECT count(*) FROM eb_receive_messages('tq-owned');
SELECT eb_delete_message('tq-owned', '00000000-1-0000000000000000');
SELECT eb_change_message_visibility('tq-owned', '00000000-1-0000000000000000', '0');
SELECT eb_send_message('tq-owned', '1');
SELECT eb_purge_queue('tq-owned');
SELECT * FROM eventbus.queues;
SELECT * FROM eventbus.messages;
RESET ROLE;
SET ROLE tq_owner;
SELECT eb_grant_queue('tq-owned', 'nobody-there');
SELECT eb_grant_queue('tq-owned', 'tq_consumer');
SELECT eb_grant_queue('tq-owned', 'tq_consumer');
SELECT name, owner, consumers FROM eventbus.queues WHERE name = 'tq-owned';
SELECT eb_send_message('tq-owned', '1') IS NOT NULL AS sent;
SELECT eb_delete_queue('tq');
RESET ROLE;
SET ROLE tq_consumer;
SELECT body FROM eb_receive_messages('tq-owned');
SELECT eb_send_message('tq-owned', '1');
RESET ROLE;
SET ROLE tq_other;
SELECT body FROM eb_receive_messages('tq-owned');
RESET ROLE;
SET ROLE tq_owner;
SELECT eb_revoke_queue('tq-owned', 'tq_consumer');
SELECT eb_delete_queue('tq-owned');
RESET ROLE;

-- a queue that is gone: the target fails, and goes on with a new one of the name
SELECT eb_delete_queue('tq');
SELECT eb_put_event('tq', 'Test', '{"n": 3}', 'tq', event_group_id => 'g') IS NOT NULL AS put;
DO $$ BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN EXISTS (SELECT FROM eventbus.targets WHERE event_bus = 'tq' AND state = 'failed');
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
SELECT id, state, last_error FROM eventbus.targets WHERE event_bus = 'tq' AND id = 'a';
SELECT eb_create_queue('tq');
SELECT eb_put_target('tq', 'a', 'queue', 'tq', 'tq');
SELECT eb_wait_until_delivered('30 s');
SELECT body -> 'detail' AS detail FROM eb_receive_messages('tq', 10);

SELECT eb_remove_target('tq', id, 'tq') FROM eventbus.targets WHERE event_bus = 'tq';
SELECT eb_delete_rule('tq', 'tq');
SELECT eb_delete_event_bus('tq');
SELECT eb_delete_queue('tq');
SELECT eb_delete_queue('tq.fifo');
DROP ROLE tq_owner, tq_consumer, tq_other;
