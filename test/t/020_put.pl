# Putting events where workers are absent, where the log has no partition for
# the time, and on a standby.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $put = q{SELECT eb_put_event('put.test', 'Test', '{}') IS NOT NULL};

sub events
{
	my ($node) = @_;
	return $node->safe_psql('postgres', 'SELECT count(*) FROM eventbus.events');
}

sub fails
{
	my ($node, $sql, $pattern, $name) = @_;
	my ($status, $stdout, $stderr) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	isnt($status, 0, "$name: fails");
	like($stderr, $pattern, "$name: says why");
}

# Drops all partitions that take events.
sub drop_partitions
{
	my ($node) = @_;
	$node->safe_psql('postgres',
		q{DO $$ DECLARE leaf regclass; BEGIN
		  FOR leaf IN SELECT relid FROM pg_partition_tree('eventbus.event_log') WHERE isleaf LOOP
			  EXECUTE 'DROP TABLE ' || leaf;
		  END LOOP;
		  DELETE FROM eventbus.leaves WHERE parent = 'event_log'; END $$});
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->start;

# --- without preload ---

$node->safe_psql('postgres', 'CREATE EXTENSION eventbus');
is($node->safe_psql('postgres', $put), 't', 'without preload: an event is put');

# Hundreds of savepoints, every other one rolled back
$node->safe_psql('postgres', q{
	DO $$
	BEGIN
		FOR i IN 1..300 LOOP
			BEGIN
				PERFORM eb_put_event('put.savepoint', 'Test', jsonb_build_object('i', i));
				IF i % 2 = 0 THEN RAISE EXCEPTION 'roll back'; END IF;
			EXCEPTION WHEN raise_exception THEN NULL;
			END;
		END LOOP;
	END $$});
is( $node->safe_psql('postgres', q{
		SELECT count(*), count(DISTINCT xid), bool_and((detail->>'i')::int % 2 = 1)
		FROM eventbus.events WHERE source = 'put.savepoint'}),
	'150|1|t',
	'savepoints: what was rolled back is not there, all of a transaction has its xid');

# The relation is closed after the call, so that it can be dropped
my $drop = q{DO $$ BEGIN
	EXECUTE (SELECT 'DROP TABLE ' || tableoid::regclass FROM eventbus.event_log LIMIT 1);
	END $$};
is( $node->safe_psql('postgres', qq{
		BEGIN;
		$put;
		$drop;
		SELECT count(*) FROM eventbus.events;
		ROLLBACK;
		SELECT count(*) > 0 FROM eventbus.events}),
	"t\n0\nt",
	'a partition can be dropped in the transaction that has put into it');

# No partition for the time
drop_partitions($node);
fails($node, $put,
	qr/55000: event log has no partition for the current time\n.*DETAIL:  The time is 20.*\n.*HINT:  Run "SELECT eb_run_maintenance\(\)"/s,
	'without a partition');
is( $node->safe_psql('postgres',
		"BEGIN; SELECT 1; SAVEPOINT s;\n\\set ON_ERROR_STOP 0\n$put;\nROLLBACK TO s; SELECT 2; COMMIT"),
	"1\n2",
	'without a partition: a savepoint gets over it');
$node->safe_psql('postgres', 'SELECT eb_run_maintenance()');
is($node->safe_psql('postgres', $put), 't', 'the hint helps');

# --- with workers ---

$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'eventbus'});
$node->restart;
ok( $node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'eventbus router' AND state IS NOT NULL}),
	'the router runs');
drop_partitions($node);
is($node->safe_psql('postgres', $put), 't',
	'with a worker: the put waits until it has made a partition');
is(events($node), 1, 'and the event is there');

# --- a standby ---

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
fails($standby, $put,
	qr/25006: cannot execute eb_put_event\(\) in a read-only transaction/,
	'on a standby, one event');
fails($standby,
	q{SELECT eb_put_events('[{"Source": "s", "DetailType": "d", "Detail": {}}]', 'report')},
	qr/25006: cannot execute eb_put_events\(\) in a read-only transaction/,
	'on a standby, several');
is( $standby->safe_psql('postgres',
		q{SELECT event->>'source', eb_get_event(id) = event FROM eventbus.events}),
	'put.test|t',
	'a standby reads events');
$standby->promote;
is($standby->safe_psql('postgres', $put), 't', 'promoted, it puts them');
is(events($standby), 2, 'and keeps them');

$standby->stop;
$node->stop;
done_testing();
