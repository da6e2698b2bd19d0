-- Queues: the functions. Who may use which queue is checked by the functions.

CREATE FUNCTION @extschema@.eb_create_queue(name text, visibility_timeout interval DEFAULT '30 seconds',
		message_retention interval DEFAULT '4 days', max_receive_count int DEFAULT NULL,
		dead_letter_queue text DEFAULT NULL, fifo boolean DEFAULT false) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_create_queue';
COMMENT ON FUNCTION @extschema@.eb_create_queue(text, interval, interval, int, text, boolean) IS 'creates a queue, returns its ARN';
REVOKE ALL ON FUNCTION @extschema@.eb_create_queue(text, interval, interval, int, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_create_queue(text, interval, interval, int, text, boolean) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_update_queue(name text, visibility_timeout interval DEFAULT NULL,
		message_retention interval DEFAULT NULL, max_receive_count int DEFAULT NULL,
		dead_letter_queue text DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_update_queue';
COMMENT ON FUNCTION @extschema@.eb_update_queue(text, interval, interval, int, text) IS 'changes attributes of a queue; null leaves one alone, an empty dead_letter_queue removes it';
REVOKE ALL ON FUNCTION @extschema@.eb_update_queue(text, interval, interval, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_update_queue(text, interval, interval, int, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_delete_queue(name text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_delete_queue';
COMMENT ON FUNCTION @extschema@.eb_delete_queue(text) IS 'deletes a queue and its messages';
REVOKE ALL ON FUNCTION @extschema@.eb_delete_queue(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_delete_queue(text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_purge_queue(name text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_purge_queue';
COMMENT ON FUNCTION @extschema@.eb_purge_queue(text) IS 'deletes all messages of a queue';
REVOKE ALL ON FUNCTION @extschema@.eb_purge_queue(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_purge_queue(text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_describe_queue(name text) RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_describe_queue';
COMMENT ON FUNCTION @extschema@.eb_describe_queue(text) IS 'what is known of a queue';
REVOKE ALL ON FUNCTION @extschema@.eb_describe_queue(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_describe_queue(text) TO eventbus_admin, eventbus_consumer, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_grant_queue(name text, role text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_grant_queue';
COMMENT ON FUNCTION @extschema@.eb_grant_queue(text, text) IS 'lets a role receive from a queue';
REVOKE ALL ON FUNCTION @extschema@.eb_grant_queue(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_grant_queue(text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_revoke_queue(name text, role text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_revoke_queue';
COMMENT ON FUNCTION @extschema@.eb_revoke_queue(text, text) IS 'takes back what eb_grant_queue() gave';
REVOKE ALL ON FUNCTION @extschema@.eb_revoke_queue(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_revoke_queue(text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_queue_arn(name text) RETURNS text
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eventbus_queue_arn';
COMMENT ON FUNCTION @extschema@.eb_queue_arn(text) IS 'the ARN of a queue of that name';
REVOKE ALL ON FUNCTION @extschema@.eb_queue_arn(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_queue_arn(text) TO eventbus_admin, eventbus_consumer, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_send_message(queue text, body jsonb, attributes jsonb DEFAULT NULL,
		message_group_id text DEFAULT NULL) RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_send_message';
COMMENT ON FUNCTION @extschema@.eb_send_message(text, jsonb, jsonb, text) IS 'sends a message to a queue, returns its id';
REVOKE ALL ON FUNCTION @extschema@.eb_send_message(text, jsonb, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_send_message(text, jsonb, jsonb, text) TO eventbus_admin, eventbus_consumer;

CREATE FUNCTION @extschema@.eb_receive_messages(queue text, max_messages int DEFAULT 1,
		visibility_timeout interval DEFAULT NULL, wait interval DEFAULT '0') RETURNS TABLE (
		message_id uuid, receipt_handle text, body jsonb, attributes jsonb, message_group_id text,
		event_id uuid, receive_count int, sent_at timestamptz, first_received_at timestamptz)
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_receive_messages';
COMMENT ON FUNCTION @extschema@.eb_receive_messages(text, int, interval, interval) IS 'receives messages, which nobody else gets for the visibility timeout';
REVOKE ALL ON FUNCTION @extschema@.eb_receive_messages(text, int, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_receive_messages(text, int, interval, interval) TO eventbus_admin, eventbus_consumer;

CREATE FUNCTION @extschema@.eb_delete_message(queue text, receipt_handle text) RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_delete_message';
COMMENT ON FUNCTION @extschema@.eb_delete_message(text, text) IS 'deletes a received message; false: it is gone, or somebody else has received it since';
REVOKE ALL ON FUNCTION @extschema@.eb_delete_message(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_delete_message(text, text) TO eventbus_admin, eventbus_consumer;

CREATE FUNCTION @extschema@.eb_delete_messages(queue text, receipt_handles text[]) RETURNS int
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_delete_messages';
COMMENT ON FUNCTION @extschema@.eb_delete_messages(text, text[]) IS 'deletes received messages, returns how many';
REVOKE ALL ON FUNCTION @extschema@.eb_delete_messages(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_delete_messages(text, text[]) TO eventbus_admin, eventbus_consumer;

CREATE FUNCTION @extschema@.eb_change_message_visibility(queue text, receipt_handle text, visibility_timeout interval) RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_change_message_visibility';
COMMENT ON FUNCTION @extschema@.eb_change_message_visibility(text, text, interval) IS 'makes a received message visible again so much later from now';
REVOKE ALL ON FUNCTION @extschema@.eb_change_message_visibility(text, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_change_message_visibility(text, text, interval) TO eventbus_admin, eventbus_consumer;

CREATE FUNCTION eventbus.queue_status(name text, OUT available bigint, OUT in_flight bigint,
		OUT oldest timestamptz)
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_queue_status';
COMMENT ON FUNCTION eventbus.queue_status(text) IS 'internal: how full a queue is';
REVOKE ALL ON FUNCTION eventbus.queue_status(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventbus.queue_status(text) TO eventbus_admin, eventbus_monitor;

CREATE VIEW eventbus.queues AS
	SELECT q.name,
		   @extschema@.eb_queue_arn(q.name) AS arn,
		   q.owner,
		   q.consumers,
		   q.fifo,
		   s.available,
		   s.in_flight,
		   pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.oldest AS oldest_age,
		   q.visibility_timeout,
		   q.message_retention,
		   q.max_receive_count,
		   q.dead_letter_queue,
		   q.created_at,
		   q.modified_at
	FROM eventbus.queue q
	CROSS JOIN LATERAL eventbus.queue_status(q.name) s;
COMMENT ON VIEW eventbus.queues IS 'queues, and how full they are';
GRANT SELECT ON eventbus.queues TO eventbus_admin, eventbus_monitor;
