#
# tables.sh: a backlog of one transaction becomes rows of tables of several
# kinds; beside, an INSERT ... SELECT of the same fields into such a table. Not
# part of the usual run: BENCH=tables make bench.
#
#	plain       no index: multi-insert
#	indexed     primary key on the event's id: multi-insert
#	defaults    identity, default, CHECK: multi-insert
#	generated   a generated column: the executor
#	triggered   a trigger per row: the executor
#

table_kinds='plain indexed defaults generated triggered'

bench_tables() {
	local kind

	fresh_database
	sql >/dev/null <<-'SQL'
		CREATE TABLE plain (id uuid, source text, detail_type text, "time" timestamptz, detail jsonb);
		CREATE TABLE indexed (LIKE plain, PRIMARY KEY (id));
		CREATE TABLE defaults (LIKE plain, n bigint GENERATED ALWAYS AS IDENTITY, state text DEFAULT 'new', CHECK (source <> ''));
		CREATE TABLE generated (LIKE plain, total numeric GENERATED ALWAYS AS ((detail ->> 'totalAmount')::numeric) STORED);
		CREATE TABLE triggered (LIKE plain);
		CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER pass BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION pass();
		SELECT eb_put_rule('all', '{"source": ["orders.service"]}');
	SQL
	for round in $(each_round); do
		for kind in $table_kinds; do
			sql >/dev/null <<<"SELECT eb_put_target('all', 'inbox', 'table', '$kind')"
			hold cursor 'LOCK TABLE eventbus.router_cursor'
			put_batches $((BENCH_EVENTS / 1000))
			timed "$kind" $((BENCH_EVENTS / 10)) backlog_delivered
			sql >/dev/null <<-SQL
				SELECT eb_remove_target('all', 'inbox');
				CREATE TABLE rows AS SELECT id, source, detail_type, "time", detail FROM $kind;
				TRUNCATE $kind;
			SQL
			timed "$kind insert" $((BENCH_EVENTS / 10)) tables_insert "$kind"
			sql <<<"DROP TABLE rows; TRUNCATE $kind"
		done
	done
	drop_database bench
}

tables_insert() {
	sql <<<"INSERT INTO $1 (id, source, detail_type, \"time\", detail) TABLE rows"
}
