--
-- The router's compiled rules follow every change: few and many at a time,
-- patterns that change and come back, rules and targets that go.
--
SELECT eb_create_event_bus('rs') IS NOT NULL AS created;
CREATE TABLE rs_sink (rule text, detail jsonb);
CREATE FUNCTION pg_temp.put_rules(first int, last int, prefix text DEFAULT 'k') RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM generate_series(first, last) i,
		LATERAL (SELECT eb_put_rule('r' || i, jsonb_build_object('detail', jsonb_build_object('k', jsonb_build_array(prefix || i))), 'rs') OFFSET 0) r
$$;
CREATE FUNCTION pg_temp.got(ks text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT string_agg(rule, ' ' ORDER BY rule COLLATE "C") FROM rs_sink WHERE detail->>'k' = ANY (ks));
END $$;
CREATE PROCEDURE pg_temp.put(ks text[]) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE rs_sink;
	PERFORM eb_put_event('rs', 'rs', jsonb_build_object('k', k), 'rs') FROM unnest(ks) k;
	COMMIT;
	PERFORM eb_wait_until_delivered();
	RAISE NOTICE 'delivered: %', pg_temp.got(ks);
END $$;

SELECT pg_temp.put_rules(1, 3);
SELECT count(*) FROM generate_series(1, 3) i, eb_put_target('r' || i, 't', 'table', 'rs_sink', 'rs');
CALL pg_temp.put('{k1,k2,k3,k4}');

-- many at once, then one more, then again more than a few
SELECT pg_temp.put_rules(4, 2000);
SELECT count(*) FROM (VALUES (4), (1000), (2000)) v (i), eb_put_target('r' || i, 't', 'table', 'rs_sink', 'rs');
CALL pg_temp.put('{k1,k4,k1000,k2000,k2001}');
SELECT pg_temp.put_rules(2001, 2001);
SELECT count(*) FROM eb_put_target('r2001', 't', 'table', 'rs_sink', 'rs');
CALL pg_temp.put('{k1,k4,k1000,k2000,k2001}');
SELECT pg_temp.put_rules(2002, 3500);
SELECT count(*) FROM eb_put_target('r3500', 't', 'table', 'rs_sink', 'rs');
CALL pg_temp.put('{k1,k2001,k3500}');

-- a pattern changes, twice, and back again
SELECT pg_temp.put_rules(1000, 1000, 'x');
CALL pg_temp.put('{k1000,x1000,k2000}');
SELECT pg_temp.put_rules(1000, 1000, 'y');
CALL pg_temp.put('{k1000,x1000,y1000}');
SELECT pg_temp.put_rules(1000, 1000);
CALL pg_temp.put('{k1000,x1000,y1000}');

-- disabled, enabled; a target goes, a rule goes, the number of one comes again
SELECT eb_disable_rule('r4', 'rs');
CALL pg_temp.put('{k4,k2000}');
SELECT eb_enable_rule('r4', 'rs');
SELECT count(*) FROM eb_remove_targets('r2000', '{t}', 'rs');
CALL pg_temp.put('{k4,k2000}');
SELECT count(*) FROM eb_remove_targets('r4', '{t}', 'rs');
SELECT eb_delete_rule('r4', 'rs');
CALL pg_temp.put('{k3,k4}');

-- a change that is rolled back was none
BEGIN;
SELECT pg_temp.put_rules(3, 3, 'z');
ROLLBACK;
CALL pg_temp.put('{k3,z3}');

-- most rules go
SELECT count(*) FROM eventbus.targets t, eb_remove_targets(t.rule, ARRAY[t.id], 'rs') WHERE t.event_bus = 'rs' AND t.rule NOT IN ('r2', 'r3500');
SELECT count(eb_delete_rule(name, 'rs')) FROM eventbus.rules WHERE event_bus = 'rs' AND name NOT IN ('r2', 'r3500');
CALL pg_temp.put('{k1,k2,k3,k3500}');
SELECT count(*) FROM eventbus.targets t, eb_remove_targets(t.rule, ARRAY[t.id], 'rs') WHERE t.event_bus = 'rs';
SELECT count(eb_delete_rule(name, 'rs')) FROM eventbus.rules WHERE event_bus = 'rs';
SELECT eb_delete_event_bus('rs');
