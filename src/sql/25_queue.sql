-- Message queues (src/queue*.c). The messages are a log like that of the
-- events, partitioned as it is; what has become of them is in two small tables.

CREATE SEQUENCE eventbus.queue_id_seq AS int;
COMMENT ON SEQUENCE eventbus.queue_id_seq IS 'numbers of queues; none is given twice';
CREATE TABLE eventbus.queue (
	queue_id			int NOT NULL PRIMARY KEY DEFAULT pg_catalog.nextval('eventbus.queue_id_seq'),
	name				text NOT NULL UNIQUE,
	owner				text NOT NULL,
	consumers			text[] NOT NULL DEFAULT '{}',	-- roles, beside the owner
	fifo				boolean NOT NULL,
	visibility_timeout	interval NOT NULL,
	message_retention	interval NOT NULL,
	max_receive_count	int,							-- null: no limit
	dead_letter_queue	text,							-- its name
	created_at			timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	modified_at			timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE eventbus.queue IS 'message queues';

CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON eventbus.queue
	FOR EACH STATEMENT EXECUTE FUNCTION eventbus.catalog_changed();
COMMENT ON TRIGGER catalog_changed ON eventbus.queue IS 'makes processes read queues again';
ALTER TABLE eventbus.queue ENABLE ALWAYS TRIGGER catalog_changed;

-- Numbers count up from 1 in each queue.
CREATE TABLE eventbus.messages (
	appended_at			timestamptz NOT NULL,	-- never goes back within a queue
	sent_at				timestamptz NOT NULL,	-- kept by what moves a message
	number				bigint NOT NULL,
	queue_id			int NOT NULL,
	generation			int NOT NULL,
	id					uuid NOT NULL,
	event_id			uuid,
	body				jsonb NOT NULL,
	attributes			jsonb,
	message_group_id	text
) PARTITION BY LIST (generation);
COMMENT ON TABLE eventbus.messages IS 'append-only log of all messages of all queues';

-- One row per receive, per change of a message's visibility, and per delete.
-- None is ever updated; maintenance removes what is of no more use.
CREATE TABLE eventbus.message_claims (
	visible_at			timestamptz,			-- end of the claim; null: the message is done
	sent_at				timestamptz NOT NULL,
	number				bigint NOT NULL,
	receipt				bigint,
	first_received_at	timestamptz,
	generation			int NOT NULL,
	queue_id			int NOT NULL,
	version				int NOT NULL,			-- counts up for each message
	receive_count		int,
	leaf_id				int,					-- where the message is
	message_group_id	text					-- FIFO queues only
);
CREATE UNIQUE INDEX message_claims_number_key ON eventbus.message_claims (generation, queue_id, number, version);
CREATE INDEX message_claims_visible_at_idx ON eventbus.message_claims (generation, queue_id, visible_at)
	WHERE visible_at IS NOT NULL;
COMMENT ON TABLE eventbus.message_claims IS 'messages that are in flight, and what of the queues is done beyond their heads';

-- One row per queue. No index: updated by ctid.
CREATE TABLE eventbus.queue_heads (
	generation			int NOT NULL,
	queue_id			int NOT NULL,
	head				bigint NOT NULL,		-- up to here, what has no claim is done
	purged				bigint NOT NULL			-- up to here, everything is done
) WITH (fillfactor = 50);
COMMENT ON TABLE eventbus.queue_heads IS 'how far each queue is done';
