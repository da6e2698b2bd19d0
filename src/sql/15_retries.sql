-- Deliveries that failed and are tried again, or that wait for such a one of
-- their event group. The event is copied, since a target's position passes
-- them and the partition of the event may go. Column order is known to
-- src/delivery_retry.c: first those of event_log.
CREATE TABLE eventbus.delivery_retries (
	xid					xid8 NOT NULL,
	seq					bigint NOT NULL,
	ingested_at			timestamptz NOT NULL,
	"time"				timestamptz NOT NULL,
	ord					int NOT NULL,
	bus_id				int NOT NULL,
	generation			int NOT NULL,
	hop_count			int NOT NULL,
	id					uuid NOT NULL,
	source				text NOT NULL,
	detail_type			text NOT NULL,
	resources			text[],
	detail				jsonb NOT NULL,
	trace_header		text,
	event_group_id		text,
	deduplication_id	text,
	replay_name			text,
	causation_id		uuid,
	target_id			int NOT NULL,
	delivery_seq		bigint NOT NULL,
	redrive				int NOT NULL,			-- how often it came back from dead letters
	accepted_at			timestamptz NOT NULL,	-- the delivery's age counts from then
	attempts			int NOT NULL,			-- made so far
	first_attempt_at	timestamptz,			-- null: none yet
	next_attempt_at		timestamptz,			-- null: when an earlier one of its group is done
	first_error			text,
	last_error			text
);
CREATE INDEX delivery_retries_next_idx ON eventbus.delivery_retries (target_id, next_attempt_at);
CREATE INDEX delivery_retries_group_idx ON eventbus.delivery_retries (target_id, COALESCE(event_group_id, ''), generation, delivery_seq);
COMMENT ON TABLE eventbus.delivery_retries IS 'deliveries that failed and are tried again, and those of a FIFO target that wait for them';
