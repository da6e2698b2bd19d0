# Several databases at once, and commands that need a database empty, or the
# extension gone, while its workers are busy or wait for a lock.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', extension => 0);
my $script = $node->basedir . '/put.sql';
my $number = 0;

append_to_file($script, q{
BEGIN;
INSERT INTO ledger VALUES (:client_id, :random_seed + random());
SELECT eb_put_event('s', 'd', '{"big": false}'), eb_put_event('s', 'd', '{"big": true}');
COMMIT;
});

my $schema = q{
CREATE EXTENSION eventbus;
CREATE TABLE IF NOT EXISTS ledger (client int, noise float);
DROP TABLE IF EXISTS arrived;
CREATE TABLE arrived (id uuid, detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
};

sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, $schema);
	wait_for_worker($node, $name, 'router');
}

# Publishes in a database until it is stopped, or the database goes away.
sub start_load
{
	my ($name, $clients) = @_;
	my ($out, $err) = ('', '');
	my $load = IPC::Run::start(
		[ 'pgbench', '-n', '-c', $clients, '-T', '600', '-f', $script, '-h', $node->host, '-p', $node->port, $name ],
		'>', \$out, '2>', \$err);

	poll_until(sub { $node->safe_psql($name, 'SELECT count(*) > 20 FROM arrived') eq 't' },
		"$name: under load");
	return $load;
}

sub stop_load
{
	my ($load) = @_;
	IPC::Run::signal($load, 'INT');
	IPC::Run::finish($load);
}

# Events that are put and not delivered, and a dispatcher that waits for a lock.
sub block_target
{
	my ($name) = @_;
	my $session = $node->background_psql($name);

	$session->query_safe('BEGIN; LOCK TABLE arrived IN ACCESS EXCLUSIVE MODE');
	$node->safe_psql($name, q{SELECT eb_put_event('s', 'd', '{"blocked": true}')});
	poll_until(sub {
			$node->safe_psql($name, q{SELECT count(*) > 0 FROM eventbus.targets WHERE attempts > 0}) eq 't' },
		"$name: a target waits for a lock");
	return $session;
}

# ---- two at once ----

make_database($_) for qw(one two);
my @loads = map { start_load($_, 2) } qw(one two);
for my $name (qw(one two))
{
	poll_until(sub { $node->safe_psql($name, 'SELECT count(*) > 2000 FROM arrived') eq 't' },
		"$name: goes on beside the other");
}
stop_load($_) for @loads;
for my $name (qw(one two))
{
	all_is_delivered($node, $name, "$name: all is delivered");
	rows_are($node, $name,
		q{SELECT (SELECT 2 * count(*) FROM ledger) = (SELECT count(*) FROM arrived),
			(SELECT count(*) FROM arrived) = (SELECT count(DISTINCT id) FROM arrived)},
		't|t', "$name: each event once");
}

# ---- DROP DATABASE ----

# the workers are as busy as they get, up to the moment of the command
my $load = start_load('one', 2);
my $slow = $node->background_psql('one');
$slow->query_safe('BEGIN; LOCK TABLE arrived IN SHARE MODE');
$node->safe_psql('one', q{SELECT count(eb_put_event('s', 'd', '{}')) FROM generate_series(1, 20000)});
$slow->query_safe('COMMIT');
$slow->quit;
bounded($node, 'postgres', 'DROP DATABASE one WITH (FORCE)', 'DROP DATABASE of a busy database');
stop_load($load);
wait_for_no_worker($node, 'one', 'no worker is left');

# no command waits for a target's code, which may run for long
$node->safe_psql('two', q{
CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.detail ? 'hang' THEN PERFORM pg_sleep(600); END IF;
	RETURN NEW;
END$$;
CREATE TRIGGER hang BEFORE INSERT ON arrived FOR EACH ROW EXECUTE FUNCTION hang();
});

sub hang_dispatcher
{
	my ($name) = @_;
	$node->safe_psql($name, q{SELECT eb_put_event('s', 'd', '{"hang": true}')});
	poll_until(sub {
			$node->safe_psql('postgres', qq{SELECT count(*) > 0 FROM pg_stat_activity
				WHERE datname = '$name' AND backend_type = 'eventbus dispatcher' AND wait_event = 'PgSleep'}) eq 't' },
		"$name: a dispatcher hangs in a target");
}

hang_dispatcher('two');
bounded($node, 'postgres', 'CREATE DATABASE three TEMPLATE two', 'CREATE DATABASE of a template whose dispatcher hangs');
wait_for_worker($node, 'three', 'router', 'a router runs in the copy');
wait_for_worker($node, 'two', 'router', 'and again in the template');
hang_dispatcher('two');
bounded($node, 'postgres', 'ALTER DATABASE two RENAME TO renamed', 'ALTER DATABASE RENAME beside a dispatcher that hangs');
wait_for_worker($node, 'renamed', 'router', 'a router runs in the renamed database');
hang_dispatcher('renamed');
bounded($node, 'postgres', 'DROP DATABASE renamed', 'DROP DATABASE beside a dispatcher that hangs');
wait_for_no_worker($node, 'renamed', 'no worker is left');

# ---- copies ----

# The copy has the events, what waits, and a log that is its own from now on.
bounded($node, 'postgres', 'DROP DATABASE three', 'DROP DATABASE of the copy');
make_database('four');
my $session = block_target('four');
$session->quit;
all_is_delivered($node, 'four');
rows_are($node, 'four', 'SELECT count(*) FROM arrived', '1', 'four: delivered');
for my $turn (1 .. 3)
{
	$node->safe_psql('four', q{SELECT count(eb_put_event('s', 'd', '{}')) FROM generate_series(1, 1000)});
	bounded($node, 'postgres', "CREATE DATABASE copy_$turn TEMPLATE four", "$turn: a busy database is copied");
	$node->safe_psql('four', q{SELECT count(eb_put_event('s', 'd', '{}')) FROM generate_series(1, 1000)});
	bounded($node, 'postgres', "ALTER DATABASE copy_$turn RENAME TO other_$turn", "$turn: the copy is renamed at once");
	bounded($node, 'postgres', "DROP DATABASE other_$turn", "$turn: and dropped at once");
}
all_is_delivered($node, 'four', 'the original lost nothing over it');
rows_are($node, 'four', 'SELECT count(*), count(DISTINCT id) FROM arrived', '6001|6001', 'each event once');

# ---- DROP EXTENSION ----

fails_with($node, 'four', 'DROP EXTENSION eventbus', '2BP01',
	qr/cannot drop extension "eventbus" because it keeps events.*HINT:.*CASCADE/s,
	'DROP EXTENSION while events are kept');
$node->safe_psql('four', q{SELECT eb_put_event('s', 'd', '{}')});
all_is_delivered($node, 'four', 'it goes on as before');
rows_are($node, 'four', 'SELECT count(*) FROM arrived', '6002', 'and delivers');

for my $turn (1 .. 3)
{
	my $pid = wait_for_worker($node, 'four', 'router');

	$load = start_load('four', 2);
	bounded($node, 'four', 'DROP EXTENSION eventbus CASCADE', "$turn: DROP EXTENSION CASCADE under load");
	stop_load($load);
	wait_for_no_worker($node, 'four', "$turn: the workers leave");
	rows_are($node, 'four',
		q{SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'eventbus'},
		'0', "$turn: nothing of it is left");
	bounded($node, 'four', $schema, "$turn: it is created again");
	wait_for_new_worker($node, 'four', 'router', $pid, "$turn: workers come");
	$node->safe_psql('four', q{SELECT eb_put_event('s', 'd', '{}')});
	all_is_delivered($node, 'four');
	rows_are($node, 'four', 'SELECT count(*) FROM arrived', '1', "$turn: and it works");
}

# beside a dispatcher that waits for a lock
$session = block_target('four');
bounded($node, 'four', 'DROP EXTENSION eventbus CASCADE', 'DROP EXTENSION CASCADE while a target is locked');
$session->quit;
wait_for_no_worker($node, 'four', 'the workers leave');
$node->safe_psql('four', $schema);
$node->safe_psql('four', q{SELECT eb_put_event('s', 'd', '{}')});
all_is_delivered($node, 'four', 'created again, it works');

$session = block_target('four');
bounded($node, 'postgres', 'DROP DATABASE four WITH (FORCE)', 'DROP DATABASE while a target is locked');
$session->quit;
wait_for_no_worker($node, 'four', 'no worker is left');

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|signal 6|signal 11/, 'nothing crashed');
$node->stop;
done_testing();
