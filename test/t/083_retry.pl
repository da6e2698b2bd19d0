# Retries by the clock: how long they wait, when they are given up, that a pause
# stops the time, and that neither a crash nor a clock that steps back loses
# or repeats one.

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

my $clock = EventBus::Clock->new
  or plan skip_all => 'SKIP: no C compiler: the clock is not stepped';
my $db = 'postgres';
my $now = 0;
my $node = new_node('main', conf => q{
eventbus.safety_interval = 1
eventbus.leaf_width = 1h
autovacuum = off
});

$node->stop;
$clock->set(0);
$clock->start($node);

sub pass_time
{
	my ($seconds) = @_;
	$clock->set($now += $seconds);
}

sub put
{
	$node->safe_psql($db, join(';', map { "SELECT eb_put_event('s', '$_', '{}')" } @_));
}

# a test that a query becomes that
sub becomes
{
	my ($sql, $expected, $name) = @_;
	my $value;

	poll_until(sub { $value = try_query($node, $db, $sql); ($value // '') eq $expected }, $name)
	  or diag("is '" . ($value // 'undefined') . "', not '$expected'");
}

$node->safe_psql($db, q{
CREATE TABLE inbox (n bigint GENERATED ALWAYS AS IDENTITY, detail_type text);
ALTER TABLE inbox ADD CONSTRAINT good CHECK (detail_type NOT LIKE 'bad%');
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
CREATE PROCEDURE target(maximum_retry_attempts int, maximum_event_age interval) LANGUAGE sql AS
	$$SELECT eb_put_target('all', 'inbox', 'table', 'inbox',
		maximum_retry_attempts => maximum_retry_attempts, maximum_event_age => maximum_event_age)$$;
CREATE VIEW dead AS SELECT event ->> 'detail-type' AS detail_type, attempts, exhausted_retry_condition
	FROM eventbus.dead_letters ORDER BY dead_letter_id;
});

# ---- attempts: each waits twice as long as the one before, half of it by chance

$node->safe_psql($db, 'CALL target(12, NULL)');
put('good1', 'bad1', 'good2');
# the first waits are so short that the test may miss one
my $attempts = 0;
while ($attempts < 7)
{
	$attempts = poll_until(sub {
		my $found = try_query($node, $db, "SELECT attempts FROM eventbus.delivery_retries WHERE attempts > $attempts");
		$found;
	}) or last;
	pass_time(MINUTE + 5) if $attempts < 7;
}
for my $attempt ($attempts .. 12)
{
	my $longest = 2**($attempt - 1) < 600 ? 2**($attempt - 1) : 600;

	becomes('SELECT attempts FROM eventbus.delivery_retries', $attempt, "attempt $attempt");

	my $wait = $node->safe_psql($db, q{SELECT extract(epoch FROM next_attempt_at - clock_timestamp())
		FROM eventbus.delivery_retries});
	# what of the wait is over already is real time
	cmp_ok($wait, '<=', $longest, "the wait after attempt $attempt is at most $longest s");
	cmp_ok($wait, '>', $longest / 2 - 30, 'and at least half of that');
	pass_time($longest);
}
becomes('TABLE dead', 'bad1|13|MaximumRetryAttempts', 'then there is no retry left');
rows_are($node, $db, q{SELECT string_agg(detail_type, ' ' ORDER BY n) FROM inbox}, 'good1 good2', 'others have passed');
rows_are($node, $db, 'SELECT count(*) FROM eventbus.delivery_retries', '0', 'nothing is left of it');

# ---- age

$node->safe_psql($db, q{CALL target(NULL, '2 min')});
put('bad2');
becomes('SELECT attempts FROM eventbus.delivery_retries', 1, 'an event fails');
pass_time(2 * MINUTE + 1);
becomes(q{SELECT detail_type, exhausted_retry_condition FROM dead OFFSET 1}, 'bad2|MaximumEventAgeInSeconds',
	'and is given up when it is too old');

# a target that cannot be used keeps its backlog, for so long
put('good3');
all_is_delivered($node, $db, 'before the table goes');
$node->safe_psql($db, 'ALTER TABLE inbox RENAME TO away');
put('good4', 'good5');
becomes(q{SELECT state FROM eventbus.targets}, 'failed', 'the target has failed');
rows_are($node, $db, 'SELECT count(*) FROM dead', 2, 'what waits is not given up');
pass_time(2 * MINUTE + 1);
becomes(q{SELECT string_agg(detail_type, ' ' ORDER BY detail_type) FROM dead WHERE detail_type LIKE 'good%'}, 'good4 good5',
	'until it is too old');
$node->safe_psql($db, 'ALTER TABLE away RENAME TO inbox');
put('good6');
all_is_delivered($node, $db, 'the target goes on');

# ---- a pause stops the time

put('bad3');
becomes('SELECT attempts > 0 FROM eventbus.delivery_retries', 't', 'an event fails');
$node->safe_psql($db, q{SELECT eb_pause_target('all', 'inbox')});
put('bad4', 'good7');
wait_until_routed($node, $db, 'more is routed while its target is paused');
pass_time(5 * HOUR);
$node->safe_psql($db, q{SELECT eb_resume_target('all', 'inbox')});
becomes('SELECT count(*) FROM eventbus.delivery_retries WHERE attempts > 0', 2, 'both are tried again, or at all, after hours');
rows_are($node, $db, q{SELECT count(*) FROM dead WHERE detail_type IN ('bad3', 'bad4')}, 0, 'and not given up');
rows_are($node, $db, q{SELECT count(*) FROM inbox WHERE detail_type = 'good7'}, 1, 'what is good arrives');
pass_time(2 * MINUTE + 1);
becomes(q{SELECT count(*) FROM dead WHERE detail_type IN ('bad3', 'bad4')}, 2, 'but when they have been tried for long enough');

# ---- crashes, and a clock that steps back

$node->safe_psql($db, 'CALL target(NULL, NULL)');
put(map { ("bad-$_", "good-$_") } 1 .. 50);
becomes('SELECT count(*) FROM eventbus.delivery_retries WHERE attempts > 0', 50, 'half of them fail');
pass_time(10 * MINUTE);
kill_worker($node, $db, 'dispatcher');
becomes('SELECT count(*) FROM eventbus.delivery_retries WHERE attempts > 1', 50, 'they are tried again after a crash');
kill_postmaster($node);
$clock->start($node);
pass_time(-2 * DAY);
becomes('SELECT count(*) FROM eventbus.delivery_retries WHERE attempts > 2', 50, 'and after the clock was set back by days');
$node->safe_psql($db, 'ALTER TABLE inbox DROP CONSTRAINT good; CALL target(NULL, NULL)');
all_is_delivered($node, $db, 'when the target is mended, all arrive');
rows_are($node, $db, q{SELECT count(*), count(DISTINCT detail_type) FROM inbox WHERE detail_type LIKE '%-%'}, '100|100', 'once');
rows_are($node, $db, 'SELECT count(*) FROM eventbus.delivery_retries', '0', 'and nothing is left to retry');

$node->stop;
done_testing();
