#!/bin/bash
#
# table_target.sh [EVENTS]: how fast a backlog of events becomes rows of tables.
#
# Needs a server with the extension preloaded (PGHOST, PGPORT, PGUSER: a
# superuser); works in a database of its own, eventbus_bench. For each kind of
# table, puts EVENTS events in one transaction and takes the time from its
# commit until all of them are routed and delivered; beside it, the time of an
# INSERT ... SELECT of the same fields into a table of the same kind. Commits
# do not wait for the disk on either side.
#
#	plain		no index: multi-insert
#	indexed		primary key on the event's id: multi-insert
#	defaults	identity, default, CHECK: multi-insert
#	generated	a generated column: the executor
#	triggered	a trigger per row: the executor
#
set -euo pipefail

events=${1:-200000}
rounds=3
database=eventbus_bench
export PGOPTIONS='-c synchronous_commit=off -c client_min_messages=error'

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$database" "$@"; }

psql -X -q -d postgres -c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database"
sql <<-'SQL'
	CREATE EXTENSION eventbus;
	CREATE TABLE plain (id uuid, source text, detail_type text, "time" timestamptz, detail jsonb);
	CREATE TABLE indexed (LIKE plain, PRIMARY KEY (id));
	CREATE TABLE defaults (LIKE plain, n bigint GENERATED ALWAYS AS IDENTITY, state text DEFAULT 'new', CHECK (source <> ''));
	CREATE TABLE generated (LIKE plain, total numeric GENERATED ALWAYS AS ((detail ->> 'totalAmount')::numeric) STORED);
	CREATE TABLE triggered (LIKE plain);
	CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE TRIGGER pass BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION pass();
SQL

# Milliseconds from a commit until all events of a kind are in its table.
deliver() {
	sql -v kind="$1" -v events="$events" <<-'SQL'
		SELECT eb_put_rule(:'kind', jsonb_build_object('source', jsonb_build_array(:'kind'))) \g /dev/null
		SELECT eb_put_target(:'kind', 'bench', 'table', :'kind') \g /dev/null
		BEGIN;
		SELECT count(eb_put_event(:'kind', 'Order Placed', jsonb_build_object('orderId', 'ORD-' || i, 'totalAmount', i * 1.5,
			'customer', repeat('x', 60), 'items', '[1, 2, 3]'::jsonb, 'note', md5(i::text) || md5(i::text))))
		FROM generate_series(1, :events) AS i \g /dev/null
		COMMIT;
		SELECT clock_timestamp() AS start \gset
		SELECT eb_wait_until_delivered('10 min') \g /dev/null
		SELECT round(extract(epoch FROM clock_timestamp() - :'start'::timestamptz) * 1000);
		SELECT 1 / (count(*) / :events) FROM :kind \g /dev/null
		SELECT eb_remove_target(:'kind', 'bench') \g /dev/null
	SQL
}

# Milliseconds of an INSERT ... SELECT of the same events.
insert() {
	sql -v kind="$1" <<-'SQL'
		TRUNCATE :kind;
		SELECT clock_timestamp() AS start \gset
		INSERT INTO :kind (id, source, detail_type, "time", detail)
			SELECT id, source, detail_type, "time", detail FROM batch;
		SELECT round(extract(epoch FROM clock_timestamp() - :'start'::timestamptz) * 1000);
		TRUNCATE :kind;
	SQL
}

printf '%-12s %22s %22s\n' '' 'delivered, events/s' 'INSERT ... SELECT'
for kind in plain indexed defaults generated triggered; do
	best_deliver=0 best_insert=0
	for _ in $(seq "$rounds"); do
		ms=$(deliver "$kind")
		rate=$((events * 1000 / ms)); [ "$rate" -le "$best_deliver" ] || best_deliver=$rate
		sql -c "DROP TABLE IF EXISTS batch" -c "CREATE TABLE batch AS SELECT id, source, detail_type, \"time\", detail FROM $kind"
		ms=$(insert "$kind")
		rate=$((events * 1000 / ms)); [ "$rate" -le "$best_insert" ] || best_insert=$rate
	done
	printf '%-12s %22d %22d\n' "$kind" "$best_deliver" "$best_insert"
done
psql -X -q -d postgres -c "DROP DATABASE $database"
