# pg_upgrade from an older server, with events waiting: delivered ones are not
# delivered again; routed and unrouted ones are, once, unasked and in order.
#
# EB_OLD_SERVER names the directory of an older server with eventbus, apart from
# the one that is tested. "make check-versions" sets it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old_server = $ENV{EB_OLD_SERVER};
plan skip_all => 'SKIP: no older server (EB_OLD_SERVER): pg_upgrade is not tested' unless $old_server;

my $db = 'shop';
my $new = PostgreSQL::Test::Cluster->new('new');
my $old = PostgreSQL::Test::Cluster->new('old', install_path => $old_server);
my @both = ($old, $new);

sub put
{
	my ($node, $from, $to) = @_;
	$node->safe_psql($db, qq{
		BEGIN;
		SELECT count(eb_put_event('s', 'd', jsonb_build_object('n', n), 'orders')) FROM generate_series($from, $to) n;
		SAVEPOINT s;
		SELECT eb_put_event('s', 'd', '{"n": -1}', 'orders');
		ROLLBACK TO s;
		COMMIT});
}

sub preload
{
	my ($node, $libraries) = @_;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'\n");
}

sub arrived_is
{
	my ($last, $name) = @_;
	rows_are($new, $db, q{
		SELECT count(*), max(n), bool_and(n = rank)
		FROM (SELECT (detail->>'n')::int AS n, row_number() OVER (ORDER BY arrival) AS rank FROM arrived) a},
		"$last|$last|t", $name);
}

for my $node (@both)
{
	# servers before 18 have none unless asked
	my @checksums = $node->pg_version >= 18 ? '--no-data-checksums' : ();

	$node->init(extra => [ '--locale=C', '--encoding=UTF8', @checksums ]);
}
preload($_, 'eventbus') for @both;
$old->start;
my $old_version = $old->safe_psql('postgres', 'SHOW server_version');
$old->safe_psql('postgres', "CREATE DATABASE $db");
$old->safe_psql($db, q{
CREATE EXTENSION eventbus;
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, id uuid, detail jsonb);
SELECT eb_create_event_bus('orders');
SELECT eb_put_rule('all', event_bus => 'orders', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived', event_bus => 'orders');
});

# 1 to 100 delivered, to 200 routed, to 300 neither
put($old, 1, 100);
all_is_delivered($old, $db, 'the old server delivers');
$old->safe_psql($db, 'ALTER TABLE arrived RENAME TO elsewhere');
put($old, 101, 200);
wait_until_routed($old, $db, 'events are routed, and wait for a table');
preload($old, '');
$old->restart;
put($old, 201, 300);
$old->safe_psql($db, 'ALTER TABLE elsewhere RENAME TO arrived');
my $kept = q{SELECT id, seq, ord, ingested_at, event FROM eventbus.events ORDER BY seq, ord};
my $before = $old->safe_psql($db, $kept);
$old->stop;

command_ok(
	[ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'),
		'-s', $new->host, '-p', $old->port, '-P', $new->port ],
	"pg_upgrade from $old_version");
$new->start;
wait_for_worker($new, $db, 'router', 'the new server has a router');
all_is_delivered($new, $db, 'which delivers');
arrived_is(300, 'what the old one had not delivered, once, and in order');
is($new->safe_psql($db, $kept), $before, 'the log is the same');
rows_are($new, $db, 'SELECT count(*), min(state) FROM eventbus.generations', '1|active', 'and goes on');
put($new, 301, 400);
all_is_delivered($new, $db);
arrived_is(400, 'with new events');
$new->stop('immediate');
$new->start;
wait_for_worker($new, $db, 'router');
put($new, 401, 410);
all_is_delivered($new, $db);
arrived_is(410, 'and so it does after a crash');
rows_are($new, $db, 'SELECT count(*) FROM eventbus.dead_letters', '0', 'no dead letters');
$new->stop;
done_testing();
