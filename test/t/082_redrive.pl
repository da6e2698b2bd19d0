# Dead letters are redriven exactly once, whoever is killed on the way and
# however many commands want the same ones; listeners are told; a dump takes
# dead letters and retries along; a dispatcher does not wait for a dead-letter
# queue each time; partitions go when they are old.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Clock;
use EventBus::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $letters = $ENV{EB_REDRIVE_LETTERS} // 3000;
my $rounds = $ENV{EB_REDRIVE_ROUNDS} // 4;
my $node = new_node('main', conf => "fsync = off\neventbus.max_dispatchers = 3\n");

# The ledger has a row for each event that was put with it. A constraint makes
# dead letters of all with a number; it is dropped, and they are redriven.
$node->safe_psql('postgres', q{
	CREATE TABLE ledger (n int PRIMARY KEY);
	CREATE TABLE inbox (id uuid, detail jsonb);
	ALTER TABLE inbox ADD CONSTRAINT bad CHECK (detail ->> 'bad' IS NULL);
	SELECT eb_create_event_bus('b');
	SELECT eb_put_rule('all', '{"source":["redrive"]}', 'b');
	SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'b', maximum_retry_attempts => 0);
	CREATE PROCEDURE put_events(first int, last int, bad text) LANGUAGE sql AS $$
		INSERT INTO ledger SELECT generate_series(first, last);
		SELECT eb_put_event('redrive', 't', jsonb_strip_nulls(jsonb_build_object('n', n, 'bad', bad)), 'b')
		FROM generate_series(first, last) n;
	$$;
});

# ---- told of the first one ---------------------------------------------------

my $listener = $node->background_psql('postgres', on_error_die => 1);
$listener->query_safe('LISTEN eventbus_dead_letters');
my $next = 1;
$node->safe_psql('postgres', "CALL put_events($next, $next + $letters - 1, 'yes')");
$next += $letters;
poll_until(sub { $node->safe_psql('postgres', q{SELECT count(*) FROM eventbus.dead_letters}) == $letters },
	'all become dead letters');
my $told = $listener->query('SELECT 1');
like($told . $listener->{stdout} . $listener->{stderr},
	qr/"eventbus_dead_letters".*"target":"inbox".*"error_code":"TARGET_REJECTED"/s, 'a listener is told');
rows_are($node, 'postgres', q{SELECT count(*), min(event_bus) FROM eventbus.events WHERE source = 'eventbus' AND detail_type = 'Dead Letter Arrived'},
	'1|default', 'there is one event of it');
$listener->quit;

# ---- redriven under fire -------------------------------------------------------

sub redrive { return try_query($node, 'postgres', q{SELECT eb_redrive(event_bus => 'b')}) }

# several at a time, each with a connection of its own
sub redrive_together
{
	my @commands = map {
		my %run = (out => '', err => '');
		$run{handle} = IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{SELECT eb_redrive(event_bus => 'b')} ],
			'<', '/dev/null', '>', \$run{out}, '2>', \$run{err});
		\%run;
	} 1 .. 3;
	return @commands;
}

$node->safe_psql('postgres', 'ALTER TABLE inbox DROP CONSTRAINT bad');
for my $round (1 .. $rounds)
{
	my @commands = redrive_together();

	# new events come meanwhile
	$node->safe_psql('postgres', "CALL put_events($next, $next + 199, NULL)");
	$next += 200;
	if ($round == $rounds)
	{
		# the last one is left alone
	}
	elsif ($round % 2)
	{
		kill_postmaster($node);
		$node->start;
	}
	else
	{
		# a dispatcher that has nothing to do may have left
		kill('KILL', (worker_pids($node, 'postgres', 'dispatcher'), worker_pids($node, 'postgres', 'router'))[0]);
		poll_until(sub { defined try_query($node, 'postgres', 'SELECT 1') });
	}
	eval { $_->{handle}->finish } for @commands;
	ok(1, "round $round");
}
poll_until(sub { defined redrive() }, 'the rest is redriven');
poll_until(sub { (try_query($node, 'postgres', q{SELECT (SELECT count(*) FROM inbox) >= (SELECT count(*) FROM ledger)
	AND NOT EXISTS (SELECT FROM eventbus.delivery_retries)}) // '') eq 't' }, 'all arrives');
rows_are($node, 'postgres', q{SELECT count(*), count(DISTINCT detail ->> 'n') FROM inbox}, join('|', ($next - 1) x 2), 'and nothing twice');
rows_are($node, 'postgres', q{SELECT count(*) FROM ledger l FULL JOIN inbox i ON (i.detail ->> 'n')::int = l.n WHERE l.n IS NULL OR i.id IS NULL},
	'0', 'the ledger is what arrived');
rows_are($node, 'postgres', q{SELECT state, count(*) FROM eventbus.dead_letters GROUP BY 1}, "redriven|$letters", 'each was redriven');
rows_are($node, 'postgres', q{SELECT delivered = (SELECT count(*) FROM ledger), dead_letters FROM eventbus.targets}, 't|0', 'and counted once');

# ---- a prepared redrive ----------------------------------------------------------

$node->safe_psql('postgres', q{ALTER TABLE inbox ADD CONSTRAINT bad CHECK (detail ->> 'bad' IS NULL) NOT VALID});
$node->safe_psql('postgres', "CALL put_events($next, $next + 9, 'yes')");
$next += 10;
poll_until(sub { $node->safe_psql('postgres', q{SELECT dead_letters FROM eventbus.targets}) == 10 }, 'ten more');
$node->safe_psql('postgres', 'ALTER TABLE inbox DROP CONSTRAINT bad');
$node->safe_psql('postgres', q{BEGIN; SELECT eb_redrive(everything => true); PREPARE TRANSACTION 'redrive'});
kill_postmaster($node);
$node->start;
$node->safe_psql('postgres', q{COMMIT PREPARED 'redrive'});
poll_until(sub { $node->safe_psql('postgres', 'SELECT count(*) FROM inbox') == $next - 1 }, 'what was prepared is delivered');

# ---- dump and restore --------------------------------------------------------------

# three dead letters wait, one was discarded, two are redriven at a rate
$node->safe_psql('postgres', q{ALTER TABLE inbox ADD CONSTRAINT bad CHECK (detail ->> 'bad' IS NULL) NOT VALID});
$node->safe_psql('postgres', "CALL put_events($next, $next + 5, 'yes')");
poll_until(sub { $node->safe_psql('postgres', q{SELECT dead_letters FROM eventbus.targets}) == 6 }, 'six more');
my @ids = split /\n/, $node->safe_psql('postgres', q{SELECT dead_letter_id FROM eventbus.dead_letters WHERE state = 'waiting' ORDER BY 1});
$node->safe_psql('postgres', "SELECT eb_discard_dead_letters(ids => '{$ids[0]}')");
$node->safe_psql('postgres', "SELECT eb_pause_target('all', 'inbox', 'b'); SELECT eb_redrive(ids => '{$ids[1], $ids[2]}')");
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'dump');

for my $deliver ('true', 'false')
{
	my $database = "restored_$deliver";
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($database), $dump ], 'restore');
	rows_are($node, $database, q{SELECT state, count(*) FROM eventbus.dead_letters GROUP BY 1 ORDER BY 1},
		"discarded|1\nredriven|" . ($letters + 12) . "\nwaiting|3", 'dead letters are as they were');
	$node->safe_psql($database, q{ALTER TABLE inbox DROP CONSTRAINT bad; TRUNCATE inbox; SELECT eb_resume_target('all', 'inbox', 'b')});

	# those that wait can be redriven whatever becomes of the rest
	$node->safe_psql($database, "SELECT eb_redrive(ids => '{$ids[3]}')");
	poll_until(sub { $node->safe_psql($database, 'SELECT count(*) FROM inbox') == 1 }, 'one is redriven while the log is parked');
	$node->safe_psql($database, "SELECT eb_resume_after_restore($deliver)");
	$node->safe_psql($database, q{SELECT eb_redrive(everything => true)});
	my $expected = $deliver eq 'true' ? 5 : 3;
	poll_until(sub { $node->safe_psql($database, 'SELECT count(*) FROM inbox') >= $expected
		&& $node->safe_psql($database, 'SELECT count(*) FROM eventbus.delivery_retries') == 0 }, "deliver => $deliver");
	rows_are($node, $database, q{SELECT count(*), count(DISTINCT detail ->> 'n') FROM inbox}, "$expected|$expected", 'each once');
}

# ---- a dead-letter queue that somebody holds -------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->append_conf('postgresql.conf', q{eventbus.target_lock_timeout = '1s'});
$node->reload;
$node->safe_psql('busy', q{
	CREATE EXTENSION eventbus;
	CREATE TABLE inbox (id uuid CHECK (id IS NULL));
	SELECT eb_create_queue('failed');
	SELECT eb_put_rule('all', '{"source":["busy"]}');
	SELECT eb_put_target('all', 'inbox', 'table', 'inbox', maximum_retry_attempts => 0, dead_letter_queue => 'failed');
});
my $holder = $node->background_psql('busy', on_error_die => 1);
$holder->query_safe(q{BEGIN; SELECT eb_send_message('failed', '"mine"')});
my $start = time;
$node->safe_psql('busy', q{SELECT eb_put_event('busy', 't', '{}') FROM generate_series(1, 40)});
poll_until(sub { $node->safe_psql('busy', 'SELECT count(*) FROM eventbus.dead_letters') == 40 }, 'dead letters do without the queue');
cmp_ok(time - $start, '<', 35, 'not each of them waits for it');
$holder->query_safe('COMMIT');
$holder->quit;

# ---- retention -----------------------------------------------------------------------

# a reader keeps the partition for as long as it reads
$node->safe_psql('postgres', q{SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'b', maximum_retry_attempts => 0, log_level => 'all')});
$node->safe_psql('postgres', q{SELECT eb_resume_target('all', 'inbox', 'b')});
poll_until(sub { $node->safe_psql('postgres', 'SELECT count(*) > 0 FROM eventbus.delivery_attempts') eq 't' }, 'attempts are logged');
$node->append_conf('postgresql.conf', "eventbus.dead_letter_retention = 0\neventbus.delivery_log_retention = 0\n");
my $clock = EventBus::Clock->new;
if (!$clock)
{
	note 'SKIP: no C compiler: the clock is not stepped';
	done_testing();
	exit;
}
$clock->set(20 * 86400);
$node->stop;
$clock->start($node);
my $reader = $node->background_psql('postgres', on_error_die => 1);
$reader->query_safe('BEGIN; SELECT count(*) FROM eventbus.dead_letters; SELECT count(*) FROM eventbus.delivery_attempts');
rows_are($node, 'postgres', q{SELECT eb_run_maintenance() ->> 'leaves_dropped'}, '0', 'what is kept for ever is not dropped');
$node->append_conf('postgresql.conf', "eventbus.dead_letter_retention = '14d'\neventbus.delivery_log_retention = '7d'\n");
$node->reload;
poll_until(sub { $node->safe_psql('postgres', 'SHOW eventbus.dead_letter_retention') eq '14d' });
rows_are($node, 'postgres', q{SELECT eb_run_maintenance() ->> 'leaves_dropped', (SELECT count(*) > 0 FROM eventbus.dead_letters)}, '0|t', 'nothing is dropped while somebody reads');
$reader->query_safe('COMMIT');
$reader->quit;
poll_until(sub { $node->safe_psql('postgres', q{SELECT eb_run_maintenance() IS NOT NULL, (SELECT count(*) FROM eventbus.leaves
	WHERE parent IN ('dead_letter_log', 'delivery_log') AND range_end < now() - interval '16 days')}) eq 't|0' }, 'then it is');
rows_are($node, 'postgres', q{SELECT (SELECT count(*) FROM eventbus.dead_letters), (SELECT count(*) FROM eventbus.resolved_dead_letters),
	(SELECT count(*) FROM eventbus.delivery_attempts)}, '0|0|0', 'with all that belongs to it');
rows_are($node, 'postgres', q{SELECT dead_letters FROM eventbus.targets}, '0', 'and none is counted');

# what comes is kept
$node->safe_psql('postgres', "CALL put_events($next + 6, $next + 6, 'yes')");
poll_until(sub { $node->safe_psql('postgres', q{SELECT dead_letters FROM eventbus.targets}) == 1 }, 'new dead letters are kept');

done_testing();
