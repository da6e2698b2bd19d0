#
# messages.sh: a message queue with 4 clients, beside a table that is worked off
# with FOR UPDATE SKIP LOCKED and promises as much: a visibility timeout, a
# receipt, a count of receives. Bodies are the same.
#
#	put       100 messages a transaction, until they are in the queue: events
#	          that a rule sends there; beside, INSERT into the table
#	receive   10 messages in one transaction, deleted in the next one
#	held      receive, while a repeatable-read snapshot is held that is older
#	          than BENCH_EVENTS / 10 messages which have gone through since
#

message_sides='queue table'

bench_messages() {
	local side

	message_scripts
	for round in $(each_round); do
		fresh_database
		message_setup
		for side in $message_sides; do
			measure_load "put_$side" 100 4
			message_fill "$side"
			message_receive "$side" "receive_$side"
		done
		hold snapshot 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM batches'
		for side in $message_sides; do
			message_fill "$side"
			load "receive_$side" 4 -t $((BENCH_EVENTS / 400)) >/dev/null
			message_receive "$side" "held_$side"
		done
		release snapshot
	done
	drop_database bench
}

message_setup() {
	sql >/dev/null <<-'SQL'
		SELECT eb_create_queue('work');
		SELECT eb_put_rule('all', '{"source": ["orders.service"]}');
		SELECT eb_put_target('all', 'work', 'queue', 'work');
		CREATE TABLE work (
			id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			visible_at timestamptz NOT NULL DEFAULT now(),
			receive_count int NOT NULL DEFAULT 0,
			receipt bigint,
			body jsonb NOT NULL);
		CREATE INDEX ON work (visible_at);
	SQL
}

message_scripts() {
	printf '%s\n' '\set n random(0, 199)' "$put_batch;" | script put_queue
	printf '%s\n' '\set n random(0, 199)' \
		"INSERT INTO work (body) SELECT e FROM batches, jsonb_array_elements(entries) AS e WHERE n = :n;" | script put_table
	printf '%s\n' \
		"SELECT coalesce(array_agg(receipt_handle), '{}') AS handles, count(body) FROM eb_receive_messages('work', 10) \\gset" \
		"SELECT eb_delete_messages('work', :handles);" | tee "$work/receive" >/dev/null
	script receive_queue <"$work/receive"
	script held_queue <"$work/receive"
	printf '%s\n' '\set receipt random(1, 1000000000)' \
		"WITH received AS (
			UPDATE work SET visible_at = now() + '30 s', receive_count = receive_count + 1, receipt = :receipt
			WHERE id IN (SELECT id FROM work WHERE visible_at <= now() ORDER BY visible_at LIMIT 10 FOR UPDATE SKIP LOCKED)
			RETURNING id, body)
		SELECT coalesce(array_agg(id), '{}') AS ids, count(body) FROM received \\gset" \
		"DELETE FROM work WHERE id = ANY (:ids) AND receipt = :receipt;" | tr '\n\t' '\r ' |
		sed 's/\r\(DELETE\)/\n\1/; s/number;\r/number;\n/; s/1000000000)\r/1000000000)\n/; s/\r$//; s/\r/ /g' | tee "$work/receive" >/dev/null
	script receive_table <"$work/receive"
	script held_table <"$work/receive"
}

# message_fill SIDE: more messages than will be received.
message_fill() {
	PGOPTIONS='-c synchronous_commit=off' load "put_$1" 2 -t $((BENCH_EVENTS / 800)) >/dev/null
	settle
	sql <<<'SELECT eb_run_maintenance()' >/dev/null
	[ -n "${held[snapshot]:-}" ] || sql <<<'VACUUM ANALYZE work; VACUUM ANALYZE eventbus.message_claims'
}

message_receive() {
	measure_load "$2" 10 4
}
