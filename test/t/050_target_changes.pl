# What a target stands on changes under load: its table is renamed, moved,
# swapped or dropped, the role of its rule is renamed or dropped with all that
# it owns. The target fails and says why, keeps what waits, and goes on when it
# is mended; nothing is lost, nothing comes twice, other targets do not notice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', extension => 0, conf => 'log_min_messages = log');
my $script = $node->basedir . '/put.sql';

append_to_file($script, q{SELECT eb_put_event('s', 'd', '{}'), eb_put_event('s', 'd', '{}');});

$node->safe_psql('postgres', q{
	CREATE DATABASE db;
	CREATE ROLE keeper;
});
$node->safe_psql('db', q{
	CREATE EXTENSION eventbus;
	GRANT eventbus_admin TO keeper;
	CREATE SCHEMA app AUTHORIZATION keeper;
	SET ROLE keeper;
	CREATE TABLE app.arrived (id uuid, at timestamptz DEFAULT clock_timestamp());
	CREATE TABLE app.beside (id uuid);
	SELECT eb_put_rule('moving', event_pattern => '{"source": ["s"]}');
	SELECT eb_put_target('moving', 'arrived', 'table', 'app.arrived');
	RESET ROLE;
	CREATE TABLE beside (id uuid);
	SELECT eb_put_rule('still', event_pattern => '{"source": ["s"]}');
	SELECT eb_put_target('still', 'beside', 'table', 'beside');
});

my $output = '';
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '2', '-T', '3600', '-R', '200', '-f', $script, '-h', $node->host, '-p', $node->port, 'db' ],
	'>', \$output, '2>', \$output);

# Waits until the target beside has so many more rows.
sub beside_goes_on
{
	my ($name) = @_;
	my $seen = $node->safe_psql('db', 'SELECT count(*) FROM beside');

	poll_until(sub { $node->safe_psql('db', "SELECT count(*) > $seen + 10 FROM beside") eq 't' },
		"$name: the other target goes on");
}

sub fails_because
{
	my ($name, $error) = @_;
	my $last = '';

	poll_until(
		sub {
			my $state = $node->safe_psql('db', q{SELECT state || ' ' || last_error FROM eventbus.targets WHERE rule = 'moving'});
			$last = $state;
			$state =~ /^failed /;
		},
		"$name: the target fails");
	like($last, $error, "$name: and says why");
	beside_goes_on($name);
	is( $node->safe_psql('db', q{SELECT state FROM eventbus.status WHERE item = 'target' AND name = 'default/moving/arrived'}),
		'failed', "$name: and eventbus.status shows it");
}

# A test that it delivers what waited and what comes.
sub goes_on
{
	my ($name) = @_;
	my $seen = $node->safe_psql('db', q{SELECT delivered FROM eventbus.targets WHERE rule = 'moving'});

	poll_until(
		sub {
			$node->safe_psql('db', qq{SELECT state = 'ok' AND delivered > $seen FROM eventbus.targets WHERE rule = 'moving'}) eq 't';
		},
		"$name: the target goes on");
}

# Changes the table, which waits for the one batch that is being delivered.
sub change
{
	my ($sql, $name) = @_;
	bounded($node, 'db', $sql, $name);
}

beside_goes_on('at first');
goes_on('at first');

# ---- the table's name ----

change('ALTER TABLE app.arrived RENAME TO "Arrived 2"', 'rename the table');
fails_because('renamed table',
	qr/42P01: relation "app.arrived" does not exist\nHINT:  If the table was renamed, put the target again with its new name\./);
change(q{SELECT eb_put_target('moving', 'arrived', 'table', 'app."Arrived 2"')}, 'put the target with the new name');
goes_on('renamed table');

change('ALTER SCHEMA app RENAME TO app2', 'rename the schema');
fails_because('renamed schema',
	qr/42P01: relation "app\.Arrived 2" does not exist\nHINT:  If the table was renamed/);
change(q{SELECT eb_put_target('moving', 'arrived', 'table', 'app2."Arrived 2"')}, 'put the target with the new schema');
goes_on('renamed schema');

change('CREATE SCHEMA app3 AUTHORIZATION keeper; ALTER TABLE app2."Arrived 2" SET SCHEMA app3', 'move the table');
fails_because('moved table', qr/42P01: relation "app2\.Arrived 2" does not exist/);
change('ALTER TABLE app3."Arrived 2" SET SCHEMA app2', 'move it back');
change(q{SELECT eb_put_target('moving', 'arrived', 'table', 'app2."Arrived 2"')}, 'put the target again, to have it tried at once');
goes_on('moved table');

# the name is what counts: a table put in its place gets what comes from then on
for my $turn (1 .. 5)
{
	change(qq{
		BEGIN;
		CREATE TABLE app2.next (LIKE app2."Arrived 2" INCLUDING ALL);
		ALTER TABLE app2.next OWNER TO keeper;
		ALTER TABLE app2."Arrived 2" RENAME TO old_$turn;
		ALTER TABLE app2.next RENAME TO "Arrived 2";
		COMMIT}, "$turn: swap the table");
	goes_on("$turn: swapped table");
}
rows_are($node, 'db',
	q{SELECT count(*) FROM eventbus.targets WHERE rule = 'moving' AND last_error IS NOT NULL AND last_error NOT LIKE '55P03:%'},
	'0', 'the target noticed no more than a lock');

# the rows so far, before tables are dropped
$node->safe_psql('db', q{
	CREATE TABLE total (id uuid);
	CREATE FUNCTION collect() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		name text;
	BEGIN
		FOR name IN SELECT oid::regclass FROM pg_class
			WHERE relkind = 'r' AND relnamespace = 'app2'::regnamespace AND relname <> 'beside'
		LOOP
			EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', name);
			EXECUTE format('WITH moved AS (DELETE FROM %s RETURNING id) INSERT INTO total SELECT id FROM moved', name);
		END LOOP;
	END$$;
});

change('BEGIN; SELECT collect(); DROP TABLE app2."Arrived 2"; COMMIT', 'drop the table');
fails_because('dropped table', qr/42P01: relation "app2\.Arrived 2" does not exist/);
change(q{
	SET ROLE keeper;
	CREATE TABLE app2."Arrived 2" (id uuid);
	SELECT eb_put_target('moving', 'arrived', 'table', 'app2."Arrived 2"');
}, 'make another one');
goes_on('dropped table');

# ---- the role ----

change('ALTER ROLE keeper RENAME TO curator', 'rename the role');
fails_because('renamed role',
	qr/42704: role "keeper" does not exist\nHINT:  If the role was renamed or dropped, a superuser who puts the rule again becomes its owner\./);
change('ALTER ROLE curator RENAME TO keeper', 'and back');
change(q{SELECT eb_put_target('moving', 'arrived', 'table', 'app2."Arrived 2"')}, 'put the target again, to have it tried at once');
goes_on('renamed role');

# what it owns is gone, it is not
change('BEGIN; SELECT collect(); DROP OWNED BY keeper CASCADE; COMMIT', 'DROP OWNED BY the rule\'s owner');
fails_because('DROP OWNED', qr/42P01: relation "app2\.Arrived 2" does not exist/);
change('DROP ROLE keeper', 'and the role');
change(q{
	CREATE SCHEMA app2;
	CREATE TABLE app2."Arrived 2" (id uuid);
}, 'make the table again');
fails_because('dropped role', qr/42704: role "keeper" does not exist/)
  if poll_until(sub {
		$node->safe_psql('db', q{SELECT last_error LIKE '42704%' FROM eventbus.targets WHERE rule = 'moving'}) eq 't' },
	'dropped role: the target finds out');

# others cannot take the rule over; a superuser can
$node->safe_psql('db', q{
	CREATE ROLE other LOGIN;
	GRANT eventbus_admin TO other;
	GRANT INSERT ON app2."Arrived 2" TO other;
	GRANT USAGE ON SCHEMA app2 TO other;
});
fails_with($node, 'db', q{SET ROLE other; SELECT eb_put_rule('moving', event_pattern => '{"source": ["s"]}')},
	'42501', qr/must be owner of rule moving/, 'another role puts the rule');
change(q{SELECT eb_put_rule('moving', event_pattern => '{"source": ["s"]}')}, 'a superuser puts the rule again');
goes_on('dropped role');
rows_are($node, 'db', q{SELECT owner = current_user FROM eventbus.rules WHERE name = 'moving'}, 't', 'and owns it');

# ---- all in all ----

IPC::Run::signal($load, 'INT');
IPC::Run::finish($load);
all_is_delivered($node, 'db');
$node->safe_psql('db', 'SELECT collect()');
same_rows($node, 'db', 'SELECT id FROM eventbus.events', 'SELECT id FROM total', 'each event is there once, through all changes');
same_rows($node, 'db', 'SELECT id FROM eventbus.events', 'SELECT id FROM beside', 'and at the other target');
rows_are($node, 'db', 'SELECT count(*) FROM eventbus.dead_letters', '0', 'no dead letters');

# ---- DROP OWNED BY the owner of the extension ----

$node->safe_psql('postgres', q{
	CREATE ROLE dbo LOGIN SUPERUSER;
	CREATE DATABASE owned OWNER dbo;
});
$node->safe_psql('owned', q{
	CREATE EXTENSION eventbus;
	CREATE TABLE arrived (id uuid);
	SELECT eb_put_rule('all', event_pattern => '{"source": ["s"]}');
	SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
	SELECT count(eb_put_event('s', 'd', '{}')) FROM generate_series(1, 1000);
}, extra_params => [ '-U', 'dbo' ]);
all_is_delivered($node, 'owned', 'the extension of another superuser delivers');
$node->safe_psql('owned', q{SELECT count(eb_put_event('s', 'd', '{}')) FROM generate_series(1, 20000)});
bounded($node, 'owned', 'DROP OWNED BY dbo', 'DROP OWNED BY the owner of the extension');
$node->reload;	# nothing else tells the router at once
wait_for_no_worker($node, 'owned', 'the workers leave');
rows_are($node, 'owned', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'eventbus'}, '0', 'nothing of it is left');
bounded($node, 'owned', 'CREATE EXTENSION eventbus', 'and it is created again');
wait_for_worker($node, 'owned', 'router', 'with its worker');

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|signal 6|signal 11/, 'nothing crashed');
$node->stop;
done_testing();
