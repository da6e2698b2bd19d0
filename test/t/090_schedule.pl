# Schedules of rules fire at their times, each time once: while the clock goes
# on, through kills at any moment, in several databases, when the clock is set
# back; and after an outage as the rule says. (The server gets its clock from
# test/lib/step_clock.c.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Clock;
use EventBus::Test;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::Local qw(timegm);

use constant { MINUTE => 60, HOUR => 3600, DAY => 86400 };

my $clock = EventBus::Clock->new or plan skip_all => 'SKIP: no C compiler: the clock is not stepped';
my $base = $clock->base;
my $db = 'postgres';
my $node = new_node('main', conf => q{
timezone = 'UTC'
eventbus.leaf_width = 1d
eventbus.leaves_ahead = 2
eventbus.safety_interval = 1
autovacuum = off
});

$node->stop;
$clock->start($node);
srand($ENV{EB_SCHEDULE_SEED} // 90);

# EB_SCHEDULE_MINUTES (40) is how long the storm at the end is.

# Where runs arrive: one row for each delivery.
sub make_inbox
{
	my ($database) = @_;
	$node->safe_psql($database, 'CREATE TABLE inbox (rule text, "time" timestamptz)');
}

sub put_rule
{
	my ($rule, $arguments, $database) = @_;
	$node->safe_psql($database // $db, qq{
		SELECT eb_put_rule('$rule', $arguments);
		SELECT eb_put_target('$rule', 'inbox', 'table', 'inbox')});
}

sub remove_rule
{
	my ($rule, $database) = @_;
	$node->safe_psql($database // $db, qq{SELECT eb_remove_target('$rule', 'inbox'); SELECT eb_delete_rule('$rule')});
}

# An instant as SQL.
sub at
{
	my ($seconds) = @_;
	return "to_timestamp($base + $seconds)";
}

# Waits until the rule has no run to come that is due, as the clock stands.
sub wait_until_fired
{
	my ($rule, $name, $database) = @_;
	my $done = poll_until(
		sub {
			(try_query($node, $database // $db, qq{
				SELECT r.state = 'DISABLED' OR (s.since = r.schedule_since AND COALESCE(s.fire_at > clock_timestamp(), true)
					   AND s.generation = eventbus.generation())
				FROM eventbus.rule r LEFT JOIN eventbus.rule_schedules s USING (rule_id) WHERE r.name = '$rule'}) // '') eq 't';
		},
		$name);
	all_is_delivered($node, $database // $db) if $done;
}

# The times that have arrived of a rule, as minutes after the base.
sub fired
{
	my ($rule, $database) = @_;
	return $node->safe_psql($database // $db, qq{
		SELECT string_agg(((extract(epoch FROM "time") - $base) / 60)::float8::text, ' ' ORDER BY "time")
		FROM inbox WHERE rule = '$rule'});
}

make_inbox($db);

# ---- at the right times -----------------------------------------------------

$clock->set(30);
put_rule('minutes', q{schedule_expression => 'cron(* * * * ? *)'});
put_rule('rate', q{schedule_expression => 'rate(2 minutes)'});
put_rule('once', "schedule_expression => to_char(" . at(150) . q{, '"at("YYYY-MM-DD"T"HH24:MI:SS")"')});
put_rule('bounded', q{schedule_expression => 'cron(* * * * ? *)', schedule_start => } . at(120) . ', schedule_end => ' . at(180));
wait_until_fired($_) for qw(minutes rate once bounded);
$node->safe_psql($db, q{UPDATE eventbus.rule SET schedule_since = } . at(30) . q{ WHERE name = 'rate'});
for my $minute (1 .. 5)
{
	$clock->set($minute * MINUTE - 2);
	# on its own, without being told
	poll_until(sub { fired('minutes') eq join(' ', 1 .. $minute) }, "minute $minute comes by itself");
	$clock->set($minute * MINUTE + 40);
	wait_until_fired($_) for qw(minutes rate once bounded);
}
is(fired('rate'), '2.5 4.5', 'a rate keeps its distance');
is(fired('once'), '2.5', 'at fires once');
is(fired('bounded'), '2 3', 'not before its start, nor after its end');
rows_are($node, $db, q{SELECT count(*), count(DISTINCT (resources, "time")) FROM eventbus.events WHERE source = 'aws.events'},
	'10|10', 'each run is one event');
remove_rule($_) for qw(minutes rate once bounded);

# ---- disabled ---------------------------------------------------------------

$node->safe_psql($db, 'TRUNCATE inbox');
$clock->set(10 * MINUTE + 30);
put_rule('sometimes', q{schedule_expression => 'cron(* * * * ? *)', missed_runs => 'all'});
$clock->set(11 * MINUTE + 30);
wait_until_fired('sometimes');
$node->safe_psql($db, q{SELECT eb_disable_rule('sometimes')});
$clock->set(15 * MINUTE + 30);
wait_until_routed($node, $db);
$node->safe_psql($db, q{SELECT eb_enable_rule('sometimes')});
$clock->set(16 * MINUTE + 30);
wait_until_fired('sometimes');
is(fired('sometimes'), '11 16', 'what passed while a rule was disabled does not fire');
remove_rule('sometimes');

# ---- in a window ------------------------------------------------------------

$node->safe_psql($db, 'TRUNCATE inbox');
$clock->set(20 * MINUTE);
put_rule('window', q{schedule_expression => 'rate(10 minutes)', flexible_time_window => '2 hours'});
poll_until(sub { $node->safe_psql($db, 'SELECT count(*) FROM eventbus.rule_schedules WHERE fire_at IS NOT NULL') == 1 });
my $fire_at = $node->safe_psql($db, "SELECT extract(epoch FROM fire_at) - $base FROM eventbus.rule_schedules");
cmp_ok($fire_at, '>=', 30 * MINUTE, 'a window begins when the run is due');
cmp_ok($fire_at, '<', 40 * MINUTE + 60, 'and ends where the next one is');
$clock->set($fire_at - 20);
is(fired('window'), '', 'it does not fire before the time that was chosen');
# the router's commits are asynchronous: this one takes them to the disk
$node->safe_psql($db, 'CREATE TABLE flushed ()');
kill_worker($node, $db, 'router');
wait_for_worker($node, $db, 'router');
is($node->safe_psql($db, "SELECT extract(epoch FROM fire_at) - $base FROM eventbus.rule_schedules"),
	$fire_at, 'which a crash does not change');
$clock->set($fire_at + 1);
poll_until(sub { fired('window') ne '' }, 'it fires then');
remove_rule('window');

# ---- missed runs ------------------------------------------------------------

sub outage
{
	my ($from, $to) = @_;
	$clock->set($from);
	wait_until_fired($_) for qw(last skip all);
	# workers commit asynchronously: this commit takes theirs to the disk
	$node->safe_psql($db, 'CREATE TABLE flushed_here (); DROP TABLE flushed_here');
	$node->stop('immediate');
	$clock->set($to);
	$clock->start($node);
	wait_until_fired($_) for qw(last skip all);
}

$node->safe_psql($db, 'TRUNCATE inbox');
$clock->set(60 * MINUTE + 30);
put_rule($_, "schedule_expression => 'cron(* * * * ? *)', missed_runs => '$_'") for qw(last skip all);
poll_until(sub { $node->safe_psql($db, 'SELECT count(*) FROM eventbus.rule_schedules WHERE fire_at IS NOT NULL') == 3 },
	'schedules begin');
$clock->set(61 * MINUTE + 30);
outage(61 * MINUTE + 30, 120 * MINUTE + 30);
is(fired('last'), '61 120', 'after an outage the last missed run fires');
is(fired('all'), join(' ', 61 .. 120), 'or all of them');
# 30 s late is no missed run
is(fired('skip'), '61 120', 'or none but one that is hardly late');
put_rule('daily', "schedule_expression => 'cron(0 0 * * ? *)', missed_runs => 'skip'");
put_rule('all', "schedule_expression => 'cron(0 * * * ? *)', missed_runs => 'all'");
$node->safe_psql($db, 'TRUNCATE inbox');
outage(120 * MINUTE + 30, 4 * DAY + 30 * MINUTE);
is(fired('all'), join(' ', map { $_ * 60 } (4 * 24 - 23) .. 4 * 24), 'all are those of a day');
is(fired('last'), 4 * 1440 + 30, 'the last one is one');
wait_until_fired('daily');
is(fired('daily'), '', 'skip fires nothing that is late');
remove_rule($_) for qw(last skip all daily);

# ---- the clock is set back --------------------------------------------------

my $start = 6 * DAY;

$node->safe_psql($db, 'TRUNCATE inbox');
$clock->set($start);
put_rule('minutes', q{schedule_expression => 'cron(* * * * ? *)'});
put_rule('rate', q{schedule_expression => 'rate(1 minute)'});
for my $to (1, 2, 1, 0, -60, 2, 3)
{
	$clock->set($start + $to * MINUTE + 30);
	wait_until_fired($_) for qw(minutes rate);
	# the loop has gone round with that clock
	$node->safe_psql($db, q{SELECT eb_put_event('s', 'd', '{}')});
	all_is_delivered($node, $db);
}
my $first = $start / MINUTE;
is(fired('minutes'), join(' ', map { $first + $_ } 1 .. 3), 'a clock that goes back fires nothing twice');
is(scalar(split(' ', fired('rate'))), 3, 'nor does a rate');
$clock->set($start + 100 * DAY);
wait_until_fired($_) for qw(minutes rate);
$clock->set($start + 30 * MINUTE + 30);
for my $rule (qw(minutes rate))
{
	poll_until(sub { $node->safe_psql($db, qq{SELECT next_fire_at < } . at($start + DAY) . qq{ FROM eventbus.rules WHERE name = '$rule'}) eq 't' },
		"$rule: when the clock has been far ahead, times are computed anew");
}
$clock->set($start + 31 * MINUTE + 30);
wait_until_fired($_) for qw(minutes rate);
like(fired('minutes'), qr/ @{[ $first + 31 ]}(?: |$)/, 'and fire');
remove_rule($_) for qw(minutes rate);

# ---- a time zone whose clocks change ----------------------------------------

sub zone_day
{
	my ($from, $to, $name, @expected) = @_;

	$node->safe_psql($db, 'TRUNCATE inbox');
	$clock->set($from - $base);
	put_rule('berlin', q{schedule_expression => 'cron(30 2 * * ? *)', schedule_timezone => 'Europe/Berlin'});
	# past midnight, by the hour around the change, and at the end
	for my $at ($from + 10 * HOUR, (map { $from + $_ * HOUR } 12 .. 15), $to - 3 * HOUR, $to)
	{
		$clock->set($at - $base);
		wait_until_fired('berlin');
	}
	rows_are($node, $db, q{SELECT string_agg(to_char("time", 'MM-DD HH24:MI'), ', ' ORDER BY "time") FROM inbox},
		join(', ', @expected), $name);
	remove_rule('berlin');
}

my $year = POSIX::strftime('%Y', gmtime($base)) + 1;

# the last Sunday of a month of 31 days
sub last_sunday
{
	my ($month) = @_;
	my $at = timegm(0, 0, 0, 31, $month - 1, $year);
	return $at - (gmtime($at))[6] * DAY;
}
my $spring = last_sunday(3);
my $autumn = last_sunday(10);
sub day { return POSIX::strftime("%m-%d $_[1]", gmtime($_[0])) }

zone_day($spring - 12 * HOUR, $spring + 26 * HOUR, 'a time that clocks skip does not fire', day($spring + DAY, '00:30'));
zone_day($autumn - 12 * HOUR, $autumn + 26 * HOUR, 'one that they show twice fires once',
	day($autumn, '00:30'), day($autumn + DAY, '01:30'));

# ---- kills at any moment, in two databases ----------------------------------

my $storm = $autumn + 10 * DAY - $base;
my $minutes = $ENV{EB_SCHEDULE_MINUTES} // 40;

$node->safe_psql($db, 'TRUNCATE inbox');
$node->safe_psql($db, 'CREATE DATABASE other');
$clock->set($storm);
$node->safe_psql('other', 'CREATE EXTENSION eventbus');
make_inbox('other');
put_rule("storm$_", q{schedule_expression => 'cron(* * * * ? *)', missed_runs => 'all'}) for 1 .. 3;
put_rule('storm1', q{schedule_expression => 'rate(3 minutes)', missed_runs => 'all'}, 'other');
wait_until_fired("storm$_") for 1 .. 3;
wait_until_fired('storm1', undef, 'other');
my $kills = 0;
for my $minute (1 .. $minutes)
{
	$clock->set($storm + $minute * MINUTE + 1);
	next if rand() < 0.5;
	Time::HiRes::usleep(rand(300_000));
	if (rand() < 0.3)
	{
		kill_postmaster($node);
		$clock->start($node);
	}
	else
	{
		my @pids = map { worker_pids($node, $_, 'router') } $db, 'other';
		kill('KILL', $pids[ rand(@pids) ]) if @pids;
	}
	$kills++;
}
poll_until(sub { defined try_query($node, $db, 'SELECT 1') });
note("$kills kills");
wait_until_fired("storm$_", "storm$_ has fired") for 1 .. 3;
wait_until_fired('storm1', 'storm1 of the other database has fired', 'other');
my $from = $storm / MINUTE;
is(fired("storm$_"), join(' ', map { $from + $_ } 1 .. $minutes), "storm$_: each minute once") for 1 .. 3;
rows_are($node, 'other', q{SELECT count(*), count(DISTINCT "time"), max("time") - min("time") FROM inbox},
	join('|', (int($minutes / 3)) x 2, sprintf('%02d:%02d:00', int(($minutes / 3 - 1) * 3 / 60), (int($minutes / 3) - 1) * 3 % 60)),
	'and in the other database every third');

# ---- copies of a database ---------------------------------------------------

my $later = $storm / MINUTE + $minutes + 120;
my $dump = $node->basedir . '/dump.sql';

$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('other') ], 'pg_dump');
$node->safe_psql($db, 'CREATE DATABASE copy TEMPLATE other');
$node->safe_psql($db, 'CREATE DATABASE restored');
$clock->set($later * MINUTE + 30);
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restore');
wait_until_fired('storm1', 'a schedule begins in the restored database', 'restored');
wait_until_fired('storm1', 'the original catches up', 'other');
$clock->set(($later + 3) * MINUTE + 31);
wait_until_fired('storm1', 'a schedule fires in the restored database', 'restored');
is($node->safe_psql('restored', qq{SELECT count(*) FROM inbox WHERE "time" > } . at($storm + ($minutes + 1) * MINUTE)),
	1, 'nothing of the time before it');
is($node->safe_psql('restored', 'SELECT min(extract(epoch FROM "time" - ' . at($storm) . q{)::int % 180) FROM inbox}),
	$node->safe_psql('other', 'SELECT min(extract(epoch FROM "time" - ' . at($storm) . q{)::int % 180) FROM inbox}),
	'its rate goes on counting');
wait_until_fired('storm1', 'the copy made by TEMPLATE fires, too', 'copy');
# ---- more than the scheduler sees to at a time ------------------------------

$node->safe_psql('copy', q{SELECT count(eb_put_rule('many' || i, schedule_expression => 'cron(0 0 1 1 ? *)'))
	FROM generate_series(1, 6000) i});
poll_until(sub { $node->safe_psql('copy', 'SELECT count(*) FROM eventbus.rule_schedules WHERE fire_at IS NOT NULL') == 6001 },
	'thousands of schedules begin');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 6|signal 11/, 'nobody crashed');

$node->stop;
done_testing();
