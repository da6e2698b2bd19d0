# A physical standby: nothing of eventbus runs or writes there. When it is
# promoted, its workers go on where those of the primary were.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Storm;
use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'postgres';
my $node = new_node('primary', streaming => 1);

$node->safe_psql($db, q{
CREATE TABLE ledger (i int);
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
});

sub put
{
	my ($on, $first, $last) = @_;
	$on->safe_psql($db, qq{
		BEGIN;
		INSERT INTO ledger SELECT generate_series($first, $last);
		SELECT count(eb_put_event('s', 'd', jsonb_build_object('i', i))) FROM generate_series($first, $last) AS i;
		COMMIT;});
}

put($node, 1, 100);
all_is_delivered($node, $db, 'the primary delivers');
$node->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
put($node, 101, 200);
all_is_delivered($node, $db);
$node->wait_for_catchup($standby);

rows_are($standby, $db, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'eventbus%'},
	'0', 'no worker runs on the standby');
rows_are($standby, $db, 'SELECT count(*) FROM eventbus.events', '200', 'the log can be read there');
rows_are($standby, $db, q{SELECT state FROM eventbus.status WHERE item = 'event log'},
	'on a standby', 'and the status');
fails_with($standby, $db,
	q{SELECT eb_put_events('[{"Source":"s","DetailType":"d","Detail":{}}]')},
	'25006', qr/cannot execute .*eb_put_events.* (in a read-only transaction|during recovery)/,
	'a put on the standby');
fails_with($standby, $db, q{SELECT eb_put_rule('more', event_pattern => '{"source":["t"]}')},
	'25006', qr/read-only transaction|during recovery/, 'a rule on the standby');

# What the primary leaves behind: events that are routed and not delivered,
# such that are not routed, a prepared transaction, and one that never ends.
my $lock = $node->background_psql($db);
$lock->query_safe('BEGIN; LOCK TABLE arrived IN ACCESS EXCLUSIVE MODE');
put($node, 201, 300);
wait_until_routed($node, $db, 'events are routed and wait for a locked table');
my $hold = $node->background_psql($db);
$hold->query_safe('BEGIN; LOCK TABLE eventbus.router_cursor IN SHARE MODE');
put($node, 301, 400);
$node->safe_psql($db, q{
	BEGIN; INSERT INTO ledger VALUES (500); SELECT eb_put_event('s', 'd', '{"i": 500}'); PREPARE TRANSACTION 'p';});
my $open = $node->background_psql($db);
$open->query_safe(q{BEGIN; INSERT INTO ledger VALUES (-1); SELECT eb_put_event('s', 'd', '{"i": -1}')});
put($node, 401, 401);
$node->wait_for_catchup($standby);
rows_are($node, $db, 'SELECT events FROM eventbus.unrouted()', '101', 'others are not even routed');
$node->stop('immediate');

$standby->promote;
wait_for_worker($standby, $db, 'router', 'a router starts after promotion');
all_is_delivered($standby, $db, 'all that the old primary left is delivered');
rows_are($standby, $db,
	q{SELECT count(*), count(DISTINCT detail), bool_and((detail->>'i')::int = i)
	  FROM (SELECT detail, row_number() OVER (ORDER BY arrival) AS i FROM arrived) a},
	'401|401|t', 'each once, in order, and nothing that never committed');
put($standby, 402, 450);
$standby->safe_psql($db, q{COMMIT PREPARED 'p'});
all_is_delivered($standby, $db, 'it goes on');
same_rows($standby, $db, 'SELECT i FROM ledger', q{SELECT (detail->>'i')::int FROM arrived},
	'with nothing lost or doubled');
rows_are($standby, $db, 'SELECT count(*) FROM eventbus.dead_letters', '0', 'no dead letters');

# psql of sessions that the old primary had
$_->{run}->kill_kill for ($lock, $hold, $open);
$standby->stop;

# ---- promoted in the middle of a storm ----

$node = new_node('primary_2', streaming => 1);
$node->backup('backup');
$standby = PostgreSQL::Test::Cluster->new('standby_2');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;

my $storm = EventBus::Storm->new($node, $db, publishers => 4);
$storm->begin;
$storm->kill_something for 1 .. 3;
$storm->wait_for_growth;
$node->wait_for_catchup($standby);
$storm->wait_for_growth;
$node->stop('immediate');
$standby->promote;
$storm->fail_over_to($standby);
$storm->end;
$storm->check;
$standby->stop;
done_testing();
