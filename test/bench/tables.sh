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
#	members     the members of the detail (input_path): the executor; beside,
#				jsonb_populate_record() of the same details
#	template    what an input transformer makes, likewise
#

table_kinds='plain indexed defaults generated triggered members template'

# the input of a target of that kind, as arguments of eb_put_target()
tables_input() {
	case $1 in
		members)  echo ", input_path => '\$.detail'" ;;
		template) cat <<-'SQL' ;;
			, input_transformer => '{"InputPathsMap": {"order": "$.detail.orderId", "total": "$.detail.totalAmount", "time": "$.time"},
				"InputTemplate": "{\"orderId\": <order>, \"totalAmount\": <total>, \"timestamp\": <time>, \"processedBy\": \"transformer\", \"priority\": \"high\"}"}'
		SQL
	esac
}

# what is inserted beside
tables_rows() {
	case $1 in
		members)  echo "SELECT detail AS row FROM details, generate_series(1, 1000) LIMIT (SELECT count(*) FROM $1)" ;;
		template) cat <<-SQL ;;
			SELECT jsonb_build_object('orderId', detail->'orderId', 'totalAmount', detail->'totalAmount',
				'timestamp', '2026-01-02T03:04:05Z', 'processedBy', 'transformer', 'priority', 'high') AS row
			FROM details, generate_series(1, 1000) LIMIT (SELECT count(*) FROM $1)
		SQL
		*)        echo "SELECT id, source, detail_type, \"time\", detail FROM $1" ;;
	esac
}

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
		CREATE TABLE members ("orderId" text, "customerId" text, items jsonb, "totalAmount" numeric, "shippingAddress" jsonb, metadata jsonb);
		CREATE TABLE template ("orderId" text, "totalAmount" numeric, "timestamp" timestamptz, "processedBy" text, priority text);
		SELECT eb_put_rule('all', '{"source": ["orders.service"]}');
	SQL
	for round in $(each_round); do
		for kind in $table_kinds; do
			sql >/dev/null <<<"SELECT eb_put_target('all', 'inbox', 'table', '$kind'$(tables_input "$kind"))"
			hold cursor 'LOCK TABLE eventbus.router_cursor'
			put_batches $((BENCH_EVENTS / 1000))
			timed "$kind" $((BENCH_EVENTS / 10)) backlog_delivered
			sql >/dev/null <<-SQL
				SELECT eb_remove_target('all', 'inbox');
				CREATE TABLE rows AS $(tables_rows "$kind");
				TRUNCATE $kind;
			SQL
			timed "$kind insert" $((BENCH_EVENTS / 10)) tables_insert "$kind"
			sql <<<"DROP TABLE rows; TRUNCATE $kind"
		done
	done
	drop_database bench
}

tables_insert() {
	case $1 in
		members | template)
			sql <<<"INSERT INTO $1 SELECT made.* FROM rows, jsonb_populate_record(NULL::$1, row) made"
			;;
		*)
			sql <<<"INSERT INTO $1 (id, source, detail_type, \"time\", detail) TABLE rows"
			;;
	esac
}
