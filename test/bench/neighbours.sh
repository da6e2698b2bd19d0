#
# neighbours.sh: one healthy table target, alone and beside 20 others that
# match the same events: the tables of ten are locked all the time, the other
# ten refuse every row by a CHECK constraint, so each event becomes a dead
# letter of each.
#
#	rate   from the first put of BENCH_EVENTS / 10 until the healthy target has
#	       all of them; commits do not wait for the disk
#	p50    of a commit until the row is in a second healthy target's table, as
#	       in latency.sh, right after that: the others have their backlog yet
#

bench_neighbours() {
	fresh_database
	latency_target
	sql >/dev/null <<-'SQL'
		CREATE TABLE inbox (id uuid, source text, detail_type text, "time" timestamptz, detail jsonb);
		SELECT eb_put_rule('all', '{"source": ["orders.service", "latency"]}');
		SELECT eb_put_target('all', 'healthy', 'table', 'inbox');
		DO $$ BEGIN FOR i IN 1 .. 10 LOOP
			EXECUTE format('CREATE TABLE %I (LIKE inbox)', 'locked_' || i);
			EXECUTE format('CREATE TABLE %I (LIKE inbox, CHECK (id IS NULL))', 'refusing_' || i);
		END LOOP; END $$;
	SQL
	for round in $(each_round); do
		neighbours_run alone
		neighbours_on
		neighbours_run beside
		neighbours_off
	done
	drop_database bench
}

neighbours_run() {
	timed "$1" $((BENCH_EVENTS / 10)) healthy_run
	latency_run "$1" put off
}

healthy_run() {
	local last

	last=$(healthy_delivered)
	put_batches $((BENCH_EVENTS / 1000))
	sql <<-SQL
		DO \$\$ BEGIN
			WHILE (SELECT delivered < $last + $BENCH_EVENTS / 10 FROM eventbus.targets WHERE id = 'healthy') LOOP
				PERFORM pg_sleep(0.005);
			END LOOP;
		END \$\$
	SQL
}

healthy_delivered() { sql <<<"SELECT delivered FROM eventbus.targets WHERE id = 'healthy'"; }

neighbours_on() {
	sql >/dev/null <<-'SQL'
		SELECT eb_put_target('all', kind || i, 'table', kind || '_' || i)
			FROM generate_series(1, 10) AS i, unnest('{locked,refusing}'::text[]) AS kind;
	SQL
	hold tables "LOCK TABLE $(seq -s, -f 'locked_%g' 10)"
}

neighbours_off() {
	release tables
	sql >/dev/null <<-'SQL'
		SELECT eb_remove_target('all', kind || i)
			FROM generate_series(1, 10) AS i, unnest('{locked,refusing}'::text[]) AS kind;
	SQL
	settle
}
