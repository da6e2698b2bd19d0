#
# valgrind.sh: the regress tests on a server under valgrind's memcheck.
#
# Every process of the server runs under it, the workers among them. A finding
# counts when a function of ours is on the stack: what the server does for
# itself is its own business. What it does for us and means to is in
# test/valgrind.supp, with the reason.
#
# Debian's servers do not tell valgrind of their own allocator: of memory that
# was palloc'ed it sees what was never set, and reads beyond the block of
# malloc. A server built with -DUSE_VALGRIND, given by PG_PREFIX, tells it all.
#
# VALGRIND_OPTS adds options: --track-origins=yes says where a value was left
# unset.
#

valgrind_options="--quiet --trace-children=yes --leak-check=no --error-limit=no
	--num-callers=40 --fullpath-after= --gen-suppressions=all"

have_valgrind() { have_regress; }

# Starts the server in the background and waits until it answers.
start_valgrind() {
	as_server_user mkdir "$work/run/valgrind"
	as_server_user valgrind $valgrind_options \
		--suppressions="$work/run/tests/test/valgrind.supp" \
		--log-file="$work/run/valgrind/%p.log" \
		"$bindir/postgres" -D "$(data)" >"$work/server.log" 2>&1 &
	for _ in {1..1200}; do
		! pg psql -Atqc 'SELECT 1' >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	cat "$work/server.log"
	return 1
}

test_valgrind() {
	local status=0

	copy_tests
	init_server
	{ cat "$build/test/eventbus.conf"; echo 'client_min_messages = notice'; } |
		as_server_user tee -a "$(data)/postgresql.conf" >/dev/null
	start_valgrind
	installcheck ISOLATION= TAP_TESTS= ${REGRESS:+REGRESS="$REGRESS"} \
		REGRESS_OPTS="--host=$work/run --user=postgres --load-extension=eventbus --no-locale --encoding=UTF8" ||
		status=$?
	stop_server
	report_findings || status=$?
	return "$status"
}

# Prints findings on whose stack a source file of ours is, each once and as a
# failed test, and how many others there were.
report_findings() {
	cat "$work"/run/valgrind/*.log | awk -v ours="$build/src/" '
		function end_finding() {
			if (text == "") return
			if (index(text, ours) == 0) others++
			else if (!seen[text]++) { found++; printf "not ok %d - finding\n%s\n", found, text }
			text = ""
		}
		/^==[0-9]+== [^ ]/	{ end_finding() }
		/^==[0-9]+== /		{ sub(/^==[0-9]+== /, ""); gsub(/0x[0-9A-F]+/, "0x"); text = text $0 "\n"; next }
							{ end_finding() }
		END {
			end_finding()
			if (!found) print "ok 1 - no finding in eventbus"
			printf "# %d findings in the server itself\n", others
			exit found > 0
		}'
}

count_valgrind() { count_regress; }
show_valgrind()  { show_regress; }
