#
# check.sh: runs the tests, kind by kind, and counts them.
#
# Each kind is a function test_KIND that leaves its output in $log and adds to
# $passed and $failed through count_*. A kind that has no tests yet is passed
# over; no test at all is a failure. The last line reads "N passed, N failed".
#
# Choosing: T="unit lint" names kinds; REGRESS=, ISOLATION= and PROVE_TESTS=
# name tests, and imply their kind. With a server of PG_PREFIX, only the kinds
# that need a server are run unless others are named.
#

server_kinds='regress isolation tap'
all_kinds="lint unit fuzz $server_kinds"
passed=0
failed=0

chosen_kinds() {
	local kinds= default=$all_kinds

	[ -z "${PG_PREFIX:-}" ]   || default=$server_kinds
	[ -z "${REGRESS:-}" ]     || kinds+=' regress'
	[ -z "${ISOLATION:-}" ]   || kinds+=' isolation'
	[ -z "${PROVE_TESTS:-}" ] || kinds+=' tap'
	echo "${T:-${kinds:-$default}}"
}

run_check() {
	local kind kinds

	kinds=$(chosen_kinds)
	for kind in $kinds; do
		[[ " $all_kinds valgrind " == *" $kind "* ]] ||
			fail "there is no kind of test \"$kind\": choose from $all_kinds valgrind"
	done
	prepare_check "$kinds"
	for kind in $kinds; do
		log=$logs/$kind.log
		run_kind "$kind"
	done
	[ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || fail "no test was run"
	keep_results
	say "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] || exit 1
}

# Installs, builds, and copies no more than the kinds need.
prepare_check() {
	need_server_packages
	need_packages perl libipc-run-perl pg-bsd-indent clang libclang-rt-dev
	[[ " $1 " != *" valgrind "* ]] || need_packages valgrind libc6-dbg
	make_workplace
	logs=$work/logs
	mkdir "$logs"
	case $1 in
		unit | fuzz)
			build_sources check
			PG_CONFIG=${PG_PREFIX:-/usr/lib/postgresql/$PG_MAJOR}/bin/pg_config
			export PG_CONFIG ;;
		*)
			start_step build
			build_extension check COPT='-Werror -DUSE_ASSERT_CHECKING'
			build_old_server COPT='-Werror -DUSE_ASSERT_CHECKING'
			end_step "$("$PG_CONFIG" --version)" ;;
	esac
}

# Leaves logs, and results of pg_regress, for who writes tests.
keep_results() {
	local kept file

	kept=$(kept_directory "results${PG_PREFIX:+-$(server_name)}")
	[ -n "$kept" ] || return 0
	rm -rf "${kept:?}"/*
	cp "$logs"/* "$kept"
	for file in results output_iso/results tmp_check/log; do
		[ ! -d "$work/run/tests/$file" ] || cp -r "$work/run/tests/$file/." "$kept"
	done
}

start_step() {
	step_started=$SECONDS
	printf '%-10s ' "$1"
}

end_step() {
	printf '%s (%d s)\n' "$1" $((SECONDS - step_started))
}

# run_kind KIND: runs it, prints its line, and shows what failed.
run_kind() {
	local kind=$1 passed_before=$passed failed_before=$failed status=0

	have_"$kind" || return 0
	start_step "$kind"
	test_"$kind" >"$log" 2>&1 || status=$?
	count_"$kind"
	if [ "$failed" -eq "$failed_before" ] &&
		{ [ "$status" -ne 0 ] || [ "$passed" -eq "$passed_before" ]; }; then
		failed=$((failed + 1))		# it broke, or ran nothing, and did not say so
	fi
	end_step "$((passed - passed_before)) passed, $((failed - failed_before)) failed"
	[ "$failed" -eq "$failed_before" ] || show_"$kind" || :
}

# Counts lines "ok N" and "not ok N" of the Test Anything Protocol.
count_tap_lines() {
	passed=$((passed + $(grep -cE '^ *ok [0-9]' "$log" || :)))
	failed=$((failed + $(grep -cE '^ *not ok [0-9]' "$log" || :)))
}

show_log() { tail -n 100 "$log"; }

# ---- lint: the scripts check-* of test/scripts, one test each ----

have_lint() { compgen -G "$build/test/scripts/check-*" >/dev/null; }

test_lint() {
	local script status=0 number=0

	for script in "$build"/test/scripts/check-*; do
		number=$((number + 1))
		if (cd "$build" && "$script"); then
			echo "ok $number - $(basename "$script")"
		else
			echo "not ok $number - $(basename "$script")"
			status=1
		fi
	done
	return "$status"
}

count_lint() { count_tap_lines; }
show_lint()  { grep -v '^ok ' "$log"; }

# ---- unit: the pattern core in plain C, without a server ----

have_unit()  { [ -f "$build/test/unit/Makefile" ]; }
test_unit()  { make -s -C "$build/test/unit" check T="${UNIT:-*}"; }
count_unit() { count_tap_lines; }
show_unit()  { grep -vE '^ *ok ' "$log" | tail -n 100; }

# ---- fuzz: libFuzzer over the pattern core, one test for each target ----

have_fuzz()  { [ -f "$build/test/fuzz/Makefile" ]; }
test_fuzz()  { make -s -C "$build/test/fuzz" check FUZZ_SECONDS="${FUZZ_SECONDS:-15}"; }
count_fuzz() { count_tap_lines; }
show_fuzz()  { show_log; }

# ---- regress, isolation: pg_regress on a server of its own ----

# Copies the tests to where the unprivileged user can write results.
copy_tests() {
	local file

	[ ! -d "$work/run/tests" ] || return 0
	mkdir "$work/tests"
	tar -C "$build" -cf - --exclude='*.o' --exclude='.deps' . | tar -C "$work/tests" -xf -
	for file in "$work"/tests/sql/*.sql; do		# a new test: all is difference
		touch -a "$work/tests/expected/$(basename "$file" .sql).out"
	done
	mv "$work/tests" "$work/run/tests"
	[ "$(id -u)" -ne 0 ] || chown -R "$(server_user):" "$work/run/tests"
}

# installcheck ARGUMENT ...: PGXS's installcheck as the server's user.
installcheck() {
	copy_tests
	as_server_user env HOME="$work/run" TMPDIR="$work/run/tmp" make -s -C "$work/run/tests" \
		installcheck PG_CONFIG="$PG_CONFIG" "$@"
}

# Both the "test x ... ok" of PostgreSQL 15 and the TAP lines of 16 and later.
count_regress() {
	passed=$((passed + $(grep -cE '^(test|    ) .*\.\.\. ok|^ok [0-9]' "$log" || :)))
	failed=$((failed + $(grep -cE '^(test|    ) .*\.\.\. FAILED|^not ok [0-9]' "$log" || :)))
}

show_diffs() {
	show_log
	[ ! -f "$1" ] || head -n 300 "$1"
}

have_regress() { compgen -G "$build/sql/*.sql" >/dev/null; }
test_regress() { installcheck ISOLATION= TAP_TESTS= ${REGRESS:+REGRESS="$REGRESS"}; }
show_regress() {
	show_diffs "$work/run/tests/regression.diffs"
	show_server_crash "$work/run/tests/tmp_check/log/postmaster.log" \
		"$work/run/tests/log/postmaster.log"
}

have_isolation()  { compgen -G "$build/test/isolation/specs/*.spec" >/dev/null; }
test_isolation()  { installcheck REGRESS= TAP_TESTS= ${ISOLATION:+ISOLATION="$ISOLATION"}; }
count_isolation() { count_regress; }
show_isolation()  { show_diffs "$work/run/tests/output_iso/regression.diffs"; }

show_server_crash() {
	local file

	for file in "$@"; do
		[ ! -f "$file" ] || grep -E 'PANIC|FATAL|TRAP|terminated by signal' "$file" | tail -n 20 || :
	done
}

# ---- tap: test/t/*.pl under prove ----

have_tap()  { compgen -G "$build/test/t/*.pl" >/dev/null; }
test_tap()  {
	copy_tests
	# the test of updates installs scripts of other versions
	[ "$(id -u)" -ne 0 ] || chown "$(server_user):" "$("$PG_CONFIG" --sharedir)/extension"
	installcheck REGRESS= ISOLATION= PROVE_FLAGS=--verbose \
		${PROVE_TESTS:+PROVE_TESTS="$PROVE_TESTS"}
}
count_tap() { count_tap_lines; }

# The failed tests with their diagnostics, prove's summary, and the end of the
# logs of the failed files; all logs are in .build/results.
show_tap()  {
	local name

	grep -A 15 -E '^ *not ok |Failed test' "$log" | grep -v "^ *ok " | sed -n 1,100p || :
	sed -n '/^Test Summary Report/,$p' "$log"
	sed -n 's|^test/t/\([^ ]*\)\.pl *(Wstat.*|\1|p' "$log" | sort -u | while read -r name; do
		for log in "$work/run/tests/tmp_check/log/"*"$name"*; do
			say "--- $(basename "$log")"
			tail -n 40 "$log"
		done
	done
}
