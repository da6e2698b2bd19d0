#
# playground.sh: psql on a server of your own with eventbus, kept between
# calls. It runs as long as psql does.
#

run_playground() {
	need_server_packages
	make_workplace "/var/tmp/eventbus-playground-$(id -un)-$PG_MAJOR"
	[ -z "$(our_processes)" ] || fail "a playground is open already: $work"
	build_extension demo
	if ! as_server_user test -d "$(data)"; then
		init_server
		start_server
		pg psql -X -q -c 'CREATE EXTENSION eventbus'
	else
		start_server
	fi
	cat <<-TEXT
		A server of your own, with eventbus in database postgres; it stops with this psql.
		    connect   psql -h $work/run -U postgres
		    log       $(data)/server.log
		    remove    rm -rf $work
		    begin     SELECT eb_create_event_bus('orders');  \df eb_*  \d eventbus.

	TEXT
	pg psql || :
}
