--
-- The conformance cases, through jsonb. The core passes all of them on JSON
-- text (test/unit/test_conformance.c); what is different here is due to jsonb.
--
\getenv abs_srcdir PG_ABS_SRCDIR
CREATE TEMP TABLE lines (line text);
\set file :abs_srcdir '/test/conformance/pattern_event_ruler_match.jsonl'
COPY lines FROM :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
\set file :abs_srcdir '/test/conformance/pattern_event_ruler_correctness.jsonl'
COPY lines FROM :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
\set file :abs_srcdir '/test/conformance/pattern_event_ruler_bytemachine.jsonl'
COPY lines FROM :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
\set file :abs_srcdir '/test/conformance/pattern_event_ruler_invalid.jsonl'
COPY lines FROM :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
\set file :abs_srcdir '/test/conformance/pattern_event_ruler_valid_compile.jsonl'
COPY lines FROM :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
\set file :abs_srcdir '/test/conformance/pattern_moto_agree.jsonl'
COPY lines FROM :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
\set file :abs_srcdir '/test/conformance/pattern_quamina_agree.jsonl'
COPY lines FROM :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');

-- What the operator says: true, false, or error; for an error its message.
CREATE FUNCTION pg_temp.judge(pattern text, event text, OUT verdict text, OUT message text)
LANGUAGE plpgsql AS $$
DECLARE
	e jsonb;
BEGIN
	BEGIN
		e := event;
	EXCEPTION WHEN data_exception THEN
		e := '{}';		-- an event that is not JSON matches nothing
	END;
	verdict := e @~ pattern::jsonb;
EXCEPTION WHEN data_exception THEN
	verdict := 'error';
	message := sqlerrm;
END $$;

CREATE TEMP TABLE cases AS
SELECT c ->> 'name' AS name,
	   c ->> 'match' AS match,
	   split_part(coalesce(c ->> 'json_compiler_error', c ->> 'error'), E'\n', 1) AS error,
	   c ->> 'pattern_text' AS pattern,
	   coalesce(c ->> 'flags', '') LIKE '%pattern_not_json%' AS not_json,
	   j.*
FROM lines, CAST(line AS jsonb) c,
	 pg_temp.judge(c ->> 'pattern_text', c ->> 'event_text') j;

SELECT count(*) AS cases FROM cases;

-- other verdicts than expected
SELECT name, match, verdict, message, pattern FROM cases
WHERE verdict IS DISTINCT FROM match
ORDER BY name COLLATE "C", pattern COLLATE "C";

-- other messages than expected
SELECT pattern, error, message FROM cases
WHERE verdict = 'error' AND match = 'error' AND NOT not_json
  AND message <> 'Event pattern is not valid. Reason: ' || error
ORDER BY pattern COLLATE "C";
