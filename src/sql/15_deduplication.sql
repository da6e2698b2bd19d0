-- The deduplication ids of the last minutes.
--
-- Three tables take turns by time (src/deduplication.c): one takes new ids,
-- the one before it is read beside, the third is over and is truncated. Rows
-- are only ever added, and found by the hash of their key. Logged, as an id
-- must be found again after a crash; not dumped, as a copy has no use for it.
CREATE TABLE eventbus.deduplication_0 (
	key_hash			bigint NOT NULL,		-- of bus, event group and id
	put_at				timestamptz NOT NULL,	-- ingested_at of the event
	bus_id				int NOT NULL,
	event_id			uuid NOT NULL,
	event_group_id		text,
	deduplication_id	text NOT NULL
) WITH (autovacuum_enabled = false);
CREATE INDEX deduplication_0_key_hash_idx ON eventbus.deduplication_0 (key_hash);
COMMENT ON TABLE eventbus.deduplication_0 IS 'deduplication ids put lately, one of three tables that take turns';

CREATE TABLE eventbus.deduplication_1 (LIKE eventbus.deduplication_0 INCLUDING INDEXES)
	WITH (autovacuum_enabled = false);
COMMENT ON TABLE eventbus.deduplication_1 IS 'deduplication ids put lately, one of three tables that take turns';

CREATE TABLE eventbus.deduplication_2 (LIKE eventbus.deduplication_0 INCLUDING INDEXES)
	WITH (autovacuum_enabled = false);
COMMENT ON TABLE eventbus.deduplication_2 IS 'deduplication ids put lately, one of three tables that take turns';
