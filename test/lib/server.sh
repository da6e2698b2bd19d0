#
# server.sh: a server of the private tree, run by the unprivileged user, for
# the demo and the playground.
#
# start_server needs $data (data directory) and $socket (a directory of the
# same user). Connections go through the socket only: no port is opened.
#

pg() {
	local program=$1
	shift
	as_server_user env HOME="$work/run" PGHOST="$socket" PGUSER=postgres \
		PGDATABASE="${database:-postgres}" PGOPTIONS="${PGOPTIONS:-}" \
		"$bindir/$program" "$@"
}

init_server() {
	pg initdb -D "$data" -U postgres -A trust --no-locale -E UTF8 \
		>"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; fail "initdb failed"; }
	as_server_user tee -a "$data/postgresql.conf" >/dev/null <<-CONF
		shared_preload_libraries = 'eventbus'
		listen_addresses = ''
		unix_socket_directories = '$socket'
		max_prepared_transactions = 20
		log_min_messages = warning
	CONF
}

start_server() {
	pg pg_ctl -D "$data" -l "$data/server.log" -w start >/dev/null ||
		{ tail -n 20 "$data/server.log" >&2; fail "the server did not start"; }
}

stop_server() {
	pg pg_ctl -D "$data" -m fast -w stop >/dev/null
}
