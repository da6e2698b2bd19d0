-- Table targets with an input, an input path or an input transformer: members
-- of the object that it makes go to the columns of their names.
CREATE SCHEMA tp;
SET search_path = tp, public;
CREATE ROLE regress_tp_owner;
GRANT eventbus_admin TO regress_tp_owner;
GRANT USAGE ON SCHEMA tp TO regress_tp_owner;
SELECT eb_create_event_bus('tp') IS NOT NULL AS created;
SELECT eb_put_rule('all', '{"source":["tp"]}', event_bus => 'tp') IS NOT NULL AS put;
SET ROLE regress_tp_owner;
SELECT eb_put_rule('owned', '{"source":["tp-owned"]}', event_bus => 'tp') IS NOT NULL AS put;
RESET ROLE;

-- puts a target, shows 'ok' or the whole error
CREATE FUNCTION put(resource text, parameters jsonb, rule text DEFAULT 'all', id text DEFAULT 'x')
	RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	PERFORM eb_put_target(rule, id, 'table', resource, event_bus => 'tp', parameters => parameters);
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || message, nullif(detail, ''), nullif(hint, ''));
END
$$;
-- parameters with a template, its variables are members of detail
CREATE FUNCTION template(template text, VARIADIC variables text[] DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('input_transformer', jsonb_build_object('InputTemplate', template, 'InputPathsMap',
		(SELECT coalesce(jsonb_object_agg(v, '$.detail.' || v), '{}') FROM unnest(variables) v)))
$$;
CREATE FUNCTION send(VARIADIC details jsonb[]) RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
	answer jsonb := eb_put_events((SELECT jsonb_agg(jsonb_build_object('Source', 'tp', 'DetailType', 't', 'Detail', d, 'EventBusName', 'tp') ORDER BY o)
								   FROM unnest(details) WITH ORDINALITY AS u (d, o)));
BEGIN
	RETURN answer->>'FailedEntryCount';
END
$$;
-- polls until the target is in that state, and says why
CREATE PROCEDURE await(wanted text, INOUT error text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		SELECT last_error INTO error FROM eventbus.targets WHERE event_bus = 'tp' AND rule = 'all' AND id = 'x' AND state = wanted;
		EXIT WHEN FOUND;
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
CREATE FUNCTION letters(OUT detail jsonb, OUT error_code text, OUT sqlstate text, OUT error_message text, OUT attempts int)
	RETURNS SETOF record LANGUAGE sql SET search_path FROM CURRENT AS $$
	SELECT event->'detail', error_code, sqlstate, error_message, attempts FROM eventbus.dead_letters
	WHERE event_bus = 'tp' ORDER BY dead_letter_id
$$;
\pset format unaligned
\pset tuples_only on

-- names and rights are checked when the target is put, as far as the members are known
CREATE TABLE orders (n serial PRIMARY KEY, id text, total numeric(10,2), event text DEFAULT 'none',
	twice numeric GENERATED ALWAYS AS (total * 2) STORED, always int GENERATED ALWAYS AS IDENTITY);
SELECT put('orders', template('{"id": <id>, "total": <total>}', 'id', 'total'));
SELECT put('orders', template('{"id": <id>, "sum": <total>}', 'id', 'total'));
SELECT put('orders', template('{"twice": <total>}', 'total'));
SELECT put('orders', template('{"always": 1}'));
SELECT put('orders', template('{"id<id>": 1}', 'id'));
SELECT put('orders', template('{"id<id>": 1, "x": 2, "sum": 3}', 'id'));
SELECT put('orders', template('{"id": -<total>, "Id": 1}', 'total'));
SELECT put('orders', template('order <id>', 'id'));
SELECT put('orders', '{"input": {"id": 1, "ID": 2}}');
SELECT put('orders', '{"input": "{\"id\": 1}"}');
SELECT put('orders', '{"input": [1]}');
SELECT put('orders', '{"input": 1}');
SELECT put('orders', '{"input": {}}');
SELECT put('orders', '{"input_path": "$.detail"}');
SELECT put('absent', '{"input_path": "$.detail"}');
SELECT put('orders', '{"input": {"id": 1}, "on_conflict": "ignore"}');
SELECT put('orders', '{"input": {"id": 1}, "on_conflict": "other"}');
CREATE DOMAIN needed AS int NOT NULL;
CREATE TABLE strict (a int NOT NULL, b int NOT NULL DEFAULT 1, c needed);
SELECT put('strict', template('{"a": <a>}', 'a'));
SELECT put('strict', template('{"c": <a>}', 'a'));
SELECT put('strict', template('{"a<a>": 1}', 'a'));
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := 7; NEW.c := 8; RETURN NEW; END';
CREATE TRIGGER fill BEFORE INSERT ON strict FOR EACH ROW EXECUTE FUNCTION fill();
SELECT put('strict', template('{"b": <a>}', 'a'));
CREATE VIEW cut AS SELECT id, upper(id) AS upper FROM orders;
SELECT put('cut', '{"input": {"id": "v"}}');
SELECT put('cut', '{"input": {"upper": "v"}}');

-- rights of the rule's owner, by column
SELECT put('orders', '{"input": {"id": 1}}', 'owned');
SELECT put('orders', '{"input_path": "$.detail"}', 'owned');
GRANT INSERT (id) ON orders TO regress_tp_owner;
SELECT put('orders', '{"input": {"id": 1}}', 'owned');
SELECT put('orders', '{"input": {"id": 1, "total": 1}}', 'owned');
SELECT put('orders', '{"input_path": "$.detail"}', 'owned');
SELECT eb_remove_target('owned', 'x', 'tp');

-- a column named after a field of events takes nothing but the member of its name
SELECT put('orders', template('{"id": <id>, "total": <total>}', 'id', 'total') || '{"maximum_retry_attempts": 0}');
SELECT send('{"id": "A", "total": 10.239}', '{"id": "B \"q\" ü", "total": "1e2"}', '{"id": 5}', '{}');
SELECT eb_wait_until_delivered('30 s');
SELECT n, id, total, event, twice, always FROM orders ORDER BY n;
-- (what an event has not is "" in a template: no number)
SELECT detail, error_code, sqlstate, error_message FROM letters();

-- types, as jsonb_populate_record converts them
SELECT eb_remove_target('all', 'x', 'tp');
TRUNCATE orders RESTART IDENTITY;
CREATE TYPE point3 AS (x int, y int, label text);
CREATE TYPE mood AS ENUM ('calm', 'tense');
CREATE DOMAIN short AS varchar(3) CHECK (VALUE <> 'no');
CREATE TABLE types (gone int, i int, f float8, b bool, t text, v varchar(3), c char(3), s short, m mood, ts timestamptz, d date, iv interval, u uuid,
	j json, jb jsonb, ia int[], ta text[], ja jsonb[], p point3, pa point3[], r int4range, bt bytea, n needed DEFAULT 5, "Ünï ""q" text, o int DEFAULT 42);
ALTER TABLE types DROP COLUMN gone;
SELECT put('types', '{"input_path": "$.detail", "maximum_retry_attempts": 0}');
SELECT send('{}', '{"i": 1, "f": 1.5, "b": true, "t": "text", "v": "abc", "c": "a", "s": "yes", "m": "calm", "ts": "2026-01-02T03:04:05Z", "d": "2026-01-02",
	"iv": "1 day", "u": "01a20727-b37e-7e00-8f2b-41491675bc81", "j": {"b": [1], "a": null}, "jb": {"b": [1], "a": null}, "ia": [1, null, 3], "ta": ["x", "y,z"],
	"ja": [{"a": 1}, "s", null], "p": {"x": 1, "label": "l"}, "pa": [{"x": 1}, {"y": 2}], "r": "[1,5)", "bt": "\\x00ff", "n": 6, "Ünï \"q": "key", "o": null}',
	'{"t": {"a": [1, 2]}}', '{"t": 12.50, "j": "string", "jb": 7}', '{"j": null, "jb": null, "ia": null, "p": null}', '{"ia": "{1,2}", "p": "(1,2,l)", "b": "on", "i": "7"}',
	'{"i": "x"}', '{"i": 1.5}', '{"v": "abcd"}', '{"s": "no"}', '{"m": "angry"}', '{"n": null}', '{"ia": [1, [2]]}', '{"p": [1]}', '{"d": "x"}');
SELECT eb_wait_until_delivered('30 s');
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET IntervalStyle = postgres;
SELECT jsonb_strip_nulls(to_jsonb(made)) FROM types made ORDER BY ctid;
SELECT detail, error_code, sqlstate, error_message, attempts FROM letters();

-- the same as the server's own function makes
WITH good AS MATERIALIZED (
	SELECT e.detail FROM eventbus.events e WHERE e.event_bus = 'tp' AND NOT e.detail ? 'id'
		AND (e.detail = '{}' OR e.detail NOT IN (SELECT l.detail FROM letters() l))
)
SELECT count(*) FROM types made WHERE EXISTS (SELECT FROM good, jsonb_populate_record(NULL::types, '{"n": 5, "o": 42}' || detail) server WHERE to_jsonb(server) = to_jsonb(made));

-- what is not an object: a dead letter at once, whatever the retries
SELECT put('orders', '{"input_path": "$.detail.row"}');
SELECT send('{"row": {"id": "good"}}', '{"row": 1}', '{"row": [{"id": "a"}]}', '{"row": null}', '{}', '{"row": "{\"id\": \"text\"}"}', '{"row": {}}');
SELECT eb_wait_until_delivered('30 s');
SELECT id, total, event FROM orders ORDER BY n;
SELECT detail, error_code, sqlstate, error_message, attempts FROM letters() WHERE sqlstate = 'UB001';

-- a member without a column: the target has failed and keeps its backlog
SELECT send('{"row": {"id": "late", "extra": 1}}');
CALL await('failed', NULL);
SELECT state, dead_letters, to_retry FROM eventbus.targets WHERE event_bus = 'tp' AND id = 'x';
ALTER TABLE orders ADD extra int;
SELECT put('orders', '{"input_path": "$.detail.row"}');
SELECT eb_wait_until_delivered('30 s');
SELECT id, extra FROM orders WHERE extra IS NOT NULL;
SELECT send('{"row": {"id": "no", "always": 1}}');
CALL await('failed', NULL);
-- another transformer takes effect for the backlog, too
SELECT put('orders', template('{"id": "replaced"}'));
SELECT eb_wait_until_delivered('30 s');
SELECT id, extra FROM orders WHERE id = 'replaced';

-- where the next event can be delivered, it was the first one's own fault
SELECT put('orders', '{"input_path": "$.detail.row"}');
SELECT send('{"row": {"id": "odd", "other": 1}}', '{"row": {"id": "even"}}');
SELECT eb_wait_until_delivered('30 s');
SELECT detail, error_code, sqlstate, error_message, attempts FROM letters() WHERE sqlstate = '42703';
SELECT id FROM orders WHERE id IN ('odd', 'even');

-- in order: changing members are several statements, the same ones are one
TRUNCATE orders RESTART IDENTITY;
CREATE TABLE statements (n serial, rows bigint);
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN INSERT INTO statements (rows) SELECT count(*) FROM new_rows; RETURN NULL; END $$;
CREATE TRIGGER count_rows AFTER INSERT ON orders REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'tp', 'DetailType', 't', 'EventBusName', 'tp', 'Detail',
	jsonb_build_object('row', CASE WHEN i BETWEEN 101 AND 103 THEN jsonb_build_object('id', i) ELSE jsonb_build_object('total', i, 'id', i) END)) ORDER BY i))->'FailedEntryCount'
FROM generate_series(1, 200) i;
SELECT eb_wait_until_delivered('30 s');
SELECT count(*), bool_and(n::text = id), count(total) FROM orders;
SELECT count(*) < 30 AS few FROM statements;
DROP TRIGGER count_rows ON orders;

-- many sets of members, more than plans are kept for
TRUNCATE orders RESTART IDENTITY;
DO $$ BEGIN FOR i IN 1 .. 8 LOOP EXECUTE format('ALTER TABLE orders ADD c%s int', i); END LOOP; END $$;
SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'tp', 'DetailType', 't', 'EventBusName', 'tp', 'Detail', jsonb_build_object('row', r)) ORDER BY i))->'FailedEntryCount'
FROM generate_series(0, 255) i, LATERAL (SELECT jsonb_object_agg('c' || b, i) FILTER (WHERE i & (1 << b - 1) <> 0) || jsonb_build_object('id', i) AS r FROM generate_series(1, 8) b) x WHERE i > 0;
SELECT eb_wait_until_delivered('60 s');
SELECT count(*), bool_and(n::text = id), sum(num_nonnulls(c1, c2, c3, c4, c5, c6, c7, c8)) FROM orders;

-- one event of a hundred that fails affects itself only, whichever way
TRUNCATE orders RESTART IDENTITY;
SELECT put('orders', '{"input_path": "$.detail.row", "maximum_retry_attempts": 0}');
SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'tp', 'DetailType', 't', 'EventBusName', 'tp', 'Detail',
	CASE i WHEN 30 THEN '{"row": 30}' WHEN 50 THEN '{"row": {"id": 50, "total": "x"}}' WHEN 70 THEN '{"row": {"id": 70, "total": 1e20}}' ELSE jsonb_build_object('row', jsonb_build_object('id', i, 'total', i)) END)
	ORDER BY i))->'FailedEntryCount' FROM generate_series(1, 100) i;
SELECT eb_wait_until_delivered('30 s');
SELECT count(*), bool_and(id::int = total), array_agg(id::int ORDER BY n) = array_agg(id::int ORDER BY id::int) FROM orders;
SELECT detail, error_code, sqlstate FROM letters() WHERE detail->>'row' = '30' OR detail->'row'->>'id' IN ('50', '70');

-- on_conflict, row security, partitions, views with their own defaults, foreign keys
CREATE TABLE keyed (id text PRIMARY KEY, v int);
SELECT put('keyed', '{"input_path": "$.detail", "on_conflict": "ignore"}');
SELECT send('{"id": "a", "v": 1}', '{"id": "a", "v": 2}', '{"id": "b"}', '{"v": 3, "id": "a"}');
SELECT eb_wait_until_delivered('30 s');
SELECT * FROM keyed ORDER BY id;

CREATE TABLE parts (region text, n int, CONSTRAINT positive CHECK (n > 0)) PARTITION BY LIST (region);
CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
CREATE TABLE parts_us (n int, x int, region text, CONSTRAINT positive CHECK (n > 0));
ALTER TABLE parts_us DROP COLUMN x;
ALTER TABLE parts ATTACH PARTITION parts_us FOR VALUES IN ('us');
SELECT put('parts', '{"input_path": "$.detail", "maximum_retry_attempts": 0}');
SELECT send('{"region": "us", "n": 1}', '{"region": "eu", "n": 2}', '{"region": "asia", "n": 3}', '{"region": "eu", "n": 0}');
SELECT eb_wait_until_delivered('30 s');
SELECT tableoid::regclass, * FROM parts ORDER BY n;
SELECT detail, sqlstate FROM letters() WHERE detail ? 'region';

CREATE VIEW keyed_view AS SELECT id AS name, v FROM keyed;
ALTER VIEW keyed_view ALTER v SET DEFAULT 99;
SELECT put('keyed_view', template('{"name": <id>}', 'id'));
SELECT send('{"id": "view"}');
SELECT eb_wait_until_delivered('30 s');
SELECT * FROM keyed WHERE id = 'view';

CREATE TABLE guarded (id text, secret text DEFAULT 'default');
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded FOR INSERT TO regress_tp_owner WITH CHECK (id <> 'forbidden');
GRANT INSERT (id) ON guarded TO regress_tp_owner;
SELECT put('guarded', '{"input_path": "$.detail", "maximum_retry_attempts": 0}', 'owned');
SELECT eb_put_event('tp-owned', 't', d, 'tp') IS NOT NULL FROM unnest('{"{\"id\": \"allowed\"}","{\"id\": \"forbidden\"}","{\"id\": \"allowed too\"}"}'::jsonb[]) d;
SELECT eb_wait_until_delivered('30 s');
SELECT * FROM guarded ORDER BY id;
SELECT detail, error_code, sqlstate FROM letters() WHERE detail->>'id' = 'forbidden';
-- rights on columns count for those that have a member
SELECT eb_put_event('tp-owned', 't', '{"id": "x", "secret": "s"}', 'tp') IS NOT NULL;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN EXISTS (SELECT FROM eventbus.targets WHERE rule = 'owned' AND state = 'failed');
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
SELECT state, last_error FROM eventbus.targets WHERE rule = 'owned';
GRANT INSERT (secret) ON guarded TO regress_tp_owner;
SELECT eb_wait_until_delivered('60 s');
SELECT * FROM guarded WHERE secret = 's';

-- code of the table's owner runs as that, not as a superuser whose rule it is
CREATE TABLE spy (id text, who name DEFAULT current_user);
GRANT CREATE ON SCHEMA tp TO regress_tp_owner;
ALTER TABLE spy OWNER TO regress_tp_owner;
CREATE FUNCTION is_fine(text) RETURNS bool LANGUAGE plpgsql SET search_path FROM CURRENT AS
	$$ BEGIN IF current_user <> 'regress_tp_owner' THEN RAISE EXCEPTION 'converted as %', current_user; END IF; RETURN true; END $$;
CREATE DOMAIN spied AS text CHECK (is_fine(VALUE));
GRANT EXECUTE ON FUNCTION is_fine(text) TO regress_tp_owner;
ALTER TABLE spy ALTER id TYPE text, ADD domain spied;
SELECT put('spy', '{"input_path": "$.detail", "maximum_retry_attempts": 0}');
SELECT send('{"id": "who", "domain": "x"}');
SELECT eb_wait_until_delivered('30 s');
SELECT id, who, domain FROM spy;

-- a transform that comes and goes: the table takes payloads, then events
CREATE TABLE both_ways (id text, source text, extra text DEFAULT 'default');
SELECT put('both_ways', template('{"id": "payload"}'));
SELECT send('{}');
SELECT eb_wait_until_delivered('30 s');
SELECT put('both_ways', '{}');
SELECT send('{}');
SELECT eb_wait_until_delivered('30 s');
SELECT CASE WHEN id = 'payload' THEN id ELSE 'uuid' END, source, extra FROM both_ways ORDER BY ctid;

SELECT eb_remove_target(r, 'x', 'tp') FROM unnest('{all,owned}'::text[]) r;
SELECT eb_delete_rule(r, 'tp') FROM unnest('{all,owned}'::text[]) r;
SELECT eb_delete_event_bus('tp');
SET client_min_messages = warning;
DROP SCHEMA tp CASCADE;
DROP OWNED BY regress_tp_owner;
DROP ROLE regress_tp_owner;
