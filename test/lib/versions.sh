#
# versions.sh: the suites on each supported major version, with servers that
# have assertions.
#
# Each version is a "check" of its own, as with PG_PREFIX=DIRECTORY make check,
# and what continuous integration runs is two such commands: their last lines
# are added up. A version whose server cannot be had (no network, say) is
# skipped, loudly, and fails nothing.
#

# Major versions, and the Debian releases that have their sources.
versions='15:bookworm 17:trixie 18:sid'

# add_run COMMAND ...: runs it and adds what its last line counts; one that
# ends without such a line has failed.
add_run() {
	local line output=$work/output

	"$@" 2>&1 | tee "$output" || :
	line=$(tail -n 1 "$output")
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
	else
		failed=$((failed + 1))
	fi
}

report_sum() {
	say "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] || exit 1
}

run_check_versions() {
	local major majors=${VERSIONS:-15 17 18}

	for major in $majors; do
		[[ " $versions" == *" $major:"* ]] ||
			fail "there are no tests on version \"$major\": choose from 15 17 18"
	done
	make_workplace
	need_cache
	have_package_lists || refresh_package_lists || :
	need_source_lists $(printf '%s\n' $versions | sed 's/.*://')
	for major in $majors; do
		check_version "$major"
	done
	report_sum
}

check_version() {
	local major=$1 status=0 old

	reason=
	source_server "$major" || status=$?
	case $status in
		0)	say "PostgreSQL $major:"
			old=$(kept_server 15)		# to upgrade from
			[ "$old" != "$server" ] || old=
			add_run env PG_PREFIX="$server" OLD_PREFIX="$old" "$top/test/run" check ;;
		1)	say "SKIP PostgreSQL $major: $reason" ;;
		*)	failed=$((failed + 1)) ;;
	esac
}

run_ci() {
	make_workplace
	add_run "$top/test/run" check
	add_run "$top/test/run" check-versions
	report_sum
}
