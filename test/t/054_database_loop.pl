# Commands that need a database without workers, or the extension without them,
# in a loop: whatever the workers do, each is done within five seconds (more
# where PG_TEST_TIMEOUT_DEFAULT is), and leaves nothing behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# EB_LOOP_TURNS makes it longer
my $turns = $ENV{EB_LOOP_TURNS} // 1;

my $limit = 5 * ($PostgreSQL::Test::Utils::timeout_default > 180 ? $PostgreSQL::Test::Utils::timeout_default / 180 : 1);

# a batch may take as long as it likes, and wait for a lock for as long
my $node = new_node('main', extension => 0, conf => qq{
allow_in_place_tablespaces = on
eventbus.safety_interval = 1h
eventbus.target_timeout = 0
eventbus.target_lock_timeout = 1h
});
my %longest;

$node->safe_psql('postgres', q{CREATE TABLESPACE elsewhere LOCATION ''});

# A command that is to be done in time.
sub done_in_time
{
	my ($database, $sql, $name, $what) = @_;
	my $start = time();
	my ($status, $out, $err) = $node->psql($database, "SET statement_timeout = '${limit}s';\n$sql");
	my $took = time() - $start;

	is($status, 0, $name) or diag("after $took s: $err");
	$longest{$what} = $took if $took > ($longest{$what} // 0);
}

# ---- what the workers of database "db" do ----

# Makes it anew, with a target that hangs and one that can be made to wait.
sub make_ready
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS db WITH (FORCE)');
	$node->safe_psql('postgres', 'CREATE DATABASE db');
	$node->safe_psql('db', q{
		CREATE EXTENSION eventbus;
		CREATE TABLE arrived (id uuid);
		CREATE TABLE hanging (id uuid);
		CREATE TABLE waiting (source text UNIQUE);
		CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3600); RETURN NEW; END';
		CREATE TRIGGER hang BEFORE INSERT ON hanging FOR EACH ROW EXECUTE FUNCTION hang();
		SELECT eb_put_rule(r, event_pattern => format('{"source": ["all", "%s"]}', r)::jsonb),
			eb_put_target(r, r, 'table', r)
		FROM unnest(ARRAY['arrived', 'hanging', 'waiting']) r;
	});
}

sub dispatcher_waits
{
	my ($event, $name) = @_;
	poll_until(sub {
			try_query($node, 'postgres', qq{SELECT count(*) > 0 FROM pg_stat_activity
				WHERE datname = 'db' AND backend_type = 'eventbus dispatcher' AND wait_event = '$event'}) eq 't' },
		$name);
}

# Each leaves its workers in that state, and returns a session to be ended
# before commands that need the database without sessions.
my %states = (
	idle => sub {
		wait_for_worker($node, 'db', 'router');
		all_is_delivered($node, 'db', 'idle: nothing to do');
		return undef;
	},
	busy => sub {
		$node->safe_psql('db', q{SELECT count(eb_put_event('arrived', 'd', '{}')) FROM generate_series(1, 20000)});
		return undef;
	},
	hanging => sub {
		$node->safe_psql('db', q{SELECT eb_put_event('hanging', 'd', '{}')});
		dispatcher_waits('PgSleep', 'hanging: a dispatcher runs a trigger');
		return undef;
	},
	waiting => sub {
		my $session = $node->background_psql('db');

		$session->query_safe(q{BEGIN; INSERT INTO waiting VALUES ('waiting')});
		$node->safe_psql('db', q{SELECT eb_put_event('waiting', 'd', '{}')});
		dispatcher_waits('transactionid', 'waiting: a dispatcher waits for a lock');
		return $session;
	});

# ---- the loop ----

for my $turn (1 .. $turns)
{
	for my $state (sort keys %states)
	{
		my $name = "$turn, $state";

		for my $command (
			[ 'CREATE DATABASE', 'postgres', 'CREATE DATABASE other' ],
			[ 'DROP DATABASE', 'postgres', 'DROP DATABASE other' ],
			[ 'CREATE DATABASE TEMPLATE', 'postgres', 'CREATE DATABASE copy TEMPLATE db', 'DROP DATABASE copy' ],
			[ 'ALTER DATABASE RENAME', 'postgres', 'ALTER DATABASE db RENAME TO renamed', 'ALTER DATABASE renamed RENAME TO db' ],
			[ 'ALTER DATABASE SET TABLESPACE', 'postgres', 'ALTER DATABASE db SET TABLESPACE elsewhere', 'ALTER DATABASE db SET TABLESPACE pg_default' ],
			[ 'DROP EXTENSION', 'db', 'SET client_min_messages = error; DROP EXTENSION eventbus CASCADE', 'CREATE EXTENSION eventbus' ],
			[ 'DROP DATABASE it', 'postgres', 'DROP DATABASE db WITH (FORCE)' ])
		{
			my ($what, $database, @sql) = @$command;

			make_ready();
			my $session = $states{$state}->();

			# these fail where there is a session, with or without us
			if ($session && $what =~ /TEMPLATE|ALTER/)
			{
				$session->quit;
				$session = undef;
			}
			done_in_time($database, $_, "$name: $_", $what) for @sql;
			$session->quit if $session;
		}
		wait_for_no_worker($node, 'db', "$name: no worker is left");
	}
}
note(sprintf('%s: at most %.2f s', $_, $longest{$_})) for sort keys %longest;

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 6|signal 11/, 'nothing crashed');
$node->stop;
done_testing();
