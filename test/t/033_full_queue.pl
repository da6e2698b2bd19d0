# More targets have deliveries than the work queue has places, and more of them
# are stuck than it has: the others get all, a wait that says true is right,
# other databases are not crowded out, and nothing is forgotten when the stuck
# ones are free again, also after a crash.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $healthy = 200;
my $locked = 70;
my $broken = 30;
my $node = new_node('main', extension => 0, conf => q{
eventbus.max_queued_targets = 64
log_min_messages = log
});

$node->safe_psql('postgres', 'CREATE DATABASE db');
$node->safe_psql('postgres', 'CREATE DATABASE beside');

# Makes so many targets that have a table each, and the rules that send every
# event to them.
sub make_targets
{
	my ($database, $kind, $count) = @_;

	$node->safe_psql($database, qq{
		DO \$\$
		BEGIN
			FOR i IN 1 .. $count LOOP
				EXECUTE format('CREATE TABLE ${kind}_%s (id uuid)', i);
				PERFORM eb_put_rule('${kind}_' || i, event_pattern => '{"source": ["s"]}');
				PERFORM eb_put_target('${kind}_' || i, 'inbox', 'table', '${kind}_' || i);
			END LOOP;
		END
		\$\$});
}

sub put_events
{
	my ($database, $count) = @_;

	$node->safe_psql($database, "SELECT count(eb_put_event('s', 'd', '{}')) FROM generate_series(1, $count)");
}

# How many of these tables do not have each event once.
sub incomplete
{
	my ($database, $kind, $count) = @_;
	my $tables = join(' UNION ALL ', map { "SELECT $_ AS n, id FROM ${kind}_$_" } 1 .. $count);

	return $node->safe_psql($database, qq{
		WITH events AS (SELECT count(*) AS n FROM eventbus.event_log),
			arrived AS (SELECT n, count(*) AS rows, count(DISTINCT id) AS ids FROM ($tables) t GROUP BY n)
		SELECT count(*) FROM generate_series(1, $count) AS t(n) LEFT JOIN arrived a USING (n), events
		WHERE coalesce(a.rows, 0) <> events.n OR coalesce(a.ids, 0) <> events.n});
}

sub is_complete
{
	my ($database, $kind, $count, $name) = @_;

	is(incomplete($database, $kind, $count), '0', $name);
}

sub gets_complete
{
	my ($database, $kind, $count, $name) = @_;

	poll_until(sub { incomplete($database, $kind, $count) eq '0' }, $name)
	  or diag($node->safe_psql($database, 'TABLE eventbus.work_queue()') . "\n"
		  . incomplete($database, $kind, $count) . ' are not complete');
}

# Puts events for all targets, each in a commit of its own: targets have work
# again faster than they are worked on.
sub start_load
{
	my $script = $node->basedir . '/put.sql';
	my $output = '';

	append_to_file($script, q{SELECT eb_put_event('s', 'd', '{}');}) unless -e $script;
	return IPC::Run::start(
		[ 'pgbench', '-n', '-c', '1', '-T', '600', '-R', '300', '-f', $script, '-h', $node->host, '-p', $node->port, 'db' ],
		'>', \$output, '2>', \$output);
}

sub stop_load
{
	my ($load) = @_;

	IPC::Run::signal($load, 'INT');
	IPC::Run::finish($load);
}

# The target of a kind that has got least, whatever waits: how much that is.
sub least_delivered
{
	my ($kind) = @_;

	return $node->safe_psql('db', "SELECT min(delivered) FROM eventbus.targets WHERE rule LIKE '${kind}%'");
}

sub each_goes_on
{
	my ($kind, $name) = @_;

	for my $turn (1 .. 3)
	{
		my $least = least_delivered($kind);
		poll_until(sub { least_delivered($kind) > $least }, "$name: each $kind target goes on, $turn");
	}
}

sub says_false
{
	my ($database, $name) = @_;

	is($node->safe_psql($database, q{SELECT eb_wait_until_delivered('100 ms')}), 'f', $name);
}

sub get_stuck
{
	$node->safe_psql('db', join('', 'BEGIN;', (map { "LOCK TABLE locked_$_;" } 1 .. $locked), q{PREPARE TRANSACTION 'stuck'}));
	$node->safe_psql('db', join('', map { "ALTER TABLE broken_$_ RENAME TO away_$_;" } 1 .. $broken));
}

sub get_free
{
	$node->safe_psql('db', join('', map { "ALTER TABLE away_$_ RENAME TO broken_$_;" } 1 .. $broken));
	$node->safe_psql('db', q{COMMIT PREPARED 'stuck'});

	# a change of the rules has every target tried at once
	$node->safe_psql('db', q{SELECT eb_put_rule('none', event_pattern => '{"source": ["none"]}')});
}

for my $database ('db', 'beside')
{
	$node->safe_psql($database, 'CREATE EXTENSION eventbus');
}
make_targets('db', 'healthy', $healthy);
make_targets('db', 'locked', $locked);
make_targets('db', 'broken', $broken);
make_targets('beside', 'healthy', 100);

# ---- nobody is stuck ----

all_is_delivered($node, 'db', 'at first there is nothing to do');
for my $round (1 .. 5)
{
	put_events('db', 3);
	all_is_delivered($node, 'db', "$round: more targets than places: all is delivered");
	is_complete('db', 'healthy', $healthy, "$round: and it was");
	is_complete('db', 'locked', $locked, "$round: to the others too");
}

# places are never enough: who has had one goes to the end of the line
my $load = start_load();
each_goes_on($_, 'under load') for 'healthy', 'locked';
stop_load($load);
all_is_delivered($node, 'db', 'after the load: all is delivered');
is_complete('db', 'healthy', $healthy, 'after the load: and it was');

# ---- more are stuck than there are places ----

get_stuck();
$load = start_load();
each_goes_on('healthy', 'under load and stuck');
stop_load($load);
for my $round (1 .. 3)
{
	put_events('db', 3);
	says_false('db', "$round: stuck: a wait does not say that all is delivered");
	gets_complete('db', 'healthy', $healthy, "$round: stuck: the healthy targets get all");
	says_false('db', "$round: stuck: nor when the healthy ones have all");
}
poll_until(
	sub {
		$node->safe_psql('db', q{SELECT state = 'full' AND waiting > 0 AND detail LIKE '% of 64 places taken, %'
			FROM eventbus.status WHERE item = 'work queue'}) eq 't';
	},
	'eventbus.status shows that the work queue is full');
poll_until(sub { slurp_file($node->logfile) =~ /LOG:  eventbus work queue is full/ }, 'and so does the log');

# the other database has its share
for my $round (1 .. 3)
{
	put_events('beside', 3);
	all_is_delivered($node, 'beside', "$round: another database goes on");
	is_complete('beside', 'healthy', 100, "$round: and has all");
}
rows_are($node, 'beside', q{SELECT count(*) FROM eventbus.status WHERE item = 'work queue'}, '0',
	'no target of it waits for a place');

# ---- crash ----

kill_postmaster($node);
$node->start;
wait_for_worker($node, 'db', 'router', 'after a crash: a router comes');
says_false('db', 'after a crash: a wait does not say that all is delivered');
put_events('db', 3);
gets_complete('db', 'healthy', $healthy, 'after a crash: the healthy targets get all');
says_false('db', 'after a crash: nor when the healthy ones have all');

# the router alone
my $router = worker_pid($node, 'db', 'router');
kill('TERM', $router);
wait_for_new_worker($node, 'db', 'router', $router, 'another router comes');
put_events('db', 3);
gets_complete('db', 'healthy', $healthy, 'another router: the healthy targets get all');
says_false('db', 'another router: a wait does not say that all is delivered');

# ---- free again ----

get_free();
all_is_delivered($node, 'db', 'free again: all is delivered');
is_complete('db', 'healthy', $healthy, 'to those that were healthy');
is_complete('db', 'locked', $locked, 'to those that were locked');
is_complete('db', 'broken', $broken, 'to those that were broken');
rows_are($node, 'db', 'SELECT count(*) FROM eventbus.dead_letters', '0', 'no dead letters');
poll_until(sub { $node->safe_psql('db', 'SELECT targets_outside FROM eventbus.work_queue()') eq '0' },
	'no target waits for a place any more');

my $log = slurp_file($node->logfile);
my @complaints = $log =~ /^(\S+ \d\d:\d\d).*LOG:  eventbus work queue is full$/mg;
my %minutes = map { $_ => 1 } @complaints;
cmp_ok(scalar @complaints, '<=', 1 + scalar keys %minutes, 'the log says once a minute that the queue is full');
like($log,
	qr/LOG:  eventbus work queue is full\n.*DETAIL:  \d+ targets of this database have deliveries waiting and none of its 64 places\.\n.*HINT:  You might need to increase eventbus\.max_queued_targets\./,
	'and what to do');
unlike($log, qr/PANIC|TRAP|signal 6|signal 11/, 'nothing crashed');
$node->stop;
done_testing();
