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
# in prepared mode (the request is parsed once: the server's work alone) and
# in simple mode (the request's text is parsed each time). Commits do not wait
# for the disk, which would hide the difference.
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

echo "SELECT eb_put_events('$entries');" >"$dir/batch.eventbus"
cat >"$dir/batch.plain" <<SQL
INSERT INTO plain (xid, seq, ingested_at, "time", ord, bus_id, generation, hop_count, id, source, detail_type, resources, detail, trace_header, event_group_id) SELECT pg_current_xact_id(), (SELECT nextval('plain_seq')), now(), now(), ord, 0, 1, 0, gen_random_uuid(), e->>'Source', e->>'DetailType', NULL, e->'Detail', e->>'TraceHeader', e->>'EventGroupId' FROM jsonb_array_elements('$entries') WITH ORDINALITY AS r (e, ord);
SQL
echo "SELECT eb_put_event('orders.service', 'Order Placed', '$(detail 1)');" >"$dir/single.eventbus"
cat >"$dir/single.plain" <<SQL
INSERT INTO plain (xid, seq, ingested_at, "time", ord, bus_id, generation, hop_count, id, source, detail_type, detail) VALUES (pg_current_xact_id(), nextval('plain_seq'), now(), now(), 0, 0, 1, 0, gen_random_uuid(), 'orders.service', 'Order Placed', '$(detail 1)') RETURNING id;
SQL

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
