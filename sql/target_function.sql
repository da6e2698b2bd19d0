-- Function targets: which functions can take events, what they get, and that
-- one call leaves nothing to the next.
CREATE SCHEMA tf;
CREATE SCHEMA tf2;
SET search_path = tf, public;
CREATE ROLE regress_tf_owner;
GRANT eventbus_admin TO regress_tf_owner;
SELECT eb_create_event_bus('tf') IS NOT NULL AS created;
SELECT eb_put_rule('all', '{"source":["tf"]}', event_bus => 'tf') IS NOT NULL AS put;

-- puts a target, shows what is stored of it or the whole error
CREATE FUNCTION put(resource text, parameters jsonb DEFAULT '{}', rule text DEFAULT 'all')
	RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	PERFORM eb_put_target(rule, 'x', 'function', resource, event_bus => 'tf', parameters => parameters);
	RETURN (SELECT t.resource || ' ' || t.parameters FROM eventbus.target t WHERE t.id = 'x'
			ORDER BY t.target_id DESC LIMIT 1);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || message, nullif(detail, ''), nullif(hint, ''));
END
$$;
\pset format unaligned
\pset tuples_only on

-- the name: by the caller's search path, stored with schema and types
CREATE FUNCTION one(event jsonb) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION one_context(event jsonb, context jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION many(events jsonb[]) RETURNS record LANGUAGE sql AS 'SELECT 1, 2';
CREATE FUNCTION many_context(VARIADIC events jsonb[]) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;
CREATE FUNCTION many_context(events jsonb[], context jsonb, OUT a int, OUT b int) LANGUAGE sql AS 'SELECT 1, 2';
CREATE FUNCTION "O'Hara's ""f(" (event jsonb) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT put('one');
SELECT put('TF.One');
SELECT put('one(jsonb)');
SELECT put(' tf . one ( jsonb ) ');
SELECT put('one_context');
SELECT put('many');
SELECT put('many_context(jsonb[], jsonb)');
SELECT put('many_context(jsonb[])');
SELECT put('"O''Hara''s ""f("');
SELECT put('"O''Hara''s ""f("(jsonb)');
SELECT put('arn:aws:lambda:eu-west-1:123456789012:function:one');

-- which of several is meant
SELECT put('many_context');
CREATE FUNCTION mixed(event text) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION mixed(event jsonb) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT put('mixed');
CREATE FUNCTION tf2.one(event jsonb) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT put('one');
SELECT put('tf2.one');

-- what there is not
SELECT put(NULL);
SELECT put('');
SELECT put('absent');
SELECT put('absent(jsonb)');
SELECT put('absent.one');
SELECT put('one(text)');
SELECT put('one(absent)');
SELECT put('a b');
SELECT put('one; DROP TABLE x');
SELECT put('arn:aws:lambda:eu-west-1:123456789012:function:one:2');
SELECT put('arn:aws:lambda:eu-west-1:123456789012:function:One');
SELECT put('one', '{"wings": 2}');

-- what cannot take events
CREATE FUNCTION wrong_arguments(event json) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION defaults(event jsonb, n int DEFAULT 1) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION polymorphic(event anyelement) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE PROCEDURE procedure(event jsonb) LANGUAGE sql AS 'SELECT';
CREATE AGGREGATE aggregate(jsonb) (SFUNC = jsonb_concat, STYPE = jsonb);
CREATE FUNCTION set_returning(event jsonb) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION tabular(event jsonb) RETURNS TABLE (n int) LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION pg_temp.temporary(event jsonb) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT put('wrong_arguments');
SELECT put('defaults');
SELECT put('polymorphic');
SELECT put('polymorphic(anyelement)');
SELECT put('procedure');
SELECT put('aggregate');
SELECT put('ntile');
SELECT put('set_returning');
SELECT put('tabular');
SELECT put('trigger');
SELECT regexp_replace(put('pg_temp.temporary'), 'pg_temp_\d+', 'pg_temp');

-- the rights of the rule's owner count
SET ROLE regress_tf_owner;
SELECT eb_put_rule('owned', '{"source":["tf"]}', event_bus => 'tf') IS NOT NULL AS put;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION one(jsonb) FROM PUBLIC;
SELECT put('one', rule => 'owned');
GRANT USAGE ON SCHEMA tf TO regress_tf_owner;
SELECT put('one', rule => 'owned');
GRANT EXECUTE ON FUNCTION one(jsonb) TO regress_tf_owner;
SELECT put('one', rule => 'owned');
SELECT eb_remove_target('all', 'x', 'tf');
SELECT eb_remove_target('owned', 'x', 'tf');

-- what is sent, and what is said of it
CREATE TABLE got (n serial, f text, events jsonb, context jsonb);
CREATE FUNCTION take(event jsonb) RETURNS void LANGUAGE sql
	AS $$INSERT INTO tf.got (f, events) VALUES ('event', event)$$;
CREATE FUNCTION take_context(event jsonb, context jsonb) RETURNS bigint LANGUAGE plpgsql
	AS $$BEGIN INSERT INTO tf.got (f, events, context) VALUES ('context', event, context); RETURN 1; END$$;
CREATE FUNCTION take_many(events jsonb[]) RETURNS bool LANGUAGE sql
	AS $$INSERT INTO tf.got (f, events) VALUES ('events', to_jsonb(events)) RETURNING true$$;
CREATE FUNCTION take_many_context(events jsonb[], context jsonb) RETURNS void LANGUAGE sql
	AS $$INSERT INTO tf.got (f, events, context) VALUES ('events and context', to_jsonb(events), context)$$;
CREATE FUNCTION say(what text) RETURNS void LANGUAGE sql
	AS $$SELECT eb_put_events(jsonb_build_array(jsonb_build_object('Source', 'tf', 'DetailType', 't', 'EventBusName', 'tf',
		'Detail', '{"n": 1}', 'TraceHeader', what), jsonb_build_object('Source', 'tf', 'DetailType', 't', 'EventBusName', 'tf',
		'Detail', '{"n": 2}')))$$;
SELECT eb_put_target('all', 'a', 'function', 'take', event_bus => 'tf');
SELECT eb_put_target('all', 'b', 'function', 'take_context', event_bus => 'tf');
SELECT eb_put_target('all', 'c', 'function', 'take_many', event_bus => 'tf');
SELECT eb_put_target('all', 'd', 'function', 'take_many_context', event_bus => 'tf');
SELECT say('trace');
SELECT eb_wait_until_delivered('30 s');
SELECT g.f, events = e.event FROM got g JOIN eventbus.events e ON e.id = (events->>'id')::uuid WHERE f IN ('event', 'context') ORDER BY f, g.n;
SELECT context - 'delivery_id' - 'ingestion_time' FROM got WHERE f = 'context' ORDER BY n;
SELECT count(DISTINCT context->>'delivery_id'), bool_and((context->>'ingestion_time')::timestamptz = e.ingested_at)
FROM got g JOIN eventbus.events e ON e.id = (events->>'id')::uuid WHERE f = 'context';
SELECT f, jsonb_agg(e->'detail' ORDER BY g.n, i) FROM got g, jsonb_array_elements(events) WITH ORDINALITY a(e, i) WHERE f LIKE 'events%' GROUP BY f ORDER BY f;
SELECT DISTINCT jsonb_array_length(events) = jsonb_array_length(context->'events'), context - 'events' FROM got WHERE f = 'events and context';
SELECT c - 'delivery_id' - 'ingestion_time' FROM got, jsonb_array_elements(context->'events') WITH ORDINALITY a(c, i) WHERE f = 'events and context' ORDER BY n, i;
SELECT eb_remove_targets('all', '{a,b,c,d}', 'tf');

-- a call: the state that it finds and leaves
CREATE TABLE seen (n int, what text);
CREATE FUNCTION nosy(event jsonb) RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE
	n int := (event->'detail'->>'n')::int;
	c refcursor := 'a cursor with a name';
BEGIN
	INSERT INTO tf.seen SELECT n, concat_ws(' ', 'nosy', current_setting('work_mem'), coalesce(current_setting('tf.x', true), '') = 'set',
		current_setting('search_path'), (SELECT count(*) FROM pg_cursors WHERE name = c::text), current_user,
		current_setting('eventbus.event_id') = event->>'id',
		(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()));
	SET work_mem = '77MB';
	PERFORM set_config('tf.x', 'set', false);
	SET search_path = tf;
	PERFORM pg_advisory_lock(4711);
	SET CONSTRAINTS ALL DEFERRED;
	OPEN c FOR SELECT * FROM generate_series(1, 10);
	RETURN c;
END $$;
SELECT eb_put_target('all', 'a', 'function', 'nosy', event_bus => 'tf');
SELECT say('again');
SELECT eb_wait_until_delivered('30 s');
SELECT * FROM seen ORDER BY n;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711;
SELECT eb_remove_target('all', 'a', 'tf');

-- the setting, elsewhere
SELECT current_setting('eventbus.event_id') = '';
SET eventbus.event_id = 'x';

-- constraints that are deferred are checked after each call, and AFTER triggers have fired
CREATE TABLE parent (n int PRIMARY KEY);
INSERT INTO parent VALUES (1);
CREATE TABLE child (n int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE fired (n int, depth int);
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO tf.fired VALUES (NEW.n, pg_trigger_depth()); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER fire AFTER INSERT ON child DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fire();
CREATE FUNCTION add_child(event jsonb) RETURNS void LANGUAGE sql AS $$INSERT INTO tf.child VALUES ((event->'detail'->>'n')::int)$$;
SELECT eb_put_target('all', 'a', 'function', 'add_child', event_bus => 'tf', maximum_retry_attempts => 0);
SELECT say('a child without a parent');
SELECT eb_wait_until_delivered('30 s');
TABLE child;
TABLE fired;
SELECT target, sqlstate, error_message, event->'detail' FROM eventbus.dead_letters WHERE event_bus = 'tf';
SELECT eb_remove_target('all', 'a', 'tf');

-- max_batch_size: how many are in one array
TRUNCATE got;
SELECT eb_disable_rule('all', 'tf');
SELECT eb_put_rule('some', '{"source":["tf.many"]}', event_bus => 'tf') IS NOT NULL AS put;
SELECT eb_put_target('some', 'default', 'function', 'take_many', event_bus => 'tf', maximum_retry_attempts => 0);
SELECT eb_put_target('some', 'seven', 'function', 'take_many_context', event_bus => 'tf', max_batch_size => 7);
SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'tf.many', 'DetailType', 't', 'EventBusName', 'tf', 'Detail', jsonb_build_object('n', n))))
	->'FailedEntryCount' FROM generate_series(1, 250) n;
SELECT eb_wait_until_delivered('30 s');
SELECT f, max(jsonb_array_length(events)), sum(jsonb_array_length(events)) FROM got GROUP BY f ORDER BY f;
SELECT f, bool_and((e->'detail'->>'n')::int = rank) FROM (SELECT f, e, row_number() OVER (PARTITION BY f ORDER BY got.n, i) AS rank
	FROM got, jsonb_array_elements(events) WITH ORDINALITY a(e, i)) s GROUP BY f ORDER BY f;
-- one that cannot be taken, among the others
CREATE OR REPLACE FUNCTION take_many(events jsonb[]) RETURNS bool LANGUAGE sql
	AS $$INSERT INTO tf.got (f, events) SELECT 'one by one', e FROM unnest(events) e WHERE 1 / (e->'detail'->>'n')::int < 2 RETURNING true$$;
TRUNCATE got;
SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'tf.many', 'DetailType', 't', 'EventBusName', 'tf', 'Detail', jsonb_build_object('n', n - 5))))
	->'FailedEntryCount' FROM generate_series(1, 20) n;
SELECT eb_wait_until_delivered('30 s');
SELECT count(*), sum((events->'detail'->>'n')::int) FROM got WHERE f = 'one by one';
SELECT target, sqlstate, error_message, event->'detail' FROM eventbus.dead_letters WHERE event_bus = 'tf' AND rule = 'some';
SELECT eb_remove_targets('some', '{default,seven}', 'tf');

-- a rule of a superuser, a function of somebody else's: it does not become a superuser
CREATE ROLE regress_tf_super SUPERUSER;
GRANT ALL ON SCHEMA tf TO regress_tf_owner;
GRANT INSERT ON seen TO PUBLIC;
TRUNCATE seen;
SET ROLE regress_tf_super;
SELECT eb_put_rule('super', '{"source":["tf"]}', event_bus => 'tf') IS NOT NULL AS put;
RESET ROLE;
CREATE FUNCTION who(event jsonb) RETURNS void LANGUAGE sql AS $$INSERT INTO tf.seen VALUES (NULL, current_user)$$;
CREATE FUNCTION definer(event jsonb) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$INSERT INTO tf.seen VALUES (NULL, 'definer: ' || current_user)$$;
ALTER FUNCTION who OWNER TO regress_tf_owner;
ALTER FUNCTION definer OWNER TO regress_tf_owner;
SELECT eb_put_target('super', 'who', 'function', 'who', event_bus => 'tf');
SELECT eb_put_target('super', 'definer', 'function', 'definer', event_bus => 'tf');
SELECT say('who');
SELECT eb_wait_until_delivered('30 s');
SELECT DISTINCT what FROM seen ORDER BY what;
SELECT eb_remove_targets('super', '{who,definer}', 'tf');

SELECT eb_delete_rule(r, 'tf') FROM unnest('{all,owned,some,super}'::text[]) r;
SELECT eb_delete_event_bus('tf');
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA tf, tf2 CASCADE;
DROP OWNED BY regress_tf_owner;
DROP ROLE regress_tf_owner, regress_tf_super;
