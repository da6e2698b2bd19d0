#
# server.sh: a server of the private tree, run by the unprivileged user, for
# the demo and the playground.
#
# Its data directory is $work/run/data and its socket lies in $work/run:
# connections go through that only, no port is opened.
#

data() { echo "$work/run/data"; }

# pg PROGRAM ARGUMENT ...: one of the server's programs, as its user.
pg() {
	local program=$1
	shift
	as_server_user env HOME="$work/run" PGHOST="$work/run" PGUSER=postgres \
		PGDATABASE=postgres PSQL_HISTORY="$work/run/psql_history" \
		"$bindir/$program" "$@"
}

init_server() {
	pg initdb -D "$(data)" -U postgres -A trust --no-locale -E UTF8 \
		>"$work/initdb.log" 2>&1 ||
		{ cat "$work/initdb.log" >&2; fail "initdb failed"; }
	as_server_user tee -a "$(data)/postgresql.conf" >/dev/null <<-CONF
		shared_preload_libraries = 'eventbus'
		listen_addresses = ''
		unix_socket_directories = '$work/run'
		max_prepared_transactions = 20
		client_min_messages = warning
		log_line_prefix = '%m [%p] %b '
	CONF
}

start_server() {
	pg pg_ctl -D "$(data)" -l "$(data)/server.log" -w start >/dev/null 2>&1 ||
		{ tail -n 20 "$(data)/server.log" >&2; fail "the server did not start"; }
}

stop_server() {
	pg pg_ctl -D "$(data)" -m fast -w stop >/dev/null
}

# Pulls the plug, and returns when nothing of the server is left: where nobody
# reaps the dead postmaster (containers), its lock files would seem to be alive.
kill_server() {
	local pid

	pid=$(as_server_user head -n 1 "$(data)/postmaster.pid")
	kill -9 "$pid"
	for _ in {1..100}; do
		[ -n "$(our_processes)" ] || [ -d "/proc/$pid" ] || return 0
		sleep 0.02
	done
	rm -f "$(data)/postmaster.pid" "$work"/run/.s.PGSQL.*.lock
}
