#
# latency.sh: from a commit to the row in the target table, at 50 events per
# second. latency.c tells how, and why the disk is left out on both sides.
#
#	notify    beside: from a commit to its NOTIFY
#	put       COMMIT sent to row told of; the publisher does not wait for the disk
#	durable   the same where it does; "returned": from the answer to COMMIT
#

build_latency() {
	gcc -O2 -Wall -Wextra -I"$("$PG_CONFIG" --includedir)" -o "$work/run/latency" \
		"$top/test/bench/latency.c" -lpq
}

bench_latency() {
	fresh_database
	latency_target
	for round in $(each_round); do
		latency_run notify notify on
		latency_run put put off
		latency_run durable put on
	done
	drop_database bench
}

# A table that tells of its rows, as a waiter needs; and a function that inserts
# them, for functions.sh.
latency_target() {
	sql >/dev/null <<-'SQL'
		CREATE TABLE heard (id uuid, detail jsonb);
		CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
			$$BEGIN PERFORM pg_notify('heard', NEW.detail ->> 'n'); RETURN NULL; END$$;
		CREATE TRIGGER tell AFTER INSERT ON heard FOR EACH ROW EXECUTE FUNCTION tell();
		CREATE FUNCTION hear(event jsonb) RETURNS void LANGUAGE plpgsql AS
			$$BEGIN INSERT INTO public.heard VALUES ((event ->> 'id')::uuid, event -> 'detail'); END$$;
		SELECT eb_put_rule('heard', '{"source": ["latency"]}');
		SELECT eb_put_target('heard', 'heard', 'table', 'heard');
	SQL
}

# latency_run NAME put|notify on|off: records p50 and p99, from COMMIT and from
# its answer.
latency_run() {
	local p

	as_server_user env PGHOST="$work/run" PGUSER=postgres PGDATABASE=bench \
		PGOPTIONS="-c synchronous_commit=$3" \
		"$work/run/latency" "$2" "$BENCH_SAMPLES" >"$work/latency.out"
	for p in 50 99; do
		record "$1 p$p" "$(percentile 1 "$p")" us
		record "$1 returned p$p" "$(percentile 2 "$p")" us
	done
}

percentile() {
	awk -v c="$1" '{ print $c }' "$work/latency.out" | sort -n |
		awk -v p="$2" '{ v[NR] = $1 } END { i = int((NR * p + 99) / 100); print v[i] }'
}
