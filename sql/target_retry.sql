-- What a target rejects is tried again, and given up in the end; a pause keeps
-- everything. Clocks and crashes are tested in test/t/083_retry.pl.
CREATE SCHEMA tr;
SET search_path = tr, public;
SELECT eb_create_event_bus('tr') IS NOT NULL AS created;
CREATE TABLE inbox (n bigint GENERATED ALWAYS AS IDENTITY, detail_type text, event_bus text);
CREATE PROCEDURE put(VARIADIC detail_types text[])
	LANGUAGE sql SET search_path FROM CURRENT AS $$
	SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'tr', 'DetailType', d, 'EventBusName', 'tr',
		'Detail', jsonb_build_object())))
	FROM unnest(detail_types) AS d
$$;
-- waits until a query says true
CREATE PROCEDURE until(condition text)
	LANGUAGE plpgsql AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + '30 s';
	done bool;
BEGIN
	LOOP
		EXECUTE 'SELECT ' || condition INTO done;
		EXIT WHEN done;
		IF clock_timestamp() > deadline THEN
			RAISE 'not in time: %', condition;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
CREATE VIEW retries AS
	SELECT detail_type, attempts, next_attempt_at IS NOT NULL AS has_time,
		next_attempt_at - first_attempt_at <= make_interval(secs => 2 ^ (attempts - 1) + 1) AS soon, first_error, last_error
	FROM eventbus.delivery_retries JOIN eventbus.target USING (target_id) ORDER BY delivery_seq;
CREATE VIEW dead AS
	SELECT detail_type, attempts, error_code, sqlstate FROM (
		SELECT * FROM eventbus.dead_letters WHERE event_bus = 'tr'
		ORDER BY dead_lettered_at, delivery_seq) d;
SELECT eb_put_rule('all', '{"source": ["tr"]}', 'tr') IS NOT NULL AS put;
-- the options
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', maximum_retry_attempts => 186);
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', maximum_retry_attempts => -1);
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', maximum_event_age => '59 s');
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', maximum_event_age => '2 days');
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', max_batch_size => 0);
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', log_level => 'loud');
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', dead_letters => false, dead_letter_queue => 'q');
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', parameters => '{"fifo": "yes"}');
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', parameters => '{"maximum_retry_attempts": 1.5}');
SELECT eb_put_targets('all', '[{"Id": "inbox", "Type": "table", "Resource": "inbox",
	"RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 120}}]', 'tr') -> 'FailedEntryCount' AS failed;
SELECT eb_put_targets('all', '[{"Id": "inbox", "Type": "table", "Resource": "inbox", "RetryPolicy": {"Attempts": 2}}]', 'tr') #>> '{FailedEntries,0,ErrorMessage}' AS message;
SELECT parameters FROM eventbus.targets WHERE event_bus = 'tr';
\set VERBOSITY sqlstate
UPDATE eventbus.target SET parameters = '[1]' WHERE resource = 'tr.inbox';
\set VERBOSITY default
-- others pass; the bad one comes when it is mended
ALTER TABLE inbox ADD CONSTRAINT no_b CHECK (detail_type <> 'b');
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr');
CALL put('a', 'b', 'c');
CALL until($$(SELECT string_agg(detail_type, '' ORDER BY n) = 'ac' FROM tr.inbox)$$);
SELECT detail_type, has_time, soon, first_error = last_error AS same, last_error FROM retries;
SELECT state, waiting, detail FROM eventbus.status WHERE name = 'tr/all/inbox';
ALTER TABLE inbox DROP CONSTRAINT no_b;
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, '' ORDER BY n) FROM inbox;
SELECT count(*) FROM retries;
-- one retry, then it is given up
ALTER TABLE inbox ADD CONSTRAINT no_e CHECK (detail_type <> 'e');
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', maximum_retry_attempts => 1);
CALL put('d', 'e', 'f');
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, '' ORDER BY n) FROM inbox;
SELECT * FROM dead;
-- without dead letters it is dropped
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', maximum_retry_attempts => 0, dead_letters => false);
CALL put('e', 'g');
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, '' ORDER BY n) FROM inbox;
SELECT count(*) FROM dead;
-- an error that looks like the target's but is one event's: given up at once,
-- since the next event is delivered
CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.detail_type = 'h' THEN
		RAISE 'not that one' USING ERRCODE = 'undefined_table';
	END IF;
	RETURN new;
END
$$;
CREATE TRIGGER picky BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION picky();
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr');
CALL put('h', 'i');
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, '' ORDER BY n) FROM inbox;
SELECT * FROM dead;
SELECT state FROM eventbus.targets WHERE event_bus = 'tr';
DROP TRIGGER picky ON inbox;
-- a target that is put again tries its retries at once; a removed one forgets them
ALTER TABLE inbox ADD CONSTRAINT no_j CHECK (detail_type <> 'j');
CALL put('j');
CALL until('EXISTS (SELECT FROM tr.retries)');
UPDATE eventbus.delivery_retries SET next_attempt_at = clock_timestamp() + '8 min';
ALTER TABLE inbox DROP CONSTRAINT no_j;
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr');
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, '' ORDER BY n) FROM inbox;
ALTER TABLE inbox ADD CONSTRAINT no_j CHECK (detail_type <> 'j') NOT VALID;
CALL put('j');
CALL until('EXISTS (SELECT FROM tr.retries)');
SELECT eb_remove_target('all', 'inbox', 'tr');
SELECT count(*) FROM eventbus.delivery_retries WHERE source = 'tr';
ALTER TABLE inbox DROP CONSTRAINT no_j, DROP CONSTRAINT no_e;
TRUNCATE inbox;

-- pause and resume
SELECT eb_pause_target('all', 'none', 'tr');
SELECT eb_resume_target('all', 'none', 'tr');
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr');
SELECT eb_resume_target('all', 'inbox', 'tr', 'latest');
SELECT eb_resume_target('all', 'inbox', 'tr', 'yesterday');
SELECT eb_resume_target('all', 'inbox', 'tr');
SELECT eb_pause_target('all', 'inbox', 'tr'), eb_pause_target('all', 'inbox', 'tr');
CALL put('a', 'b');
SELECT eb_wait_until_delivered('30 s');
SELECT state, waiting FROM eventbus.status WHERE name = 'tr/all/inbox';
SELECT eb_resume_target('all', 'inbox', 'tr');
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, '' ORDER BY n) FROM inbox;
SELECT eb_pause_target('all', 'inbox', 'tr');
CALL put('c', 'd');
SELECT eb_wait_until_delivered('30 s');
SELECT eb_resume_target('all', 'inbox', 'tr', 'latest');
CALL put('e');
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, '' ORDER BY n) FROM inbox;
SELECT isempty(range_merge(pauses)) AS none, paused_at FROM eventbus.target JOIN eventbus.rule USING (rule_id) WHERE name = 'all' AND resource = 'tr.inbox';
-- a pause that is rolled back is none
BEGIN;
SELECT eb_pause_target('all', 'inbox', 'tr');
ROLLBACK;
CALL put('f');
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, '' ORDER BY n) FROM inbox;
SELECT eb_remove_target('all', 'inbox', 'tr');

-- FIFO: an event that fails holds up its own group
CREATE TABLE fifo (n bigint GENERATED ALWAYS AS IDENTITY, detail_type text, CONSTRAINT no_x CHECK (detail_type NOT LIKE '%x'));
SELECT eb_put_target('all', 'fifo', 'table', 'fifo', 'tr', fifo => true);
SELECT eb_put_events(jsonb_agg(jsonb_build_object('Source', 'tr', 'DetailType', d, 'EventBusName', 'tr', 'Detail', '{}'::jsonb)
	|| CASE WHEN d LIKE '-%' THEN '{}' ELSE jsonb_build_object('EventGroupId', left(d, 1)) END)) -> 'FailedEntryCount' AS failed
FROM unnest('{a1,b1,a2x,b2,a3,-1x,a4,b3,-2}'::text[]) AS d;
CALL until($$(SELECT count(*) = 4 FROM tr.fifo)$$);
SELECT string_agg(detail_type, ' ' ORDER BY n) FROM fifo;
SELECT detail_type, attempts > 0 AS tried, has_time FROM retries;
SELECT count(eb_put_event('tr', d, '{}', 'tr', event_group_id => left(d, 1))) FROM unnest('{a5,b4}'::text[]) AS d;
CALL until($$(SELECT count(*) = 5 FROM tr.fifo)$$);
ALTER TABLE fifo DROP CONSTRAINT no_x;
SELECT eb_wait_until_delivered('30 s');
SELECT left(detail_type, 1) AS event_group, string_agg(detail_type, ' ' ORDER BY n) FROM fifo GROUP BY 1 ORDER BY 1;
-- when it is given up the others go on
ALTER TABLE fifo ADD CONSTRAINT no_x CHECK (detail_type NOT LIKE '%x') NOT VALID;
TRUNCATE fifo;
SELECT eb_put_target('all', 'fifo', 'table', 'fifo', 'tr', fifo => true, maximum_retry_attempts => 1);
SELECT count(eb_put_event('tr', d, '{}', 'tr', event_group_id => left(d, 1))) FROM unnest('{a1x,a2,b1,a3}'::text[]) AS d;
SELECT eb_wait_until_delivered('30 s');
SELECT left(detail_type, 1) AS event_group, string_agg(detail_type, ' ' ORDER BY n) FROM fifo GROUP BY 1 ORDER BY 1;
SELECT * FROM dead WHERE detail_type = 'a1x';
-- what a restored log holds and nobody has resumed does not hold up a group
TRUNCATE fifo;
SELECT eb_put_target('all', 'fifo', 'table', 'fifo', 'tr', fifo => true);
SELECT count(eb_put_event('tr', d, '{}', 'tr', event_group_id => left(d, 1))) FROM unnest('{a1x,a2}'::text[]) AS d;
CALL until($$(SELECT count(*) = 2 FROM tr.retries)$$);
CREATE TEMP TABLE restored AS SELECT * FROM eventbus.delivery_retries WHERE source = 'tr';
UPDATE restored SET generation = -1, next_attempt_at = NULL, event_group_id = CASE detail_type WHEN 'a2' THEN 'b' ELSE 'a' END;
INSERT INTO eventbus.delivery_retries SELECT * FROM restored;
SELECT eb_put_event('tr', 'b1', '{}', 'tr', event_group_id => 'b') IS NOT NULL AS put;
CALL until($$(SELECT count(*) = 1 FROM tr.fifo)$$);
ALTER TABLE fifo DROP CONSTRAINT no_x;
CALL until($$(SELECT count(*) = 3 FROM tr.fifo)$$);
SELECT left(detail_type, 1) AS event_group, string_agg(detail_type, ' ' ORDER BY n) FROM fifo GROUP BY 1 ORDER BY 1;
DELETE FROM eventbus.delivery_retries WHERE source = 'tr' AND generation = -1;
-- a group that was held up comes in large batches
CREATE TABLE runs (size int);
CREATE FUNCTION note_run() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	INSERT INTO runs SELECT count(*) FROM added;
	RETURN NULL;
END
$$;
CREATE TRIGGER note_run AFTER INSERT ON fifo REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_run();
ALTER TABLE fifo ADD CONSTRAINT no_x CHECK (detail_type NOT LIKE '%x') NOT VALID;
TRUNCATE fifo;
SELECT count(eb_put_event('tr', d, '{}', 'tr', event_group_id => 'a')) FROM (SELECT '0x' AS d UNION ALL SELECT n::text FROM generate_series(1, 999) n) d;
CALL until($$(SELECT count(*) = 1000 FROM tr.retries)$$);
TRUNCATE runs;
ALTER TABLE fifo DROP CONSTRAINT no_x;
SELECT eb_put_target('all', 'fifo', 'table', 'fifo', 'tr', fifo => true);
SELECT eb_wait_until_delivered('30 s');
SELECT count(*), count(*) FILTER (WHERE rtrim(detail_type, 'x')::int <> place) AS in_disorder
FROM (SELECT detail_type, row_number() OVER (ORDER BY n) - 1 AS place FROM fifo) f;
SELECT sum(size), count(*) < 100 AS in_few_runs FROM runs;
DROP TRIGGER note_run ON fifo;
-- a target that is not FIFO any more has nothing that waits for something else
ALTER TABLE fifo ADD CONSTRAINT no_x CHECK (detail_type NOT LIKE '%x') NOT VALID;
TRUNCATE fifo;
SELECT count(eb_put_event('tr', d, '{}', 'tr', event_group_id => left(d, 1))) FROM unnest('{a1x,a2,a3}'::text[]) AS d;
CALL until($$(SELECT count(*) = 3 FROM tr.retries)$$);
SELECT eb_put_target('all', 'fifo', 'table', 'fifo', 'tr');
CALL until($$(SELECT count(*) = 2 FROM tr.fifo)$$);
ALTER TABLE fifo DROP CONSTRAINT no_x;
SELECT eb_wait_until_delivered('30 s');
SELECT string_agg(detail_type, ' ' ORDER BY detail_type) FROM fifo;
SELECT eb_remove_target('all', 'fifo', 'tr');

-- batches: no larger than they may be, and not before they are due
CREATE TABLE batches (size int);
CREATE FUNCTION note_batch() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	INSERT INTO batches SELECT count(*) FROM added;
	RETURN NULL;
END
$$;
CREATE TRIGGER note_batch AFTER INSERT ON inbox REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_batch();
SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'tr', max_batch_size => 3, max_batch_window => '1 s');
CALL put('1', '2', '3', '4', '5', '6', '7', '8');
CALL until($$(SELECT count(*) >= 2 FROM tr.batches)$$);
CALL put('9');
SELECT eb_wait_until_delivered('30 s');
SELECT max(size) <= 3 AS small, sum(size) FROM batches;
SELECT eb_remove_target('all', 'inbox', 'tr'), eb_delete_rule('all', 'tr'), eb_delete_event_bus('tr');
SET client_min_messages = warning;
DROP SCHEMA tr CASCADE;
