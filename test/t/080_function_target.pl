# Function targets: what they do is done once, through kills of dispatchers and
# of the server in the middle of their calls; a function that misbehaves harms
# nobody else, one that is slow does not starve the others, and one that
# changes, goes or comes back is called as it is by then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
my $node = new_node('main', conf => "log_min_messages = log\nmax_stack_depth = 500kB");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Waits until a query gives that.
sub becomes
{
	my ($query, $wanted, $name) = @_;
	my $got = '';

	poll_until(sub { ($got = try_query($node, 'postgres', $query) // '') eq $wanted })
	  or diag("got: $got");
	is($got, $wanted, $name);
}

# ---- exactly once -----------------------------------------------------------

sql(q{
	CREATE TABLE ledger (n int);
	CREATE TABLE one_by_one (n int);
	CREATE TABLE by_array (n int);
	CREATE FUNCTION take(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.one_by_one VALUES ((event->'detail'->>'n')::int);
		PERFORM pg_sleep(0.0005);
	END $$;
	CREATE FUNCTION take_array(events jsonb[]) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.by_array SELECT (e->'detail'->>'n')::int FROM unnest(events) e;
		PERFORM pg_sleep(0.01);
	END $$;
	CREATE PROCEDURE put(times int) LANGUAGE plpgsql AS $$
	DECLARE
		last int;
	BEGIN
		FOR i IN 1 .. times LOOP
			SELECT coalesce(max(n), 0) INTO last FROM ledger;
			INSERT INTO ledger SELECT last + k FROM generate_series(1, 100) k;
			PERFORM eb_put_event('ledger', 't', jsonb_build_object('n', last + k)) FROM generate_series(1, 100) k;
			COMMIT;
		END LOOP;
	END $$;
	SELECT eb_put_rule('ledger', '{"source": ["ledger"]}');
	SELECT eb_put_target('ledger', 'one', 'function', 'take');
	SELECT eb_put_target('ledger', 'array', 'function', 'take_array', max_batch_size => 20);
});

# Waits until both have taken more, and there is more to take.
sub in_the_middle
{
	my $seen = 'SELECT (SELECT count(*) FROM one_by_one), (SELECT count(*) FROM by_array)';
	my ($one, $array) = split(/\|/, sql($seen));

	poll_until(sub {
		my ($more, $more_array) = split(/\|/, try_query($node, 'postgres', $seen) // '0|0');
		$more > $one && $more_array > $array;
	}) or die 'nothing is delivered';
}

for my $round (1 .. 3)
{
	sql('CALL put(15)');
	in_the_middle();
	kill_worker($node, 'postgres', 'dispatcher');
	sql('CALL put(5)');
	in_the_middle();
	kill('TERM', worker_pids($node, 'postgres', 'dispatcher'));
	in_the_middle();
	kill_postmaster($node);
	$node->start;
}
all_is_delivered($node, 'postgres', 'after all kills all is delivered');
same_rows($node, 'postgres', 'SELECT n FROM ledger', 'SELECT n FROM one_by_one', 'each event was taken once');
same_rows($node, 'postgres', 'SELECT n FROM ledger', 'SELECT n FROM by_array', 'likewise from arrays');
sql(q{SELECT eb_remove_targets('ledger', '{one,array}'); SELECT eb_delete_rule('ledger')});

# ---- hostile functions ------------------------------------------------------

# Each function, and what becomes of an event. dead: a dead letter of that
# SQLSTATE; failed: the target has failed with it.
my %hostile = (
	commits => [ 'BEGIN COMMIT; END', dead => '2D000' ],
	rolls_back => [ 'BEGIN ROLLBACK; END', dead => '2D000' ],
	sets_role => [ q{BEGIN SET ROLE pg_monitor; END}, failed => '42501' ],
	sets_session => [ q{BEGIN SET SESSION AUTHORIZATION pg_monitor; END}, failed => '42501' ],
	listens => [ 'BEGIN LISTEN x; END', failed => '42501' ],
	makes_temporary => [ 'BEGIN CREATE TEMP TABLE x (n int); END', failed => '42501' ],
	holds_cursor => [ q{DECLARE c refcursor; BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT 1'; END}, failed => '42501' ],
	recurses => [ 'BEGIN PERFORM public.recurses(event); END', dead => '54001' ],
	eats_memory => [ q{DECLARE x text := 'x'; BEGIN LOOP x := x || x; END LOOP; END}, dead => '.*' ],
	raises => [ q{BEGIN RAISE EXCEPTION USING errcode = 'P1234', message = 'no'; END}, dead => 'P1234' ],
	disk_full => [ q{BEGIN RAISE EXCEPTION USING errcode = '53100'; END}, stuck => '53100' ],
	claims_corruption => [ q{BEGIN RAISE EXCEPTION USING errcode = 'XX001'; END}, stuck => 'XX001' ],
	shuts_down => [ q{BEGIN RAISE EXCEPTION USING errcode = '57P01'; END}, stuck => '57P01' ],
	too_slow => [ 'BEGIN PERFORM pg_sleep(1000); END', stuck => '57014' ],
	waits => [ q{BEGIN LOCK TABLE public.locked; END}, stuck => '55P03' ],
	removes_itself => [ q{BEGIN PERFORM public.eb_remove_target('removes_itself', 'x'); END}, gone => '' ],
	terminates => [ 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END', alive => '' ],
	cancels => [ 'BEGIN PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(1); END', stuck => '57014' ],
	leaves_things => [ q{BEGIN
		PERFORM lo_open(lo_create(0), 131072), pg_advisory_lock(1), set_config('work_mem', '64kB', false);
		SET CONSTRAINTS ALL DEFERRED;
		SET lock_timeout = 0;
		SET statement_timeout = 1;
		END}, fine => '' ]);

sql(q{
	CREATE TABLE healthy (n int, at timestamptz DEFAULT clock_timestamp(), sent timestamptz);
	CREATE TABLE locked (n int);
	CREATE FUNCTION take_healthy(event jsonb) RETURNS void LANGUAGE sql AS
		$$INSERT INTO public.healthy VALUES ((event->'detail'->>'n')::int, clock_timestamp(), (event->'detail'->>'sent')::timestamptz)$$;
	SELECT eb_put_rule('healthy', '{"source": ["healthy"]}');
	SELECT eb_put_target('healthy', 'x', 'function', 'take_healthy');
});
for my $name (sort keys %hostile)
{
	my $body = $hostile{$name}->[0];

	sql(qq{
		CREATE FUNCTION $name(event jsonb) RETURNS void LANGUAGE plpgsql AS \$\$$body\$\$;
		SELECT eb_put_rule('$name', '{"source": ["hostile"]}');
		SELECT eb_put_target('$name', 'x', 'function', '$name', maximum_retry_attempts => 0, timeout => '1 s');
	});
}

# Somebody else holds what "waits" wants.
sql("BEGIN; LOCK TABLE locked; PREPARE TRANSACTION 'holder'");

# put_healthy(N): so many events, one by one, 50 per second.
sub put_healthy
{
	my ($n) = @_;

	sql(qq{
		DO \$\$ BEGIN
			FOR i IN 1 .. $n LOOP
				PERFORM eb_put_event('healthy', 't', jsonb_build_object('n', i, 'sent', clock_timestamp()));
				COMMIT;
				PERFORM pg_sleep(0.02);
			END LOOP;
		END \$\$});
}

sql(q{SELECT eb_put_event('hostile', 't', '{}'), eb_put_event('hostile', 't', '{}')});
put_healthy(150);
becomes('SELECT count(*) FROM healthy', 150, 'a healthy function beside got all');
rows_are($node, 'postgres', 'SELECT count(DISTINCT n) FROM healthy', 150, 'once');
for my $name (sort keys %hostile)
{
	my (undef, $end, $sqlstate) = @{ $hostile{$name} };
	my $target = "FROM eventbus.targets WHERE rule = '$name'";

	becomes("SELECT bool_and(sqlstate ~ '^$sqlstate\$') AND count(*) = 2 FROM eventbus.dead_letters WHERE rule = '$name'", 't', "$name: two dead letters")
	  if $end eq 'dead';
	becomes("SELECT state || (last_error LIKE '$sqlstate: %') || (position < 1000000) $target", 'failedtruetrue', "$name: the target has failed")
	  if $end eq 'failed';
	becomes("SELECT last_error LIKE '$sqlstate: %' $target", 't', "$name: its last error is there") if $end eq 'stuck';
	becomes("SELECT count(*) $target", 0, "$name: it is gone") if $end eq 'gone';
	becomes("SELECT delivered $target", 2, "$name: it is delivered") if $end eq 'fine';
}
sql("COMMIT PREPARED 'holder'");
becomes(q{SELECT delivered FROM eventbus.targets WHERE rule = 'waits'}, 2, 'what was locked is delivered when it is free');
rows_are($node, 'postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = 1}, 0, 'no lock stays behind');
sql(q{SELECT eb_remove_target(rule, id), eb_delete_rule(rule) FROM eventbus.targets WHERE rule NOT IN ('healthy', 'removes_itself')});
sql('TRUNCATE healthy');
put_healthy(10);
becomes('SELECT count(*) FROM healthy', 10, 'and things go on without them');

# ---- slow functions ---------------------------------------------------------

sql(q{
	TRUNCATE healthy;
	CREATE FUNCTION sleepy(event jsonb) RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(5); END$$;
	SELECT eb_put_rule('sleepy', '{"source": ["sleepy"]}');
	SELECT eb_put_target('sleepy', n::text, 'function', 'sleepy') FROM generate_series(1, 5) n;
	SELECT eb_put_event('sleepy', 't', '{}');
});
# once each of them is known to be slow
becomes(q{SELECT count(*) FROM eventbus.targets WHERE rule = 'sleepy' AND delivered > 0}, 5, 'slow functions are called, too');
sql(q{SELECT eb_put_event('sleepy', 't', '{}') FROM generate_series(1, 100)});
put_healthy(300);
becomes('SELECT count(*) FROM healthy', 300, 'a healthy function beside slow ones got all');
my ($p95, $max) = split(/\|/, sql(q{
	SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM at - sent)), max(extract(epoch FROM at - sent)) FROM healthy}));
note("beside slow functions: p95 $p95 s, longest $max s");
cmp_ok($max, '<', 4, 'in less time than one call of theirs takes');
rows_are($node, 'postgres', q{SELECT count(*) > 0 FROM eventbus.targets WHERE rule = 'sleepy' AND delivered < 101}, 't', 'which were still at it');
rows_are($node, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'eventbus %' AND xact_start < clock_timestamp() - interval '8 s'}, 0,
	'no transaction takes longer than a call');
sql(q{SELECT eb_remove_target(rule, id) FROM eventbus.targets WHERE rule = 'sleepy'; SELECT eb_delete_rule('sleepy')});

# ---- functions that change --------------------------------------------------

sql(q{
	CREATE ROLE keeper;
	CREATE ROLE maker;
	GRANT eventbus_admin TO keeper;
	CREATE SCHEMA app;
	GRANT USAGE ON SCHEMA app TO keeper, maker;
	CREATE TABLE app.said (what text, who text);
	GRANT INSERT ON app.said TO keeper, maker;
	CREATE FUNCTION app.say(event jsonb) RETURNS void LANGUAGE sql AS $$INSERT INTO app.said VALUES ('first', current_user)$$;
	SET ROLE keeper;
	SELECT eb_put_rule('say', '{"source": ["say"]}');
	SELECT eb_put_target('say', 'x', 'function', 'app.say');
});

# said(SQL, RESULT, NAME): after the change an event comes, and this is said.
sub said
{
	my ($change, $result, $name) = @_;

	sql("$change; TRUNCATE app.said");
	sql(q{SELECT eb_put_event('say', 't', '{}')});
	becomes('SELECT what, who FROM app.said', $result, $name);
}

# fails(SQL, ERROR, MEND, RESULT, NAME): after the change an event waits; when
# it is mended, it is delivered.
sub fails
{
	my ($change, $error, $mend, $result, $name) = @_;

	sql("$change; TRUNCATE app.said");
	sql(q{SELECT eb_put_event('say', 't', '{}')});
	becomes(qq{SELECT state, last_error LIKE '$error%' FROM eventbus.targets WHERE rule = 'say'}, 'failed|t', "$name: the target fails");
	sql($mend);
	sql(q{SET ROLE keeper; SELECT eb_put_target('say', 'x', 'function', 'app.say')}) if $mend !~ /eb_put/;
	becomes('SELECT what, who FROM app.said', $result, "$name: and goes on");
}

said('SELECT', 'first|keeper', 'the owner of the rule calls it');
said(q{CREATE OR REPLACE FUNCTION app.say(event jsonb) RETURNS void LANGUAGE plpgsql AS $$BEGIN INSERT INTO app.said VALUES ('second', current_user); END$$},
	'second|keeper', 'replaced');
said(q{BEGIN; DROP FUNCTION app.say(jsonb); CREATE FUNCTION app.say(event jsonb) RETURNS int LANGUAGE sql AS $$INSERT INTO app.said VALUES ('third', current_user) RETURNING 1$$; COMMIT},
	'third|keeper', 'dropped and made again, of another type');
said('ALTER FUNCTION app.say(jsonb) OWNER TO maker', 'third|keeper', 'given to another role');
said('ALTER FUNCTION app.say(jsonb) SECURITY DEFINER', 'third|maker', 'security definer');
said(q{ALTER FUNCTION app.say(jsonb) SECURITY INVOKER; CREATE FUNCTION app.say(event text) RETURNS void LANGUAGE sql AS 'SELECT'}, 'third|keeper', 'another one of the name');
fails('REVOKE EXECUTE ON FUNCTION app.say(jsonb) FROM PUBLIC', '42501: permission denied for function', 'GRANT EXECUTE ON FUNCTION app.say(jsonb) TO keeper', 'third|keeper', 'no right to call it');
fails('REVOKE USAGE ON SCHEMA app FROM keeper', '42501: permission denied for schema', 'GRANT USAGE ON SCHEMA app TO keeper', 'third|keeper', 'no right to its schema');
fails('ALTER FUNCTION app.say(jsonb) RENAME TO said', '42883: function app.say(jsonb) does not exist', 'ALTER FUNCTION app.said(jsonb) RENAME TO say', 'third|keeper', 'renamed');
fails(q{DROP FUNCTION app.say(jsonb); CREATE PROCEDURE app.say(event jsonb) LANGUAGE sql AS 'SELECT'}, '42809: ',
	q{DROP PROCEDURE app.say(jsonb); CREATE FUNCTION app.say(event jsonb) RETURNS void LANGUAGE sql AS $$INSERT INTO app.said VALUES ('fourth', current_user)$$},
	'fourth|keeper', 'a procedure of the name');
fails('ALTER ROLE keeper RENAME TO kept', '42704: role "keeper" does not exist', 'ALTER ROLE kept RENAME TO keeper', 'fourth|keeper', 'the owner of the rule renamed');
fails('DROP OWNED BY keeper; DROP ROLE keeper', '42704: role "keeper" does not exist',
	q{SELECT eb_put_rule('say', '{"source": ["say"]}'); SELECT eb_put_target('say', 'x', 'function', 'app.say')}, 'fourth|postgres', 'the owner of the rule dropped');

# a superuser's rule now, and a function of somebody who is none
said('ALTER FUNCTION app.say(jsonb) OWNER TO maker', 'fourth|maker', "a superuser does not call another role's function as superuser");

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|signal 6|signal 11/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
