# EventBus::Schedules: random interleavings of transactions, one step at a time.
#
# Several sessions, each a psql that is fed one statement at a time. A schedule
# is an interleaving of the steps of all their transactions: begin, put, take
# an xid, savepoints, prepare, commit and so on. Some steps are sent before the
# one of another session has returned. One session is slow: its transactions
# stay open over many schedules. Between the steps the router may be stopped,
# killed, held, or waited for.
#
#	my $schedules = EventBus::Schedules->new($node, 'postgres');
#	$schedules->run;
#	$schedules->check;			# TAP tests
#
# The driver knows what each transaction came to. A clock that ticks with each
# statement sent and each that has returned says what came before what: an
# event whose COMMIT had returned when the call for another one was sent must
# be first at every target.
#
# EB_SCHEDULES sets how many there are; EB_SCHEDULES_SEED repeats a run, but
# for what the server does meanwhile. A test that fails shows a schedule.

package EventBus::Schedules;

use strict;
use warnings;

use EventBus::Storm ();
use EventBus::Test;
use IO::Select;
use IPC::Open2;
use PostgreSQL::Test::Utils;
use Test::More;

use constant SESSIONS => 5;		# session 0 is the slow one
use constant PREPARED => 15;	# most transactions left prepared
use constant ASYNC => 0.3;		# share of steps whose end is not waited for

# new(NODE, DATABASE): makes the targets.
sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless {
		node => $node,
		database => $database,
		schedules => $ENV{EB_SCHEDULES} || 300,
		seed => $ENV{EB_SCHEDULES_SEED} || time % 1000000,
		clock => 0,
		schedule => 0,		# number of the current one
		events => [],		# of all transactions, by number
		transactions => 0,
		prepared => {},		# by name: the events of each
		trace => [],		# by schedule: what was sent
		done => {} }, $class;

	diag("EB_SCHEDULES=$self->{schedules} EB_SCHEDULES_SEED=$self->{seed}");
	srand($self->{seed});
	$node->safe_psql($database, q{
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb);
-- not plain: another way to deliver, and to every other event
CREATE TABLE checked (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb, CHECK (arrival > 0));
CREATE TABLE expected (e int, x int, sent int, returned int);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
SELECT eb_put_rule('odd', event_pattern => '{"detail":{"odd":[true]}}');
SELECT eb_put_target('odd', 'checked', 'table', 'checked');
});
	return $self;
}

# ---- sessions ---------------------------------------------------------------

sub open_session
{
	my ($self, $number) = @_;
	my $session = { number => $number, buffer => '' };

	$session->{pid} = open2($session->{out}, $session->{in},
		'psql', '-XAtq', '-d', $self->{node}->connstr($self->{database}));
	print { $session->{in} } "\\o /dev/null\n\\set VERBOSITY sqlstate\n";
	return $session;
}

sub open_sessions
{
	my ($self) = @_;
	$self->{sessions} = [ map { $self->open_session($_) } 0 .. SESSIONS - 1 ];
	$self->{holder} = $self->open_session('-');
}

sub close_sessions
{
	my ($self) = @_;

	for my $session (@{ delete $self->{sessions} }, delete $self->{holder})
	{
		close($session->{in});
		waitpid($session->{pid}, 0);
		close($session->{out});
	}
}

# send_step(SESSION, SQL, CODE): CODE gets the SQLSTATE when it has returned.
sub send_step
{
	my ($self, $session, $sql, $code) = @_;

	push @{ $self->{trace}->[ $self->{schedule} ] }, "$session->{number}: $sql";
	$session->{returned} = $code;
	$self->{clock}++;
	print { $session->{in} } "$sql;\n\\echo :SQLSTATE\n";
	$session->{in}->flush;
}

# Waits until the statement of a session, if there is one, has returned.
sub finish_step
{
	my ($self, $session) = @_;
	my $code = delete $session->{returned} or return;
	my $select = IO::Select->new($session->{out});

	until ($session->{buffer} =~ /\n/)
	{
		$select->can_read($PostgreSQL::Test::Utils::timeout_default)
		  or die "no answer from session $session->{number}\n" . $self->show_trace($self->{schedule});
		sysread($session->{out}, $session->{buffer}, 1000, length $session->{buffer})
		  or die "session $session->{number} is gone\n" . $self->show_trace($self->{schedule});
	}
	$self->{clock}++;
	chomp(my $sqlstate = $session->{buffer});
	$session->{buffer} = '';
	$code->($sqlstate);
}

sub finish_steps
{
	my ($self) = @_;
	$self->finish_step($_) for @{ $self->{sessions} };
}

# ---- steps ------------------------------------------------------------------
#
# Each takes (session, its transaction) and returns SQL and what to do when it
# has returned. A transaction has events, and savepoints with the number of
# events that were before them.

sub begin
{
	my ($self, $session) = @_;
	my $level = (('READ COMMITTED') x 4, 'REPEATABLE READ', 'SERIALIZABLE')[ rand(6) ];

	return ("BEGIN ISOLATION LEVEL $level", sub {
			$session->{transaction} = { x => ++$self->{transactions}, events => [], savepoints => [] };
		});
}

# Some new events and the array of their entries.
sub new_events
{
	my ($self, $x, $many) = @_;
	my (@events, @entries);

	for (1 .. ($many // 1 + int(rand(3))))
	{
		my $event = { e => scalar(@{ $self->{events} }), x => $x, sent => $self->{clock} + 1 };
		my $odd = $event->{e} % 2 ? 'true' : 'false';

		push @{ $self->{events} }, $event;
		push @events, $event;
		push @entries, qq({"Source":"s","DetailType":"d","Detail":{"e":$event->{e},"s":$self->{schedule},"odd":$odd}});
	}
	return (\@events, "'[" . join(',', @entries) . "]'");
}

# What happens when a statement of a transaction fails.
sub fails
{
	my ($self, $transaction, $sqlstate) = @_;

	return 0 if $sqlstate eq '00000';
	$self->{errors}->{$sqlstate}++;
	$transaction->{failed} = 1;
	return 1;
}

sub plain
{
	my ($self, $transaction, $sql) = @_;
	return ($sql, sub { $self->fails($transaction, @_) });
}

sub put
{
	my ($self, $session, $transaction) = @_;
	my ($events, $entries) = $self->new_events($transaction->{x});

	return ("SELECT eb_put_events($entries)", sub {
			$self->fails($transaction, @_) or push @{ $transaction->{events} }, @$events;
		});
}

# in a subtransaction that is rolled back, beside one that is not
sub put_caught
{
	my ($self, $session, $transaction) = @_;
	my ($events, $entries) = $self->new_events($transaction->{x});
	my (undef, $lost) = $self->new_events(0);

	return (qq{DO \$\$BEGIN
	BEGIN PERFORM eb_put_events($lost); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN END;
	BEGIN PERFORM eb_put_events($entries); EXCEPTION WHEN division_by_zero THEN END; END\$\$},
		sub { $self->fails($transaction, @_) or push @{ $transaction->{events} }, @$events; });
}

sub take_xid { return plain(@_[ 0, 2 ], 'SELECT pg_current_xact_id()'); }
sub look { return plain(@_[ 0, 2 ], 'SELECT count(*) FROM arrived'); }
sub err { return plain(@_[ 0, 2 ], 'SELECT 1/0'); }

sub savepoint
{
	my ($self, $session, $transaction) = @_;
	my $name = 's' . @{ $transaction->{savepoints} };

	return ("SAVEPOINT $name", sub {
			push @{ $transaction->{savepoints} }, scalar(@{ $transaction->{events} });
		});
}

sub rollback_to
{
	my ($self, $session, $transaction) = @_;
	my $at = int(rand(@{ $transaction->{savepoints} }));

	return ("ROLLBACK TO s$at", sub {
			$transaction->{failed} = 0;
			$#{ $transaction->{savepoints} } = $at;
			$#{ $transaction->{events} } = $transaction->{savepoints}->[$at] - 1;
		});
}

sub release
{
	my ($self, $session, $transaction) = @_;
	my $at = int(rand(@{ $transaction->{savepoints} }));

	return ("RELEASE s$at", sub { $#{ $transaction->{savepoints} } = $at - 1; });
}

# These events are committed.
sub committed
{
	my ($self, $events) = @_;
	$_->{returned} = $self->{clock} for @$events;
}

sub commit
{
	my ($self, $session, $transaction) = @_;

	return ('COMMIT', sub {
			$session->{transaction} = undef;
			$self->fails($transaction, @_);
			$self->committed($transaction->{events}) unless $transaction->{failed};
		});
}

sub rollback
{
	my ($self, $session) = @_;
	return ('ROLLBACK', sub { $session->{transaction} = undef; });
}

sub prepare
{
	my ($self, $session, $transaction) = @_;
	my $name = "x$transaction->{x}";

	return ("PREPARE TRANSACTION '$name'", sub {
			$session->{transaction} = undef;
			$self->fails($transaction, @_);
			$self->{prepared}->{$name} = $transaction->{events} unless $transaction->{failed};
		});
}

sub end_prepared
{
	my ($self) = @_;
	my @names = sort keys %{ $self->{prepared} };
	my $name = $names[ rand(@names) ];
	my $events = delete $self->{prepared}->{$name};

	return ("ROLLBACK PREPARED '$name'", sub { }) if rand() < 0.2;
	return ("COMMIT PREPARED '$name'", sub {
			$_[0] eq '00000' or die "COMMIT PREPARED '$name' failed: $_[0]";
			$self->committed($events);
		});
}

# a transaction of its own
sub put_only
{
	my ($self) = @_;
	my ($events, $entries) = $self->new_events(++$self->{transactions});

	return ("SELECT eb_put_events($entries)", sub {
			$_[0] eq '00000' ? $self->committed($events) : $self->{errors}->{ $_[0] }++;
		});
}

# Chooses the next step of a session from those that are possible.
sub choose_step
{
	my ($self, $session) = @_;
	my $transaction = $session->{transaction};
	my $prepared = keys %{ $self->{prepared} };
	my @steps;

	if (!$transaction)
	{
		@steps = ([ 6, \&begin ], [ 2, \&put_only ], [ $prepared / 4, \&end_prepared ]);
	}
	else
	{
		my $savepoints = @{ $transaction->{savepoints} };

		@steps = ([ 10, \&put ], [ 1, \&put_caught ], [ 1, \&take_xid ], [ 0.5, \&look ], [ 0.3, \&err ],
			[ 3, \&savepoint ], [ $savepoints ? 1 : 0, \&release ], [ 4, \&commit ],
			[ $prepared < PREPARED ? 1.5 : 0, \&prepare ]) unless $transaction->{failed};
		@steps = ([ 1, \&commit ], [ 1, \&prepare ]) if $transaction->{failed};
		push @steps, [ 1, \&rollback ], [ $savepoints ? 2 : 0, \&rollback_to ];
	}
	return EventBus::Storm::choose(@steps)->[1]->($self, $session, $transaction);
}

# ---- the router's turns -----------------------------------------------------

# A statement of the session that is no part of schedules.
sub control
{
	my ($self, $sql) = @_;

	$self->send_step($self->{holder}, $sql, sub {
			$_[0] eq '00000' or die "$sql failed: $_[0]\n" . $self->show_trace($self->{schedule});
		});
	$self->finish_step($self->{holder});
}

sub let_go
{
	my ($self) = @_;
	$self->control('COMMIT') if delete $self->{held};
}

# The router cannot write its cursor until it is let go.
sub hold
{
	my ($self) = @_;

	return $self->let_go if $self->{held};
	$self->control('BEGIN; LOCK TABLE eventbus.router_cursor IN SHARE MODE');
	$self->{held} = 1;
}

sub wait_for_delivery
{
	my ($self) = @_;

	$self->let_go;
	$self->control(q{SELECT 1 / eb_wait_until_delivered('60 s')::int});
}

sub terminate_router
{
	my ($self) = @_;
	my $pid = worker_pid($self->{node}, $self->{database}, 'router') or return;
	kill('TERM', $pid);
}

# ends all sessions, and so their transactions, unless they are prepared
sub kill_router
{
	my ($self) = @_;

	$self->finish_steps;
	$self->let_go;
	kill_worker($self->{node}, $self->{database}, 'router');
	$self->close_sessions;
	$self->open_sessions;
}

our @turns = (
	[ 1, 'wait', \&wait_for_delivery ],
	[ 1, 'hold', \&hold ],
	[ 0.03, 'terminate', \&terminate_router ],
	[ 0.003, 'kill', \&kill_router ],
	[ 60, 'none', sub { } ]);

# ---- schedules --------------------------------------------------------------

# One step of one session.
sub step
{
	my ($self, $session) = @_;
	my $turn = EventBus::Storm::choose(@turns);

	if ($turn->[1] ne 'none')
	{
		push @{ $self->{trace}->[ $self->{schedule} ] }, $turn->[1];
		$self->{done}->{ $turn->[1] }++;
		$turn->[2]->($self);
		$session = $self->{sessions}->[ $session->{number} ];
	}
	$self->finish_step($session);
	$self->send_step($session, $self->choose_step($session));
	$self->finish_step($session) if rand() > ASYNC;
}

# Steps until each session but the slow one has had some and is at an end.
sub run_schedule
{
	my ($self) = @_;
	my %left = map { $_ => 2 + int(rand(7)) } 1 .. SESSIONS - 1;

	while (my @open = sort keys %left)
	{
		my $number = rand() < 0.03 ? 0 : $open[ rand(@open) ];

		$self->step($self->{sessions}->[$number]);
		$self->finish_step($self->{sessions}->[$number]) if ($left{$number} // 1) <= 1;
		delete $left{$number} if exists $left{$number} && --$left{$number} <= 0
		  && !$self->{sessions}->[$number]->{transaction};
	}
}

# Ends whatever is open, and the sessions.
sub end
{
	my ($self) = @_;

	$self->let_go;
	for my $session (@{ $self->{sessions} })
	{
		$self->finish_step($session);
		$self->send_step($session, $self->commit($session, $session->{transaction})) if $session->{transaction};
		$self->finish_step($session);
	}
	while (%{ $self->{prepared} })
	{
		$self->send_step($self->{sessions}->[0], $self->end_prepared);
		$self->finish_step($self->{sessions}->[0]);
	}
	$self->close_sessions;
}

sub run
{
	my ($self) = @_;

	$self->open_sessions;
	for my $schedule (1 .. $self->{schedules})
	{
		$self->{schedule} = $schedule;
		$self->run_schedule;
	}
	$self->end;
	diag("$self->{schedules} schedules of $self->{transactions} transactions, "
		  . scalar(@{ $self->{events} }) . " events; "
		  . join(', ', map { "$self->{done}->{$_} x $_" } sort keys %{ $self->{done} }));
}

# ---- what must be true afterwards -------------------------------------------

sub show_trace
{
	my ($self, $schedule) = @_;
	return join("\n", "schedule $schedule:", @{ $self->{trace}->[$schedule] // [] }) . "\n";
}

# A test that a query for numbers of schedules has no row; shows the first one.
sub no_schedule
{
	my ($self, $sql, $name) = @_;
	my $found = $self->{node}->safe_psql($self->{database}, "$sql ORDER BY 1 LIMIT 5");

	is($found, '', $name) or diag($self->show_trace((split(/\n/, $found))[0]));
}

# Of any two events, the one that was committed when the other was put is first;
# those of one transaction are in order.
sub order_is_kept
{
	my ($self, $table) = @_;

	$self->no_schedule(qq{
WITH a AS (SELECT arrival, e, x, sent, returned, (detail->>'s')::int AS schedule
		   FROM $table JOIN expected ON e = (detail->>'e')::int),
	 b AS (SELECT a.*,
			max(sent) OVER (ORDER BY arrival) AS latest,
			max(e) OVER (PARTITION BY x ORDER BY arrival) AS within
		   FROM a)
SELECT DISTINCT schedule FROM b WHERE returned < latest OR e < within},
		"$table: in causal order");
}

sub check
{
	my ($self) = @_;
	my ($node, $database) = @{$self}{qw(node database)};
	my $rows = join('', map { "$_->{e}\t$_->{x}\t$_->{sent}\t$_->{returned}\n" }
		grep { $_->{returned} } @{ $self->{events} });
	my $file = $node->basedir . '/expected';

	append_to_file($file, $rows);
	$node->safe_psql($database, "\\copy expected FROM '$file'");
	all_is_delivered($node, $database);
	cmp_ok($node->safe_psql($database, 'SELECT count(*) FROM expected'), '>', 3 * $self->{schedules},
		'enough of it was committed');
	for my $table (qw(arrived checked))
	{
		my $some = $table eq 'checked' ? 'WHERE e % 2 = 1' : '';

		same_rows($node, $database, "SELECT e FROM expected $some", "SELECT (detail->>'e')::int FROM $table",
			"$table: each committed event arrived once, and no other");
		$self->order_is_kept($table);
	}
	rows_are($node, $database, 'SELECT count(*) FROM eventbus.dead_letters', '0', 'no dead letters');
	# 40001: serializable transactions
	is(join(' ', grep { $_ !~ /^(22012|40001)$/ } sort keys %{ $self->{errors} }), '',
		'no statement failed but those that should');
}

1;
