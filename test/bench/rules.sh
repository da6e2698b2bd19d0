#
# rules.sh: a backlog of events is routed past 1, 100 and 10,000 rules, of
# which one matches; the others ask for customers that there are not, each
# with a target of its own.
#
# As in backlog.sh the cursor is locked while the backlog builds up, and the
# table of the target that gets the events while they are routed.
#

bench_rules() {
	local n

	for round in $(each_round); do
		for n in 1 100 10000; do
			fresh_database
			make_rules "$n"
			hold table 'LOCK TABLE inbox'
			build_backlog
			timed "rules$n" "$BENCH_EVENTS" backlog_routed
			release table
		done
	done
	drop_database bench
}

make_rules() {
	sql >/dev/null <<-SQL
		CREATE TABLE inbox (id uuid, source text, detail_type text, "time" timestamptz, detail jsonb);
		CREATE TABLE other (LIKE inbox);
		SELECT eb_put_rule('all', '{"source": ["orders.service"]}');
		SELECT eb_put_target('all', 'inbox', 'table', 'inbox');
		SELECT count(eb_put_rule('none-' || i, jsonb_build_object('source', '["orders.service"]'::jsonb,
			'detail', jsonb_build_object('customerId', jsonb_build_array('NONE-' || i)))))
			FROM generate_series(2, $1) AS i;
		SELECT count(*) FROM generate_series(2, $1) AS i, eb_put_target('none-' || i, 'other', 'table', 'other');
	SQL
	settle
}
