--
-- The conformance cases of input, input_path and input_transformer.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/test/conformance/input_transformer.jsonl'
CREATE TEMP TABLE lines (line text);
COPY lines FROM :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');

-- What a target with the case's parameters gets: its text, or why it gets none.
CREATE FUNCTION pg_temp.run(c jsonb, OUT outcome text, OUT payload text, OUT message text)
LANGUAGE plpgsql AS $$
DECLARE
	parameters jsonb := jsonb_strip_nulls(jsonb_build_object('input', c -> 'input', 'input_path', c -> 'input_path'));
BEGIN
	IF c ->> 'input_template' IS NOT NULL THEN
		parameters := parameters || jsonb_build_object('input_transformer',
			jsonb_build_object('InputPathsMap', c -> 'input_paths_map', 'InputTemplate', c -> 'input_template'));
	END IF;
	payload := eb_test_target_input((c ->> 'event_text')::jsonb, parameters, c ->> 'rule_name', 'test-bus',
									(c ->> 'ingestion_time')::timestamptz);
	outcome := 'delivered';
EXCEPTION
	WHEN SQLSTATE 'UB001' THEN
		outcome := 'not_delivered';
		message := sqlerrm;
	WHEN invalid_parameter_value THEN
		outcome := 'put_targets_error';
		message := replace(sqlerrm, 'for target preview', 'for target <target-id>');
END $$;

-- ARNs of rules have this server's region and account.
CREATE TEMP TABLE cases AS
SELECT (c ->> 'n')::int AS n, c ->> 'group' AS "group", c ->> 'outcome' AS expected_outcome, r.outcome,
	   replace(c ->> 'expected_output_text', 'arn:aws:events:us-east-1:111111111111:rule/test-bus/',
			   replace(eb_rule_arn('test-rule', 'test-bus'), 'test-rule', '')) AS expected_payload, r.payload,
	   c ->> 'compare' AS compare, c -> 'error' ->> 'Message' AS expected_message, r.message
FROM lines, CAST(line AS jsonb) c, pg_temp.run(c) r;

SELECT count(*) AS cases, count(*) FILTER (WHERE outcome = 'delivered') AS delivered,
	   count(*) FILTER (WHERE outcome = 'not_delivered') AS not_delivered,
	   count(*) FILTER (WHERE outcome = 'put_targets_error') AS put_targets_error
FROM cases;

-- other outcomes, messages and payloads than expected
SELECT * FROM cases WHERE outcome IS DISTINCT FROM expected_outcome ORDER BY n;
SELECT n, expected_message, message FROM cases WHERE outcome = 'put_targets_error' AND message IS DISTINCT FROM expected_message ORDER BY n;
SELECT n, compare, expected_payload, payload FROM cases
WHERE outcome = 'delivered' AND
	CASE compare WHEN 'text' THEN payload <> expected_payload ELSE payload::jsonb <> expected_payload::jsonb END
ORDER BY n;

-- three of them because jsonb, which events are stored as, has its own order of keys: the rest of their text is right
SELECT n FROM cases
WHERE compare = 'text' AND payload <> expected_payload
  AND payload = replace(expected_payload, '{acc_id:0a787ecb-4015,sf_id:baz}', '{sf_id:baz,acc_id:0a787ecb-4015}')
ORDER BY n;

-- as EventBridge does it, byte by byte: the recordings have nothing to escape
SET eventbus.input_transformer_escape = off;
SELECT count(*) AS different
FROM cases, lines, CAST(line AS jsonb) c, pg_temp.run(c) r
WHERE (c ->> 'n')::int = cases.n
  AND (r.outcome <> cases.outcome OR r.payload IS DISTINCT FROM cases.payload);
