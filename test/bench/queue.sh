#
# queue.sh: events for 10,000 targets, one of each 10,000 for each, with places
# in the work queue for all of them and with 1,000.
#
#	routed      from the first event routed until the last is
#	delivered   from the first event routed until the last is in the table
#
# As in backlog.sh the cursor is locked while the events are put.
#

bench_queue() {
	local places

	for places in 20000 1000; do
		queue_places "$places"
		fresh_database
		queue_targets
		for round in $(each_round); do
			queue_backlog
			timed "routed $places" 20000 queue_until "(SELECT delivery_seq FROM eventbus.router_cursor)"
			queue_backlog
			timed "delivered $places" 20000 queue_until "(SELECT sum(delivered) FROM eventbus.targets)"
		done
	done
	drop_database bench
	queue_places 8192
}

# queue_places N: restarts the server with so many.
queue_places() {
	echo "eventbus.max_queued_targets = $1" |
		as_server_user tee -a "$(data)/postgresql.conf" >/dev/null
	stop_server
	start_server
}

queue_targets() {
	sql >/dev/null <<-'SQL'
		CALL make_batches(10000, false);
		CREATE TABLE inbox (id uuid, source text, detail_type text, "time" timestamptz, detail jsonb);
		SELECT count(eb_put_rule('rule-' || i, jsonb_build_object('source', jsonb_build_array('service-' || i))))
			FROM generate_series(0, 9999) AS i;
		SELECT count(*) FROM generate_series(0, 9999) AS i, eb_put_target('rule-' || i, 'inbox', 'table', 'inbox');
	SQL
	queued=0
}

# Two events for each target. All that was put before is delivered, counted by
# us: this is to measure versions too whose waits are not right.
queue_backlog() {
	sql <<<"$(queue_wait '(SELECT sum(delivered) FROM eventbus.targets)')"
	settle
	hold cursor 'LOCK TABLE eventbus.router_cursor'
	sql >/dev/null <<<'SELECT count(eb_put_events(entries)) FROM batches'
	queued=$((queued + 20000))
}

queue_until() {
	release cursor
	sql <<<"$(queue_wait "$1")"
}

# queue_wait EXPRESSION: SQL that waits until it is what has been put.
queue_wait() {
	cat <<-SQL
		DO \$\$ BEGIN
			WHILE $1 < $queued LOOP
				PERFORM pg_sleep(0.005);
			END LOOP;
		END \$\$;
	SQL
}
