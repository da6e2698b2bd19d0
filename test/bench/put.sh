#!/bin/bash
#
# put.sh [SECONDS]: how fast events are put, beside what plain SQL does.
#
# Needs a server with the extension (PGHOST, PGPORT, PGUSER: a superuser) and
# pgbench; works in a database of its own, eventbus_bench. Compares, one
# client, in turns on the same machine:
#
#	batch	eb_put_events() of 100 events, with INSERT ... SELECT FROM
#			jsonb_array_elements() into a table of the same columns and index
#	single	eb_put_event(), with a plain INSERT of one row into such a table
#
# First the CPU time of one event, user and system, of a loop within one
# transaction: no client, no commit, and not much moved by what else the
# machine does. Then events per second with pgbench, in prepared mode (the
# request is parsed once) and in simple mode (its text is parsed each time);
# commits do not wait for the disk, which would hide the difference.
#
set -euo pipefail

seconds=${1:-5}
rounds=3
database=eventbus_bench
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PGOPTIONS='-c synchronous_commit=off -c client_min_messages=error'

sql() { psql -X -q -v ON_ERROR_STOP=1 -d "$database" "$@"; }

psql -X -q -d postgres -c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database"
sql <<-'SQL'
	CREATE EXTENSION eventbus;
	CREATE TABLE plain (LIKE eventbus.event_log INCLUDING STORAGE);
	CREATE INDEX ON plain (xid);
	CREATE SEQUENCE plain_seq;
SQL

detail() {
	echo "{\"orderId\":\"ORD-$1\",\"customerId\":\"CUST-$(($1 * 7919 % 10000))\",\"totalAmount\":$(($1 * 37 % 2000)).50,\"currency\":\"USD\",\"items\":[{\"sku\":\"SKU-$1\",\"quantity\":2,\"price\":19.99},{\"sku\":\"SKU-9$1\",\"quantity\":1,\"price\":5}],\"shippingAddress\":{\"city\":\"Springfield\",\"zip\":\"12345\",\"country\":\"US\"}}"
}

entries='['
for i in $(seq 1 100); do
	[ "$i" = 1 ] || entries+=,
	entries+="{\"Source\":\"orders.service\",\"DetailType\":\"Order Placed\",\"Detail\":$(detail "$i")}"
done
entries+=']'

columns='xid, seq, ingested_at, "time", ord, bus_id, generation, hop_count, id, source, detail_type, detail'
batch_plain="INSERT INTO plain ($columns, resources, trace_header, event_group_id)
	SELECT pg_current_xact_id(), (SELECT nextval('plain_seq')), now(), now(), ord, 0, 1, 0, gen_random_uuid(),
		e->>'Source', e->>'DetailType', e->'Detail', NULL, e->>'TraceHeader', e->>'EventGroupId'
	FROM jsonb_array_elements(REQUEST) WITH ORDINALITY AS r (e, ord)"
single_plain="INSERT INTO plain ($columns)
	VALUES (pg_current_xact_id(), nextval('plain_seq'), now(), now(), 0, 0, 1, 0, gen_random_uuid(),
		'orders.service', 'Order Placed', REQUEST)"
batch_eventbus='SELECT eb_put_events(REQUEST)'
single_eventbus="SELECT eb_put_event('orders.service', 'Order Placed', REQUEST)"
batch_request=$entries
single_request=$(detail 1)

# Microseconds of CPU for one event; the least of some runs.
cpu() {		# cpu batch|single eventbus|plain
	local statement="${1}_$2" request="${1}_request" loops=2000 events=100

	if [ "$1" = single ]; then loops=50000 events=1; fi
	statement=${!statement/#SELECT/PERFORM}
	sql 2>&1 <<-SQL | awk -v n=$((loops * events)) '
		/ user, .* system, / { t = $2 + $4; if (t > 0.01 && (!min || t < min)) min = t }
		END { printf "%.2f\n", min * 1e6 / n }'
		CREATE TEMP TABLE request AS SELECT \$q\$${!request}\$q\$::jsonb AS r;
		SET client_min_messages = log;
		SET log_statement_stats = on;
		$(for _ in $(seq $((rounds + 1))); do
			echo "DO \$\$ DECLARE request jsonb := (SELECT r FROM request);"
			echo "BEGIN FOR i IN 1..$loops LOOP ${statement/REQUEST/request}; END LOOP; END \$\$;"
		done)
	SQL
}

printf '%-8s %-9s %14s %14s %8s\n' what '' 'eventbus us/ev' 'plain us/row' ratio
for what in batch single; do
	echo "$what cpu $(cpu $what eventbus) $(cpu $what plain)" |
		awk '{ printf "%-8s %-9s %14.2f %14.2f %8.2f\n", $1, $2, $3, $4, $4 / $3 }'
done

for what in batch single; do
	for how in eventbus plain; do
		statement=${what}_$how request=${what}_request
		echo "${!statement/REQUEST/\'${!request}\'};" | tr '\n\t' '  ' >"$dir/$what.$how"
		echo >>"$dir/$what.$how"
	done
done

# Transactions per second of one script.
tps() {
	pgbench -n -c 1 -T "$seconds" -M "$2" -f "$dir/$1" "$database" |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

printf '%-8s %-9s %14s %14s %8s\n' what mode 'eventbus ev/s' 'plain rows/s' ratio
for mode in prepared simple; do
	for what in batch single; do
		ours=0 plain=0 events=1
		[ "$what" = single ] || events=100
		for _ in $(seq $rounds); do
			ours=$(echo "$ours $(tps $what.eventbus $mode)" | awk '{ print ($1 > $2 ? $1 : $2) }')
			plain=$(echo "$plain $(tps $what.plain $mode)" | awk '{ print ($1 > $2 ? $1 : $2) }')
		done
		echo "$what $mode $ours $plain $events" |
			awk '{ printf "%-8s %-9s %14.0f %14.0f %8.2f\n", $1, $2, $3 * $5, $4 * $5, $3 / $4 }'
	done
done
psql -X -q -d postgres -c "DROP DATABASE $database"
