/* eventbus: install script, built from src/sql/ in order */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION eventbus" to load this file. \quit

-- The schema of tables and views. The functions go where CREATE EXTENSION
-- ... SCHEMA says (@extschema@); both may be the same schema.
DO $guard$
DECLARE
	owner oid := (SELECT nspowner FROM pg_catalog.pg_namespace
				  WHERE nspname OPERATOR(pg_catalog.=) 'eventbus');
BEGIN
	IF owner IS NULL THEN
		CREATE SCHEMA eventbus;
		COMMENT ON SCHEMA eventbus IS 'tables and views of the eventbus extension';
	ELSIF owner OPERATOR(pg_catalog.<>) (SELECT r.oid FROM pg_catalog.pg_roles r
										 WHERE r.rolname OPERATOR(pg_catalog.=) current_user) THEN
		RAISE EXCEPTION 'schema "eventbus" exists and belongs to another role'
			USING ERRCODE = 'duplicate_schema',
				  DETAIL = 'The extension keeps its tables in a schema of that name, which must belong to the role that installs it.',
				  HINT = 'Rename the schema, or make it yours with ALTER SCHEMA eventbus OWNER TO CURRENT_USER.';
	END IF;
END
$guard$;

-- Roles are shared by all databases of a cluster: made when absent, never
-- dropped by DROP EXTENSION.
DO $roles$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['eventbus_admin', 'eventbus_publisher', 'eventbus_monitor', 'eventbus_consumer'] LOOP
		IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r
					   WHERE r.rolname OPERATOR(pg_catalog.=) name) THEN
			BEGIN
				EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', name);
			EXCEPTION WHEN duplicate_object OR unique_violation THEN
				NULL;			-- made by somebody else just now
			END;
		END IF;
	END LOOP;
END
$roles$;
GRANT USAGE ON SCHEMA eventbus TO eventbus_admin, eventbus_publisher, eventbus_monitor, eventbus_consumer;
