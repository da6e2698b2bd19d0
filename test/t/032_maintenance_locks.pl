# A transaction that has tended the partitions and stays open stops nobody:
# events are routed, and the worker's maintenance leaves out what is locked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "eventbus.safety_interval = 1h\nlog_line_prefix = '%b '\n");

# A router that is new begins with a round of maintenance.
sub events_flow
{
	my ($name) = @_;

	$node->restart;
	$node->safe_psql('postgres', q{SELECT eb_put_event('s', 'd', '{}')});
	bounded($node, 'postgres', q{SELECT 1 / (eb_wait_until_delivered('20 s'))::int}, $name);
}

sub begin_and_leave_open
{
	my ($sql) = @_;

	$node->safe_psql('postgres', "BEGIN; $sql; PREPARE TRANSACTION 'open'");
}

# The leaf of the day before yesterday; nothing can be put there.
sub add_old_leaf
{
	$node->safe_psql('postgres', q{
		DO $$
		DECLARE
			gen int = eventbus.generation();
			root text = format('eventbus.event_log_%s', lpad(to_hex(gen), 8, '0'));
			first timestamptz = (SELECT min(range_start) FROM eventbus.leaves WHERE parent = 'event_log');
		BEGIN
			CREATE TABLE eventbus.old (LIKE eventbus.event_log INCLUDING STORAGE);
			CREATE INDEX ON eventbus.old (xid);
			EXECUTE format('ALTER TABLE %s ATTACH PARTITION eventbus.old FOR VALUES FROM (%L) TO (%L)',
				root, first - interval '1 day', first);
			INSERT INTO eventbus.leaves (parent, generation, name, range_start, range_end)
			VALUES ('event_log', gen, 'old', first - interval '1 day', first);
		END
		$$});
}

sub old_leaf_is
{
	my ($state) = @_;

	ok($node->poll_query_until('postgres',
			"SELECT $state FROM eventbus.leaves WHERE name = 'old'"), "the old leaf is: $state");
}

$node->safe_psql('postgres', q{
CREATE TABLE taken (id uuid);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'taken', 'table', 'taken');
});
events_flow('events flow');

$node->safe_psql('postgres', 'ALTER SYSTEM SET eventbus.leaves_ahead = 20');
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
begin_and_leave_open('SELECT eb_run_maintenance()');
events_flow('events flow while somebody makes leaves');
$node->safe_psql('postgres', "COMMIT PREPARED 'open'");

# A log without a generation of its own, as in a database that is a copy of
# another, and somebody has the lock that it takes to start one. The router
# waits, though not in a lock.
my $log_size = -s $node->logfile;
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->safe_psql('copy', q{
	CREATE EXTENSION eventbus;
	CREATE TABLE taken (id uuid);
	SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
	SELECT eb_put_target('all', 'taken', 'table', 'taken');
});
$node->safe_psql('copy', q{BEGIN; LOCK TABLE eventbus.leaves IN SHARE UPDATE EXCLUSIVE MODE; PREPARE TRANSACTION 'lock'});
$node->safe_psql('copy', 'UPDATE eventbus.generations SET log_oid = 1');
for my $turn (1 .. 2)
{
	# the second time this ends one that waits
	$node->restart;
	ok($node->poll_query_until('postgres', q{
			SELECT count(*) = 1 FROM pg_stat_activity
			WHERE backend_type = 'eventbus router' AND datname = 'copy'
			AND wait_event_type = 'Extension'}),
		"$turn: a router that cannot start its log waits");
}
$node->safe_psql('copy', "COMMIT PREPARED 'lock'");
$node->safe_psql('copy', q{SELECT eb_put_event('s', 'd', '{}')});
bounded($node, 'copy', q{SELECT 1 / (eb_wait_until_delivered('20 s'))::int}, 'then its events flow');
rows_are($node, 'copy', 'SELECT count(*) FROM taken', '1', '... to where they are to go');
unlike(slurp_file($node->logfile, $log_size), qr/^eventbus .*(?:ERROR|FATAL):/m, '... and no worker has failed');
$node->safe_psql('postgres', 'DROP DATABASE copy');

add_old_leaf();
begin_and_leave_open('SELECT eb_run_maintenance()');
events_flow('events flow while somebody is about to seal a leaf');
$node->safe_psql('postgres', "COMMIT PREPARED 'open'");
old_leaf_is('seal_xid IS NOT NULL AND sealed_at IS NULL');


# it is sealed once later transactions are routed
poll_until(
	sub {
		$node->safe_psql('postgres', q{SELECT eb_put_event('s', 'd', '{}')});
		$node->safe_psql('postgres', q{SELECT eb_wait_until_delivered('1 s')});
		$node->safe_psql('postgres', 'SELECT eb_run_maintenance()');
		$node->safe_psql('postgres',
			q{SELECT sealed_at IS NOT NULL FROM eventbus.leaves WHERE name = 'old'}) eq 't';
	},
	'the old leaf gets sealed');
old_leaf_is('frozen_at IS NOT NULL');

$node->safe_psql('postgres', q{UPDATE eventbus.leaves SET frozen_at = NULL WHERE name = 'old'});
begin_and_leave_open('ANALYZE eventbus.old');
events_flow('events flow while somebody analyzes a sealed leaf');
old_leaf_is('frozen_at IS NULL');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'open'");
events_flow('events flow when nobody does anything any more');
old_leaf_is('frozen_at IS NOT NULL');

$node->stop;
done_testing();
