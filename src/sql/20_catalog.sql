-- What exists: buses, rules, targets. Owned by src/catalog*.c, which finds
-- columns by name; people read the views of 80_views.sql. Roles and tables are kept by name, so that a dump
-- restores them anywhere.

-- A deleted bus keeps its row, so that its events keep their bus's name.
CREATE SEQUENCE eventbus.bus_id_seq AS int;
COMMENT ON SEQUENCE eventbus.bus_id_seq IS 'numbers of event buses; the default bus is 0';
CREATE TABLE eventbus.event_bus (
	bus_id			int NOT NULL PRIMARY KEY DEFAULT pg_catalog.nextval('eventbus.bus_id_seq'),
	name			text NOT NULL,
	description		text,
	owner			text NOT NULL,
	created_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	modified_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	deleted_at		timestamptz
);
CREATE UNIQUE INDEX event_bus_name_key ON eventbus.event_bus (name) WHERE deleted_at IS NULL;
COMMENT ON TABLE eventbus.event_bus IS 'event buses but the default one, which exists without a row';

CREATE SEQUENCE eventbus.rule_id_seq AS int;
COMMENT ON SEQUENCE eventbus.rule_id_seq IS 'numbers of rules';
CREATE TABLE eventbus.rule (
	rule_id			int NOT NULL PRIMARY KEY DEFAULT pg_catalog.nextval('eventbus.rule_id_seq'),
	bus_id			int NOT NULL,
	name			text NOT NULL,
	event_pattern	jsonb,
	state			text NOT NULL,			-- as EventBridge calls it
	description		text,
	owner			text NOT NULL,			-- role whose rights its targets use
	created_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	schedule_expression	text,				-- null: no schedule
	schedule_timezone	text,
	flexible_time_window	interval,		-- null: off
	schedule_start	timestamptz,
	schedule_end	timestamptz,
	missed_runs		text,					-- last, skip, all
	schedule_since	timestamptz,			-- when it got this schedule, or was enabled
	UNIQUE (bus_id, name)
);
CREATE INDEX rule_schedule_idx ON eventbus.rule (rule_id) WHERE schedule_expression IS NOT NULL;
COMMENT ON TABLE eventbus.rule IS 'rules';

-- When schedules fire next. Written by the router alone; computed from the
-- rule as it is, and for this cluster: a dump leaves it out.
CREATE TABLE eventbus.rule_schedules (
	rule_id			int NOT NULL PRIMARY KEY,
	generation		int NOT NULL,
	since			timestamptz NOT NULL,	-- schedule_since of the rule it is computed from
	scheduled_for	timestamptz,			-- the next run; null: none any more
	fire_at			timestamptz,			-- when it fires, in its window
	computed_at		timestamptz NOT NULL,
	last_fired_for	timestamptz				-- the last run; null: none yet
);
CREATE INDEX rule_schedules_fire_at_idx ON eventbus.rule_schedules (fire_at);
COMMENT ON TABLE eventbus.rule_schedules IS 'when schedules of rules fire next';

CREATE SEQUENCE eventbus.target_id_seq AS int;
COMMENT ON SEQUENCE eventbus.target_id_seq IS 'numbers of targets';
CREATE TABLE eventbus.target (
	target_id		int NOT NULL PRIMARY KEY DEFAULT pg_catalog.nextval('eventbus.target_id_seq'),
	rule_id			int NOT NULL,
	id				text NOT NULL,			-- the user's id, unique within the rule
	type			text NOT NULL,			-- table, ...
	resource		text,					-- what it names, schema-qualified
	parameters		jsonb NOT NULL			-- what the type wants besides
		CHECK (pg_catalog.jsonb_typeof(parameters) OPERATOR(pg_catalog.=) 'object'),
	search_path		text NOT NULL DEFAULT 'pg_catalog',	-- what names mean in its code
	paused_at		timestamptz,			-- null: not paused
	pauses			tstzmultirange NOT NULL DEFAULT '{}',	-- when it was
	created_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	UNIQUE (rule_id, id)
);
COMMENT ON TABLE eventbus.target IS 'targets of rules';

-- Every process keeps these tables in memory: a change says so. ALWAYS: also
-- in a session that replays the changes of others.
CREATE FUNCTION eventbus.catalog_changed() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_catalog_changed';
COMMENT ON FUNCTION eventbus.catalog_changed() IS 'internal: makes processes read buses, rules and targets again';
REVOKE ALL ON FUNCTION eventbus.catalog_changed() FROM PUBLIC;

CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON eventbus.event_bus
	FOR EACH STATEMENT EXECUTE FUNCTION eventbus.catalog_changed();
COMMENT ON TRIGGER catalog_changed ON eventbus.event_bus IS 'makes processes read event buses again';
ALTER TABLE eventbus.event_bus ENABLE ALWAYS TRIGGER catalog_changed;

CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON eventbus.rule
	FOR EACH STATEMENT EXECUTE FUNCTION eventbus.catalog_changed();
COMMENT ON TRIGGER catalog_changed ON eventbus.rule IS 'makes processes read rules again';
ALTER TABLE eventbus.rule ENABLE ALWAYS TRIGGER catalog_changed;

CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON eventbus.target
	FOR EACH STATEMENT EXECUTE FUNCTION eventbus.catalog_changed();
COMMENT ON TRIGGER catalog_changed ON eventbus.target IS 'makes processes read targets again';
ALTER TABLE eventbus.target ENABLE ALWAYS TRIGGER catalog_changed;

-- A target that comes to be, be it by a restore, gets its position.
CREATE FUNCTION eventbus.target_created() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_target_created';
COMMENT ON FUNCTION eventbus.target_created() IS 'internal: gives a new target its position in the delivery stream';
REVOKE ALL ON FUNCTION eventbus.target_created() FROM PUBLIC;

CREATE TRIGGER target_created AFTER INSERT ON eventbus.target
	FOR EACH ROW EXECUTE FUNCTION eventbus.target_created();
COMMENT ON TRIGGER target_created ON eventbus.target IS 'gives new targets their positions';
ALTER TABLE eventbus.target ENABLE ALWAYS TRIGGER target_created;
