-- Partitions: made ahead, found by time, sealed when they are over.
\set VERBOSITY default
SELECT eb_create_event_bus('maintenance') IS NOT NULL AS created;

-- made ahead: from one before now to eventbus.leaves_ahead after it (of the
-- delivery log, which only workers write to, fewer will do)
SELECT parent, count(*) > CASE parent WHEN 'delivery_log' THEN 2 ELSE current_setting('eventbus.leaves_ahead')::int END AS enough,
	   bool_or(range_start <= now() AND now() < range_end) AS covers_now
FROM eventbus.leaves GROUP BY parent ORDER BY parent;

-- without gaps or overlaps, and each is a partition
SELECT count(*) AS gaps FROM (
	SELECT range_start, lag(range_end) OVER (PARTITION BY parent, generation ORDER BY range_start) AS previous
	FROM eventbus.leaves) l
WHERE range_start <> previous;
SELECT count(*) AS not_attached
FROM eventbus.leaves l
WHERE NOT EXISTS (SELECT FROM pg_inherits i
				  WHERE i.inhrelid = ('eventbus.' || l.name)::regclass
					AND i.inhparent = format('eventbus.%s_%s', l.parent, lpad(to_hex(l.generation), 8, '0'))::regclass);

-- a second run finds nothing to make
SELECT eb_run_maintenance() IS NOT NULL AS ran;
SELECT eb_run_maintenance() ->> 'leaves_made' AS made;

-- leaves and subtrees are no members of the extension; parents are
SELECT c.relname, c.relkind, count(d.*) AS member
FROM pg_class c
LEFT JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'e'
WHERE c.oid IN ('eventbus.event_log'::regclass, 'eventbus.deliveries'::regclass, 'eventbus.dead_letter_log'::regclass, 'eventbus.delivery_log'::regclass)
GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) AS members FROM eventbus.leaves l
JOIN pg_depend d ON d.objid = ('eventbus.' || l.name)::regclass AND d.deptype = 'e';

-- parents carry no index, key or trigger (restore breaks on them); NOT NULL is
-- a constraint since PostgreSQL 18
SELECT count(*) AS on_parents FROM (
	SELECT indrelid FROM pg_index UNION ALL
	SELECT conrelid FROM pg_constraint WHERE contype <> 'n' UNION ALL
	SELECT tgrelid FROM pg_trigger) o(relid)
WHERE relid IN ('eventbus.event_log'::regclass, 'eventbus.deliveries'::regclass, 'eventbus.dead_letter_log'::regclass, 'eventbus.delivery_log'::regclass);

-- a hot leaf has one index, on xid
SELECT pg_get_indexdef(i.indexrelid) ~ 'USING btree \(xid\)$' AS on_xid, count(*) OVER () AS indexes
FROM eventbus.leaves l
JOIN pg_index i ON i.indrelid = ('eventbus.' || l.name)::regclass
WHERE l.parent = 'event_log' AND now() >= l.range_start AND now() < l.range_end;

-- the partition of yesterday, empty, is over: it gets sealed and frozen
CREATE FUNCTION pg_temp.wait_for(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	ok boolean;
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXECUTE 'SELECT ' || condition INTO ok;
		IF ok THEN
			RETURN true;
		END IF;
		PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();
	END LOOP;
	RETURN false;
END
$$;
CREATE PROCEDURE pg_temp.maintain_until(condition text) LANGUAGE plpgsql AS $$
DECLARE
	ok boolean;
BEGIN
	FOR i IN 1 .. 600 LOOP
		PERFORM eb_run_maintenance();
		COMMIT;
		EXECUTE 'SELECT ' || condition INTO ok;
		EXIT WHEN ok;
		PERFORM eb_wait_until_delivered('1 s');
	END LOOP;
END
$$;
CALL pg_temp.maintain_until($$(SELECT bool_and(sealed_at IS NOT NULL) FROM eventbus.leaves
	WHERE parent = 'event_log' AND range_end < now())$$);
SELECT pg_temp.wait_for($$(SELECT bool_and(frozen_at IS NOT NULL) FROM eventbus.leaves
	WHERE parent = 'event_log' AND range_end < now())$$) AS frozen;
SELECT regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', '') AS index
FROM eventbus.leaves l
JOIN pg_index i ON i.indrelid = ('eventbus.' || l.name)::regclass
WHERE l.parent = 'event_log' AND l.range_end < now()
GROUP BY 1 ORDER BY 1;
SELECT count(*) AS pinned FROM eventbus.pinned_leaves;

-- no partition for now: a clear error, no DDL in this transaction
BEGIN;
DO $$
DECLARE
	detach text;
BEGIN
	FOR detach IN
		SELECT format('ALTER TABLE eventbus.event_log_%s DETACH PARTITION eventbus.%s',
					  lpad(to_hex(generation), 8, '0'), name)
		FROM eventbus.leaves
		WHERE parent = 'event_log' AND range_end > now() AND range_start <= now() + interval '1 day'
	LOOP
		EXECUTE detach;
	END LOOP;
END
$$;
\set VERBOSITY terse
SELECT eb_put_event('maintenance.test', 'No Partition', '{}', 'maintenance');
ROLLBACK;

-- a leaf that somebody detached and kept, or dropped, is made anew
SELECT name, format('event_log_%s', lpad(to_hex(generation), 8, '0')) AS root
FROM eventbus.leaves
WHERE parent = 'event_log' ORDER BY range_start DESC LIMIT 1 \gset last_
ALTER TABLE eventbus.:last_root DETACH PARTITION eventbus.:last_name;
SELECT eb_run_maintenance() ->> 'leaves_made' IN ('0', '1') AS made;
SELECT count(*) AS leaves, bool_or(name LIKE '%\_2') AS another FROM eventbus.leaves WHERE starts_with(name, :'last_name');
SELECT name FROM eventbus.leaves WHERE name LIKE '%\_2' \gset second_
DROP TABLE eventbus.:last_name, eventbus.:second_name;
SELECT eb_run_maintenance() ->> 'leaves_made' IN ('0', '1') AS made;
SELECT count(*) AS attached FROM pg_inherits WHERE inhrelid = to_regclass('eventbus.' || :'last_name');

-- and it is back
SELECT eb_put_event('maintenance.test', 'Partition', '{}', 'maintenance') IS NOT NULL AS put;
SELECT eb_delete_event_bus('maintenance');
