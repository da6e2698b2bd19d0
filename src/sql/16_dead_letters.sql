-- Dead letters: deliveries that were given up, with a copy of the event, and
-- whatever tells why. Appended; what becomes of one later is a row of its own,
-- so nothing here is ever updated. A partition goes when it is older than
-- eventbus.dead_letter_retention. Column order is known to src/dead_letter.c:
-- first those of event_log.
CREATE SEQUENCE eventbus.dead_letter_id_seq;
COMMENT ON SEQUENCE eventbus.dead_letter_id_seq IS 'numbers of dead letters';

CREATE TABLE eventbus.dead_letter_log (
	xid					xid8 NOT NULL,
	seq					bigint NOT NULL,
	ingested_at			timestamptz NOT NULL,
	"time"				timestamptz NOT NULL,
	ord					int NOT NULL,
	bus_id				int NOT NULL,
	generation			int NOT NULL,			-- that was written to: names the subtree
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
	dead_letter_id		bigint NOT NULL,
	dead_lettered_at	timestamptz NOT NULL,
	target_id			int NOT NULL,
	event_bus			text NOT NULL,			-- names as they were then
	rule				text NOT NULL,
	target				text NOT NULL,
	delivery_generation	int NOT NULL,			-- with delivery_seq and redrive: which
	delivery_seq		bigint NOT NULL,		-- delivery it was
	redrive				int NOT NULL,
	accepted_at			timestamptz NOT NULL,
	attempts			int NOT NULL,
	first_attempt_at	timestamptz,			-- null: the target never tried
	error_code			text NOT NULL,			-- EventBridge's word
	exhausted_retry_condition text,				-- null: not worth a retry
	sqlstate			text NOT NULL,			-- of the last error
	error_message		text NOT NULL,
	error_detail		text,
	first_error			text,					-- null: it is the last one
	input				jsonb					-- what was to be sent, where it is not the event
) PARTITION BY LIST (generation);
COMMENT ON TABLE eventbus.dead_letter_log IS 'events that a target could not take, with the reason; read it through eventbus.dead_letters';

-- What became of a dead letter. The key is what lets only one of two commands
-- have it.
CREATE TABLE eventbus.resolved_dead_letters (
	dead_letter_id		bigint NOT NULL PRIMARY KEY,
	target_id			int NOT NULL,			-- that of the dead letter, and its
	dead_lettered_at	timestamptz NOT NULL,	-- time: both are counted and go together
	resolution			text NOT NULL,			-- redriven, discarded
	resolved_at			timestamptz NOT NULL
);
CREATE INDEX resolved_dead_letters_target_idx ON eventbus.resolved_dead_letters (target_id);
COMMENT ON TABLE eventbus.resolved_dead_letters IS 'dead letters that were redriven or discarded';

-- What is logged of single attempts, for targets whose log_level asks for it.
-- Column order is known to src/delivery_log.c.
CREATE TABLE eventbus.delivery_log (
	logged_at			timestamptz NOT NULL,
	accepted_at			timestamptz NOT NULL,
	delivery_seq		bigint NOT NULL,
	duration_us			bigint,					-- of the call it was part of
	generation			int NOT NULL,			-- that was written to: names the subtree
	delivery_generation	int NOT NULL,
	target_id			int NOT NULL,
	redrive				int NOT NULL,
	attempt				int NOT NULL,
	event_id			uuid NOT NULL,
	message_type		text NOT NULL,			-- as EventBridge calls it
	error_code			text,
	sqlstate			text,
	error_message		text
) PARTITION BY LIST (generation);
COMMENT ON TABLE eventbus.delivery_log IS 'attempts of deliveries to targets whose log_level is error or all; read it through eventbus.delivery_attempts';
