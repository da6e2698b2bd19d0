#
# match.sh: times the matcher beside jsonb's input function, for many sets of
# rules, and prints one table.
#
# MATCH_EVENTS events (40,000) are made by "generate" and read into one
# backend, where match_bench.c times both on one core, in turns, MATCH_ROUNDS
# times (3). A set passes if a match takes no more than its share of the time
# that jsonb's input function takes for the same event.
#
# RULES="and3_10000 cl2_numeric" chooses sets.
#

run_bench_match() {
	: "${MATCH_EVENTS:=40000}" "${MATCH_ROUNDS:=3}"
	need_server_packages
	make_workplace
	say "Building the matcher with -O2, without assertions; making $MATCH_EVENTS events and their rules ..."
	build_extension bench COPT=-O2
	make -s -C "$build/test/bench/match" with_llvm=no COPT=-O2 PG_CONFIG="$PG_CONFIG" >"$work/build.log" 2>&1 ||
		{ cat "$work/build.log" >&2; fail "the build failed"; }
	mkdir "$work/match"
	cp "$build/test/bench/match/match_bench.so" "$top"/test/bench/rules/*.jsonl "$work/match"
	"$top/test/bench/match/generate" "$MATCH_EVENTS" "$work/match"
	chmod -R a+rX "$work/match"
	init_server
	start_server
	match_script >"$work/match.sql"
	pg psql -X -q -A -t -F '	' -v ON_ERROR_STOP=1 <"$work/match.sql" | match_table
}

# Sets of rules and the share that each may take, in the order of the table.
match_targets() {
	cat <<-'SETS'
		cl2_exact 0.10
		cl2_prefix 0.10
		cl2_prefix_equals_ignore_case 0.10
		cl2_suffix 0.10
		cl2_suffix_equals_ignore_case 0.10
		cl2_equals_ignore_case 0.10
		cl2_wildcard 0.10
		cl2_numeric 0.12
		cl2_anything_but 0.12
		cl2_anything_but_ignore_case 0.12
		cl2_anything_but_prefix 0.12
		cl2_anything_but_suffix 0.12
		cl2_anything_but_wildcard 0.12
		cl2_complex_arrays 1.0
		exact_100000 0.15
		and3_10000 0.25
		and3_100000 0.5
		prefix_10000 0.25
		suffix_10000 0.25
		eic_10000 0.25
		anythingbut_10000 0.25
		numrange_10000 0.6
		wildcard_1000 0.4
		wildcard_10000 -
	SETS
}

match_script() {
	local set target

	cat <<-SQL
		CREATE FUNCTION load(text) RETURNS int LANGUAGE C AS '$work/match/match_bench.so', 'match_bench_load';
		CREATE FUNCTION bench(file text, rounds int, OUT rules int, OUT build_ms float8, OUT build_mb float8,
			OUT input_us float8, OUT match_us float8, OUT matches float8)
			LANGUAGE C AS '$work/match/match_bench.so', 'match_bench';
		SELECT load('$work/match/events.jsonl') AS events \gset
	SQL
	match_targets | while read -r set target; do
		[ -z "${RULES:-}" ] || [[ " $RULES " == *" $set "* ]] || continue
		echo "SELECT '$set', '$target', * FROM bench('$work/match/$set.jsonl', $MATCH_ROUNDS);"
	done
}

match_table() {
	awk -F '\t' '
		BEGIN {
			printf "%-30s %7s %9s %9s %9s %9s %6s %6s %9s\n", "rules", "number", "build ms", "build MB",
				"input us", "match us", "share", "limit", "matches"
		}
		{
			share = $7 / $6
			missed = $2 != "-" && share > $2
			failed += missed
			printf "%-30s %7d %9.1f %9.2f %9.2f %9.3f %6.3f %6s %9.4f%s\n", $1, $3, $4, $5, $6, $7, share, $2, $8,
				missed ? "  missed" : ""
		}
		END { printf "%d of %d sets take more than their share\n", failed, NR; exit failed > 0 }'
}
