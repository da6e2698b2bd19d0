--
-- input, input_path, input_transformer: what a target gets of an event. The
-- recorded cases are in input_transformer_conformance.
--
CREATE TEMP TABLE sample (event jsonb);
INSERT INTO sample VALUES ('{"version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": "Order \"Placed\"", "source": "orders.service",
	"account": "123456789012", "time": "2024-05-13T12:27:20Z", "region": "eu-west-1", "resources": ["arn:a", "arn:b"],
	"detail": {"price": 1.10, "big": 123456789012345678901234567890, "zero": 0, "false": false, "true": true,
		"empty": "", "null": null, "list": [], "object": {}, "numbers": [1, 2.50, -3e-7], "name": "Grüße 🎉 \\ \"q\"\n\t\u0001/", "größe": "unicode name",
		"a/b": {"c-d": {"e_f": "deep"}}, "items": [{"sku": "A", "tags": ["x", "y\"z\\"]}, {"sku": "B"}, {"n": null}, 5, {"sku": null}]}}');

-- a value, in its three places: unquoted and quoted in a JSON template, in a text template
CREATE FUNCTION pg_temp.transform(path text, template text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	RETURN (SELECT eb_test_input_transformer(event, jsonb_build_object('v', path), template, ingestion_time => '2024-01-01Z') FROM sample);
EXCEPTION WHEN SQLSTATE 'UB001' OR invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN sqlstate || ': ' || message || ' ' || detail;
END $$;
\pset format unaligned
SELECT path, pg_temp.transform(path, '{"v": <v>}') AS unquoted, pg_temp.transform(path, '{"v": "<v>"}') AS quoted, pg_temp.transform(path, '"<v>"') AS text
FROM unnest(ARRAY['price', 'zero', 'false', 'true', 'empty', 'null', 'none', 'list', 'object', 'numbers', 'name', 'big', 'größe',
	'a/b.c-d.e_f', 'a/b', 'items[0].sku']) name, CAST('$.detail.' || name AS text) path;
SELECT eb_test_input_transformer('{"detail": 1e400}', '{"v": "$.detail"}', '{"v": <v>, "s": "<v>"}') = '{"v": 1' || repeat('0', 400) || ', "s": "1' || repeat('0', 400) || '"}' AS exact;

-- members of the envelope
SELECT path, pg_temp.transform(path, '{"v":<v>}') AS value
FROM unnest(ARRAY['$.version', '$.id', '$.detail-type', '$.source', '$.account', '$.time', '$.region', '$.resources', '$.resources[1]', '$.resources[2]',
	'$.replay-name', '$.Source', '$']) path;

-- arrays and wildcards: an array of what is there, nothing where the array is missing
SELECT path, pg_temp.transform(path, '{"v":<v>}') AS value, pg_temp.transform(path, '<v>') AS text
FROM unnest(ARRAY['$.resources[*]', '$.resources.*', '$.detail.items[*].sku', '$.detail.items[*].tags', '$.detail.items[*].tags[*]', '$.detail.items[*].none',
	'$.detail.items[3]', '$.detail.items[9]', '$.detail.items.sku', '$.detail.list[*]', '$.detail.list[0]', '$.detail.object.*', '$.detail.none[*]',
	'$.detail.price[*]', '$.detail.a/b.*', '$.detail.a/b[0]', '$.*[0]', '$.detail.items[4294967296]', '$.detail.items[0000000000000000000000001].sku',
	'$[0]', '$[*][1]']) path;

-- what is no path finds nothing, with a warning
SELECT pg_temp.transform('detail.price', '{"v": <v>}');
\set VERBOSITY terse
SELECT path, pg_temp.transform(path, '{"v":<v>}') AS value
FROM unnest(ARRAY['', 'detail', '$detail', '$.', '$..', '$..sku', '$.detail.', '$.detail..price', '$.detail[''price'']', '$.detail.items[-1]', '$.detail.items[1:2]',
	'$.detail.items[', '$.detail.items[]', '$.detail.items[1', '$.detail.items]', '$.detail.items[?(@.sku)]', '$.detail.pri*', '$.detail.*e', '$.detail.items[*', '$ .detail',
	'@.detail', '$.detail.items[1a]']) path;

\set VERBOSITY default

-- reserved variables
SELECT eb_test_input_transformer(event, NULL, '{"arn": <aws.events.rule-arn>, "name": "<aws.events.rule-name>", "at": <aws.events.event.ingestion-time>,
"event": <aws.events.event>, "whole": <aws.events.event.json>}', 'my-rule', 'my-bus', '2024-05-13 12:27:21.999+00') FROM sample;
SELECT eb_test_input_transformer(event - 'detail', '{}', '"<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time> <aws.events.event>"', ingestion_time => '2024-05-13Z') FROM sample;
SELECT eb_test_input_transformer('{}', NULL, '{"a": <aws.events.event>, "b": <aws.events.event.json>}');
SELECT eb_test_input_transformer('{"x": 1, "detail": {}, "id": 2, "detail-type": 3}', NULL, '{"a": <aws.events.event>, "b": <aws.events.event.json>}');
SELECT eb_test_input_transformer('{}', NULL, '{"a": "<aws.events.event>"}');
SELECT eb_test_input_transformer('{}', NULL, '{"a": "x <aws.events.event.json>"}');
SELECT eb_test_input_transformer('{}', '{"all": "$"}', '{"a": "<all>"}');
SELECT eb_test_input_transformer('{}', NULL, '<AWS.events.rule-name>');

-- templates: white space and escapes survive, lone brackets are themselves, < and > cannot be escaped
SELECT template, pg_temp.transform('$.detail-type', template) AS result
FROM unnest(ARRAY[E' \n\t{ "a"  :\t<v> }\n', '', ' ', '<v>', '"<v>', '>', '<', '"a < b"', '"a > b"', '<v><v>', '> <v> <', '<v', '"<v>" <', '{"a": "1 < 2"}', '{"a": "1 > <v>"}',
	'{"a": "\"<v>\""}', '{"a": "\\<v>"}', '{"a": "\<v>"}', '{"a": "\u00<v>"}', '\"<v>', '"\<v>"', '[<v>]', '{"a": {"b": [<v>, {"c": "-<v>-<v>-"}]}}', '{"<v>": 1}',
	'Ü<v>日本', '{"日本": "<v>"}', '}{', '{"a<b>": 1}', '<>', '< v>', '<v >', '<w>', E'a <\n>', 'a < b <v>']) template;
SELECT pg_temp.transform('$.source', E'\r\n{"a":\r<v>}\r') = E'\r\n{"a":\r"orders.service"}\r' AS same;

-- JSON templates that cannot become JSON are refused; one that may is warned of
SELECT template, pg_temp.transform('$.detail.price', template) AS number, pg_temp.transform('$.source', template) AS string
FROM unnest(ARRAY['{', '{}}', '{"a": <v>', '{"a" <v>}', '{<v>: 1}', '{<v>}', '{"a": <v> <v>}', '{"a": \"<v>\"}', '{"a": "\q<v>"}', '{"a": "<v>}', '{"a": "\u0000<v>"}', '{} text',
	'{"a": 1e999999, "b": <v>}', E'{"a": "\n<v>"}', '{"a": -<v>}', '{"a": 1<v>}', '{"a": <v>0}', '{"a": <v><v>}', '{"a": 0<v>}', '{"a": "x"<v>}']) template;

-- what is between quotes is escaped: nobody adds members to the result
SELECT eb_test_input_transformer('{"detail": {"user": "x\", \"admin\": true, \"y\": \"", "list": [",", ":"]}}', '{"user": "$.detail.user"}', '{"user": "<user>", "admin": false}');
SELECT eb_test_input_transformer('{"detail": {"list": [",", ":"]}}', '{"list": "$.detail.list"}', '{"list": "<list>"}');
SET eventbus.input_transformer_escape = off;
SELECT eb_test_input_transformer('{"detail": {"user": "x\", \"admin\": true, \"y\": \""}}', '{"user": "$.detail.user"}', '{"user": "<user>", "admin": false}');
SELECT eb_test_input_transformer('{"detail": {"list": [",", ":"]}}', '{"list": "$.detail.list"}', '{"list": "<list>"}');
SELECT eb_test_input_transformer('{"detail": {"user": "x\""}}', '{"user": "$.detail.user"}', '{"user": "<user>"}');
SELECT eb_test_input_transformer('{"detail": {"user": "x\\"}}', '{"user": "$.detail.user"}', '{"user": "<user>"}');
SELECT eb_test_input_transformer('{"detail": {"user": "x"}}', '{"user": "$.detail.user"}', '{"user": "<user>"}');
RESET eventbus.input_transformer_escape;

-- input: any JSON, or a string that holds JSON
SELECT input, eb_test_target_input('{}', jsonb_build_object('input', input))
FROM unnest(ARRAY['{"b": [1.10, null], "a": "<x>"}', '[]', '7', 'false', '"{\"a\": 1}"', '"\"text\""', '"null"', '" [1 , 2] "']::jsonb[]) input;
SELECT eb_test_target_input('{}', '{"input": "text"}');
SELECT eb_test_target_input('{}', '{"input": ""}');
SELECT eb_test_target_input('{}', '{"input": "1, 2"}');
SELECT eb_test_target_input('{}', '{"input": "1], [2"}');

-- input_path
SELECT path, eb_test_target_input(event, jsonb_build_object('input_path', path)) AS payload
FROM sample, unnest(ARRAY['$', '$.source', '$.detail.price', '$.detail.items[*].sku', '$.detail.object', '$.detail.null', '$.detail.none', 'detail']) path;
SELECT eb_test_target_input(event, '{"input_path": 1}') FROM sample;

-- nothing: the whole event; null is as good as absent, other parameters do not matter
SELECT eb_test_target_input(event, NULL) = eb_test_target_input(event, '{"input": null, "input_path": null, "input_transformer": null, "on_conflict": "ignore"}')
	AS same, eb_test_target_input(event, '[]') AS event FROM sample;

-- one of the three
SELECT eb_test_target_input('{}', '{"input": 1, "input_path": "$"}');
SELECT eb_test_target_input('{}', '{"input": 1, "input_transformer": {}}');
SELECT eb_test_target_input('{}', '{"input_path": "$", "input_transformer": null}');

-- what a transformer is
SELECT eb_test_target_input('{}', '{"input_transformer": "x"}');
SELECT eb_test_target_input('{}', '{"input_transformer": []}');
SELECT eb_test_target_input('{}', '{"input_transformer": {}}');
SELECT eb_test_target_input('{}', '{"input_transformer": {"InputTemplate": 1}}');
SELECT eb_test_target_input('{}', '{"input_transformer": {"InputTemplate": ""}}');
SELECT eb_test_target_input('{}', '{"input_transformer": {"InputTemplate": "x", "InputPathsMap": []}}');
SELECT eb_test_target_input('{}', '{"input_transformer": {"InputTemplate": "x", "InputPathsMap": {"a": 1}}}');
SELECT eb_test_target_input('{}', '{"input_transformer": {"InputTemplate": "x", "InputPathMap": {"a": "$.a"}}}');
SELECT eb_test_input_transformer('{}', '{"": "$"}', 'x');
SELECT eb_test_input_transformer('{}', '{"a.b": "$"}', 'x');
SELECT eb_test_input_transformer('{}', '{"ä": "$"}', 'x');
SELECT eb_test_input_transformer('{}', '{"AWS.events.event": "$"}', 'x');
SELECT eb_test_input_transformer('{}', '"x"', 'x');
SELECT eb_test_input_transformer('{}', '{}', NULL);
SELECT eb_test_input_transformer(NULL, '{}', 'x');
SELECT eb_test_input_transformer('[]', '{}', 'x');
SELECT eb_test_input_transformer('{}', '{}', 'x', NULL);
SELECT eb_test_input_transformer('{}', '{}', 'x', event_bus => '');
SELECT eb_test_input_transformer('{}', '{}', 'x', ingestion_time => NULL);

-- limits, in characters: each to the last that is allowed, and one more
CREATE FUNCTION pg_temp.try(paths jsonb, template text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN length(eb_test_input_transformer('{"detail": {"a": 1}}', paths, template));
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN regexp_replace(sqlerrm, '(.)\1{9,}', '\1..', 'g');
END $$;
SELECT pg_temp.try('{}', repeat('ü', 8192)) AS template, pg_temp.try('{}', repeat('ü', 8193)) AS longer;
SELECT pg_temp.try(jsonb_build_object(repeat('n', 256), '$.detail'), '<' || repeat('n', 256) || '>') AS name, pg_temp.try(jsonb_build_object(repeat('n', 257), '$.detail'), 'x') AS longer;
SELECT pg_temp.try(jsonb_build_object('v', '$.' || repeat('ü', 254)), 'x') AS path, pg_temp.try(jsonb_build_object('v', '$.' || repeat('ü', 255)), 'x') AS longer;
SELECT pg_temp.try((SELECT jsonb_object_agg('v' || i, '$.detail.a') FROM generate_series(1, n) i), (SELECT string_agg('<v' || i || '>', '' ORDER BY i) FROM generate_series(1, n) i)) AS paths
FROM generate_series(100, 101) n;
SELECT pg_temp.try('{}', '<' || repeat('x', 8000) || '>') AS placeholder;
SELECT length(eb_test_target_input('{}', jsonb_build_object('input', repeat(' ', 8191) || '1'))) AS input;
SELECT length(eb_test_target_input('{}', jsonb_build_object('input', jsonb_build_array(repeat('ü', 8188))))) AS input;
SELECT length(eb_test_target_input('{}', jsonb_build_object('input', to_jsonb(array_fill(1, ARRAY[4097]))))) AS input;
\set VERBOSITY terse
SELECT eb_test_target_input('{}', jsonb_build_object('input', repeat(' ', 8192) || '1')) AS input;

\set VERBOSITY default

-- deep nesting, wide templates, large results
SELECT length(eb_test_input_transformer(jsonb_build_object('detail', (repeat('[', 900) || repeat(']', 900))::jsonb), '{"v": "$.detail"}', '{"v": <v>}')) AS deep;
SELECT length(eb_test_input_transformer(jsonb_build_object('detail', (repeat('{"a":', 900) || '1' || repeat('}', 900))::jsonb), jsonb_build_object('v', '$.detail' || repeat('.a', 120)), '<v>')) AS deep;
SELECT eb_test_input_transformer('{}', '{}', '{"a": ' || repeat('[', 999) || repeat(']', 999) || '}') LIKE '{"a": [[[%' AS deep;
SELECT eb_test_input_transformer('{}', '{}', '{"a": ' || repeat('[', 1000) || repeat(']', 1000) || '}') AS too_deep;
SELECT length(eb_test_input_transformer(event, '{"v": "$.detail.price"}', repeat('<v>', 2730))) AS wide FROM sample;
SELECT length(eb_test_input_transformer('{"detail": {"v": [[1, 2], [3]]}}', jsonb_build_object('v', '$' || repeat('.*', 127)), '<v>')) AS wildcards;
SELECT eb_test_input_transformer(jsonb_build_object('detail', repeat('x', 1000000)), '{"v": "$.detail"}', repeat('<v>', 68)) AS large;
SELECT length(eb_test_input_transformer(jsonb_build_object('detail', repeat('x', 1000000)), '{"v": "$.detail"}', repeat('<v>', 67))) AS large;
SELECT eb_test_input_transformer(jsonb_build_object('detail', array_fill(1e131000, ARRAY[600])), '{"v": "$.detail"}', '<v>') AS large;

-- whatever is done to a good template: what is accepted makes JSON of nasty values, or says that it does not
SET client_min_messages = error;
CREATE FUNCTION pg_temp.mutate(n int, OUT refused int, OUT undeliverable int, OUT good int, OUT bad text[]) LANGUAGE plpgsql AS $$
DECLARE
	templates text[] := ARRAY['{"a": <v>, "b": ["<v>", {"c": "x <w> \" <v>"}]}', '{"a": "\\<v>", "<w>": [<v>, <w>]}'];
	fragments text[] := ARRAY['{', '}', '[', ']', '"', '\', '\"', '\\', '\u00', '\u0041', ',', ':', '<v>', '<w>', '<', '>', '1', '-', 'e', '.', 'null', ' ', '""', '"<v>"'];
	nasty jsonb[] := ARRAY['"x\", \"y\": \"z"', '"\\"', '"\u0001\n<v>\"\\u0000"', '[",", ":"]', '{"a\"b": ["\\"]}', '[1, null, []]', '-1.50e-3', 'true', '""', 'null'];
	template text;
	result text;
	at int;
BEGIN
	refused := 0; undeliverable := 0; good := 0; bad := '{}';
	FOR i IN 1..n LOOP
		template := templates[1 + i % 2];
		FOR j IN 1..1 + i / 100 % 2 LOOP
			at := random() * length(template);
			template := left(template, at) || fragments[1 + floor(random() * array_length(fragments, 1))] || substr(template, at + 1 + (random() * 2)::int);
		END LOOP;
		BEGIN
			result := eb_test_input_transformer(jsonb_build_object('v', nasty[1 + i % 10], 'w', nasty[1 + i / 10 % 10]), '{"v": "$.v", "w": "$.w"}', template);
			good := good + 1;
			IF template ~ '^\s*\{' THEN
				PERFORM result::jsonb;
			END IF;
		EXCEPTION
			WHEN invalid_parameter_value THEN refused := refused + 1;
			WHEN SQLSTATE 'UB001' THEN undeliverable := undeliverable + 1;
			WHEN OTHERS THEN bad := bad || (sqlstate || ' ' || template || ' ' || coalesce(result, ''));
		END;
	END LOOP;
END $$;
SELECT refused > 500 AS refused, undeliverable > 50 AS undeliverable, good > 50 AS good, bad FROM pg_temp.mutate(10000);
SET eventbus.input_transformer_escape = off;
SELECT refused > 500 AS refused, undeliverable > 50 AS undeliverable, good > 50 AS good, bad FROM pg_temp.mutate(10000);
RESET eventbus.input_transformer_escape;
RESET client_min_messages;

-- stored events, from their columns, give the same
SELECT eb_create_event_bus('transform') IS NOT NULL AS created;
SELECT eb_put_event('transform.test', 'Order "Placed"', event -> 'detail', 'transform', r, '2020-02-29 23:59:59.5+00') IS NOT NULL AS put
FROM sample, (VALUES (NULL), (ARRAY['arn:a', 'ärn:"b"'])) resources (r);
SELECT parameters, count(*) AS events, count(*) FILTER (WHERE row_input = eb_test_target_input(e.event, parameters, 'a-rule', 'transform', e.ingested_at)) AS same
FROM eventbus.events e,
	unnest(ARRAY['{"input_path": "$"}', '{"input_path": "$.detail.items[*]"}', '{"input_path": "$.resources"}', '{"input_path": "$.*"}', '{"input": 1}', NULL,
		'{"input_path": "$.replay-name"}', '{"input_path": "$.idea"}',
		'{"input_transformer": {"InputPathsMap": {"a": "$.version", "b": "$.id", "c": "$.detail-type", "d": "$.source", "e": "$.account", "f": "$.time", "g": "$.region", "h": "$.resources[1]"},
		  "InputTemplate": "{\"x\": [<a>, <b>, <c>, <d>, <e>, <f>, <g>, <h>, <aws.events.event>, <aws.events.event.json>, <aws.events.rule-arn>, <aws.events.event.ingestion-time>]}"}}']::jsonb[]) parameters,
	eventbus.row_input(e.id, e.source, e.detail_type, e."time", e.resources, e.detail, e.replay_name, e.ingested_at, 't', parameters, 'a-rule', 'transform') row_input
WHERE e.event_bus = 'transform' GROUP BY 1 ORDER BY 1;
SELECT eventbus.row_input('7bf73129-1428-4cd3-a780-95db273d1602', 's', 'd', '2020-02-29Z', NULL, '{}', 'again', '2020-02-29Z', 't',
	'{"input_transformer": {"InputTemplate": "{\"x\": [<aws.events.event>, <aws.events.event.json>]}"}}', 'a-rule', 'transform')::jsonb #- '{x,0,account}' #- '{x,1,account}' AS replayed;

-- a target by its name
CREATE TABLE transform_inbox (id uuid, detail jsonb, skus jsonb, rule text, at timestamptz);
SELECT eb_put_rule('transform-rule', '{"source": ["never"]}', 'transform') IS NOT NULL AS put;
SELECT eb_put_target('transform-rule', 'inbox', 'table', 'transform_inbox', 'transform');
SELECT count(*) AS events, count(*) FILTER (WHERE eb_test_target('transform-rule', 'inbox', id, 'transform')::jsonb = event) AS whole,
	count(*) FILTER (WHERE eb_test_target('transform-rule', 'inbox', id, eb_event_bus_arn('transform'))::jsonb = event) AS by_arn,
	count(*) FILTER (WHERE eb_test_target('transform-rule', 'other', id, 'transform') IS NOT NULL) AS other
FROM eventbus.events WHERE event_bus = 'transform';
SELECT eb_put_target('transform-rule', 'inbox', 'table', 'transform_inbox', 'transform',
	input_transformer => '{"InputPathsMap": {"skus": "$.detail.items[*].sku"}, "InputTemplate": "{\"skus\": <skus>, \"rule\": <aws.events.rule-name>, \"at\": <aws.events.event.ingestion-time>}"}');
SET ROLE eventbus_monitor;
SELECT p - 'at' AS payload, (p ->> 'at')::timestamptz = date_trunc('second', ingested_at) AS at
FROM eventbus.events, CAST(eb_test_target('transform-rule', 'inbox', id, 'transform') AS jsonb) p WHERE event_bus = 'transform';
RESET ROLE;
SELECT eb_remove_target('transform-rule', 'inbox', 'transform'), eb_delete_rule('transform-rule', 'transform'), eb_delete_event_bus('transform');
DROP TABLE transform_inbox;

-- who may
SELECT p.proname, r.rolname, has_function_privilege(r.oid, p.oid, 'EXECUTE') AS may
FROM pg_proc p, pg_roles r
WHERE p.proname IN ('eb_test_input_transformer', 'eb_test_target_input', 'eb_test_target', 'row_input')
  AND r.rolname IN ('eventbus_admin', 'eventbus_publisher', 'eventbus_monitor')
ORDER BY 1, 2;
SELECT count(*) AS for_public FROM pg_proc p, aclexplode(p.proacl) a
WHERE p.proname IN ('eb_test_input_transformer', 'eb_test_target_input', 'eb_test_target', 'row_input') AND a.grantee = 0;
