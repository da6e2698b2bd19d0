# The memory of the workers stays as it is, however many events pass through
# them and however often rules and targets change.
#
# Rounds of events in transactions of all sizes, some of them rejected, of rule
# changes, and of a target that fails and is mended. Two rounds warm up; after
# them no worker's own memory may grow by EB_MEMORY_GROWTH kB (512). Own memory
# is RssAnon of /proc/PID/status: what a process has touched of shared memory
# counts in its RSS, too, but says nothing of it.
#
# EB_MEMORY_EVENTS (100000) and EB_MEMORY_RULE_CHANGES (1000) are the sums over
# all rounds. The long form is
#
#	EB_MEMORY_EVENTS=5000000 EB_MEMORY_RULE_CHANGES=100000 \
#		make check PROVE_TESTS=test/t/053_memory.pl

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant ROUNDS => 10;

plan skip_all => 'no /proc to read memory from' unless -r '/proc/self/status';

my $events = $ENV{EB_MEMORY_EVENTS} // 100_000;
my $changes = $ENV{EB_MEMORY_RULE_CHANGES} // 1_000;
my $growth = $ENV{EB_MEMORY_GROWTH} // 512;

my $node = new_node('main', conf => q{
fsync = off
shared_buffers = 64MB
autovacuum = on
# many batches, and the largest ones from the beginning
eventbus.batch_interval = 0
eventbus.route_batch_size = 2000
eventbus.dispatch_batch_size = 500
});

$node->safe_psql('postgres', q{
	CREATE TABLE plain (id uuid, detail jsonb);
	CREATE TABLE picky (id uuid, detail jsonb, CHECK (detail ->> 'kind' <> 'bad'));
	CREATE UNLOGGED TABLE triggered (id uuid, source text, detail jsonb);
	CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE TRIGGER pass BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION pass();
	CREATE TABLE breaking (id uuid);
	CREATE TABLE seen (events bigint, dead_letters bigint);
	SELECT eb_put_rule(t, event_pattern => '{"source": ["memory"]}'),
		eb_put_target(t, t, 'table', t, maximum_retry_attempts => 0)
	FROM unnest(ARRAY['plain', 'picky', 'triggered', 'breaking']) t;
	SELECT eb_put_rule('numeric', event_pattern => '{"detail": {"n": [{"numeric": [">", 10]}], "kind": [{"wildcard": "*d"}]}}');

	-- so many events, in transactions of different sizes, the first one of more
	-- than a batch; every thousandth event is bad
	CREATE PROCEDURE put(events int) LANGUAGE plpgsql AS $$
	DECLARE
		put int := 0;
		size int;
	BEGIN
		WHILE put < events LOOP
			size := least(CASE WHEN put = 0 THEN 2500 ELSE 1 + put * 7 % 100 END, events - put);
			PERFORM eb_put_events(jsonb_agg(jsonb_build_object('Source', 'memory', 'DetailType', 'd',
				'Detail', jsonb_build_object('n', n, 'kind', CASE WHEN n % 1000 = 999 THEN 'bad' ELSE 'good' END,
					'filler', repeat('x', n % 300)))))
			FROM generate_series(put, put + size - 1) n;
			COMMIT;
			put := put + size;
		END LOOP;
	END$$;

	-- so many changes of rules, each a transaction that the workers see
	CREATE PROCEDURE change(changes int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR n IN 1 .. changes LOOP
			CASE n % 5
				WHEN 0 THEN
					PERFORM eb_put_rule('changing', event_pattern =>
						format('{"source": ["memory"], "detail": {"kind": ["k%s", {"prefix": "p%s"}], "n": [{"numeric": ["<", -%s]}]}}', n, n, n)::jsonb);
				WHEN 1 THEN PERFORM eb_put_rule('changing', event_pattern => '{"source": ["nobody"]}');
					PERFORM eb_put_target('changing', 'a', 'table', 'plain');
				WHEN 2 THEN PERFORM eb_disable_rule('numeric');
				WHEN 3 THEN PERFORM eb_enable_rule('numeric');
				WHEN 4 THEN PERFORM eb_remove_target('changing', 'a');
					PERFORM eb_delete_rule('changing');
			END CASE;
			COMMIT;
			IF n % 3 = 0 THEN
				PERFORM eb_put_event('memory', 'changed', '{"n": 1, "kind": "good"}');
				COMMIT;
			END IF;
		END LOOP;
		IF NOT EXISTS (SELECT FROM eventbus.rules WHERE name = 'changing') THEN
			PERFORM eb_put_rule('changing', event_pattern => '{"source": ["nobody"]}');
			COMMIT;
		END IF;
	END$$;
	SELECT eb_put_rule('changing', event_pattern => '{"source": ["nobody"]}');
	SELECT eb_put_target('changing', 'a', 'table', 'plain');
});

# What each worker has of its own, in kB, by its pid; '' for one that left.
sub own_memory
{
	my %memory;

	for my $line (split(/\n/, $node->safe_psql('postgres',
				q{SELECT pid, backend_type FROM pg_stat_activity WHERE backend_type LIKE 'eventbus %'})))
	{
		my ($pid, $type) = split(/\|/, $line);

		next unless open(my $file, '<', "/proc/$pid/status");
		my ($kb) = join('', <$file>) =~ /^RssAnon:\s*(\d+) kB/m;
		$memory{"$type $pid"} = $kb if defined $kb;
	}
	return \%memory;
}

sub run_round
{
	my ($round) = @_;

	$node->safe_psql('postgres', sprintf('CALL put(%d)', $events / ROUNDS / 2));
	$node->safe_psql('postgres', sprintf('CALL change(%d)', $changes / ROUNDS));
	$node->safe_psql('postgres', 'ALTER TABLE breaking RENAME TO broken');
	$node->safe_psql('postgres', sprintf('CALL put(%d)', $events / ROUNDS / 2));
	$node->safe_psql('postgres', q{
		ALTER TABLE broken RENAME TO breaking;
		SELECT eb_put_target('breaking', 'breaking', 'table', 'breaking')});
	poll_until(sub { $node->safe_psql('postgres', q{SELECT eb_wait_until_delivered('60 s')}) eq 't' })
	  or die "round $round: not delivered";
	rows_are($node, 'postgres', q{
		WITH now AS (
			SELECT (SELECT count(*) FROM eventbus.event_log WHERE source = 'memory') AS events,
				(SELECT count(*) FROM eventbus.dead_letters) AS dead_letters
		), added AS (
			INSERT INTO seen SELECT * FROM now
			RETURNING events - (SELECT coalesce(max(events), 0) FROM seen) AS events,
				dead_letters - (SELECT coalesce(max(dead_letters), 0) FROM seen) AS dead_letters
		)
		SELECT (SELECT count(*) FROM plain) = events,
			(SELECT count(*) FROM picky) + dead_letters = events, dead_letters > 0,
			(SELECT count(*) FROM triggered) = events,
			(SELECT count(*) FROM breaking) = events
		FROM added}, 't|t|t|t|t', "round $round: all is delivered");
	$node->safe_psql('postgres', 'TRUNCATE plain, picky, triggered, breaking');
}

my $first;
my $last;
for my $round (1 .. ROUNDS)
{
	run_round($round);
	$last = own_memory();
	$first = { %$last } if $round <= 2;
	note("round $round: " . join(', ', map { "$_: $last->{$_} kB" } sort keys %$last));

	# who came later warms up later
	$first->{$_} //= $last->{$_} for keys %$last;
}

my @routers = grep { /router/ } keys %$last;
is(@routers, 1, 'a router is there to look at');
ok(exists $first->{ $routers[0] }, 'the one of the beginning');
for my $worker (sort keys %$last)
{
	my $grown = $last->{$worker} - $first->{$worker};

	cmp_ok($grown, '<', $growth, "$worker: has not grown")
	  or diag("from $first->{$worker} kB to $last->{$worker} kB");
}
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM eventbus.event_log'), '>=', int($events / ROUNDS) * ROUNDS,
	'all events were put');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 6|signal 11/, 'nothing crashed');
$node->stop;
done_testing();
