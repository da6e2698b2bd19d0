# Failover in mid-storm, with synchronous replication: nothing whose COMMIT was
# answered is lost, what was committed is delivered once and in order, and the
# workers of the new primary go on within seconds. Several times in a row.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant { ROUNDS => 3, PUBLISHERS => 4, TRANSACTIONS => 20000, RESUME_S => 5 };

my $db = 'postgres';
my $node = new_node('primary_0', streaming => 1);

$node->safe_psql($db, q{
CREATE TABLE ledger (p int, n int, k int);
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
});

sub start_standby
{
	my ($round) = @_;
	my $standby = PostgreSQL::Test::Cluster->new("standby_$round");

	$node->backup("backup_$round");
	$standby->init_from_backup($node, "backup_$round", has_streaming => 1);
	$standby->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");
	$standby->start;
	$node->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
	$node->reload;
	ok( $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'}),
		"round $round: replication is synchronous");
	return $standby;
}

# Transactions of two events, those of every fifth rolled back. The publisher
# says the number of each that has returned, and ends with the server.
sub start_publisher
{
	my ($p) = @_;
	my $script = $node->basedir . "/script_$p";
	my $said = $node->basedir . "/said_$p";
	my $sql = '';

	for my $n (1 .. TRANSACTIONS)
	{
		my $entries = join(',', map { qq({"Source":"s","DetailType":"d","Detail":{"p":$p,"n":$n,"k":$_}}) } 1 .. 2);

		$sql .= "BEGIN; INSERT INTO ledger VALUES ($p,$n,1), ($p,$n,2); SELECT eb_put_events('[$entries]') \\g /dev/null\n"
		  . ($n % 5 ? "COMMIT;\n\\echo $n\n" : "ROLLBACK;\n");
	}
	append_to_file($script, $sql);
	return {
		p => $p,
		said => $said,
		run => IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-f', $script ],
			'>', $said, '2>', '/dev/null') };
}

sub answered
{
	my ($publisher) = @_;
	my @said = split(/\n/, slurp_file($publisher->{said}));
	return @said;
}

for my $round (1 .. ROUNDS)
{
	my $standby = start_standby($round);
	my @publishers = map { start_publisher(10 * $round + $_) } 1 .. PUBLISHERS;

	poll_until(sub { !grep { answered($_) < 50 * $round } @publishers }, "round $round: a storm");
	$round % 2 ? $node->stop('immediate') : kill_postmaster($node);
	my $started = time;

	$standby->promote;
	poll_until(sub { worker_pid($standby, $db, 'router') });
	my $count = $standby->safe_psql($db, 'SELECT count(*) FROM arrived');
	$standby->safe_psql($db, q{SELECT eb_put_event('s', 'd', '{}')});
	poll_until(sub { $standby->safe_psql($db, 'SELECT count(*) FROM arrived') > $count });
	my $seconds = time - $started;

	cmp_ok($seconds, '<', RESUME_S, "round $round: workers have resumed");
	note(sprintf('%.1f s', $seconds));
	$node = $standby;
	all_is_delivered($node, $db, "round $round: all is delivered");

	for my $publisher (@publishers)
	{
		$publisher->{run}->finish;
		my @answered = answered($publisher);
		my $list = join(',', @answered);

		rows_are($node, $db,
			"SELECT count(*) FROM unnest('{$list}'::int[]) n WHERE (SELECT count(*) FROM ledger l WHERE l.n = n.n AND p = $publisher->{p}) <> 2",
			'0', "round $round: nothing that was answered is lost of " . @answered);
	}
	same_rows($node, $db, 'SELECT p, n, k FROM ledger',
		q{SELECT (detail->>'p')::int, (detail->>'n')::int, (detail->>'k')::int FROM arrived WHERE detail ? 'p'},
		"round $round: each committed event arrived once, and no other");
	rows_are($node, $db, q{
		SELECT count(*) FROM (
			SELECT detail,
				lag(ARRAY[(detail->>'n')::int, (detail->>'k')::int]) OVER (PARTITION BY detail->'p' ORDER BY arrival) AS before
			FROM arrived WHERE detail ? 'p') a
		WHERE before >= ARRAY[(detail->>'n')::int, (detail->>'k')::int]},
		'0', "round $round: in order");
}
rows_are($node, $db, 'SELECT count(*) FROM eventbus.dead_letters', '0', 'no dead letters');
$node->stop;
done_testing();
