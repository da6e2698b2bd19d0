# Queues under fire: consumers work in several ways at a time while backends and
# the postmaster are killed. Nothing is lost, nothing is done twice, nobody
# receives what somebody else has in flight, groups stay in order. Then what
# needs a whole server: long polls, prepared transactions, maintenance, restore.

use strict;
use warnings;

use lib 'test/perl';
use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $messages = $ENV{EB_QUEUE_MESSAGES} // 3000;
my $kills = $ENV{EB_QUEUE_KILLS} // 6;
my $node = new_node('main');
my $dir = $node->basedir;

$node->safe_psql('postgres', q{
	SELECT eb_create_queue(name, '1 hour', fifo => name = 'groups') FROM unnest('{once,claimed,groups}'::text[]) name;
	SELECT eb_put_rule('all', '{"source":["s"]}');
	SELECT eb_put_target('all', name, 'queue', name) FROM unnest('{once,claimed,groups}'::text[]) name;
	CREATE TABLE done (queue text, i int, grp text, n bigserial);
	CREATE TABLE claimed (i int, handle text);

	-- receives, works and deletes in one transaction; a part of it fails
	CREATE FUNCTION consume(q text, n int, fails boolean) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE m record; taken int := 0;
	BEGIN
		BEGIN
			FOR m IN SELECT * FROM eb_receive_messages(q, n) LOOP
				INSERT INTO done VALUES (q, (m.body -> 'detail' ->> 'i')::int, m.message_group_id);
				PERFORM eb_delete_message(q, m.receipt_handle);
			END LOOP;
			IF fails THEN RAISE EXCEPTION 'no'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
		FOR m IN SELECT * FROM eb_receive_messages(q, n / 2 + 1) LOOP
			INSERT INTO done VALUES (q, (m.body -> 'detail' ->> 'i')::int, m.message_group_id);
			IF NOT eb_delete_message(q, m.receipt_handle) THEN RAISE 'was not in flight'; END IF;
			taken := taken + 1;
		END LOOP;
		RETURN taken;
	END $$;
});

# script(NAME, TEXT): a script for pgbench
sub script
{
	my ($name, $text) = @_;
	append_to_file("$dir/$name.pgbench", $text);
	return "$dir/$name.pgbench";
}

my $in_one = q{
\set n random(1, 20)
\set fails random(0, 2)
\set fate random(0, 9)
BEGIN;
SELECT consume(:'queue', :n, :fails = 0);
\if :fate = 0
\sleep 20 ms
\endif
\if :fate < 3
ROLLBACK;
\else
COMMIT;
\endif
};
my %scripts = (
	once => script('once', $in_one =~ s/:'queue'/'once'/r),
	groups => script('groups', $in_one =~ s/:'queue'/'groups'/r),
	# receives in one transaction, deletes in another, now and then never
	claimed => script('claimed', q{
\set n random(1, 20)
\set fate random(0, 3)
BEGIN;
WITH r AS (SELECT * FROM eb_receive_messages('claimed', :n)),
	i AS (INSERT INTO claimed SELECT (body -> 'detail' ->> 'i')::int, receipt_handle FROM r)
SELECT coalesce(array_agg(receipt_handle), '{}') AS handles FROM r \gset
COMMIT;
\if :fate > 0
SELECT eb_delete_messages('claimed', ':handles');
\endif
}));

# ---- the storm --------------------------------------------------------------

my %running;

# (Re)starts what has ended with its server.
sub start
{
	for my $name (keys %scripts)
	{
		next if $running{$name} && $running{$name}->pumpable;
		$running{$name}->finish if $running{$name};
		$running{$name} = IPC::Run::start(
			[ 'pgbench', '-n', '-c', '3', '-T', '600', '-f', $scripts{$name}, $node->connstr('postgres') ],
			'<', '/dev/null', '>', '/dev/null', '2>', "$dir/$name.err");
	}
}

my $put = 0;
sub put
{
	my ($n) = @_;
	while ($put < $n)
	{
		my $last = $put + 50;
		my $done = try_query($node, 'postgres', qq{
			SELECT count(eb_put_event('s', 'd', jsonb_build_object('i', i), event_group_id => 'g' || i % 5))
			FROM generate_series($put + 1, $last) i});
		# what was put just before the server went away
		$done //= poll_until(sub {
			try_query($node, 'postgres', qq{
				SELECT CASE WHEN count(*) = 50 THEN 1 ELSE -1 END FROM eventbus.events
				WHERE (detail ->> 'i')::int BETWEEN $put + 1 AND $last}) });
		$put = $last if $done > 0;
	}
}

for my $kill (1 .. $kills)
{
	put($messages * $kill / $kills);
	start();
	usleep(300_000);
	if ($kill % 3 == 0)
	{
		kill_postmaster($node);
		$node->start;
	}
	else
	{
		my $pid = try_query($node, 'postgres', q{
			SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' ORDER BY random() LIMIT 1});
		kill('KILL', $pid) if $pid;
		poll_until(sub { defined try_query($node, 'postgres', 'SELECT 1') });
	}
}
put($messages);
all_is_delivered($node, 'postgres', 'all events are messages');
start();
for my $queue ('once', 'groups')
{
	poll_until(
		sub {
			my $n = try_query($node, 'postgres', "SELECT count(DISTINCT i) FROM done WHERE queue = '$queue'");
			start();
			defined $n && $n == $put;
		},
		"queue $queue: all messages are worked off");
}
poll_until(sub {
	start();
	(try_query($node, 'postgres', 'SELECT count(DISTINCT i) FROM claimed') // 0) == $put },
	'queue claimed: all messages are received');
$_->signal('TERM') for values %running;
$_->finish for values %running;

for my $queue ('once', 'groups')
{
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT i) FROM done WHERE queue = '$queue'"),
		"$put|$put", "queue $queue: each once");
	is($node->safe_psql('postgres', "SELECT available, in_flight FROM eventbus.queues WHERE name = '$queue'"),
		'0|0', "queue $queue is empty");
}
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT i) FROM claimed'),
	"$put|$put", 'queue claimed: nobody received what was in flight');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT i, lag(i) OVER (PARTITION BY grp ORDER BY n) AS before
		FROM done WHERE queue = 'groups') AS d WHERE i < before}),
	'0', 'queue groups: each group in its order');
is($node->safe_psql('postgres', q{
	SELECT eb_delete_messages('claimed', array_agg(handle)) + 0 >= 0 FROM claimed}),
	't', 'handles are good for as long as nobody else has received the message');
is($node->safe_psql('postgres', q{SELECT available, in_flight FROM eventbus.queues WHERE name = 'claimed'}),
	'0|0', 'queue claimed is empty then');

# ---- maintenance ------------------------------------------------------------

$node->safe_psql('postgres', 'SELECT eb_run_maintenance()');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM eventbus.message_claims"),
	'claims of what is done are removed');
is($node->safe_psql('postgres', 'SELECT count(*) FROM eventbus.queue_heads WHERE head = ' . $put),
	3, 'heads stand at the end');
is($node->safe_psql('postgres', "SELECT count(*) FROM unnest('{once,claimed,groups}'::text[]) q, eb_receive_messages(q, 10)"),
	0, 'nothing comes back');

# What a round of maintenance does last is done when the next one has begun.
sub maintain
{
	for (1 .. 2)
	{
		$node->safe_psql('postgres', q{
			SELECT eb_send_message('once', '0');
			SELECT eb_delete_messages('once', array_agg(receipt_handle)) FROM eb_receive_messages('once', 10);
			SELECT eb_run_maintenance()});
		$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM eventbus.message_claims');
	}
}

# a partition that is older than all queues keep messages, but for one
$node->safe_psql('postgres', q{
	SELECT eb_create_queue('old');
	CREATE TABLE eventbus.messages_old (LIKE eventbus.messages);
	CREATE INDEX ON eventbus.messages_old (queue_id, number);
	INSERT INTO eventbus.leaves (parent, generation, name, range_start, range_end)
		VALUES ('messages', eventbus.generation(), 'messages_old', '2020-01-01', '2020-01-02');
	DO $$ BEGIN
		EXECUTE format('ALTER TABLE eventbus.%I ATTACH PARTITION eventbus.messages_old FOR VALUES FROM (%L) TO (%L)',
			'messages_' || lpad(to_hex(eventbus.generation()), 8, '0'), '2020-01-01', '2020-01-02');
	END $$;
	INSERT INTO eventbus.messages (appended_at, sent_at, number, queue_id, generation, id, body)
		SELECT '2020-01-01', now(), 1, queue_id, eventbus.generation(), gen_random_uuid(), '"kept"'
		FROM eventbus.queue WHERE name = 'old';
});
my $old = "FROM eventbus.leaves WHERE name = 'messages_old'";
maintain();
is($node->safe_psql('postgres', "SELECT count(*) $old"), 1, 'a partition stays as long as a message in it is kept');
is($node->safe_psql('postgres', "BEGIN; SELECT body FROM eb_receive_messages('old'); ROLLBACK"),
	'"kept"', 'which can be received');
$node->safe_psql('postgres', q{UPDATE eventbus.messages SET sent_at = now() - interval '5 days' WHERE body = '"kept"'});
is($node->safe_psql('postgres', q{SELECT body FROM eb_receive_messages('old')}), '', 'until it is too old');
maintain();
is($node->safe_psql('postgres', "SELECT count(*) $old"), 0, 'then the partition goes');
is($node->safe_psql('postgres', q{
	SELECT eb_send_message('old', '"new"') IS NOT NULL;
	SELECT body FROM eb_receive_messages('old')}), qq(t\n"new"), 'and the queue goes on');

# ---- long polls -------------------------------------------------------------

my $poll = $node->background_psql('postgres', on_error_stop => 0);
my $since = time;
$poll->query_until(qr/asleep/, "\\echo asleep\nSELECT body FROM eb_receive_messages('once', 1, NULL, '1 hour');\n");
ok($node->poll_query_until('postgres', q{
	SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%1 hour%' AND wait_event_type = 'Extension')}),
	'a receive sleeps');
$node->safe_psql('postgres', q{SELECT eb_send_message('once', '"wake up"')});
like($poll->query('SELECT 1'), qr/wake up/, 'and is woken by a commit');
cmp_ok(time - $since, '<', $EventBus::Test::bound, 'soon');
$poll->query_until(qr/asleep/, "\\echo asleep\nSELECT body FROM eb_receive_messages('once', 1, NULL, '1 hour') AS again;\n");
ok($node->poll_query_until('postgres', q{
	SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%AS again%' AND wait_event_type = 'Extension'}),
	'it can be cancelled');
$poll->quit;
is($node->safe_psql('postgres', q{
	SELECT eb_send_message('once', '"short"') IS NOT NULL;
	SELECT body FROM eb_receive_messages('once', 1, '300 ms');
	SELECT body, receive_count FROM eb_receive_messages('once', 1, NULL, '1 hour');
}), qq{t\n"short"\n"short"|2}, 'the end of a claim ends the wait');

# ---- prepared transactions --------------------------------------------------

$node->safe_psql('postgres', q{
	SELECT eb_purge_queue('once');
	SELECT eb_send_message('once', to_jsonb(i)) FROM generate_series(1, 2) i;
	BEGIN;
	SELECT FROM eb_receive_messages('once', 1);
	PREPARE TRANSACTION 'one';
	BEGIN;
	SELECT FROM eb_receive_messages('once', 1);
	PREPARE TRANSACTION 'two';
});
is($node->safe_psql('postgres', q{SELECT body FROM eb_receive_messages('once', 10)}),
	'', 'what prepared transactions have received is in flight');
$node->restart;
is($node->safe_psql('postgres', q{SELECT body FROM eb_receive_messages('once', 10)}),
	'', 'after a restart, too');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'one'});
is($node->safe_psql('postgres', q{SELECT body FROM eb_receive_messages('once', 10, '0')}),
	'1', 'rolled back, it is visible again');
$node->safe_psql('postgres', q{COMMIT PREPARED 'two'});
is($node->safe_psql('postgres', q{SELECT body FROM eb_receive_messages('once', 10, '0')}),
	'1', 'committed, it is not');

# ---- restore ----------------------------------------------------------------

$node->safe_psql('postgres', q{
	SELECT eb_purge_queue('once');
	SELECT eb_send_message('once', to_jsonb(i), '{"a": 1}') FROM generate_series(1, 6) i;
	SELECT eb_delete_messages('once', array_agg(receipt_handle)) FROM eb_receive_messages('once', 2);
	SELECT FROM eb_receive_messages('once', 2);
	SELECT eb_send_message('groups', to_jsonb(i), NULL, 'g' || i % 2) FROM generate_series(1, 4) i;
});
sub copy_to
{
	my ($from, $to) = @_;

	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/$to.dump", $node->connstr($from) ], "$from is dumped");
	$node->safe_psql('postgres', "CREATE DATABASE $to");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($to), "$dir/$to.dump" ],
		"$to is restored");
	$node->safe_psql($to, 'SELECT eb_run_maintenance()');
	ok($node->poll_query_until($to,
		"SELECT coalesce((SELECT available = 4 AND in_flight = 0 FROM eventbus.queues WHERE name = 'once'), false)"),
		"$to has the messages that were not done, also those in flight");
}
copy_to('postgres', 'copy');
copy_to('copy', 'copy_of_copy');
is($node->safe_psql($_, q{
	SELECT string_agg(body::text, ' ' ORDER BY sent_at), min(attributes::text), max(receive_count) FROM eb_receive_messages('once', 10);
	SELECT string_agg(body::text, ' ' ORDER BY sent_at) FROM eb_receive_messages('groups', 10);
	SELECT available, in_flight FROM eventbus.queues WHERE name = 'once';
}), qq(3 4 5 6|{"a": 1}|1\n1 2 3 4\n0|4), "they are received in $_") for 'copy', 'copy_of_copy';
is($node->safe_psql('postgres', q{SELECT available, in_flight FROM eventbus.queues WHERE name = 'once'}),
	'2|2', 'the source has not changed');

$node->stop;
done_testing();
