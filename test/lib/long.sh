#
# long.sh: the tests that chance or quantity decides, at the size that proves
# something, and valgrind. Hours rather than minutes; each size is a variable
# of the environment, as "make check" takes it. T="unit fuzz" chooses kinds.
#

run_check_long() {
	local kind kinds=${T:-unit fuzz tap valgrind}

	make_workplace
	unset T
	for kind in $kinds; do
		case $kind in
			unit)		at_length T=unit DIFFERENTIAL_PAIRS=20000000 EB_SCHEDULE_EXPRESSIONS=100 EB_SCHEDULE_YEARS=50 ;;
			fuzz)		at_length T=fuzz FUZZ_SECONDS=3600 ;;
			tap)		long_tap ;;
			valgrind)	at_length T=valgrind ;;
			*)			fail "there is no long form of \"$kind\": choose from unit fuzz tap valgrind" ;;
		esac
	done
	report_sum
}

long_tap() {
	at_length PROVE_TESTS=test/t/002_crash.pl EB_STORM_KILLS=500
	at_length PROVE_TESTS=test/t/008_schedules.pl EB_SCHEDULES=10000
	at_length PROVE_TESTS=test/t/090_schedule.pl EB_SCHEDULE_MINUTES=2000
	at_length PROVE_TESTS=test/t/054_database_loop.pl EB_LOOP_TURNS=20
	at_length PROVE_TESTS=test/t/053_memory.pl EB_MEMORY_EVENTS=5000000 EB_MEMORY_RULE_CHANGES=100000
}

# at_length VARIABLE=VALUE ...: "make check" with these, but for what the caller
# has set otherwise.
at_length() {
	local setting name
	local -a settings=()

	for setting in "$@"; do
		name=${setting%%=*}
		[ -n "${!name:-}" ] || settings+=("$setting")
	done
	say "${settings[*]}:"
	add_run env "${settings[@]}" "$top/test/run" check
}
