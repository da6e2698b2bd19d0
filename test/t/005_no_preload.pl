# Without shared_preload_libraries the SQL works and says that nothing is
# delivered; what was published then is routed once the library is preloaded.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', preload => 0);
my $db = 'postgres';

my ($status, $out, $err) = $node->psql($db, 'CREATE EXTENSION eventbus');
is($status, 0, 'CREATE EXTENSION works');
like($err, qr/WARNING:.*not preloaded.*HINT:.*shared_preload_libraries/s, 'warns, and says what to do');
($status, $out, $err) = $node->psql($db, 'SELECT 1');
is($err, '', 'later sessions are not bothered');

$node->safe_psql($db, q{
CREATE TABLE arrived (arrival bigint GENERATED ALWAYS AS IDENTITY, detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'arrived', 'table', 'arrived');
SELECT count(eb_put_event('s', 'd', jsonb_build_object('i', i))) FROM generate_series(1, 100) AS i;
BEGIN; SELECT eb_put_event('s', 'd', '{"i": -1}'); ROLLBACK;
BEGIN; SELECT eb_put_event('s', 'd', '{"i": 101}'); PREPARE TRANSACTION 'before';
});
rows_are($node, $db, 'SELECT count(*) FROM eventbus.events', '100', 'publishing works');
fails_with($node, $db, 'SELECT eb_wait_until_delivered()', '55000',
	qr/no eventbus worker runs.*HINT:.*shared_preload_libraries.*restart/s,
	'waiting for what nobody does');
rows_are($node, $db, q{SELECT item, state FROM eventbus.status WHERE item = 'workers'},
	'workers|not preloaded', 'the status says why nothing is delivered');
rows_are($node, $db, 'SELECT events FROM eventbus.unrouted()', '100', 'and how much waits');
rows_are($node, $db, 'SELECT count(*) FROM arrived', '0', 'nothing is delivered');

$node->restart;
rows_are($node, $db, 'SELECT events FROM eventbus.unrouted()', '100', 'it waits through a restart');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'eventbus'");
$node->restart;
$node->safe_psql($db, q{COMMIT PREPARED 'before'});
all_is_delivered($node, $db, 'once preloaded, all is delivered');
rows_are($node, $db,
	q{SELECT count(*), bool_and((detail->>'i')::int = arrival) FROM arrived},
	'101|t', 'each once, in order, and none that was rolled back');

# and back: what is kept is not touched
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->safe_psql($db, q{SELECT eb_put_event('s', 'd', '{"i": 102}')});

# a copy that no worker has seen takes targets and events
$node->safe_psql('template1', "CREATE DATABASE copy TEMPLATE $db");
$node->safe_psql('copy', q{
SELECT eb_put_target('all', 'too', 'table', 'arrived');
SELECT eb_put_event('s', 'd', '{"i": 1000}');
});

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'eventbus'");
$node->restart;
all_is_delivered($node, $db, 'preloaded again');
rows_are($node, $db, 'SELECT count(*), max(arrival) FROM arrived', '102|102', 'goes on where it was');
all_is_delivered($node, 'copy', 'and delivers in the copy');
rows_are($node, 'copy', q{SELECT count(*) FROM arrived WHERE detail = '{"i": 1000}'},
	'2', 'to the old target and to the new one');

$node->stop;
done_testing();
