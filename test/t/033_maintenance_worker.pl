# Partitions that are over are sealed by a process of their own. However long
# that takes, events are put, routed and delivered meanwhile; whoever ends it,
# another one does the rest; who drops the extension or the database does not
# wait for it; and where background worker slots are few, it has its turn.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Clock;
use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant HOUR => 3600;

my $clock = EventBus::Clock->new or plan skip_all => 'SKIP: no C compiler: the clock is not stepped';
my $limit = 5 * ($PostgreSQL::Test::Utils::timeout_default > 180 ? $PostgreSQL::Test::Utils::timeout_default / 180 : 1);
my $type = 'maintenance worker';
my $number = 0;

my $node = new_node('main', conf => q{
eventbus.leaf_width = 1h
eventbus.leaves_ahead = 3
eventbus.max_dispatchers = 1
eventbus.safety_interval = 1
autovacuum = off
log_line_prefix = '%m [%p] %b '
});

$clock->set(0);
$node->stop;
$clock->start($node);

# With the indexes of a slow partition the maintenance worker is not done in an
# hour, with those of a broken one it fails.
my $interfere = q{
CREATE TABLE slow (leaf regclass);
CREATE TABLE broken (leaf regclass);
CREATE FUNCTION interfere() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
	indexed regclass;
BEGIN
	IF current_setting('application_name') = 'eventbus maintenance worker' THEN
		SELECT i.indrelid INTO indexed
		FROM pg_event_trigger_ddl_commands() c JOIN pg_index i ON i.indexrelid = c.objid;
		IF indexed IN (SELECT leaf FROM public.broken) THEN
			RAISE 'this partition is broken';
		ELSIF indexed IN (SELECT leaf FROM public.slow) THEN
			PERFORM pg_sleep(3600);
		END IF;
	END IF;
END
$$;
CREATE EVENT TRIGGER interfere ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION interfere();
};
my $target = q{
CREATE TABLE arrived (id uuid, detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
};

# Puts some events; returns the partition that they are in.
sub put
{
	my ($db) = @_;

	$number += 3;
	$node->safe_psql($db, join(';', map { qq{SELECT eb_put_event('s', 'd', '{"i": $_}')} } $number - 2 .. $number));
	return $node->safe_psql($db, qq{SELECT DISTINCT tableoid::regclass FROM eventbus.event_log
		WHERE (detail->>'i')::int > $number - 3});
}

sub leaf_is
{
	my ($db, $leaf, $state) = @_;
	return ($node->safe_psql($db, "SELECT $state FROM eventbus.leaves WHERE 'eventbus.' || name = '$leaf'")) eq 't';
}

# A round for the workers: one that seals nothing itself, as its snapshot is old.
sub have_maintained
{
	my ($db) = @_;

	$node->safe_psql($db, q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT eb_run_maintenance(); COMMIT});
	$node->safe_psql($db, q{SELECT eb_wait_until_delivered('1 s')});
}

# Waits until a maintenance worker is held up in a partition; returns its pid.
sub wait_until_held
{
	my ($db, $name) = @_;

	return poll_until(
		sub {
			have_maintained($db);
			$node->safe_psql($db, qq{SELECT pid FROM pg_stat_activity
				WHERE datname = '$db' AND backend_type = 'eventbus $type' AND wait_event = 'PgSleep'});
		},
		$name);
}

sub wait_until_frozen
{
	my ($db, $leaf, $name) = @_;

	poll_until(sub { have_maintained($db); leaf_is($db, $leaf, 'frozen_at IS NOT NULL') }, $name);
}

sub done_in_time
{
	my ($db, $sql, $name) = @_;
	my $start = time();
	my ($status, $out, $err) = $node->psql($db, "SET statement_timeout = '${limit}s'; $sql");

	is($status, 0, $name) or diag($err);
	note(sprintf('%s: %.3f s', $name, time() - $start));
}

# The indexes of a sealed partition, each once.
sub is_whole
{
	my ($db, $leaf, $name) = @_;

	rows_are($node, $db, qq{
		SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') AS index
		FROM pg_index WHERE indrelid = '$leaf'::regclass ORDER BY 1},
		"btree (bus_id, seq)\nbtree (id)\nbtree (xid)", "$name: its indexes");
	rows_are($node, $db, qq{SELECT bool_and(eb_get_event(id) IS NOT NULL) FROM $leaf}, 't',
		"$name: events are found by id");
}

# ---- while one is held up ---------------------------------------------------

my $db = 'postgres';
$node->safe_psql($db, $interfere . $target);
my $first = put($db);
all_is_delivered($node, $db, 'events of the first hour');
$node->safe_psql($db, "INSERT INTO slow VALUES ('$first')");
$clock->set(2 * HOUR);
my $pid = wait_until_held($db, 'a maintenance worker seals the first hour');

rows_are($node, $db, "SELECT DISTINCT application_name FROM pg_stat_activity WHERE pid = $pid", "eventbus $type",
	'it names itself');
rows_are($node, $db, "SELECT state, detail LIKE 'pid $pid since %' FROM eventbus.status WHERE item = '$type'",
	'running|t', 'status shows it');
for my $hour (2, 3, 9)
{
	$clock->set($hour * HOUR + 60);
	isnt(put($db), $first, "hour $hour: events are put");
	all_is_delivered($node, $db, "hour $hour: and delivered");
}
bounded($node, $db, 'SELECT eb_run_maintenance()', 'eb_run_maintenance() does not wait for it');
$clock->set(10);
my $moved = bounded($node, $db, q{SELECT eb_put_event('s', 'd', '{"back": 1}')}, 'nor does a put when the clock is stepped back');
all_is_delivered($node, $db, 'which is delivered');
rows_are($node, $db, qq{SELECT count(*) FROM $first WHERE detail ? 'back'}, '0', 'from another partition');
$clock->set(9 * HOUR + 120);
is(wait_until_held($db), $pid, 'the same worker is still at it');
ok(leaf_is($db, $first, 'sealed_at IS NULL'), 'and has not sealed');

# ---- when it is ended -------------------------------------------------------

$node->safe_psql($db, "SELECT pg_terminate_backend($pid)");
my $second = poll_until(sub { my $now = wait_until_held($db); $now && $now != $pid && $now },
	'after pg_terminate_backend() another one comes');
$node->safe_psql($db, "SELECT pg_cancel_backend($second)");
poll_until(sub { my $now = wait_until_held($db); $now && $now != $second && $now },
	'and after pg_cancel_backend()');
ok(leaf_is($db, $first, 'sealed_at IS NULL'), 'nothing is sealed yet');
$node->safe_psql($db, 'DELETE FROM slow');
kill_worker($node, $db, $type);
wait_until_frozen($db, $first, 'after kill -9 it is sealed and frozen');
is_whole($db, $first, 'the first hour');
poll_until(sub { !worker_pid($node, $db, $type) }, 'with nothing left to do, the worker leaves');
rows_are($node, $db, "SELECT count(*) FROM eventbus.workers() WHERE kind = '$type'", '0', 'and is not shown any more');

# ---- one that fails ---------------------------------------------------------

my $broken = put($db);
$node->safe_psql($db, "INSERT INTO broken VALUES ('$broken')");
$clock->set(10 * HOUR + 60);
my $sound = put($db);
$clock->set(12 * HOUR);
wait_until_frozen($db, $sound, 'a partition that cannot be sealed does not keep others');
ok(leaf_is($db, $broken, 'sealed_at IS NULL'), 'it is not sealed');
poll_until(sub { $node->safe_psql($db, "SELECT failures > 1 FROM eventbus.workers() WHERE kind = '$type'") eq 't' },
	'it is tried again');
rows_are($node, $db, "SELECT count(*) FROM eventbus.status WHERE item = '$type' AND state IN ('failed, restarts', 'running')",
	'1', 'status shows that');
$node->safe_psql($db, 'DELETE FROM broken');
wait_until_frozen($db, $broken, 'and sealed once it can be');
is_whole($db, $broken, 'the broken one');

# ---- nobody waits for it ----------------------------------------------------

$node->safe_psql($db, 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION eventbus;' . $interfere . $target);
# Puts events into a slow partition, and waits until a worker seals it.
sub seal_slowly
{
	my ($name, $hour) = @_;
	my $leaf = put($name);

	$node->safe_psql($name, "INSERT INTO slow VALUES ('$leaf')");
	$clock->set($hour * HOUR);
	wait_until_held($name, "a worker is held up in database $name");
}

seal_slowly('other', 14);
done_in_time($db, 'DROP DATABASE other', 'DROP DATABASE is done in time');
seal_slowly($db, 16);
done_in_time($db, 'DROP EXTENSION eventbus CASCADE', 'DROP EXTENSION is done in time');
poll_until(sub { !worker_pid($node, $db, $type) }, 'and the worker is gone');

# ---- few slots --------------------------------------------------------------

# The launchers of eventbus and of logical replication, a router, and one more:
# a dispatcher that is never idle.
$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
$node->stop;
$clock->start($node);
$node->safe_psql($db, 'DROP TABLE arrived; DROP EVENT TRIGGER interfere; CREATE EXTENSION eventbus;' . $target);
my $busy = put($db);
my $script = $node->basedir . '/put.sql';
append_to_file($script, q{SELECT eb_put_event('s', 'load', '{}');});
my ($out, $err) = ('', '');
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 2, '-T', 600, '-f', $script, '-h', $node->host, '-p', $node->port, $db ],
	'>', \$out, '2>', \$err);
poll_until(sub { $node->safe_psql($db, 'SELECT count(*) > 100 FROM arrived') eq 't' }, 'a load keeps the one dispatcher busy');
my $log_size = -s $node->logfile;
$clock->set(18 * HOUR);
wait_until_frozen($db, $busy, 'a partition is sealed although there was no slot');
is_whole($db, $busy, 'the busy hour');
my $seen = $node->safe_psql($db, 'SELECT count(*) FROM arrived');
poll_until(sub { $node->safe_psql($db, "SELECT count(*) > $seen + 100 FROM arrived") eq 't' }, 'then deliveries go on');
IPC::Run::signal($load, 'INT');
IPC::Run::finish($load);
all_is_delivered($node, $db);
rows_are($node, $db, q{SELECT (SELECT count(*) FROM arrived) = (SELECT count(*) FROM eventbus.events),
	(SELECT count(DISTINCT id) FROM arrived) = (SELECT count(*) FROM arrived)}, 't|t', 'each event once');

my $log = slurp_file($node->logfile, $log_size);
is(() = $log =~ /out of background worker slots/g, 1, 'the log says once that slots are few');
like($log, qr/LOG:  out of background worker slots\n.*DETAIL:  The eventbus maintenance worker for database postgres has to wait for a free one\.\n.*HINT:  You might need to increase max_worker_processes\./,
	'and for whom');
unlike($log, qr/ERROR|FATAL(?!:  connection to client lost)|PANIC|TRAP/, 'nothing failed');

$node->stop;
done_testing();
