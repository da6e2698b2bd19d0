# The clock is stepped back and forth: over the boundary of two partitions, into
# a sealed one, beyond those that were made ahead, while targets wait and while
# workers rest. Events arrive once, in the order of their commits. (The
# servers get their clock from test/lib/step_clock.c.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Clock;
use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant { MINUTE => 60, HOUR => 3600, DAY => 86400 };

my $clock = EventBus::Clock->new or plan skip_all => 'SKIP: no C compiler: the clock is not stepped';
my $base = $clock->base;

my $db = 'postgres';
my $number = 0;

# Full hours are boundaries of partitions. Times are seconds after $base.
sub set_clock
{
	my ($to) = @_;
	$clock->set($to);
}

my $node = new_node('main', conf => q{
eventbus.leaf_width = 1h
eventbus.leaves_ahead = 3
eventbus.safety_interval = 2
autovacuum = off
max_prepared_transactions = 1
});

$node->stop;
set_clock(HOUR - 2 * MINUTE);
$clock->start($node);

sub now_is
{
	my ($expected, $name) = @_;
	rows_are($node, $db, "SELECT abs(extract(epoch FROM clock_timestamp()) - $base - $expected) < 60", 't', $name);
}

now_is(HOUR - 2 * MINUTE, 'the clock is ours');
$node->safe_psql($db, q{
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb);
CREATE TABLE other (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
SELECT eb_put_target('all', 'other', 'table', 'other');
});

# Puts three events, each in a transaction of its own.
sub put
{
	$node->safe_psql($db, join(';', map {
				$number++;
				qq{SELECT eb_put_event('s', 'd', '{"i": $number}')} } 1 .. 3));
}

# Steps, puts, waits, and says in which leaf the events are.
sub put_at
{
	my ($to, $name) = @_;

	set_clock($to);
	put();
	all_is_delivered($node, $db, $name);
	return $node->safe_psql($db, qq{SELECT DISTINCT tableoid::regclass FROM eventbus.event_log
		WHERE (detail->>'i')::int > $number - 3});
}

# The offset of the events of the last put, in hours after the base.
sub hours_of_last
{
	return $node->safe_psql($db, qq{
		SELECT DISTINCT floor((extract(epoch FROM ingested_at) - $base) / 3600)
		FROM eventbus.event_log WHERE (detail->>'i')::int > $number - 3});
}

sub is_sealed
{
	my ($leaf) = @_;
	return $node->safe_psql($db, qq{SELECT count(*) FROM eventbus.leaves
		WHERE sealed_at IS NOT NULL AND 'eventbus.' || name = '$leaf'});
}

sub wait_until_sealed
{
	my ($leaf, $name) = @_;

	poll_until(sub {
			$node->safe_psql($db, q{SELECT eb_run_maintenance()});
			is_sealed($leaf);
		}, $name);
}

# ---- over a boundary --------------------------------------------------------

my $first = put_at(HOUR - 2 * MINUTE, 'before a boundary');
my $second = put_at(HOUR + MINUTE, 'after it');
isnt($first, $second, 'is another leaf');
is(put_at(HOUR - MINUTE, 'stepped back over it'), $first, 'is the first leaf again');
is(put_at(HOUR + MINUTE, 'and forth'), $second, 'the second');

# ---- into a sealed leaf -----------------------------------------------------

my $third = put_at(2.5 * HOUR, 'an hour later');
wait_until_sealed($first, 'the first leaf is sealed');
wait_until_sealed($second, 'and the second');
is(is_sealed($third), 0, 'not that of now');
is(put_at(0.5 * HOUR, 'stepped back into a sealed leaf'), $third, 'takes the next one that is open');
is(hours_of_last(), 2, 'with its time');
is(put_at(1.5 * HOUR, 'and into another'), $third, 'the same');
rows_are($node, $db, "SELECT (SELECT count(*) FROM $first), (SELECT count(*) FROM $second)", '6|6',
	'sealed leaves have got nothing');

# ---- beyond the leaves that are made ahead ----------------------------------

for my $days (3, 40, -40, 0, 400)
{
	put_at($days * DAY, "stepped to day $days");
	is(hours_of_last(), 24 * $days, "day $days: the events have its time") if $days;
}
put_at(3 * HOUR, 'and back');

# ---- while something waits for its time ------------------------------------

set_clock(20 * DAY);
$node->safe_psql($db, 'ALTER TABLE other RENAME TO elsewhere');
put();
poll_until(sub { $node->safe_psql($db, q{SELECT attempts >= 3 FROM eventbus.target_positions WHERE state = 'failed'}) eq 't' },
	'a target has failed and waits');
set_clock(4 * HOUR);
$node->safe_psql($db, 'ALTER TABLE elsewhere RENAME TO other');
all_is_delivered($node, $db, 'it is tried again soon, though the clock was stepped back');

for my $type (qw(router dispatcher launcher))
{
	# to work for
	set_clock(20 * DAY);
	put();
	my $pid = wait_for_worker($node, $type eq 'launcher' ? undef : $db, $type);
	set_clock(30 * DAY);
	kill('TERM', $pid);
	poll_until(sub { !-e "/proc/$pid" });
	set_clock(4 * HOUR);
	put();
	all_is_delivered($node, $db, "a $type that ended in the future comes back");
}

# ---- committed when the clock is back ---------------------------------------

# The router does not look into leaves ahead, unless it was told that events
# are there; nor may it miss them where it could not be told. The crash comes
# first: it forgets what was told of times that are later yet.
sub put_in_future
{
	my ($name, $hours, $meanwhile) = @_;

	put_at(4 * HOUR, "$name: now");
	set_clock($hours * HOUR);
	$number++;
	$node->safe_psql($db, qq{BEGIN; SELECT eb_put_event('s', 'd', '{"i": $number}'); PREPARE TRANSACTION 'p'});
	set_clock(4 * HOUR);
	$meanwhile->();
	rows_are($node, $db, "SELECT count(*) FROM arrived WHERE (detail->>'i')::int = $number", 0,
		"$name: does not arrive before its commit");
	$node->safe_psql($db, q{COMMIT PREPARED 'p'});
	all_is_delivered($node, $db, "$name: an event from the future");
}

put_in_future('a crash between', 6.5, sub { $node->stop('immediate'); $clock->start($node) });
put_in_future('the same router', 7.5, sub { });
put_in_future(
	'another router', 8.5,
	sub {
		my $pid = wait_for_worker($node, $db, 'router');
		kill('TERM', $pid);
		poll_until(sub { !-e "/proc/$pid" });
	});

# ---- hopping under load ----------------------------------------------------

my $script = $node->basedir . '/put.sql';
append_to_file($script, q{
SELECT eb_put_event('s', 'd', jsonb_build_object('c', :client_id, 'n', nextval('n_' || :client_id)));
});
$node->safe_psql($db, "CREATE SEQUENCE n_$_") for 0 .. 3;
my ($out, $err) = ('', '');
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 4, '-t', 400, '-R', 400, '-f', $script, '-h', $node->host, '-p', $node->port, $db ],
	'>', \$out, '2>', \$err);
my $hops = 0;
srand(7);
while ($load->pumpable)
{
	set_clock((0, 2 * HOUR, 5 * HOUR, 6 * HOUR, 30 * HOUR, 21 * DAY, 60 * DAY, -2 * DAY)[ rand(8) ] + int(rand(HOUR)));
	$hops++;
	Time::HiRes::usleep(100_000);
	$load->pump_nb;
}
ok($load->finish, 'a load is published while the clock hops') or diag($err);
note("$hops hops");
all_is_delivered($node, $db);

# ---- what must be true ------------------------------------------------------

for my $table (qw(arrived other))
{
	rows_are($node, $db, qq{
		SELECT count(*), count(DISTINCT detail), bool_and(i = rank)
		FROM (SELECT detail, (detail->>'i')::int AS i, row_number() OVER (ORDER BY arrival) AS rank
			  FROM $table WHERE detail ? 'i') a},
		"$number|$number|t", "$table: each event arrived once, in order");
	rows_are($node, $db, qq{
		SELECT count(*), count(DISTINCT detail), bool_and(n = rank)
		FROM (SELECT detail, (detail->>'n')::int AS n,
				row_number() OVER (PARTITION BY detail->'c' ORDER BY arrival) AS rank
			  FROM $table WHERE detail ? 'c') a},
		'1600|1600|t', "$table: those of the load, too");
}
rows_are($node, $db, q{SELECT count(DISTINCT id), bool_and(eb_get_event(id) = event) FROM eventbus.events},
	$number + 1600 . '|t', 'each is found by its id, which has its time');
set_clock(500 * DAY);
wait_until_sealed($_, "$_ can be sealed")
  for split(/\n/, $node->safe_psql($db, q{SELECT DISTINCT tableoid::regclass FROM eventbus.event_log}));
rows_are($node, $db, q{SELECT count(DISTINCT id), bool_and(eb_get_event(id) = event) FROM eventbus.events},
	$number + 1600 . '|t', 'and found in sealed leaves');
rows_are($node, $db, 'SELECT count(*) FROM eventbus.dead_letters', '0', 'no dead letters');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 6|signal 11/, 'nobody crashed');

$node->stop;
done_testing();
