#
# commit.sh: one event per transaction from 8 clients, while all of them are
# routed and delivered to a table; beside, INSERTs of one row each.

bench_commit() {
	fresh_database
	plain_tables
	sql >/dev/null <<-'SQL'
		CREATE TABLE inbox (id uuid, source text, detail_type text, "time" timestamptz, detail jsonb);
		SELECT eb_put_rule('all', '{"source": ["orders.service"]}');
		SELECT eb_put_target('all', 'inbox', 'table', 'inbox');
	SQL
	printf '%s\n' '\set n random(1, 20000)' \
		"SELECT eb_put_event('orders.service', 'Order Placed', detail) FROM details WHERE n = :n;" |
		script eventbus
	printf '%s\n' '\set n random(1, 20000)' \
		"INSERT INTO plain ($plain_columns) SELECT pg_current_xact_id(), nextval('plain_seq'), now(), now(), 0, 0, 1, 0, gen_random_uuid(), 'orders.service', 'Order Placed', detail FROM details WHERE n = :n;" |
		script insert
	for round in $(each_round); do
		measure_load insert 1 8
		measure_load eventbus 1 8
	done
	sql >/dev/null <<<'SELECT 1 / ((SELECT count(*) FROM inbox) = (SELECT count(*) FROM eventbus.event_log))::int'
	drop_database bench
}
