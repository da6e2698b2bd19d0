# EventBus::Test: what the TAP tests of eventbus share.
#
# Servers with eventbus preloaded, their workers (find, wait for, kill), and
# comparing what was published with what arrived. Everything waits for a
# condition; nothing sleeps and hopes.

package EventBus::Test;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  new_node
  try_query
  poll_until
  kill_postmaster
  worker_pids
  worker_pid
  wait_for_worker
  wait_for_new_worker
  wait_for_no_worker
  kill_worker
  wait_until_routed
  all_is_delivered
  rows_are
  same_rows
  fails_with
  bounded
);

# Where the tests run in the background, SIGINT is ignored, and so would pgbench
# and psql ignore it, which tests end by it.
$SIG{INT} = 'DEFAULT';

# Seconds that a command may take which must not wait for a worker's work.
our $bound = 30;

# ---- servers ----------------------------------------------------------------

# new_node(NAME, conf => TEXT, preload => 1, streaming => 0, extension => 1): a
# server that restarts after a crash, running, with the extension in database
# "postgres".
sub new_node
{
	my ($name, %options) = @_;
	my $preload = $options{preload} // 1;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => $options{streaming} // 0);
	$node->append_conf('postgresql.conf', q{
restart_after_crash = on
log_statement = none
log_min_messages = warning
max_worker_processes = 32
max_connections = 60
max_prepared_transactions = 40
full_page_writes = off
max_wal_size = 512MB
jit = off
});
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'eventbus'\n")
	  if $preload;
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION eventbus')
	  if $options{extension} // $preload;
	return $node;
}

# The result of a query, undef when it failed: the server may be down. Unlike
# $node->psql, this does not mind a psql that ends before it has read its input.
sub try_query
{
	my ($node, $database, $sql) = @_;
	my ($out, $err);
	my $done = IPC::Run::run(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-c', $sql ],
		'<', '/dev/null', '>', \$out, '2>', \$err);

	return undef unless $done;
	chomp($out);
	return $out;
}

# poll_until(CODE, NAME): a test that CODE becomes true; returns what it gave.
sub poll_until
{
	my ($code, $name) = @_;
	my $result;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if $result = $code->();
		usleep(100_000);
	}
	ok($result, $name) if defined $name || !$result;
	return $result;
}

# The processes whose parent is that one, by Linux's /proc.
sub children_of
{
	my ($parent) = @_;
	my @children;

	for my $stat (glob '/proc/[0-9]*/stat')
	{
		open(my $file, '<', $stat) or next;
		my $line = <$file> // '';
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $parent;
	}
	return @children;
}

# Has the process ended, be it that nobody has waited for it yet?
sub has_ended
{
	my ($pid) = @_;

	open(my $file, '<', "/proc/$pid/stat") or return 1;
	return (<$file> // '') !~ /^\d+ \(.*\) [^ZX] /;
}

# kill -9 of the postmaster. Its children notice and leave; only then can
# another one start. Leaves the server down.
sub kill_postmaster
{
	my ($node) = @_;
	my $pid_file = $node->data_dir . '/postmaster.pid';
	my ($pid) = slurp_file($pid_file) =~ /^(\d+)/;
	my @processes;

	# stopped, it has no more children
	kill('STOP', $pid);
	@processes = ($pid, children_of($pid));
	$node->kill9;
	poll_until(sub { !grep { !has_ended($_) } @processes })
	  or die 'processes have outlived their postmaster';

	# where nobody waits for the dead, their pids seem to be in use
	unlink($pid_file, $node->host . '/.s.PGSQL.' . $node->port . '.lock');
}

# ---- workers ----------------------------------------------------------------

# The pids of a type of worker ('router', 'dispatcher', 'launcher', or '%') of
# a database; of all databases when it is undef.
sub worker_pids
{
	my ($node, $database, $type) = @_;
	my $where = defined $database ? "AND datname = '$database'" : '';
	my $pids = try_query($node, 'postgres', qq{
		SELECT pid FROM pg_stat_activity
		WHERE backend_type LIKE 'eventbus $type' $where ORDER BY pid});

	return split(/\n/, $pids // '');
}

sub worker_pid
{
	return (worker_pids(@_))[0];
}

# Waits for a worker that has started; returns its pid.
sub wait_for_worker
{
	my ($node, $database, $type, $name) = @_;
	return poll_until(sub { worker_pid($node, $database, $type) }, $name);
}

# Waits for a worker that is not the one of that pid.
sub wait_for_new_worker
{
	my ($node, $database, $type, $pid, $name) = @_;
	return poll_until(
		sub { (grep { $_ != $pid } worker_pids($node, $database, $type))[0] }, $name);
}

sub wait_for_no_worker
{
	my ($node, $database, $name) = @_;
	return poll_until(
		sub {
			my $count = try_query($node, 'postgres', qq{
				SELECT count(*) FROM pg_stat_activity
				WHERE backend_type LIKE 'eventbus %' AND datname = '$database'});
			defined $count && $count == 0;
		},
		$name);
}

# kill -9 of a worker: ends all sessions, and the server recovers. Returns the
# pid, when the server has come back.
sub kill_worker
{
	my ($node, $database, $type) = @_;
	my $pid = wait_for_worker($node, $database, $type);

	kill('KILL', $pid);
	# until the postmaster has waited for it, all seems well
	poll_until(sub { !-e "/proc/$pid" });
	poll_until(sub { defined try_query($node, 'postgres', 'SELECT 1') });
	return $pid;
}

# ---- what arrived -----------------------------------------------------------

# Waits until the router has taken all that is committed, delivered or not.
sub wait_until_routed
{
	my ($node, $database, $name) = @_;
	return poll_until(
		sub {
			my $events = try_query($node, $database, 'SELECT events FROM eventbus.unrouted()');
			defined $events && $events == 0;
		},
		$name);
}

# A test that all committed events are delivered or dead letters in the end.
sub all_is_delivered
{
	my ($node, $database, $name) = @_;
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;
	my $result = $node->safe_psql($database, "SELECT eb_wait_until_delivered('$timeout s')",
		timeout => $timeout + 60);

	is($result, 't', $name // 'all is delivered')
	  or diag($node->safe_psql($database, 'SELECT * FROM eventbus.status'));
}

sub rows_are
{
	my ($node, $database, $sql, $expected, $name) = @_;
	return is($node->safe_psql($database, $sql), $expected, $name);
}

# A test that two queries return the same rows, each as often; shows some that
# differ.
sub same_rows
{
	my ($node, $database, $wanted, $found, $name) = @_;
	my $differences = $node->safe_psql($database, qq{
		(SELECT 'missing: ' || w FROM (($wanted) EXCEPT ALL ($found)) w LIMIT 10)
		UNION ALL
		(SELECT 'too many: ' || f FROM (($found) EXCEPT ALL ($wanted)) f LIMIT 10)});

	return is($differences, '', $name);
}

# A test that a statement fails with that SQLSTATE and a message like that.
sub fails_with
{
	my ($node, $database, $sql, $sqlstate, $pattern, $name) = @_;
	my ($status, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\n$sql",
		timeout => $PostgreSQL::Test::Utils::timeout_default);

	isnt($status, 0, "$name: fails");
	like($err, qr/$sqlstate: /, "$name: SQLSTATE $sqlstate");
	return like($err, $pattern, "$name: says why");
}

# A test that a command returns, and succeeds, in bounded time, whatever the
# workers do. The bound is far above what it takes, and below for ever.
sub bounded
{
	my ($node, $database, $sql, $name) = @_;
	my $timed_out = 0;
	my ($status, $out, $err) = $node->psql($database, $sql,
		timeout => $bound, timed_out => \$timed_out);

	ok(!$timed_out && $status == 0, $name)
	  or diag($timed_out ? "no answer in $bound s" : $err);
	return $out;
}

1;
