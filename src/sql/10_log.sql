-- The log and the delivery stream.
--
-- Partitioned parents hold everything that is appended: events, deliveries,
-- dead letters, what is logged of deliveries. Each is partitioned twice: by
-- LIST of generation, then by RANGE of time. A generation is one life of the log in one cluster:
-- CREATE EXTENSION starts one, so a log that a dump brought along keeps its
-- own subtree and never collides with the leaves that this cluster makes.
-- Only the top parents are members of the extension; they carry no index, key
-- or trigger. Subtrees and leaves are ordinary tables, made by the partition
-- module (src/partition.c). Column order is known to src/event_row.h and
-- src/delivery.c.

-- One row per generation that this cluster started or a dump brought along.
CREATE TABLE eventbus.generations (
	generation			int NOT NULL PRIMARY KEY,
	system_identifier	bigint NOT NULL,	-- of the cluster, the database and
	database_oid		oid NOT NULL,		-- the table eventbus.event_log that
	log_oid				oid NOT NULL,		-- it was started for
	state				text NOT NULL,		-- active; restored: resumed, skipped
	created_at			timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE eventbus.generations IS 'lives of the event log: one per CREATE EXTENSION, plus those that a restored dump brought along';

CREATE TABLE eventbus.event_log (
	xid					xid8 NOT NULL,			-- top-level transaction that put it
	seq					bigint NOT NULL,		-- one per call
	ingested_at			timestamptz NOT NULL,	-- clock at the call
	"time"				timestamptz NOT NULL,	-- the entry's own time
	ord					int NOT NULL,			-- place within the call
	bus_id				int NOT NULL,
	generation			int NOT NULL,
	hop_count			int NOT NULL,
	id					uuid NOT NULL,			-- UUIDv7 of ingested_at
	source				text NOT NULL,
	detail_type			text NOT NULL,
	resources			text[],					-- null: none
	detail				jsonb NOT NULL,
	trace_header		text,
	event_group_id		text,
	deduplication_id	text,
	replay_name			text,
	causation_id		uuid
) PARTITION BY LIST (generation);
COMMENT ON TABLE eventbus.event_log IS 'append-only log of all events of all buses; read it through eventbus.events';

CREATE TABLE eventbus.deliveries (
	last_seq			bigint NOT NULL,		-- delivery number of the last reference
	routed_at			timestamptz NOT NULL,
	target_id			int NOT NULL,
	generation			int NOT NULL,
	count				int NOT NULL,			-- references in this row
	refs				bytea NOT NULL			-- EbDeliveryRef[count], in order
) PARTITION BY LIST (generation);
ALTER TABLE eventbus.deliveries ALTER COLUMN refs SET STORAGE PLAIN;
COMMENT ON TABLE eventbus.deliveries IS 'delivery stream: packed references to matched events, appended by the router';

-- Leaves that this cluster made, one row each.
CREATE SEQUENCE eventbus.leaf_id_seq AS int;
COMMENT ON SEQUENCE eventbus.leaf_id_seq IS 'numbers of leaves';
CREATE TABLE eventbus.leaves (
	leaf_id				int NOT NULL DEFAULT pg_catalog.nextval('eventbus.leaf_id_seq'),
	parent				text NOT NULL,			-- event_log, deliveries, dead_letter_log ...
	generation			int NOT NULL,
	name				text NOT NULL UNIQUE,	-- table in schema eventbus
	range_start			timestamptz NOT NULL,
	range_end			timestamptz NOT NULL,
	seal_xid			xid8,					-- an xid taken after range_end
	sealed_at			timestamptz,
	frozen_at			timestamptz,			-- VACUUM (FREEZE) after the seal
	PRIMARY KEY (generation, leaf_id)
);
COMMENT ON TABLE eventbus.leaves IS 'partitions by time of event_log, deliveries, dead_letter_log and delivery_log';

CREATE SEQUENCE eventbus.put_seq CACHE 1;
COMMENT ON SEQUENCE eventbus.put_seq IS 'order of put calls';

-- The router's cursor: one row per generation. No index: updated by ctid.
CREATE TABLE eventbus.router_cursor (
	generation			int NOT NULL,
	last_snapshot		pg_snapshot NOT NULL,	-- S1: routed up to here
	next_snapshot		pg_snapshot,			-- S2: being drained, or null
	last_seq			bigint NOT NULL,		-- with last_ord: drained up to here
	last_ord			int NOT NULL,
	delivery_seq		bigint NOT NULL,		-- last delivery number given
	routed_at			timestamptz NOT NULL	-- never goes back
) WITH (fillfactor = 10);
COMMENT ON TABLE eventbus.router_cursor IS 'what the router has routed';

-- One row per target. No index: updated by ctid.
CREATE TABLE eventbus.target_positions (
	generation			int NOT NULL,
	target_id			int NOT NULL,
	position			bigint NOT NULL,		-- last delivery number done
	delivered			bigint NOT NULL,		-- events delivered
	dead_lettered		bigint NOT NULL,
	attempts			int NOT NULL,			-- failed in a row, 0 when well
	state				text NOT NULL,			-- ok, failed
	last_error			text,
	last_error_at		timestamptz,
	dropped				bigint NOT NULL DEFAULT 0,	-- given up without a dead letter
	dead_lettered_at	timestamptz				-- the last time; null: not since it was put
) WITH (fillfactor = 50);
COMMENT ON TABLE eventbus.target_positions IS 'how far each target has got in the delivery stream';

CREATE FUNCTION eventbus.start_generation() RETURNS int
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'eventbus_start_generation';
COMMENT ON FUNCTION eventbus.start_generation() IS 'internal: starts the log of this cluster';
REVOKE ALL ON FUNCTION eventbus.start_generation() FROM PUBLIC;

CREATE FUNCTION eventbus.generation() RETURNS int
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'eventbus_generation';
COMMENT ON FUNCTION eventbus.generation() IS 'generation of the log that this database writes to; 0: none yet';
REVOKE ALL ON FUNCTION eventbus.generation() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventbus.generation() TO eventbus_admin, eventbus_monitor;
