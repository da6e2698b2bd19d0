#
# put.sh: batches of 100 events on one connection, a commit for each.
#
#	floor      the batch is read (and taken out of its compressed form), no more
#	eventbus   eb_put_events()
#	insert     INSERT ... SELECT FROM jsonb_array_elements(), into a table of the
#	           shape and with the index of a leaf
#	copy       COPY of rows that are made already, from a file, into such a table
#	pgq        pgq.insert_event() of each element
#	commit     one row of one number: what the disk makes of a commit
#
# Everything but floor ends with a commit that waits for the disk, which on most
# disks takes several times as long as the rest; so three sides are run again
# with commits that do not wait ("eventbus async"): what the work itself takes.
# The CPU time is the whole server's: the router's reading of the events is in it.
#

bench_put() {
	local side

	fresh_database
	plain_tables
	sql <<<'CREATE TABLE little (n int)'
	put_scripts
	for round in $(each_round); do
		for side in floor eventbus insert copy $pgq_side commit; do
			put_side "$side"
		done
		for side in eventbus insert $pgq_side; do
			put_side "$side" async
		done
	done
	drop_database bench
}

put_scripts() {
	local rows="SELECT pg_current_xact_id(), nextval('plain_seq'), now(), now(), ord, 0, 1, 0, gen_random_uuid(),
			e->>'Source', e->>'DetailType', e->'Detail', NULL::text[], e->>'TraceHeader', e->>'EventGroupId'
		FROM batches, jsonb_array_elements(entries) WITH ORDINALITY AS r (e, ord) WHERE n ="
	local columns="$plain_columns, resources, trace_header, event_group_id"

	put_script floor "SELECT jsonb_array_length(entries) FROM batches WHERE n = :n"
	put_script eventbus "$put_batch"
	put_script insert "INSERT INTO plain ($columns) $rows :n"
	put_script copy "COPY plain ($columns) FROM '$work/run/batch-:n.copy'"
	put_script commit "INSERT INTO little VALUES (:n)"
	pgq_side=
	if [ -n "$pgq" ]; then
		pgq_side=pgq
		sql <<<'CREATE EXTENSION pgq; SELECT pgq.create_queue($$bench$$)' >/dev/null
		put_script pgq "SELECT count(pgq.insert_event('bench', e->>'DetailType', (e->'Detail')::text))
			FROM batches, jsonb_array_elements(entries) AS e WHERE n = :n"
	fi
	sql <<-SQL
		DO \$do\$ BEGIN FOR n IN 0 .. 199 LOOP
			EXECUTE format(\$\$COPY ($rows %s) TO '$work/run/batch-%s.copy'\$\$, n, n);
		END LOOP; END \$do\$;
	SQL
}

put_script() { printf '%s\n' '\set n random(0, 199)' "$(tr '\n\t' '  ' <<<"$2");" | script "$1"; }

# put_side SIDE [async]
put_side() {
	local mode=prepared

	[ "$1" != copy ] || mode=simple		# COPY takes no parameters
	if [ $# -eq 1 ]; then
		measure_load "$1" 100 1 -M "$mode"
	else
		put_script "$1 async" "$(sed 1d "$work/run/$1.pgbench" | tr -d ';')"
		PGOPTIONS='-c synchronous_commit=off' measure_load "$1 async" 100 1 -M "$mode"
	fi
}
