#
# bench.sh: measures eventbus beside plain SQL on a throw-away server, and
# prints one table.
#
# Each section is a file here that defines bench_SECTION. A section works in a
# database of its own, runs what it compares in turns, BENCH_ROUNDS times, and
# records every single figure; report.awk takes the medians. README.md says
# what is measured and how.
#
# Functions for sections:
#
#	fresh_database [NAME]       drops and makes a database, "bench"
#	sql                         psql on standard input, values only
#	record MEASURE VALUE UNIT   one figure, of $section and $round
#	measure_load, timed         measure a load, and the CPU time of the server
#	put_batches N               events, as fast as it goes
#	settle [DATABASE]           waits until all is routed and delivered
#	hold NAME SQL, release NAME a session that stays in a transaction
#

all_sections='put commit latency backlog rules scale neighbours functions messages'

. "$top/test/bench/put.sh"
. "$top/test/bench/commit.sh"
. "$top/test/bench/latency.sh"
. "$top/test/bench/backlog.sh"
. "$top/test/bench/rules.sh"
. "$top/test/bench/scale.sh"
. "$top/test/bench/neighbours.sh"
. "$top/test/bench/functions.sh"
. "$top/test/bench/messages.sh"
. "$top/test/bench/queue.sh"
. "$top/test/bench/tables.sh"

run_bench() {
	local load_before=$(cut -d" " -f1-3 /proc/loadavg)
	local started=$SECONDS

	choose_sizes
	need_server_packages
	need_packages libpq-dev
	make_workplace
	find_pgq
	say "Building eventbus with -O2, without assertions ..."
	build_extension bench COPT=-O2
	build_latency
	cp -r "$top/test/bench" "$work/run/bench"
	chmod -R a+rX "$work/run/bench"
	init_server
	configure_server
	start_server
	make_template

	raw=$work/raw.tsv
	: >"$raw"
	for section in ${BENCH:-$all_sections}; do
		declare -F "bench_$section" >/dev/null ||
			fail "there is no section \"$section\": choose from $all_sections queue tables"
		printf '%s ' "$section ..." >&2
		"bench_$section"
	done
	printf '%s\n' "done in $((SECONDS - started)) s" >&2
	report
}

# BENCH_SMOKE=1 shows in a minute or two that everything runs.
choose_sizes() {
	if [ -n "${BENCH_SMOKE:-}" ]; then
		: "${BENCH_EVENTS:=50000}" "${BENCH_SECONDS:=1}" "${BENCH_SAMPLES:=50}" "${BENCH_ROUNDS:=1}"
	fi
	: "${BENCH_EVENTS:=1000000}" "${BENCH_SECONDS:=2}" "${BENCH_SAMPLES:=200}" "${BENCH_ROUNDS:=5}"
}

# PgQ is compared with where its package can be had.
find_pgq() {
	pgq=$(dpkg-query -W -f '${Version}' "postgresql-$PG_MAJOR-pgq3" 2>/dev/null || :)
	[ -z "$pgq" ] || return 0
	if (need_packages "postgresql-$PG_MAJOR-pgq3") >&2; then
		pgq=$(dpkg-query -W -f '${Version}' "postgresql-$PG_MAJOR-pgq3")
	else
		say "SKIPPED: postgresql-$PG_MAJOR-pgq3 cannot be installed, PgQ is not compared with" >&2
	fi
}

# Checkpoints and autovacuum come when they like: not while we measure. What a
# commit costs is not touched: fsync and synchronous_commit are on.
configure_server() {
	as_server_user tee -a "$(data)/postgresql.conf" >/dev/null <<-CONF
		shared_buffers = 1GB
		max_wal_size = 16GB
		min_wal_size = 2GB
		checkpoint_timeout = 1h
		autovacuum = off
		max_worker_processes = 32
		max_connections = 60
		log_checkpoints = off
	CONF
}

# --- databases ---------------------------------------------------------------

database=bench

sql() { pg psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$database"; }

make_template() {
	pg createdb bench_template
	database=bench_template sql <"$top/test/bench/setup.sql"
}

# fresh_database [NAME]: with the extension, and the events to put; it is the
# one that all else works in from now on.
fresh_database() {
	drop_database "${1:-bench}"
	database=${1:-bench}
	pg createdb -T bench_template "$database"
	sql <<<'CREATE EXTENSION eventbus; CHECKPOINT;'
	settle
}

drop_database() { pg dropdb --if-exists "$1" 2>/dev/null; }

settle() { sql <<<"SELECT 1 / eb_wait_until_delivered('10 min')::int" >/dev/null; }

# plain_tables: a table like a leaf of the log, with the index that it has.
plain_tables() {
	sql <<-'SQL'
		CREATE TABLE plain (LIKE eventbus.event_log INCLUDING STORAGE);
		CREATE INDEX ON plain (xid);
		CREATE SEQUENCE plain_seq;
	SQL
}

# what is put, and what is inserted into a plain table beside
put_batch='SELECT eb_put_events(entries) FROM batches WHERE n = :n'
plain_columns='xid, seq, ingested_at, "time", ord, bus_id, generation, hop_count, id, source, detail_type, detail'

# --- figures -----------------------------------------------------------------

record() { printf '%s\t%s\t%s\t%s\t%s\n' "$section" "$1" "$round" "$2" "$3" >>"$raw"; }

now() { local t=$EPOCHREALTIME; echo $((${t/./} )); }		# microseconds

# CPU time of all processes of the server so far, those that ended included,
# in microseconds.
server_cpu() {
	local pid

	for pid in $(our_processes); do
		cat "/proc/$pid/stat" 2>/dev/null || :
	done | awk -v hz="$(getconf CLK_TCK)" -v main="$(head -n 1 "$(data)/postmaster.pid")" '
		{ pid = $1; sub(/.*\) /, ""); t += $12 + $13; if (pid == main) t += $14 + $15 }
		END { printf "%.0f\n", t * 1e6 / hz }'
}

# script NAME: a script for pgbench from standard input.
script() { as_server_user tee "$work/run/$1.pgbench" >/dev/null; }

# load SCRIPT CLIENTS [OPTION ...]: runs pgbench and prints what it says.
load() {
	local script=$1 clients=$2
	shift 2
	pg pgbench -n -c "$clients" -j "$((clients < 2 ? 1 : 2))" -M prepared \
		-f "$work/run/$script.pgbench" "$@" "$database" 2>"$work/pgbench.err" ||
		{ cat "$work/pgbench.err" >&2; return 1; }
}

# measure_load SCRIPT EVENTS CLIENTS [OPTION ...]: transactions per second,
# and the server's CPU time for each of the EVENTS that each of them has, until
# all is delivered.
measure_load() {
	local script=$1 events=$2 clients=$3 cpu transactions out
	shift 3
	cpu=$(server_cpu)
	out=$(load "$script" "$clients" -T "$BENCH_SECONDS" "$@")
	settle
	record "$script tps" "$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' <<<"$out")" 1/s
	transactions=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' <<<"$out")
	record "$script cpu" "$(awk -v t=$(($(server_cpu) - cpu)) -v n=$((transactions * events)) 'BEGIN { print t / n }')" us
}

# put_batches N: puts so many batches, fast: their commits do not wait for the
# disk.
put_batches() {
	[ -f "$work/run/batches.pgbench" ] ||
		printf '%s\n' '\set n random(0, 199)' "$put_batch;" | script batches
	PGOPTIONS='-c synchronous_commit=off' load batches 2 -t $(($1 / 2)) >/dev/null
}

# timed MEASURE EVENTS COMMAND ...: microseconds of the clock, and of the
# server's CPUs, for each event.
timed() {
	local measure=$1 events=$2 cpu start
	shift 2
	cpu=$(server_cpu)
	start=$(now)
	"$@"
	record "$measure" "$(awk -v t=$(($(now) - start)) -v n="$events" 'BEGIN { print t / n }')" us
	record "$measure cpu" "$(awk -v t=$(($(server_cpu) - cpu)) -v n="$events" 'BEGIN { print t / n }')" us
}

each_round() { seq "$BENCH_ROUNDS"; }

# --- sessions that stay in a transaction -------------------------------------

declare -A held=()		# name -> what writes to the session

# hold NAME SQL: begins a transaction in a session of its own, and leaves it
# open.
hold() {
	local pipe=$work/hold.$1 fd pid

	rm -f "$pipe" "$pipe.out"
	mkfifo "$pipe"
	pg psql -X -q -d "$database" <"$pipe" >"$pipe.out" 2>&1 &
	pid=$!
	exec {fd}>"$pipe"
	held[$1]=$fd
	printf '%s\n' 'BEGIN;' "$2;" '\echo held' >&"$fd"
	until grep -q '^held' "$pipe.out" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
	! grep -q ERROR "$pipe.out" && kill -0 "$pid" 2>/dev/null ||
		{ cat "$pipe.out" >&2; fail "the session \"$1\" cannot hold what it should"; }
}

# release NAME: ends it.
release() {
	local fd=${held[$1]}

	echo 'COMMIT;' >&"$fd"
	exec {fd}>&-
	unset "held[$1]"
}

# --- the report --------------------------------------------------------------

machine() {
	printf '%s\n' \
		"$(nproc) CPUs ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), $(awk '/MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r)" \
		"data on $(df --output=fstype "$work/run" | tail -n 1); fsync, full_page_writes and synchronous_commit on; shared_buffers 1 GB" \
		"$("$bindir/postgres" --version), eventbus $(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$top/eventbus.control"), PgQ ${pgq:-not compared with}" \
		"$(date -u +%F), load before: ${load_before:-unknown}; medians of $BENCH_ROUNDS rounds, BENCH_EVENTS=$BENCH_EVENTS BENCH_SECONDS=$BENCH_SECONDS BENCH_SAMPLES=$BENCH_SAMPLES"
}

report() {
	local kept

	machine
	echo
	awk -f "$top/test/bench/report.awk" "$raw" | tee "$work/report.md"
	kept=$(kept_directory bench-results)
	if [ -n "$kept" ]; then
		cp "$raw" "$kept/raw.tsv"
		{ machine; echo; cat "$work/report.md"; } >"$kept/report.md"
		say ""
		say "Every figure: ${kept#"$top/"}/raw.tsv"
	fi
}
