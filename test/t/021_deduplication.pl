# Deduplication ids under load, through crashes and prepared transactions: of
# each id one event is stored, whoever puts it, and the id and the event are
# there both or not at all.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'postgres';
my $node = new_node('main', conf => "eventbus.deduplication_window = 1h\n");

# Puts the ids from first to last, or from last to first.
$node->safe_psql($db, q{
CREATE SEQUENCE turn MINVALUE 0;
CREATE FUNCTION put_ids(first int, last int, up boolean) RETURNS jsonb LANGUAGE sql AS $$
	SELECT eb_put_events((
		SELECT jsonb_agg(jsonb_build_object('Source', 's', 'DetailType', 'd', 'Detail', jsonb_build_object('i', i),
				'DeduplicationId', i::text) ORDER BY CASE WHEN up THEN i ELSE -i END)
		FROM generate_series(first, last) AS i))
$$;
});

# Four at a time put the same ids, in both orders; some roll back.
my $script = PostgreSQL::Test::Utils::tempdir() . '/put.sql';
append_to_file($script, q{
\set up random(0, 1)
\set back random(0, 3)
SELECT nextval('turn') / 4 * 500 AS first \gset
BEGIN;
SELECT put_ids(:first, :first + 499, :up = 1);
\if :back = 0
ROLLBACK;
\else
COMMIT;
\endif
});
my @pgbench = ('pgbench', '-n', '-c', '8', '-f', $script, '-h', $node->host, '-p', $node->port);

# What must be so at any time at which nobody is at work.
sub check
{
	my ($name) = @_;

	rows_are($node, $db, q{SELECT deduplication_id, count(*) FROM eventbus.event_log
		WHERE deduplication_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1 LIMIT 5},
		'', "$name: no id has two events");
	same_rows($node, $db,
		'SELECT deduplication_id, id, ingested_at FROM eventbus.event_log WHERE deduplication_id IS NOT NULL',
		join(' UNION ALL ', map { "SELECT deduplication_id, event_id, put_at FROM eventbus.deduplication_$_" } 0 .. 2),
		"$name: the ids that are known are those of the events");
}

# ---- everybody at once ------------------------------------------------------

$node->command_like([ @pgbench, '-t', '50', $db ], qr/^number of failed transactions: 0 /m,
	'nobody runs into a deadlock');
check('load');
cmp_ok($node->safe_psql($db, 'SELECT count(*) FROM eventbus.event_log'), '>', 10000, 'there was something to do');

# ---- crashes ----------------------------------------------------------------

for my $crash (1 .. 3)
{
	my ($out, $err) = ('', '');
	my $events = $node->safe_psql($db, 'SELECT count(*) FROM eventbus.event_log');
	my $load = IPC::Run::start([ @pgbench, '-T', '600', $db ], '>', \$out, '2>', \$err);

	poll_until(sub { (try_query($node, $db, 'SELECT count(*) FROM eventbus.event_log') // 0) > $events + 5000 });
	kill_postmaster($node);
	$load->finish;
	$node->start;
	check("crash $crash");
}

# Each id that was put is known, with its event
rows_are($node, $db, q{
	WITH answer AS MATERIALIZED (SELECT put_ids(0, last_value::int / 4 * 500 + 499, true) AS a FROM turn),
	entry AS (SELECT e, n - 1 AS i FROM answer, jsonb_array_elements(a->'Entries') WITH ORDINALITY AS x (e, n))
	SELECT count(*) FROM entry LEFT JOIN eventbus.event_log l ON l.deduplication_id = i::text
	WHERE coalesce((e->>'EventId')::uuid = l.id, false) <> (e->>'SuccessCode' = 'DEDUPLICATED')},
	'0', 'the ids of before the crashes are known, and no others');
check('put again');

# ---- prepared transactions --------------------------------------------------

for my $end ('COMMIT', 'ROLLBACK')
{
	my ($out, $err) = ('', '');
	my $id = "prepared $end";
	my $put = "SELECT eb_put_event('s', 'd', '{}', deduplication_id => '$id')";

	$node->safe_psql($db, "BEGIN; $put; PREPARE TRANSACTION 'dedup'");
	kill_postmaster($node);
	$node->start;
	my $waiter = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db), '-c', $put ],
		'<', '/dev/null', '>', \$out, '2>', \$err);
	ok($node->poll_query_until($db, qq{SELECT count(*) = 1 FROM pg_stat_activity
			WHERE wait_event = 'transactionid' AND query LIKE '%eb_put_event%' AND pid <> pg_backend_pid()}),
		"$end: the second waits for the prepared transaction, through a crash");
	$node->safe_psql($db, "$end PREPARED 'dedup'");
	$waiter->finish;
	is($err, '', "$end: it goes on then");
	chomp($out);
	rows_are($node, $db, "SELECT id FROM eventbus.event_log WHERE deduplication_id = '$id'", $out,
		"$end: it answers with the one event that there is");
}
check('prepared');

$node->stop;
done_testing();
