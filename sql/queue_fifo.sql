--
-- FIFO queues: order within a group, one at a time.
--
CREATE FUNCTION take(queue text, n int DEFAULT 1, visibility interval DEFAULT NULL)
	RETURNS TABLE (body jsonb, message_group_id text, receive_count int, receipt_handle text) LANGUAGE sql AS
$$ SELECT body, message_group_id, receive_count, receipt_handle FROM eb_receive_messages(queue, n, visibility) $$;
CREATE FUNCTION send(queue text, first int, last int, groups int) RETURNS bigint LANGUAGE sql AS
$$ SELECT count(eb_send_message(queue, to_jsonb(i), NULL, 'g' || i % groups)) FROM generate_series(first, last) i $$;

SELECT eb_create_queue('fifo-dead.fifo', '1 hour', fifo => true);
SELECT eb_create_queue('fifo.fifo', '1 hour', max_receive_count => 1, dead_letter_queue => 'fifo-dead.fifo', fifo => true);
SELECT eb_send_message('fifo.fifo', '0');
SELECT send('fifo.fifo', 1, 9, 3);

-- the first of a group; the others of it have to wait
SELECT body, message_group_id, receipt_handle AS one FROM take('fifo.fifo') \gset
SELECT :body AS body, :'message_group_id' AS group;
SELECT body, message_group_id FROM take('fifo.fifo', 2);
SELECT body, message_group_id FROM take('fifo.fifo', 10);

-- done: the group goes on, with several in one receive, in order
SELECT eb_delete_message('fifo.fifo', :'one');
BEGIN;
SELECT body, message_group_id FROM take('fifo.fifo', 10);
SELECT body FROM take('fifo.fifo', 10);
ROLLBACK;
SELECT body, message_group_id, receipt_handle AS four FROM take('fifo.fifo', 1, '0') \gset
SELECT :body AS body, :'message_group_id' AS group;

-- received once, which is its limit: it moves to the other queue, and the next
-- one of the group comes
SELECT body, message_group_id FROM take('fifo.fifo', 10);
SELECT body, message_group_id FROM take('fifo-dead.fifo', 10);
SELECT available, in_flight FROM eventbus.queues WHERE name = 'fifo.fifo';

-- a long row of one group that is in flight does not hide another group
SELECT send('fifo.fifo', 1, 3000, 1);
SELECT eb_send_message('fifo.fifo', '"other"', NULL, 'other') IS NOT NULL AS sent;
SELECT body FROM take('fifo.fifo');
SELECT body FROM take('fifo.fifo', 10);

SELECT eb_delete_queue('fifo.fifo');
SELECT eb_delete_queue('fifo-dead.fifo');
DROP FUNCTION take, send;
