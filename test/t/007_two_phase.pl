# Two-phase commit: events of a prepared transaction are routed when it is
# committed, be it after a crash, and by a session of another user's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'postgres';
# no wake-up can be lost unseen: a router that was not woken sleeps for long
my $node = new_node('main', conf => "eventbus.safety_interval = 1h\n");

$node->safe_psql($db, q{
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
});

sub prepare
{
	my ($gid) = @_;
	$node->safe_psql($db, qq{
		BEGIN;
		SELECT eb_put_event('s', 'd', '{"i": "$gid 1"}');
		SAVEPOINT s;
		SELECT eb_put_event('s', 'd', '{"i": "never"}');
		ROLLBACK TO s;
		SELECT eb_put_event('s', 'd', '{"i": "$gid 2"}');
		PREPARE TRANSACTION '$gid'});
}

# Waits for the rows, without waking the router by asking it.
sub arrive
{
	my ($expected, $name) = @_;
	my $rows = q{string_agg(detail->>'i', ', ' ORDER BY arrival)};

	# one that is late will not do for the next: stop here
	$node->poll_query_until($db, "SELECT coalesce($rows, '') = '$expected' FROM arrived")
	  or BAIL_OUT("$name: not in time");
	rows_are($node, $db, "SELECT $rows FROM arrived", $expected, $name);
	$node->safe_psql($db, 'TRUNCATE arrived');
}

prepare($_) for qw(a b c d);
$node->safe_psql($db, q{SELECT eb_put_event('s', 'd', '{"i": "plain"}')});
arrive('plain', 'prepared transactions delay no other, and are not seen');
$node->safe_psql($db, q{COMMIT PREPARED 'b'});
arrive('b 1, b 2', 'COMMIT PREPARED wakes the router');
$node->safe_psql($db, q{ROLLBACK PREPARED 'c'});
$node->safe_psql($db, q{COMMIT PREPARED 'a'});
arrive('a 1, a 2', 'ROLLBACK PREPARED brings nothing');

$node->stop('immediate');
$node->start;
wait_for_worker($node, $db, 'router');
$node->safe_psql($db, q{SELECT eb_put_event('s', 'd', '{"i": "after"}')});
arrive('after', 'after a crash the prepared ones still wait');
kill_worker($node, $db, 'router');
wait_for_worker($node, $db, 'router');
$node->safe_psql($db, q{COMMIT PREPARED 'd'});
arrive('d 1, d 2', 'and come when they are committed');

# The xids of both lie before those of many transactions that are routed.
prepare($_) for qw(e f);
$node->safe_psql($db, q{
	SELECT count(eb_put_event('s', 'd', '{"i": "x"}')) FROM generate_series(1, 10);
	SELECT pg_current_xact_id();
	SELECT eb_put_event('s', 'd', '{"i": "x"}');});
arrive(join(', ', ('x') x 11), 'others go on');
$node->safe_psql($db, q{COMMIT PREPARED 'f'});
$node->safe_psql($db, q{COMMIT PREPARED 'e'});
$node->poll_query_until($db, 'SELECT count(*) = 4 FROM arrived');
rows_are($node, $db, q{SELECT string_agg(detail->>'i', ', ' ORDER BY detail->>'i') FROM arrived},
	'e 1, e 2, f 1, f 2', 'both come');
all_is_delivered($node, $db, 'nothing else waits');
rows_are($node, $db, 'SELECT count(*) FROM arrived', '4', 'nor was delivered twice');

# While a transaction is being prepared, a snapshot may list it twice. Many of
# them, and a router that takes as many snapshots as it can.
my $script = $node->basedir . '/prepare.sql';
my @pgbench = ('pgbench', '-n', '-c', '4', '-T', '4', '-h', $node->host, '-p', $node->port);

$node->append_conf('postgresql.conf', 'eventbus.batch_interval = 0');
$node->reload;
$node->safe_psql($db, 'CREATE TABLE ledger (i text); TRUNCATE arrived');
append_to_file($script, q{
\set n random(1, 1000000000)
BEGIN;
INSERT INTO ledger VALUES (':n');
SELECT eb_put_event('s', 'd', jsonb_build_object('i', ':n'));
PREPARE TRANSACTION 'load :n';
COMMIT PREPARED 'load :n';
});
append_to_file("$script.plain", q{SELECT eb_put_event('s', 'plain', '{}')});
$node->command_ok([ @pgbench, '-f', $script, '-f', "$script.plain\@2", $db ],
	'many are prepared while others commit');
all_is_delivered($node, $db);
same_rows($node, $db, 'SELECT i FROM ledger', q{SELECT detail->>'i' FROM arrived WHERE detail <> '{}'},
	'each event of a prepared transaction once');

$node->stop;
done_testing();
