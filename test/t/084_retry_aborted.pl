# A batch of retries that could not be committed: what it had found out of them
# has not come true, and they are tried again. And a target that fails all of its
# events keeps its backlog in the log, however small its batches are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'postgres';
my $node = new_node('main', conf => q{
eventbus.target_lock_timeout = 60s
eventbus.dispatch_batch_size = 1
});

$node->safe_psql($db, q{
CREATE SEQUENCE calls;
CREATE TABLE inbox (call bigint);
-- fails at its first call, and waits at its second
CREATE FUNCTION take(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	call bigint := nextval('public.calls');
BEGIN
	IF call = 1 THEN
		RAISE 'not yet' USING ERRCODE = 'data_exception';
	END IF;
	PERFORM pg_advisory_xact_lock(1) WHERE call = 2;
	INSERT INTO public.inbox VALUES (call);
END $$;
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
});

my $gate = $node->background_psql($db);
$gate->query_safe('SELECT pg_advisory_lock(1)');
$node->safe_psql($db, q{
SELECT eb_put_target('all', 'take', 'function', 'take');
SELECT eb_put_event('s', 't', '{}');
});
poll_until(sub { (try_query($node, $db, 'SELECT last_value FROM calls') // '') eq '2' }, 'a retry is under way');

my $lock = $node->background_psql($db);
$lock->query_safe('BEGIN; SELECT 1 FROM eventbus.target_positions FOR UPDATE');
$gate->query_safe('SELECT pg_advisory_unlock(1)');
poll_until(sub {
	(try_query($node, $db, q{SELECT bool_and(state = 'idle') FROM pg_stat_activity WHERE backend_type LIKE '%dispatcher%'}) // '') eq 't';
}, 'it has ended');
rows_are($node, $db, 'SELECT count(*) FROM inbox', '0', 'without effect: the position was locked');
$lock->query_safe('COMMIT');
all_is_delivered($node, $db, 'it is tried once more');
rows_are($node, $db, 'SELECT call FROM inbox', '3', 'and arrives, once');
rows_are($node, $db, 'SELECT count(*) FROM eventbus.delivery_retries', '0', 'nothing is left to retry');

$lock->quit;
$gate->quit;

# ---- batches of one ----

$node->safe_psql($db, q{
SELECT eb_remove_target('all', 'take');
CREATE TABLE nothing (id uuid CHECK (id IS NULL));
SELECT eb_put_target('all', 'nothing', 'table', 'nothing');
SELECT count(eb_put_event('s', 't', '{}')) FROM generate_series(1, 400);
});
poll_until(sub { (try_query($node, $db, 'SELECT count(*) FROM eventbus.delivery_retries') // 0) >= 100 }, 'many events fail');
poll_until(sub {
	(try_query($node, $db, q{SELECT bool_and(state = 'idle') FROM pg_stat_activity WHERE backend_type LIKE '%dispatcher%'}) // '') eq 't';
}, 'the dispatchers have a rest');
cmp_ok($node->safe_psql($db, 'SELECT count(*) FROM eventbus.delivery_retries'), '<', 200, 'and most of the events wait in the log');

$node->stop;
done_testing();
