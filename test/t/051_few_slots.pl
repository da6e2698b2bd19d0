# Twenty databases and three background worker slots: the log says so, and each
# database has its turn, also where some have so much to do that their workers
# would never be idle.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# launchers of eventbus and of logical replication take two
my $node = new_node('main', extension => 0, conf => q{
max_worker_processes = 5
log_line_prefix = '%p %d '
});
my $script = $node->basedir . '/put.sql';
my @databases = map { "d$_" } 1 .. 20;
my @busy = @databases[0, 7];
my @quiet = grep { my $name = $_; !grep { $_ eq $name } @busy } @databases;

append_to_file($script, q{SELECT eb_put_event('s', 'd', '{}');});

$node->safe_psql('postgres', 'CREATE DATABASE d1');
$node->safe_psql('d1', q{
	CREATE EXTENSION eventbus;
	CREATE TABLE arrived (id uuid);
	SELECT eb_put_rule('all', event_pattern => '{"source": ["s"]}');
	SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
});
for my $name (@databases[1 .. 19])
{
	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE d1");

	# a copy has a log of its own, which its router may be late to make
	$node->safe_psql($name, 'SELECT eb_run_maintenance()');
}

sub arrived
{
	my ($name, $count) = @_;
	return ($node->safe_psql($name, "SELECT count(*) >= $count FROM arrived")) eq 't';
}

sub start_load
{
	my ($name) = @_;
	my $output = '';

	return IPC::Run::start(
		[ 'pgbench', '-n', '-c', '1', '-T', '600', '-f', $script, '-h', $node->host, '-p', $node->port, $name ],
		'>', \$output, '2>', \$output);
}

# ---- nobody is busy ----

$node->safe_psql($_, q{SELECT eb_put_event('s', 'd', '{}')}) for @databases;
poll_until(sub { !grep { !arrived($_, 1) } @databases }, 'each of twenty databases has its event delivered');

my $log = slurp_file($node->logfile);
is(() = $log =~ /out of background worker slots/g, 1, 'the log says once that slots are few');
like($log, qr/LOG:  out of background worker slots\n.*DETAIL:  The eventbus .* for database d\d+ has to wait for a free one\.\n.*HINT:  You might need to increase max_worker_processes\./,
	'for whom, and what to do');

# ---- two that are never idle ----

my @loads = map { start_load($_) } @busy;
for my $name (@busy)
{
	poll_until(sub { arrived($name, 50) }, "$name: under load");
}
for my $turn (2 .. 3)
{
	$node->safe_psql($_, q{SELECT eb_put_event('s', 'd', '{}')}) for @quiet;
	poll_until(sub { !grep { !arrived($_, $turn) } @quiet }, "$turn: the quiet ones have theirs beside two busy ones");
	for my $name (@busy)
	{
		my $seen = $node->safe_psql($name, 'SELECT count(*) FROM arrived');
		poll_until(sub { arrived($name, $seen + 50) }, "$turn: $name goes on");
	}
}
IPC::Run::signal($_, 'INT') for @loads;
IPC::Run::finish($_) for @loads;
for my $name (@databases)
{
	all_is_delivered($node, $name, "$name: all is delivered");
	rows_are($node, $name,
		q{SELECT (SELECT count(*) FROM arrived) = (SELECT count(*) FROM eventbus.events),
			(SELECT count(DISTINCT id) FROM arrived) = (SELECT count(*) FROM arrived)},
		't|t', "$name: each event once");
}

$log = slurp_file($node->logfile);
unlike($log, qr/FATAL(?!:  connection to client lost)|ERROR|PANIC|TRAP/, 'nothing failed');
$node->stop;
done_testing();
