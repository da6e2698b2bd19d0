--
-- Queues: create, send, receive, delete, visibility, dead letters, purge.
--
-- what a receive gives, without what is different each time
CREATE FUNCTION take(queue text, n int DEFAULT 1, visibility interval DEFAULT NULL)
	RETURNS TABLE (body jsonb, message_group_id text, receive_count int, receipt_handle text) LANGUAGE sql AS
$$ SELECT body, message_group_id, receive_count, receipt_handle FROM eb_receive_messages(queue, n, visibility) $$;
CREATE FUNCTION send(queue text, first int, last int, groups int DEFAULT NULL) RETURNS bigint LANGUAGE sql AS
$$ SELECT count(eb_send_message(queue, to_jsonb(i), NULL, 'g' || i % groups)) FROM generate_series(first, last) i $$;

-- creating
SELECT eb_create_queue('mq-dead');
SELECT eb_create_queue('mq', '1 hour', '2 days', 2, 'arn:aws:sqs:us-east-1:123456789012:mq-dead');
SELECT eb_create_queue('mq');
SELECT eb_create_queue('mq/2');
SELECT eb_create_queue(NULL);
SELECT eb_create_queue('mq2', visibility_timeout => '13 hours');
SELECT eb_create_queue('mq2', message_retention => '1 second');
SELECT eb_create_queue('mq2', max_receive_count => 3);
SELECT eb_create_queue('mq2', dead_letter_queue => 'mq-dead');
SELECT eb_create_queue('mq2', max_receive_count => 0, dead_letter_queue => 'mq-dead');
SELECT eb_create_queue('mq2', max_receive_count => 3, dead_letter_queue => 'nowhere');
SELECT eb_create_queue('mq2', max_receive_count => 3, dead_letter_queue => 'mq2');
SELECT eb_create_queue('mq2', max_receive_count => 3, dead_letter_queue => 'mq-dead', fifo => true);
SELECT jsonb_pretty(eb_describe_queue('mq'));
SELECT name, arn, fifo, available, in_flight, oldest_age, visibility_timeout, message_retention, max_receive_count,
       dead_letter_queue FROM eventbus.queues WHERE name LIKE 'mq%' ORDER BY name COLLATE "C";

-- receiving in order; nobody gets what is in flight
SELECT send('mq', 1, 6);
SELECT available, in_flight, oldest_age >= '0' AS aged FROM eventbus.queues WHERE name = 'mq';
SELECT body, receive_count FROM take('mq', 2);
SELECT body, receive_count FROM take('mq');
SELECT available, in_flight FROM eventbus.queues WHERE name = 'mq';

-- a rollback makes messages visible again, also that of a savepoint
BEGIN;
SELECT body, receive_count FROM take('mq', 2);
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT body, receive_count FROM take('mq', 2);
ROLLBACK TO s;
SELECT body, receive_count FROM take('mq');
SAVEPOINT s;
SELECT body, receive_count FROM take('mq');
RELEASE s;
COMMIT;
SELECT available, in_flight FROM eventbus.queues WHERE name = 'mq';

-- receive and delete in one transaction; a delete that is rolled back
SELECT receipt_handle AS handle FROM take('mq') \gset
BEGIN;
SELECT eb_delete_message('mq', :'handle');
SELECT eb_delete_message('mq', :'handle');
ROLLBACK;
SELECT available, in_flight FROM eventbus.queues WHERE name = 'mq';
SELECT eb_delete_message('mq', :'handle');
SELECT eb_delete_message('mq', :'handle');
SELECT available, in_flight FROM eventbus.queues WHERE name = 'mq';
SELECT eb_delete_message('mq', 'nonsense');
SELECT eb_delete_message('mq', NULL);
SELECT eb_delete_messages('mq', NULL);
SELECT eb_delete_messages('mq', '{}');
SELECT eb_delete_messages('mq', array_agg(receipt_handle)) FROM take('mq', 1000);
SELECT eb_delete_messages('mq', '{NULL}');
SELECT send('mq', 20, 22);
SELECT eb_delete_messages('mq', array_agg(receipt_handle) || array_agg(receipt_handle)) FROM take('mq', 1000);

-- visibility: the claim of an expired one does not count once another has come
SELECT send('mq', 7, 7);
SELECT body, receive_count, receipt_handle AS old FROM take('mq', 1, '0') \gset
SELECT body, receive_count, receipt_handle AS new FROM take('mq') \gset
SELECT :body AS body, :receive_count AS receive_count;
SELECT eb_delete_message('mq', :'old');
SELECT eb_change_message_visibility('mq', :'old', '0');
SELECT eb_change_message_visibility('mq', :'new', '1 hour');
SELECT body FROM take('mq');
SELECT eb_change_message_visibility('mq', :'new', '13 hours');
SELECT eb_change_message_visibility('mq', :'new', NULL);

-- claims that have ended one after the other, received again and rolled back
SELECT eb_create_queue('mq-ended');
SELECT send('mq-ended', 1, 2);
SELECT eb_change_message_visibility('mq-ended', receipt_handle, '0') FROM take('mq-ended', 2);
BEGIN;
SELECT body, receive_count FROM take('mq-ended', 2);
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT body, receive_count FROM take('mq-ended', 2);
ROLLBACK TO s;
SELECT body, receive_count FROM take('mq-ended', 2);
COMMIT;
SELECT eb_delete_queue('mq-ended');

-- received too often: the next receive moves it; the old handle is of no use
SELECT eb_change_message_visibility('mq', :'new', '0');
SELECT body FROM take('mq');
SELECT eb_delete_message('mq', :'new');
SELECT body, attributes, receive_count, sent_at <= first_received_at AS sent FROM eb_receive_messages('mq-dead');

-- an expired claim can still be deleted by its handle
SELECT send('mq', 8, 8);
SELECT eb_delete_messages('mq', array_agg(receipt_handle)) FROM take('mq', 1, '0');
SELECT available, in_flight FROM eventbus.queues WHERE name = 'mq';

-- what is sent and received in one transaction
BEGIN;
SELECT send('mq', 9, 10);
SELECT body FROM take('mq', 10);
ROLLBACK;
SELECT send('mq', 11, 12);
SELECT body FROM take('mq', 10);

-- purge, and one that is rolled back
SELECT send('mq', 13, 15);
BEGIN;
SELECT eb_purge_queue('mq');
SELECT available, in_flight FROM eventbus.queues WHERE name = 'mq';
SELECT body FROM take('mq', 10);
ROLLBACK;
SELECT body FROM take('mq', 1);
SELECT eb_purge_queue('mq');
SELECT available, in_flight FROM eventbus.queues WHERE name = 'mq';
SELECT send('mq', 16, 16);
SELECT body FROM take('mq', 10);

-- arguments
SELECT * FROM eb_receive_messages('nowhere');
SELECT * FROM eb_receive_messages(NULL);
SELECT * FROM eb_receive_messages('mq', 0);
SELECT * FROM eb_receive_messages('mq', 1001);
SELECT * FROM eb_receive_messages('mq', 1, '-1 s');
SELECT * FROM eb_receive_messages('mq', 1, NULL, '-1 s');
SELECT eb_send_message('mq', NULL);
SELECT eb_send_message('mq', '1', '[]');
SELECT eb_send_message('mq', '1', NULL, '');
SELECT body, attributes, message_group_id FROM eb_receive_messages('mq', 1, NULL, '10 ms');

-- attributes and null values
SELECT eb_send_message('mq', 'null', '{"a": 1}', 'g') IS NOT NULL AS sent;
SELECT body, attributes, message_group_id, event_id, receive_count FROM eb_receive_messages('mq', 1);

-- changing the queue
SELECT eb_update_queue('mq', visibility_timeout => '0');
SELECT eb_update_queue('mq', max_receive_count => 5);
SELECT eb_update_queue('mq-dead', max_receive_count => 5);
SELECT eb_update_queue('mq-dead', dead_letter_queue => 'mq');
SELECT visibility_timeout, message_retention, max_receive_count, dead_letter_queue FROM eventbus.queues WHERE name = 'mq';
SELECT eb_update_queue('mq', message_retention => '213503984 days'); -- 2^64 us and some

-- two that are each other's dead-letter queue go once one of them is released
SELECT eb_update_queue('mq-dead', max_receive_count => 5, dead_letter_queue => 'mq');
SELECT eb_delete_queue('mq-dead');
SELECT eb_update_queue('mq-dead', max_receive_count => 5, dead_letter_queue => '');
SELECT eb_update_queue('mq-dead', dead_letter_queue => '');
SELECT name, max_receive_count, dead_letter_queue FROM eventbus.queues WHERE name IN ('mq', 'mq-dead') ORDER BY name;
SELECT eb_purge_queue('mq');
SELECT send('mq', 1, 1);
SELECT body, receive_count FROM take('mq');
SELECT body, receive_count FROM take('mq');

-- deleting; a queue of the same name is another one
SELECT eb_delete_queue('mq-dead');
SELECT eb_delete_queue('mq');
SELECT eb_create_queue('mq');
SELECT body FROM take('mq', 10);
SELECT send('mq', 1, 1);
SELECT body, receive_count FROM take('mq', 10);
SELECT eb_delete_queue('mq');
SELECT eb_delete_queue('mq-dead');
SELECT eb_delete_queue('mq-dead');
DROP FUNCTION take, send;
