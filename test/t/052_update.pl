# ALTER EXTENSION UPDATE: what it leaves behind is what CREATE EXTENSION of the
# new version leaves, down to the comments; workers that do not know the version
# of the SQL objects wait, and go on once they do.
#
# Each script src/sql/upgrade/eventbus--OLD--NEW.sql is tested: the install
# script of every released version is kept in test/upgrade, and from each one
# the update to the current version must give the same objects. While there is
# none, and for what only happens between versions, a version 0.9 is made up of
# the current one. Scripts are installed, so the directory must be writable:
# skipped where it is not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($share) = run_command([ 'pg_config', '--sharedir' ]);
my $scripts = "$share/extension";
my $top = "$FindBin::RealBin/../..";
my ($current) = slurp_file("$scripts/eventbus.control") =~ /^default_version *= *'(.*)'/m;
my @installed;

plan skip_all => "$scripts cannot be written to" unless -w $scripts;

sub install_script
{
	my ($name, $text) = @_;
	my $file = "$scripts/eventbus--$name.sql";

	die "$file is in the way" if -e $file;
	push @installed, $file;
	append_to_file($file, $text);
}

END { unlink @installed; }

# ---- a version that never was ----

# It lacks a function and a comment, has a column and a view of another shape,
# and a function with other rights.
my $script = slurp_file("$scripts/eventbus--$current.sql");
my $function = q{
CREATE FUNCTION eventbus.made_up() RETURNS int LANGUAGE sql AS 'SELECT 1';
COMMENT ON FUNCTION eventbus.made_up() IS 'a function that there was';
};
my $update = q{
DROP FUNCTION eventbus.made_up();
DROP VIEW eventbus.made_up_view;
ALTER TABLE eventbus.rule DROP COLUMN made_up;
GRANT EXECUTE ON FUNCTION eventbus.workers() TO eventbus_monitor;
};

install_script('0.9', $script . $function . q{
CREATE VIEW eventbus.made_up_view AS SELECT name FROM eventbus.rule;
ALTER TABLE eventbus.rule ADD COLUMN made_up int;
REVOKE EXECUTE ON FUNCTION eventbus.workers() FROM eventbus_monitor;
});
install_script("0.9--$current", $update);
install_script("$current--99.0", $function);
install_script("99.0--$current", 'DROP FUNCTION eventbus.made_up();');

my $node = new_node('main', extension => 0, conf => 'log_min_messages = log');

# ---- the same objects ----

# What the extension consists of in a database, a line for each thing; with a
# command that begins a transaction, after that, and it is rolled back.
sub objects
{
	my ($name, $begin) = @_;

	return $node->safe_psql($name, ($begin // '') . slurp_file("$FindBin::RealBin/../upgrade/objects.sql"));
}

# The differences between what two databases have; '' when there are none.
sub difference
{
	my ($wanted, $found) = @_;
	my %wanted = map { $_ => 1 } split(/\n/, $wanted);
	my %found = map { $_ => 1 } split(/\n/, $found);

	return join("\n",
		(map { "missing: $_" } grep { !$found{$_} } sort keys %wanted),
		(map { "too many: $_" } grep { !$wanted{$_} } sort keys %found));
}

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION eventbus');
my $fresh = objects('fresh');
cmp_ok(() = $fresh =~ /\n/g, '>', 300, 'there is something to compare');

my @upgrades = glob("$top/src/sql/upgrade/eventbus--*--*.sql");
my @released = map { /eventbus--(.*)\.sql$/ } glob("$top/test/upgrade/eventbus--*.sql");
for my $file (@upgrades)
{
	my ($old) = $file =~ /eventbus--(.*?)--/;
	ok((grep { $_ eq $old } @released), "the install script of version $old is kept in test/upgrade");
}

for my $version ('0.9', grep { $_ ne $current } @released)
{
	(my $name = "from_$version") =~ s/\W/_/g;

	install_script($version, slurp_file("$top/test/upgrade/eventbus--$version.sql"))
	  if $version ne '0.9';
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, "CREATE EXTENSION eventbus VERSION '$version'");
	isnt(difference($fresh, objects($name)), '', "$version differs from $current") if $version eq '0.9';
	$node->safe_psql($name, 'ALTER EXTENSION eventbus UPDATE');
	is(difference($fresh, objects($name)), '', "an update of $version leaves what a new $current has");
}

# the comparison sees what an update may forget
for my $forgotten (
	[ 'a comment', q{COMMENT ON VIEW eventbus.status IS NULL} ],
	[ 'a right', q{GRANT SELECT ON eventbus.status TO PUBLIC} ],
	[ 'a right on a column', q{GRANT SELECT (name) ON eventbus.rule TO PUBLIC} ],
	[ 'a default', q{ALTER TABLE eventbus.rule ALTER state SET DEFAULT 'x'} ],
	[ 'a constraint', q{ALTER TABLE eventbus.rule ADD CHECK (name <> 'x')} ],
	[ 'an index', q{CREATE INDEX ON eventbus.rule (created_at)} ],
	[ 'a storage', q{ALTER TABLE eventbus.rule ALTER description SET STORAGE PLAIN} ],
	[ 'an option', q{ALTER TABLE eventbus.rule SET (fillfactor = 50)} ],
	[ 'a sequence\'s step', q{ALTER SEQUENCE eventbus.put_seq INCREMENT 2} ],
	[ 'a function\'s cost', q{ALTER FUNCTION eventbus.generation() COST 7} ],
	[ 'a member', q{ALTER EXTENSION eventbus DROP VIEW eventbus.status} ],
	[ 'a trigger', q{ALTER TABLE eventbus.rule DISABLE TRIGGER ALL} ])
{
	my ($what, $sql) = @$forgotten;

	my $sees = objects('from_0_9', "BEGIN; $sql;");
	isnt(difference($fresh, $sees), '', "the comparison sees $what");
}

# ---- workers and versions ----

$node->append_conf('postgresql.conf', 'eventbus.safety_interval = 1h	# each wake-up has to come');
$node->reload;
my $size = -s $node->logfile;

$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', q{
	CREATE EXTENSION eventbus VERSION '0.9';
	CREATE TABLE arrived (id uuid);
	SELECT eb_put_rule('all', event_pattern => '{"source": ["s"]}');
	SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
});
ok($node->wait_for_log(qr/LOG:  version "0\.9" of extension "eventbus" does not fit the library that is loaded\n.*DETAIL:  The eventbus router for database old waits until it does\.\n.*HINT:  Use ALTER EXTENSION eventbus UPDATE/, $size),
	'the log says that the SQL objects are of a version that the library does not know');
my $waiting = wait_for_worker($node, 'old', 'router', 'the router waits');
$node->safe_psql('old', q{SELECT eb_run_maintenance()});
$node->safe_psql('old', q{SELECT count(eb_put_event('s', 'd', '{}')) FROM generate_series(1, 100)});
$node->safe_psql('old', q{SELECT eb_put_event('s', 'd', '{}')});
is(worker_pid($node, 'old', 'router'), $waiting, 'it still does when events are put');
rows_are($node, 'old', 'SELECT count(*) FROM arrived', '0', 'and routes none');
bounded($node, 'old', 'ALTER EXTENSION eventbus UPDATE', 'ALTER EXTENSION UPDATE beside it');
wait_for_new_worker($node, 'old', 'router', $waiting, 'another one comes at once');
all_is_delivered($node, 'old');
rows_are($node, 'old', 'SELECT count(*), count(DISTINCT id) FROM arrived', '101|101', 'what was put before is delivered');

# to a version that the library does not know, and back, under load
my $put = $node->basedir . '/put.sql';
append_to_file($put, q{SELECT eb_put_event('s', 'd', '{}');});
my $output = '';
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '2', '-T', '600', '-f', $put, '-h', $node->host, '-p', $node->port, 'old' ],
	'>', \$output, '2>', \$output);
for my $turn (1 .. 3)
{
	my $seen = $node->safe_psql('old', 'SELECT count(*) FROM arrived');
	poll_until(sub { $node->safe_psql('old', "SELECT count(*) > $seen + 50 FROM arrived") eq 't' }, "$turn: events arrive");
	$size = -s $node->logfile;
	bounded($node, 'old', q{ALTER EXTENSION eventbus UPDATE TO '99.0'}, "$turn: update under load");
	ok($node->wait_for_log(qr/version "99\.0" of extension "eventbus" does not fit/, $size), "$turn: the router waits");
	poll_until(sub { !worker_pids($node, 'old', 'dispatcher') }, "$turn: dispatchers leave");
	$seen = $node->safe_psql('old', 'SELECT count(*) FROM arrived');
	$node->safe_psql('old', q{SELECT count(eb_put_event('s', 'd', '{}')) FROM generate_series(1, 100)});
	rows_are($node, 'old', "SELECT count(*) - $seen FROM arrived", '0', "$turn: nothing arrives");
	bounded($node, 'old', qq{ALTER EXTENSION eventbus UPDATE TO '$current'}, "$turn: and back");
}
IPC::Run::signal($load, 'INT');
IPC::Run::finish($load);
unlike($output, qr/error|aborted/i, 'publishers noticed nothing');
all_is_delivered($node, 'old');
same_rows($node, 'old', 'SELECT id FROM eventbus.events', 'SELECT id FROM arrived', 'each event once');

# no worker runs beside an update that is not committed
my $session = $node->background_psql('old');
wait_for_worker($node, 'old', 'router');
$session->query_safe(q{BEGIN; ALTER EXTENSION eventbus UPDATE TO '99.0'});
$node->safe_psql('old', q{SELECT eb_put_event('s', 'd', '{}')});
is(scalar(worker_pids($node, 'old', '%')), 0, 'no worker runs beside an update that is not committed');
$session->query_safe('ROLLBACK');
$session->quit;
all_is_delivered($node, 'old', 'they come back when it is rolled back');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 6|signal 11/, 'nothing crashed');
$node->stop;
done_testing();
