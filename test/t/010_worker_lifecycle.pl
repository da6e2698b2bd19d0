# Workers come, go and come back by themselves: with the extension, with
# databases, after failures, on promotion, and where slots are few.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Pids of the workers of a type in a database, as a string; '' when none.
sub pids_of
{
	my ($node, $database, $type) = @_;
	return $node->safe_psql('postgres',
		qq{SELECT string_agg(pid::text, ' ') FROM pg_stat_activity
		   WHERE backend_type = 'eventbus $type' AND datname = '$database'});
}

sub router_runs
{
	my ($node, $database, $name) = @_;
	ok( $node->poll_query_until(
			'postgres',
			qq{SELECT count(*) = 1 FROM pg_stat_activity
			   WHERE backend_type = 'eventbus router' AND datname = '$database'
			   AND state IS NOT NULL}),
		$name);
}

sub no_worker_runs
{
	my ($node, $database, $name) = @_;
	ok( $node->poll_query_until(
			'postgres',
			qq{SELECT count(*) = 0 FROM pg_stat_activity
			   WHERE backend_type LIKE 'eventbus%' AND datname = '$database'}),
		$name);
}

sub is_replaced
{
	my ($node, $database, $pid, $name) = @_;
	ok( $node->poll_query_until(
			'postgres',
			qq{SELECT count(*) = 1 FROM pg_stat_activity
			   WHERE backend_type = 'eventbus router' AND datname = '$database'
			   AND pid <> $pid}),
		$name);
}

sub fails
{
	my ($node, $database, $sql, $pattern, $name) = @_;
	my ($status, $stdout, $stderr) = $node->psql($database, $sql);
	isnt($status, 0, "$name: fails");
	like($stderr, $pattern, "$name: says why");
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'eventbus'
max_worker_processes = 32
max_prepared_transactions = 5
restart_after_crash = on
allow_in_place_tablespaces = on
log_min_messages = debug1
eventbus.safety_interval = 1h	# each wake-up has to come
});
$node->start;

# ---- with the extension ----

ok($node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'eventbus launcher'"),
	'a launcher runs');
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('postgres', 'CREATE DATABASE two');
$node->safe_psql('postgres', 'CREATE DATABASE without');
$node->safe_psql('one', 'CREATE EXTENSION eventbus');
$node->safe_psql('two', 'CREATE EXTENSION eventbus');
router_runs($node, 'one', 'a router runs after CREATE EXTENSION');
router_runs($node, 'two', 'one runs in a second database');
no_worker_runs($node, 'without', 'none in a database without the extension');
is( $node->safe_psql('postgres',
		q{SELECT DISTINCT application_name FROM pg_stat_activity WHERE backend_type = 'eventbus router'}),
	'eventbus router', 'workers name themselves');

$node->safe_psql('without', 'BEGIN; CREATE EXTENSION eventbus; ROLLBACK');
fails($node, 'without', q{BEGIN; CREATE EXTENSION eventbus; PREPARE TRANSACTION 'x'},
	qr/cannot prepare a transaction that has created extension "eventbus"/, 'PREPARE');
no_worker_runs($node, 'without', 'none after CREATE EXTENSION was rolled back');

my $log_size;
my $pid = pids_of($node, 'one', 'router');
$node->safe_psql('one', 'DROP EXTENSION eventbus');
no_worker_runs($node, 'one', 'none after DROP EXTENSION');
$node->safe_psql('one', 'CREATE EXTENSION eventbus');
router_runs($node, 'one', 'a router runs after the extension was created again');
$pid = pids_of($node, 'one', 'router');
$node->safe_psql('one', 'BEGIN; DROP EXTENSION eventbus; CREATE EXTENSION eventbus; COMMIT');
is_replaced($node, 'one', $pid, 'another one after it was replaced in one transaction');
fails($node, 'one', 'DROP SCHEMA eventbus CASCADE', qr/extension eventbus requires it/,
	'DROP SCHEMA of the tables');
$node->safe_psql('one', 'DROP EXTENSION eventbus; CREATE SCHEMA api; CREATE EXTENSION eventbus SCHEMA api');
router_runs($node, 'one', 'a router runs wherever the functions are');
$node->safe_psql('one', 'DROP SCHEMA api CASCADE');
$node->reload;	# nothing else tells the router at once
no_worker_runs($node, 'one', 'none after DROP SCHEMA CASCADE of the functions');
$node->safe_psql('one', 'CREATE EXTENSION eventbus');
router_runs($node, 'one', 'a router runs once more');

# ---- with events ----

$node->safe_psql('one', q{SELECT eb_put_event('test', 'kept', '{}')});
fails($node, 'one', 'DROP EXTENSION eventbus',
	qr/ERROR:  cannot drop extension "eventbus" because it keeps events\nDETAIL:  The event log holds 1 event\.\nHINT:  Use DROP EXTENSION eventbus CASCADE/,
	'DROP EXTENSION with events');
$node->safe_psql('one', q{SELECT eb_put_event('test', 'kept', '{}') FROM generate_series(1, 1001)});
fails($node, 'one', 'DROP EXTENSION IF EXISTS eventbus RESTRICT',
	qr/DETAIL:  The event log holds at least 1000 events/, 'DROP EXTENSION with many events');
$node->safe_psql('one', 'DROP EXTENSION eventbus CASCADE; CREATE EXTENSION eventbus');
router_runs($node, 'one', 'a router runs after CASCADE');

# ---- databases that must be empty ----

for my $turn (1 .. 3)
{
	$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE one');
	router_runs($node, 'copy', "$turn: a router runs in a copy of the database");
	router_runs($node, 'one', "$turn: and in the original again");
	$node->safe_psql('postgres', 'ALTER DATABASE copy RENAME TO renamed');
	router_runs($node, 'renamed', "$turn: and after the copy was renamed");
	$node->safe_psql('postgres', 'DROP DATABASE renamed');
	no_worker_runs($node, 'renamed', "$turn: and leaves for DROP DATABASE");
}

# at once, while routers are being started and looked for
for my $turn (1 .. 5)
{
	$node->safe_psql('postgres', 'CREATE DATABASE brief TEMPLATE one');
	$node->safe_psql('postgres', 'DROP DATABASE brief');
}
pass('databases come and go at once');
$node->safe_psql('postgres', q{CREATE TABLESPACE elsewhere LOCATION ''});
$node->safe_psql('postgres', 'ALTER DATABASE two SET TABLESPACE elsewhere');
router_runs($node, 'two', 'a router runs after SET TABLESPACE');
$node->safe_psql('postgres', 'ALTER DATABASE two IS_TEMPLATE true');
no_worker_runs($node, 'two', 'none in a template');
$node->safe_psql('postgres', 'CREATE DATABASE from_template TEMPLATE two');
router_runs($node, 'from_template', 'one in what was made from it');
$node->safe_psql('postgres', 'ALTER DATABASE two IS_TEMPLATE false');
router_runs($node, 'two', 'and in it when it is no template any more');

# while there is work
for my $turn (1 .. 3)
{
	$node->safe_psql('postgres', 'CREATE DATABASE busy TEMPLATE one');
	router_runs($node, 'busy', "$turn: a router runs in a busy database");
	$node->safe_psql('busy', q{
		CREATE TABLE arrived (id uuid, detail jsonb);
		SELECT eb_put_rule('all', event_pattern => '{"source": ["test"]}');
		SELECT eb_put_target('all', 'table', 'table', 'arrived');
		SELECT eb_put_event('test', 'load', '{}') FROM generate_series(1, 5000);
	});
	$node->safe_psql('postgres', 'CREATE DATABASE busy_too TEMPLATE busy');
	$node->safe_psql('postgres', 'DROP DATABASE busy_too');
	$node->safe_psql('postgres', 'DROP DATABASE busy');
	pass("$turn: and leaves when it is to be copied and dropped");
}

# those who may not drop a database cannot disturb its workers
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
$pid = pids_of($node, 'one', 'router');
my ($status, $stdout, $stderr) = $node->psql('postgres', 'DROP DATABASE one',
	extra_params => [ '-U', 'stranger' ]);
like($stderr, qr/must be owner of database one/, 'a stranger cannot drop the database');
fails($node, 'postgres', 'BEGIN; DROP DATABASE one',
	qr/cannot run inside a transaction block/, 'DROP DATABASE in a transaction');
is(pids_of($node, 'one', 'router'), $pid, 'its router was not disturbed');

# a command that fails after the workers were taken out
my $session = $node->background_psql('one');
$session->query_safe('SELECT 1');
fails($node, 'postgres', 'ALTER DATABASE one RENAME TO other',
	qr/is being accessed by other users/, 'RENAME of a database in use');
$session->quit;
is_replaced($node, 'one', $pid, 'the router comes back when the command failed');

# ---- failures ----

$pid = pids_of($node, 'one', 'router');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
is_replaced($node, 'one', $pid, 'a router that was terminated comes back');

my $launcher = $node->safe_psql('postgres',
	q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'eventbus launcher'});
$pid = pids_of($node, 'one', 'router');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'eventbus launcher' AND pid <> $launcher"),
	'a launcher that was terminated comes back');
$node->safe_psql('postgres', 'CREATE DATABASE three TEMPLATE two');
router_runs($node, 'three', 'and finds a new database');
is(pids_of($node, 'one', 'router'), $pid, 'and goes on with the routers that it finds');

$pid = pids_of($node, 'one', 'router');
kill 'KILL', $pid;
is_replaced($node, 'one', $pid, 'a router comes back after it was killed');
router_runs($node, 'two', 'and those of other databases');

# ---- versions ----

$log_size = -s $node->logfile;
$node->safe_psql('one', q{UPDATE pg_extension SET extversion = '99' WHERE extname = 'eventbus'});
$node->reload;
ok($node->wait_for_log(qr/version "99" of extension "eventbus" does not fit the library/, $log_size),
	'a version that the library does not know is reported');
$pid = pids_of($node, 'one', 'router');
isnt($pid, '', 'and waited for');
$node->safe_psql('one', q{UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'eventbus'});
$node->reload;
is_replaced($node, 'one', $pid, 'a router runs when it is known again');

# ---- settings of a database ----

# what a worker does as somebody else, or read-only, fails; to freeze a
# partition that is over is done in SQL
my $frozen = q{
	SELECT bool_or(l.frozen_at IS NOT NULL)
	FROM eventbus.leaves l, (SELECT eb_run_maintenance(), eb_wait_until_delivered('1 s') OFFSET 0) m};
ok($node->poll_query_until('one', $frozen), 'the partition of yesterday gets frozen');
$pid = pids_of($node, 'one', 'router');
$node->safe_psql('one', q{
	UPDATE eventbus.leaves SET frozen_at = NULL;
	CREATE ROLE nobody;
	ALTER DATABASE one SET role = 'nobody';
	ALTER DATABASE one SET default_transaction_read_only = on;
	ALTER DATABASE one SET search_path = 'nowhere';
});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
is_replaced($node, 'one', $pid, 'a router starts where the database has settings');
$ENV{PGOPTIONS} = '-c role=none -c default_transaction_read_only=off -c search_path=public';
ok($node->poll_query_until('one', $frozen), '... and they do not keep it from its work');
delete $ENV{PGOPTIONS};
$node->safe_psql('postgres', q{ALTER DATABASE one RESET ALL; DROP ROLE nobody});

# ---- two-phase commit ----

$node->safe_psql('one', q{
	CREATE TABLE arrived (id uuid, source text);
	SELECT eb_put_rule('all', event_pattern => '{"source": ["test"]}');
	SELECT eb_put_target('all', 'table', 'table', 'arrived');
});
$node->safe_psql('one', q{BEGIN; SELECT eb_put_event('test', 'prepared', '{}'); PREPARE TRANSACTION 'p'});
$node->safe_psql('one', q{COMMIT PREPARED 'p'});
ok($node->poll_query_until('one', 'SELECT count(*) = 1 FROM arrived'),
	'COMMIT PREPARED wakes the router');
$node->safe_psql('one', q{DROP TABLE arrived; SELECT eb_remove_targets('all', '{table}'); SELECT eb_delete_rule('all')});

# ---- promotion ----

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is( $standby->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'eventbus%'}),
	'0', 'no worker runs on a standby');
fails($standby, 'one', q{SELECT eb_put_event('a.b', 'c', '{}')}, qr/read-only transaction/, 'a put on a standby');
$standby->promote;
router_runs($standby, 'one', 'a router runs after promotion');
$standby->stop;

# ---- few background worker slots ----

$node->safe_psql('postgres', "ALTER SYSTEM SET max_worker_processes = 4");
# a client that was still ending may be told to when the server stops
$node->stop;
$log_size = -s $node->logfile;
$node->start;
for my $number (1 .. 5)
{
	$node->safe_psql('postgres', "CREATE DATABASE many_$number TEMPLATE three");
}
for my $database (qw(one two three from_template many_1 many_2 many_3 many_4 many_5))
{
	ok($node->wait_for_log(qr/eventbus router for database $database started/, $log_size),
		"database $database has its turn");
}
my $log = slurp_file($node->logfile, $log_size);
like($log, qr/LOG:  out of background worker slots.*?HINT:  You might need to increase max_worker_processes/s,
	'the log says that slots are few');
is(() = $log =~ /out of background worker slots/g, 1, 'once');
unlike($log, qr/FATAL|ERROR/, 'nothing failed');

# a router and its dispatcher each want one of the two slots
for my $database (qw(one two three many_1))
{
	$node->safe_psql($database, q{
		CREATE TABLE arrived (id uuid, source text);
		SELECT eb_put_rule('all', event_pattern => '{"source": ["test"]}');
		SELECT eb_put_target('all', 'table', 'table', 'arrived');
		SELECT eb_put_event('test', 'few slots', '{}');
	});
}
for my $database (qw(one two three many_1))
{
	ok($node->poll_query_until($database, 'SELECT count(*) = 1 FROM arrived'),
		"database $database has its event delivered");
}
$node->stop;

# ---- without preload ----

my $later = PostgreSQL::Test::Cluster->new('later');
$later->init;
$later->start;
($status, $stdout, $stderr) = $later->psql('postgres', 'CREATE EXTENSION eventbus');
is($status, 0, 'CREATE EXTENSION without preload');
like($stderr, qr/WARNING:  eventbus is not preloaded.*HINT:  Add eventbus to shared_preload_libraries/s, 'warns');
$later->append_conf('postgresql.conf', "shared_preload_libraries = 'eventbus'");
$later->restart;
router_runs($later, 'postgres', 'a router runs once the library is preloaded');

# ---- few database slots ----

$later->append_conf('postgresql.conf', 'eventbus.max_databases = 1');
$later->restart;
router_runs($later, 'postgres', 'a router runs where one database may have workers');
$log_size = -s $later->logfile;
$later->safe_psql('postgres', 'CREATE DATABASE more');
$later->safe_psql('more', 'CREATE EXTENSION eventbus');
ok($later->wait_for_log(qr/LOG:  too many databases for eventbus.*HINT:  You might need to increase eventbus.max_databases/s, $log_size),
	'the log says that there is no room for another');
$later->safe_psql('postgres', 'DROP EXTENSION eventbus');
router_runs($later, 'more', 'which has its turn when there is');
$later->stop;

done_testing();
