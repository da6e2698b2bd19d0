#
# backlog.sh: a backlog of events is routed and delivered to one plain table.
#
#	delivered   from the first event routed until the last is in the table
#	held        the same beside an idle transaction that has written, and a
#	            repeatable-read snapshot, both older than the events
#	routed      until the last is routed; the target's table is locked, so that
#	            no event is delivered, and the dispatcher's tries are few
#	insert      INSERT ... SELECT of the same rows from the log
#
# The backlog comes of transactions of 100 events each. It builds up because
# another session holds a lock on the router's cursor, which no user can; the
# clock starts when that is released.
#

bench_backlog() {
	for round in $(each_round); do
		fresh_database
		sql >/dev/null <<-'SQL'
			CREATE TABLE inbox (id uuid, source text, detail_type text, "time" timestamptz, detail jsonb);
			CREATE TABLE plain (LIKE inbox);
			CREATE TABLE other (n int);
			SELECT eb_put_rule('all', '{"source": ["orders.service"]}');
			SELECT eb_put_target('all', 'inbox', 'table', 'inbox');
		SQL
		build_backlog
		timed delivered "$BENCH_EVENTS" backlog_delivered
		timed insert "$BENCH_EVENTS" backlog_insert

		sql <<<'TRUNCATE inbox'
		hold writer 'INSERT INTO other VALUES (1)'
		hold reader 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM other'
		build_backlog
		timed held "$BENCH_EVENTS" backlog_delivered
		release writer
		release reader

		sql <<<'TRUNCATE inbox'
		hold table 'LOCK TABLE inbox'
		build_backlog
		timed routed "$BENCH_EVENTS" backlog_routed
		release table
	done
	drop_database bench
}

build_backlog() {
	settle
	hold cursor 'LOCK TABLE eventbus.router_cursor'
	put_batches $((BENCH_EVENTS / 100))
}

backlog_delivered() {
	release cursor
	settle
}

# The router's last delivery number says how far it is.
backlog_routed() {
	local last

	last=$(sql <<<'SELECT sum(delivered) FROM eventbus.targets')
	release cursor
	sql <<-SQL
		DO \$\$ BEGIN
			WHILE (SELECT delivery_seq < $last + $BENCH_EVENTS FROM eventbus.router_cursor) LOOP
				PERFORM pg_sleep(0.005);
			END LOOP;
		END \$\$
	SQL
}

backlog_insert() {
	sql <<-'SQL'
		INSERT INTO plain (id, source, detail_type, "time", detail)
			SELECT id, source, detail_type, "time", detail FROM eventbus.event_log
	SQL
}
