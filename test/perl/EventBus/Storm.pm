# EventBus::Storm: publishers under fire.
#
# Several publishers, each a process that feeds random transactions to psql and
# starts psql again whenever its server goes away, while the caller kills what
# it likes. A transaction writes rows into the ledger and puts the same events:
# whether it committed or not, ledger and targets must agree in the end.
#
#	my $storm = EventBus::Storm->new($node, 'postgres', publishers => 6);
#	$storm->begin;
#	$storm->kill_something for 1 .. 20;
#	$storm->end;				# no more transactions; none is left prepared
#	$storm->check;				# TAP tests
#
# What can be added: a kind of transaction is an entry of @transactions, a kind
# of kill one of @kills. Each has a weight.
#
# An event's detail is {"p": publisher, "n": transaction, "k": place in it}.
# The publisher starts transaction n when n - 1 has returned, so events of lower
# n arrive first at every target. Only transactions that are prepared may commit
# later than others that come after them; their ledger rows are marked late.
#
# Seed and number of kills come from EB_STORM_SEED and EB_STORM_KILLS. A seed
# repeats what is chosen, not when it strikes.

package EventBus::Storm;

use strict;
use warnings;

use EventBus::Test;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# transactions that a publisher hands to psql at a time
use constant TRANSACTIONS => 25;

# every so many transactions have events that target "picky" cannot take; and
# one that "fifo" cannot take, and one that it takes when it is tried again
use constant BAD => 61;
use constant LATER => 30;

# each of these two holds up the publisher's other events for a second: after so
# many transactions there is no more of them, or a long storm would never end
use constant HELD_UP => 1500;

# ---- transactions -----------------------------------------------------------
#
# Each takes (publisher, n) and returns SQL.

# One put call with the events of places $from .. $to, and their ledger rows.
sub put
{
	my ($p, $n, $from, $to, $late) = @_;
	my $entries = join(',', map {
			qq({"Source":"storm","DetailType":"e","EventBusName":"storm","EventGroupId":"$p","Detail":{"p":$p,"n":$n,"k":$_}}) }
		  $from .. $to);
	my $rows = join(',', map { "($p,$n,$_," . ($late ? 'true' : 'false') . ')' } $from .. $to);

	# which of the two comes first must not matter
	my @both = ("INSERT INTO ledger VALUES $rows;\n", "SELECT eb_put_events('[$entries]');\n");
	return $n % 2 ? "@both" : "@both[1, 0]";
}

sub one_event { return 'BEGIN;' . put(@_, 1, 1) . 'COMMIT;'; }

sub many_events { return 'BEGIN;' . put(@_, 1, 2 + int(rand(30))) . 'COMMIT;'; }

sub many_calls
{
	return 'BEGIN;' . join('', map { put(@_, 2 * $_ - 1, 2 * $_) } 1 .. 4) . 'COMMIT;';
}

sub rolled_back { return 'BEGIN;' . put(@_, 1, 3) . 'ROLLBACK;'; }

sub failed { return 'BEGIN;' . put(@_, 1, 3) . 'SELECT 1/0; COMMIT;'; }

sub savepoint_rolled_back
{
	return 'BEGIN;' . put(@_, 1, 1) . 'SAVEPOINT a;' . put(@_, 2, 3)
	  . 'ROLLBACK TO a;' . put(@_, 4, 4) . 'COMMIT;';
}

sub savepoints_nested
{
	return 'BEGIN; SAVEPOINT a;' . put(@_, 1, 1) . 'SAVEPOINT b;' . put(@_, 2, 2)
	  . 'RELEASE b; SAVEPOINT c;' . put(@_, 3, 3)
	  . 'ROLLBACK TO c; RELEASE a;' . put(@_, 4, 4) . 'COMMIT;';
}

sub exception_caught
{
	my $bad = put(@_, 2, 2);

	$bad =~ s/SELECT eb_put/PERFORM eb_put/;
	return 'BEGIN;' . put(@_, 1, 1)
	  . "DO \$\$BEGIN $bad RAISE 'no'; EXCEPTION WHEN OTHERS THEN END\$\$; COMMIT;";
}

sub open_for_a_while
{
	return 'BEGIN;' . put(@_, 1, 1) . 'SELECT pg_sleep(0.1);' . put(@_, 2, 2) . 'COMMIT;';
}

sub prepared
{
	my ($p, $n, $end) = @_;
	return 'BEGIN;' . put($p, $n, 1, 2, 1) . "PREPARE TRANSACTION 'storm $p $n'; $end";
}

sub prepared_committed { return prepared(@_, "COMMIT PREPARED 'storm $_[0] $_[1]';"); }

sub prepared_rolled_back { return prepared(@_, "ROLLBACK PREPARED 'storm $_[0] $_[1]';"); }

# ends one that was left open by an earlier call, if it is still there
sub prepared_left_open
{
	my ($p, $n) = @_;
	return prepared($p, $n, qq{
SELECT format('%s PREPARED %L;', CASE WHEN random() < 0.7 THEN 'COMMIT' ELSE 'ROLLBACK' END, gid)
FROM pg_prepared_xacts WHERE gid LIKE 'storm $p %' AND gid <> 'storm $p $n' \\gexec
});
}

# A rule and a target that come, change and go; what they get is not looked at.
# It may fail where publishers collide.
sub catalog_changed
{
	my $rule = 'noise-' . int(rand(3));
	my @changes = (
		"SELECT eb_put_rule('$rule', event_bus => 'storm', event_pattern => '{\"source\":[\"storm\"]}');"
		  . "SELECT eb_put_target('$rule', 'noise', 'table', 'noise', event_bus => 'storm');",
		"SELECT eb_put_target('$rule', 'noise', 'table', 'noise', event_bus => 'storm');",
		"SELECT eb_disable_rule('$rule', 'storm');",
		"SELECT eb_enable_rule('$rule', 'storm');",
		"SELECT eb_remove_target('$rule', 'noise', 'storm');",
		"SELECT eb_remove_targets('$rule', '{noise}', 'storm'); SELECT eb_delete_rule('$rule', 'storm');");

	return 'BEGIN;' . put(@_, 1, 1) . $changes[ rand(@changes) ] . put(@_, 2, 2) . 'COMMIT;';
}

# A target that is paused now and then. What it gets later is looked at.
sub paused_or_resumed
{
	my $call = rand() < 0.5 ? 'pause' : 'resume';

	return 'BEGIN;' . put(@_, 1, 1) . "SELECT eb_${call}_target('all', 'sleepy', 'storm');"
	  . put(@_, 2, 2) . 'COMMIT;';
}

our @transactions = (
	[ 40, \&one_event ],
	[ 15, \&many_events ],
	[ 8, \&many_calls ],
	[ 10, \&rolled_back ],
	[ 4, \&failed ],
	[ 8, \&savepoint_rolled_back ],
	[ 4, \&savepoints_nested ],
	[ 3, \&exception_caught ],
	[ 2, \&open_for_a_while ],
	[ 3, \&prepared_committed ],
	[ 2, \&prepared_rolled_back ],
	[ 1, \&prepared_left_open ],
	[ 1, \&catalog_changed ],
	[ 2, \&paused_or_resumed ]);

# ---- kills ------------------------------------------------------------------
#
# Each takes the storm. A kill -9 of anything but the postmaster ends all
# sessions: the postmaster does not trust the shared memory any more.

sub signal_one
{
	my ($signal, @pids) = @_;

	return 0 unless @pids;
	return kill($signal, $pids[ rand(@pids) ]);
}

sub signal_worker
{
	my ($self, $signal, $type) = @_;
	return signal_one($signal, worker_pids($self->{node}, $self->{database}, $type));
}

sub signal_backend
{
	my ($self, $signal) = @_;
	my $pids = try_query($self->{node}, 'postgres',
		q{SELECT pid FROM pg_stat_activity WHERE application_name = 'storm'});

	return signal_one($signal, split(/\n/, $pids // ''));
}

our @kills = (
	[ 4, 'kill -9 router', sub { signal_worker(@_, 'KILL', 'router') } ],
	[ 4, 'kill -9 dispatcher', sub { signal_worker(@_, 'KILL', 'dispatcher') } ],
	[ 3, 'kill -9 backend', sub { signal_backend(@_, 'KILL') } ],
	[ 1, 'kill -9 launcher',
		sub { signal_one('KILL', worker_pids($_[0]->{node}, undef, 'launcher')) } ],
	[ 3, 'kill -9 postmaster', sub {
			my $node = $_[0]->{node};
			kill_postmaster($node);
			$node->start;
			1;
		} ],
	[ 2, 'restart -m immediate', sub {
			my $node = $_[0]->{node};
			$node->stop('immediate');
			$node->start;
			1;
		} ],
	[ 1, 'restart -m fast', sub { $_[0]->{node}->restart; 1 } ],
	[ 2, 'terminate router', sub { signal_worker(@_, 'TERM', 'router') } ],
	[ 2, 'terminate dispatcher', sub { signal_worker(@_, 'TERM', 'dispatcher') } ],
	[ 2, 'cancel dispatcher', sub { signal_worker(@_, 'INT', 'dispatcher') } ],
	[ 2, 'terminate backend', sub { signal_backend(@_, 'TERM') } ]);

# ---- the storm --------------------------------------------------------------

sub choose
{
	my (@choices) = @_;
	my $sum = 0;
	my $at;

	$sum += $_->[0] for @choices;
	$at = rand($sum);
	for my $choice (@choices)
	{
		return $choice if ($at -= $choice->[0]) < 0;
	}
}

# new(NODE, DATABASE, publishers => N): makes ledger, bus, rules and targets.
sub new
{
	my ($class, $node, $database, %options) = @_;
	my $self = bless {
		node => $node,
		database => $database,
		publishers => $options{publishers} // 6,
		kills => $ENV{EB_STORM_KILLS} || $options{kills} || 25,
		seed => $ENV{EB_STORM_SEED} || time % 1000000,
		stop_file => $node->basedir . "/storm-over",
		processes => [],
		done => {} }, $class;

	unlink($self->{stop_file});
	diag("EB_STORM_SEED=$self->{seed}");
	srand($self->{seed});
	$node->safe_psql($database, q{
CREATE TABLE ledger (p int, n int, k int, late boolean);
-- no key: a second copy of a row would stay and show
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, id uuid, detail jsonb);
CREATE TABLE picky (arrival bigint GENERATED ALWAYS AS IDENTITY, id uuid, detail jsonb,
  CONSTRAINT not_bad CHECK ((detail->>'n')::int % } . BAD . q{ <> 0));
CREATE TABLE fifo (LIKE arrived INCLUDING IDENTITY);
CREATE TABLE sleepy (LIKE arrived INCLUDING IDENTITY);
CREATE TABLE noise (id uuid);
CREATE FUNCTION take_in_order(event jsonb, context jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n int := (event->'detail'->>'n')::int;
	place int := n % } . BAD . q{;
BEGIN
	IF n < } . HELD_UP . q{ AND (event->'detail'->>'k')::int = 1 AND (place = 0 OR place = } . LATER . q{ AND (context->>'attempt')::int = 1) THEN
		RAISE 'not this one' USING ERRCODE = 'data_exception';
	END IF;
	INSERT INTO public.fifo (id, detail) VALUES ((event->>'id')::uuid, event->'detail');
END $$;
SELECT eb_create_event_bus('storm');
SELECT eb_put_rule('all', event_bus => 'storm', event_pattern => '{"source":["storm"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived', event_bus => 'storm');
SELECT eb_put_target('all', 'picky', 'table', 'picky', event_bus => 'storm', maximum_retry_attempts => 1);
SELECT eb_put_target('all', 'fifo', 'function', 'take_in_order', event_bus => 'storm', maximum_retry_attempts => 1, fifo => true);
SELECT eb_put_target('all', 'sleepy', 'table', 'sleepy', event_bus => 'storm');
});
	return $self;
}

sub kills { return $_[0]->{kills}; }

# Random transactions, one psql after the other, until the storm is over.
sub publish
{
	my ($self, $p) = @_;
	my $n = 0;

	$SIG{PIPE} = 'IGNORE';
	$ENV{PGAPPNAME} = 'storm';
	srand($self->{seed} + $p);
	until (-e $self->{stop_file})
	{
		open(my $psql, '|-', 'psql', '-X', '-q', '-d', $self->{node}->connstr($self->{database}))
		  or die "could not start psql: $!";
		for (1 .. TRANSACTIONS)
		{
			print $psql choose(@transactions)->[1]->($p, ++$n), "\n";
		}
		# without a server: no need to try a thousand times a second
		close($psql) or usleep(50_000);
	}
}

sub begin
{
	my ($self) = @_;

	for my $p (1 .. $self->{publishers})
	{
		my $pid = fork() // die "could not fork: $!";

		if ($pid == 0)
		{
			open(STDOUT, '>', '/dev/null');
			open(STDERR, '>', '/dev/null');
			eval { $self->publish($p) };
			POSIX::_exit($@ ? 1 : 0);
		}
		push @{ $self->{processes} }, $pid;
	}
	$self->wait_for_growth;
}

# Waits until something more was published and delivered. Sessions and workers
# come back on their own after each kill, or this never ends.
sub wait_for_growth
{
	my ($self) = @_;
	my $count = sub {
		try_query($self->{node}, $self->{database},
			'SELECT (SELECT last_value FROM arrived_arrival_seq)') // 0;
	};
	my $before = $count->();

	poll_until(sub { $count->() > $before + 1 }) or die 'nothing arrives any more';
}

# Kills something, once there was something to kill, after a random while.
sub kill_something
{
	my ($self) = @_;

	# now and then at once, while everybody is still starting
	$self->wait_for_growth if rand() < 0.8;
	for (1 .. 100)
	{
		my (undef, $name, $code) = @{ choose(@kills) };

		usleep(rand(300_000));
		next unless $code->($self);
		note($name);
		$self->{done}->{$name}++;
		return;
	}
	die 'nothing to kill';
}

# A test that dies leaves no publishers behind: prove would wait for them.
sub DESTROY
{
	my ($self) = @_;

	local $?;
	kill('TERM', @{ $self->{processes} });
}

# From now on that server is looked at: the old one is gone, and the publishers
# with it.
sub fail_over_to
{
	my ($self, $node) = @_;

	$self->{node} = $node;
}

# Lets the publishers finish, and ends what they left prepared.
sub end
{
	my ($self) = @_;
	my $node = $self->{node};

	append_to_file($self->{stop_file}, '');
	waitpid($_, 0) for @{ $self->{processes} };
	$self->{processes} = [];
	poll_until(sub { defined try_query($node, 'postgres', 'SELECT 1') });
	$node->safe_psql($self->{database}, q{
SELECT format('%s PREPARED %L', CASE WHEN random() < 0.5 THEN 'COMMIT' ELSE 'ROLLBACK' END, gid)
FROM pg_prepared_xacts \gexec
});
	note(join(', ', map { "$self->{done}->{$_} x $_" } sort keys %{ $self->{done} }));
}

# ---- what must be true afterwards -------------------------------------------

# A query for (p, n, k) of a table with a column detail.
sub keys_of
{
	my ($table, $column) = @_;

	$column //= 'detail';
	return "SELECT ($column->>'p')::int AS p, ($column->>'n')::int AS n, ($column->>'k')::int AS k FROM $table";
}

# A test that events of a publisher arrived in its order.
sub order_is_kept
{
	my ($self, $table) = @_;

	rows_are($self->{node}, $self->{database}, qq{
WITH a AS (SELECT l.*, arrival FROM (SELECT arrival, k.* FROM $table t, LATERAL (} . keys_of('(SELECT t.detail) d') . qq{) k) t
		   JOIN ledger l USING (p, n, k)),
	 b AS (SELECT a.*,
			-- a transaction that committed before this one began
			max(arrival) FILTER (WHERE NOT late) OVER (PARTITION BY p ORDER BY n GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier,
			-- what this transaction itself put before
			max(arrival) OVER (PARTITION BY p, n ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS within
		   FROM a)
SELECT count(*) FROM b WHERE arrival < earlier OR arrival < within},
		'0', "$table: in causal order");
}

sub check
{
	my ($self) = @_;
	my ($node, $database) = @{$self}{qw(node database)};
	my $good = 'n % ' . BAD . ' <> 0';
	my $fits = "($good OR k > 1 OR n >= " . HELD_UP . ")";
	my $ledger = 'SELECT p, n, k FROM ledger';
	my $dead = keys_of('eventbus.dead_letters', "(event->'detail')");
	# without those by which eventbus tells of dead letters
	my $published = "(SELECT event FROM eventbus.events WHERE event->>'source' <> 'eventbus') AS published";
	my $size;

	$node->safe_psql($database, q{SELECT eb_resume_target('all', 'sleepy', 'storm')});
	all_is_delivered($node, $database, 'after the storm all is delivered');
	$size = $node->safe_psql($database, 'SELECT count(*) FROM ledger');
	diag("$size events");
	cmp_ok($size, '>', 100, 'the storm was one');
	same_rows($node, $database, $ledger, keys_of($published, "(event->'detail')"),
		'the log is what the ledger says');
	same_rows($node, $database, $ledger, keys_of('arrived'),
		'each committed event arrived once, and no other');
	same_rows($node, $database, "$ledger WHERE $good", keys_of('picky'),
		'a target with a constraint got what fits');
	same_rows($node, $database, "$ledger WHERE NOT $good", "$dead WHERE target = 'picky'",
		'and the rest are dead letters, once');
	same_rows($node, $database, $ledger, keys_of('sleepy'),
		'a target that is paused at times got all');
	same_rows($node, $database, "$ledger WHERE $fits", keys_of('fifo'),
		'a FIFO target got what it takes, if not at once');
	same_rows($node, $database, "$ledger WHERE NOT $fits", "$dead WHERE target = 'fifo'",
		'and the rest are dead letters, once');
	rows_are($node, $database, q{SELECT DISTINCT target, sqlstate FROM eventbus.dead_letters ORDER BY 1},
		"fifo|22000\npicky|23514", 'for the reason that they have') if $size > 2000;
	rows_are($node, $database, q{SELECT id, delivered + dead_lettered = (SELECT count(*) FROM ledger) FROM eventbus.targets WHERE rule = 'all' ORDER BY 1},
		"arrived|t\nfifo|t\npicky|t\nsleepy|t", 'and the counts of the targets say so');
	$self->order_is_kept($_) for qw(arrived picky fifo sleepy);
}

1;
