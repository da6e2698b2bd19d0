#
# scale.sh: what an event costs beside 1, 100 and 1,000 buses and targets.
#
#	bus N      N buses, each with a rule and a target, all to one table
#	target N   one bus, N rules, each with a target to a table of its own
#
# The events of each batch of 100 go to 100 of them in turn, so each event is
# put, matched and delivered once. Time and CPU time are of all that, from the
# first put until the last row; commits do not wait for the disk, which would
# hide the difference.
#

bench_scale() {
	local kind n

	for kind in bus target; do
		for n in 1 100 1000; do
			scale_database "$kind" "$n"
		done
		for round in $(each_round); do
			for n in 1 100 1000; do
				database=bench_$n
				timed "$kind $n" $((BENCH_EVENTS / 5)) scale_run
			done
		done
		for n in 1 100 1000; do
			drop_database "bench_$n"
		done
	done
}

scale_run() {
	put_batches $((BENCH_EVENTS / 500))
	settle
}

# scale_database bus|target N
scale_database() {
	fresh_database "bench_$2"
	sql >/dev/null <<-SQL
		CALL make_batches($2, '$1' = 'bus');
		CREATE TABLE inbox (id uuid, source text, detail_type text, "time" timestamptz, detail jsonb);
	SQL
	if [ "$1" = bus ]; then
		sql >/dev/null <<-SQL
			SELECT count(eb_create_event_bus('bus-' || i)) FROM generate_series(0, $2 - 1) AS i;
			SELECT count(eb_put_rule('all', '{"source": ["orders.service"]}', event_bus => 'bus-' || i))
				FROM generate_series(0, $2 - 1) AS i;
			SELECT count(eb_put_target('all', 'inbox', 'table', 'inbox', event_bus => 'bus-' || i))
				FROM generate_series(0, $2 - 1) AS i;
		SQL
	else
		sql >/dev/null <<-SQL
			DO \$\$ BEGIN FOR i IN 0 .. $2 - 1 LOOP
				EXECUTE format('CREATE TABLE %I (LIKE inbox)', 'inbox_' || i);
			END LOOP; END \$\$;
			SELECT count(eb_put_rule('rule-' || i, jsonb_build_object('source', jsonb_build_array(
				CASE WHEN $2 = 1 THEN 'orders.service' ELSE 'service-' || i END))))
				FROM generate_series(0, $2 - 1) AS i;
			SELECT count(eb_put_target('rule-' || i, 'inbox', 'table', 'inbox_' || i))
				FROM generate_series(0, $2 - 1) AS i;
		SQL
	fi
	scale_run		# workers, caches
}
