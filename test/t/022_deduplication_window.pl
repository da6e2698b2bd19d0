# What becomes of deduplication ids as time goes by: they count for the window,
# over the turns of the three tables, and are thrown away then, whatever
# snapshots and transactions are held. (The server gets its clock from
# test/lib/step_clock.c.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir();
my $clock = "$directory/clock";
my $library = "$directory/step_clock.so";

plan skip_all => 'SKIP: no C compiler: the clock is not stepped'
  if system('cc', '-shared', '-fPIC', '-O', '-o', $library, "$FindBin::RealBin/../lib/step_clock.c") != 0;

my $db = 'postgres';

# Periods are of 300 s, from 2000 on. Times are seconds after the start of one.
my $base = (int(time / 300) + 1) * 300;

sub set_clock
{
	my ($to) = @_;

	# in place, and at once: processes have it mapped
	open(my $file, '+>>', $clock) or die $!;
	truncate($file, 8);
	close($file);
	open($file, '+<', $clock) or die $!;
	syswrite($file, pack('q', $base + $to - time), 8) == 8 or die $!;
	close($file);
}

my $node = new_node('main', conf => q{
eventbus.leaf_width = 1h
autovacuum = off
});

$node->stop;
set_clock(0);
{
	local %ENV = (%ENV, LD_PRELOAD => $library, STEP_CLOCK => $clock);
	$node->start;
}

# Puts ids; returns how many were new.
sub put
{
	my ($name, $n) = @_;
	return $node->safe_psql($db, qq{
		SELECT count(*) FROM jsonb_array_elements(eb_put_events((
			SELECT jsonb_agg('{"Source": "s", "DetailType": "d", "Detail": {}}'::jsonb
				|| jsonb_build_object('DeduplicationId', '$name ' || i)) FROM generate_series(1, $n) i))->'Entries') e
		WHERE e->>'SuccessCode' = 'PUBLISHED'});
}

sub rows_in_tables
{
	return $node->safe_psql($db, join(' + ', 'SELECT 0', map { "(SELECT count(*) FROM eventbus.deduplication_$_)" } 0 .. 2));
}

sub tables_in_use
{
	return $node->safe_psql($db, join(' + ', 'SELECT 0', map { "(pg_relation_size('eventbus.deduplication_$_') > 0)::int" } 0 .. 2));
}

sub wait_for_rows
{
	my ($rows, $name) = @_;
	poll_until(sub {
			try_query($node, $db, 'SELECT eb_run_maintenance()');
			rows_in_tables() == $rows;
		}, $name)
	  or diag(rows_in_tables() . ' rows');
}

# ---- the window, over turns of the tables -----------------------------------

for my $at (10, 150, 280, 290)
{
	set_clock($at);
	is(put("at $at", 2), 2, "at $at s: new");
	set_clock($at + 200);
	is(put("at $at", 2), 0, "200 s later: known");
	set_clock($at + 270);
	is(put("at $at", 2), 0, "270 s later: known");
	set_clock($at + 330);
	is(put("at $at", 2), 2, "330 s later: new");
	set_clock($at + 330 + 270);
	is(put("at $at", 2), 0, "270 s after that: known");
	$base += 900;
}

# steps back of the clock over the start of a period
set_clock(2);
is(put('step', 1), 1, 'before a step back: new');
set_clock(-3);
is(put('step', 1), 0, 'after it: known');
set_clock(4);
is(put('step', 1), 0, 'and forth: known');

# ---- a change of the setting, which moves the periods ------------------------

sub set_window
{
	my ($seconds) = @_;

	$node->safe_psql($db, "ALTER SYSTEM SET eventbus.deduplication_window = $seconds");
	$node->safe_psql($db, 'SELECT pg_reload_conf()');
	$node->poll_query_until($db, "SELECT setting = '$seconds' FROM pg_settings WHERE name = 'eventbus.deduplication_window'")
	  or die 'no reload';
}

$base += 1200;
for my $seconds (1000, 7000, 130, 400, 300)
{
	set_clock(250);
	is(put("before $seconds", 1), 1, 'before a change: new');
	set_window($seconds);
	set_clock(260);
	is(put("before $seconds", 1), 0, "changed to $seconds s: known");
	set_clock(250 + $seconds - 20);
	is(put("before $seconds", 1), 0, 'within the new window: known');
	set_clock(250 + $seconds + 20);
	is(put("before $seconds", 1), 1, 'after it: new');
	$base += 9000;
}
set_window(0);
is(put('off', 1), 1, 'off: put');
is(put('off', 1), 1, 'off: put again');
set_window(300);

# ---- what is over is thrown away --------------------------------------------

$base += 3000;
for my $period (0 .. 2)
{
	set_clock(300 * $period + 100);
	poll_until(sub {
			try_query($node, $db, 'SELECT eb_run_maintenance()');
			tables_in_use() <= 2 - $period;
		}, 'with each period one of the tables is empty again');
}

# An open transaction that has put an id, and holds the horizon of VACUUM back
$node->safe_psql($db, qq{BEGIN;
	SELECT eb_put_event('s', 'open', '{}', deduplication_id => 'open');
	PREPARE TRANSACTION 'open'});
my @sizes;
for my $period (3 .. 9)
{
	set_clock(300 * $period + 100);
	wait_for_rows($period == 3 ? 0 : 1000, "period $period: what is over is thrown away");
	is(put("period $period", 1000), 1000, 'new ids');
	is(put("period $period", 1000), 0, 'known ones');
	push @sizes, $node->safe_psql($db, join(' + ', 'SELECT 0', map { "pg_total_relation_size('eventbus.deduplication_$_')" } 0 .. 2));
}
cmp_ok($sizes[-1], '<=', $sizes[2] + 64 * 1024, 'the tables do not grow, although a transaction stays open');
$node->safe_psql($db, q{COMMIT PREPARED 'open'});
rows_are($node, $db, q{SELECT count(*) FROM eventbus.event_log WHERE detail_type = 'open'}, '1',
	'its event is there, though its id is over');

$node->stop;
done_testing();
