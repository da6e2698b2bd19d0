# Transactions of unusual size and length: a huge one whose routing is killed in
# the middle, one that stays open while others go on, and a snapshot that is
# held while thousands of batches run.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'postgres';
my $calls = 300;
my $events = 1000 * $calls;
my $node = new_node('main', conf => q{
eventbus.route_batch_size = 10000
eventbus.safety_interval = 1
});

$node->safe_psql($db, q{
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
});

# SQL that puts the events first .. last in one call.
sub put_call
{
	my ($first, $last) = @_;
	return qq{eb_put_events((SELECT jsonb_agg(jsonb_build_object('Source', 's', 'DetailType', 'd',
		'Detail', jsonb_build_object('i', i)) ORDER BY i) FROM generate_series($first, $last) AS i))};
}

# ---- huge, and killed in the middle ----

# The cursor can be written only when these two, in turn, let go of its table:
# while one holds it, the router waits for it, and the other one behind the
# router. So the router gets one batch done for each turn.
my @holders = map { $node->background_psql($db) } 1 .. 2;
my $lock = 'BEGIN; LOCK TABLE eventbus.router_cursor IN SHARE MODE;';

sub waits_for_cursor
{
	my ($who, $n) = @_;
	return poll_until(sub {
			$node->safe_psql($db, qq{
				SELECT count(*) = $n FROM pg_locks l JOIN pg_stat_activity a USING (pid)
				WHERE relation = 'eventbus.router_cursor'::regclass AND NOT granted
				  AND backend_type LIKE '$who'}) eq 't' });
}

$holders[0]->query_safe($lock);
$node->safe_psql($db, qq{
DO \$\$BEGIN
	FOR c IN 0 .. $calls - 1 LOOP
		PERFORM @{[put_call('1000 * c + 1', '1000 * c + 1000')]};
	END LOOP;
END\$\$});
for my $turn (0 .. 3)
{
	my ($now, $next) = @holders[ $turn % 2, 1 - $turn % 2 ];

	waits_for_cursor('eventbus router', 1);
	$next->query_until(qr/asks/, "\\echo asks\n$lock\n\\echo has\n");
	waits_for_cursor('client backend', 1);
	$now->query_safe('COMMIT');
	$next->query_until(qr/has/, '');
}
waits_for_cursor('eventbus router', 1);
rows_are($node, $db,
	'SELECT next_snapshot IS NOT NULL, last_seq > 0, delivery_seq FROM eventbus.router_cursor',
	't|t|40000', 'the router is in the middle of a huge transaction');
my $pid = kill_worker($node, $db, 'router');
wait_for_new_worker($node, $db, 'router', $pid, 'the router is back after kill -9');
all_is_delivered($node, $db, 'and all of the huge transaction is delivered');

my $in_order = q{SELECT count(*), count(DISTINCT detail), bool_and((detail->>'i')::int = i)
	FROM (SELECT detail, row_number() OVER (ORDER BY arrival) AS i FROM arrived) a};
rows_are($node, $db, $in_order, "$events|$events|t", 'once, and in order');
$_->reconnect_and_clear for @holders;
$node->safe_psql($db, 'TRUNCATE arrived RESTART IDENTITY');

# a huge one and its dispatcher
$holders[0]->query_safe('BEGIN; LOCK TABLE arrived IN ACCESS EXCLUSIVE MODE');
$node->safe_psql($db, 'SELECT ' . put_call(1, 50000));
wait_until_routed($node, $db, 'a large call is routed');
$holders[0]->query_safe('COMMIT');
poll_until(sub { $node->safe_psql($db, 'SELECT count(*) > 2000 FROM arrived') eq 't' });
kill_worker($node, $db, 'dispatcher');
all_is_delivered($node, $db, 'and delivered, though the dispatcher was killed');
rows_are($node, $db, $in_order, '50000|50000|t', 'once, and in order');
$_->reconnect_and_clear for @holders;
$node->safe_psql($db, 'TRUNCATE arrived RESTART IDENTITY');

# ---- open for long ----

my ($open, $snapshot) = @holders;
$open->query_safe('BEGIN; SELECT ' . put_call(1, 1));
for my $i (2 .. 50)
{
	$node->safe_psql($db, 'SELECT ' . put_call($i, $i));
}
all_is_delivered($node, $db, 'a transaction that stays open delays no other');
rows_are($node, $db, q{SELECT min((detail->>'i')::int), count(*) FROM arrived}, '2|49',
	'nor is it seen before it commits');
$open->query_safe('SELECT ' . put_call(51, 51));
$open->query_safe('COMMIT');
all_is_delivered($node, $db, 'its own events');
rows_are($node, $db, q{SELECT string_agg(detail->>'i', ' ' ORDER BY arrival) FROM arrived WHERE arrival > 49},
	'1 51', 'come when it has committed');

# ---- a snapshot held, and thousands of batches ----

$node->append_conf('postgresql.conf', q{
eventbus.batch_interval = 0
eventbus.route_batch_size = 10
eventbus.dispatch_batch_size = 10
});
$node->reload;
$snapshot->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM arrived');
$open->query_safe('BEGIN; SELECT ' . put_call(0, 0));

my $script = $node->basedir . '/put.sql';
append_to_file($script, q{SELECT eb_put_event('s', 'd', '{"i": -1}');});
$node->command_ok(
	[ 'pgbench', '-n', '-c', '4', '-t', '1500', '-f', $script, '-h', $node->host, '-p', $node->port, $db ],
	'thousands of transactions beside an old snapshot and an open transaction');
all_is_delivered($node, $db, 'all delivered');
rows_are($node, $db, q{SELECT count(*) FROM arrived WHERE detail->>'i' = '-1'}, '6000', 'each once');

# Row versions cannot be removed now. That must not make an update read more
# and more of them: with a key it would.
for my $table (qw(router_cursor target_positions))
{
	poll_until(sub {
			$node->safe_psql($db, qq{
				SELECT n_tup_upd >= 500 FROM pg_stat_all_tables WHERE relid = 'eventbus.$table'::regclass}) eq 't' },
		"$table was updated hundreds of times");
	my $per_update = $node->safe_psql($db, qq{
		SELECT round((heap_blks_hit + heap_blks_read)::numeric / n_tup_upd, 1)
		FROM pg_stat_all_tables JOIN pg_statio_all_tables USING (relid)
		WHERE relid = 'eventbus.$table'::regclass});

	note("$table: $per_update pages per update");
	cmp_ok($per_update, '<', 20, "$table: an update reads few pages beside old row versions");
}

# a new router finds its place among the old versions
$pid = worker_pid($node, $db, 'router');
$node->safe_psql($db, "SELECT pg_terminate_backend($pid)");
wait_for_new_worker($node, $db, 'router', $pid, 'a new router starts beside them');
$open->query_safe('COMMIT');
all_is_delivered($node, $db, 'and goes on');
rows_are($node, $db, 'SELECT count(*) FROM arrived', 51 + 6001, 'with nothing lost or doubled');
$snapshot->query_safe('COMMIT');
$node->safe_psql($db, 'VACUUM eventbus.router_cursor, eventbus.target_positions');
$node->safe_psql($db, 'SELECT ' . put_call(8, 8));
all_is_delivered($node, $db, 'and after VACUUM');

$_->quit for @holders;
$node->stop;
done_testing();
