#
# functions.sh: a backlog of events is delivered to a function.
#
#	each       f(event jsonb) in PL/pgSQL, which inserts a row
#	loop       beside: a PL/pgSQL loop over the same events that calls it
#	array      f(events jsonb[]) in SQL, which inserts a row for each
#
# and how long it takes from a commit to the call, 50 times per second:
#
#	latency function   the function inserts into a table that tells of it
#	latency table      beside: the same table is the target
#
# The backlog is routed while the target is paused; the clock starts when it
# goes on.
#

bench_functions() {
	for round in $(each_round); do
		fresh_database
		functions_schema
		functions_backlog each take
		timed each "$functions_events" functions_delivered
		timed loop "$functions_events" functions_loop
		functions_backlog array take_all
		timed array "$functions_events" functions_delivered

		fresh_database
		latency_target
		sql <<<"SELECT eb_put_target('heard', 'heard', 'function', 'hear')" >/dev/null
		latency_run 'latency function' put off
		sql <<<"SELECT eb_put_target('heard', 'heard', 'table', 'heard')" >/dev/null
		latency_run 'latency table' put off
	done
	drop_database bench
}

functions_schema() {
	functions_events=$((BENCH_EVENTS / 10))
	sql >/dev/null <<-'SQL'
		CREATE TABLE inbox (id uuid, detail jsonb);
		CREATE FUNCTION take(event jsonb) RETURNS void LANGUAGE plpgsql AS
			$$BEGIN INSERT INTO public.inbox VALUES ((event ->> 'id')::uuid, event -> 'detail'); END$$;
		CREATE FUNCTION take_all(events jsonb[]) RETURNS void LANGUAGE sql AS
			$$INSERT INTO public.inbox SELECT (e ->> 'id')::uuid, e -> 'detail' FROM unnest(events) e$$;
		SELECT eb_put_rule('all', '{"source": ["orders.service"]}');
	SQL
}

# functions_backlog TARGET FUNCTION: a target with a backlog, paused.
functions_backlog() {
	sql >/dev/null <<-SQL
		DELETE FROM inbox;
		SELECT eb_remove_target('all', id) FROM eventbus.targets;
		SELECT eb_put_target('all', '$1', 'function', '$2');
		SELECT eb_pause_target('all', '$1');
	SQL
	functions_target=$1
	put_batches $((functions_events / 100))
	sql <<-'SQL'
		DO $$ BEGIN
			WHILE (SELECT events > 0 FROM eventbus.unrouted()) LOOP
				PERFORM pg_sleep(0.005);
			END LOOP;
		END $$
	SQL
}

functions_delivered() {
	sql <<<"SELECT eb_resume_target('all', '$functions_target')" >/dev/null
	settle
}

functions_loop() {
	sql <<-'SQL'
		DO $$
		DECLARE
			e jsonb;
		BEGIN
			FOR e IN SELECT event FROM eventbus.events LOOP
				PERFORM take(e);
			END LOOP;
		END $$
	SQL
}
