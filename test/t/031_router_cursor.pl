# The router never writes over another row when its cursor's table is rewritten.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use Test::More;

my $node = new_node('main', conf => "eventbus.safety_interval = 1h\n");
my $events = 0;

sub put_and_route
{
	$node->safe_psql('postgres', q{SELECT eb_put_event('s', 'd', '{}')});
	return all_is_delivered($node, 'postgres', 'event ' . ++$events . ' is delivered');
}

$node->safe_psql('postgres', q{
CREATE TABLE taken (id uuid);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'taken', 'table', 'taken');
});

# The cursor's row is the second on its page and none is before it; then comes
# that of a restored log. Rewritten, the restored log's is the second.
put_and_route()
  until $events > 20 || $node->safe_psql('postgres',
	"SELECT ctid = '(0,2)' FROM eventbus.router_cursor") eq 't';
$node->safe_psql('postgres', q{
INSERT INTO eventbus.router_cursor VALUES (1, '5:5:', NULL, 6, 7, 8, 'epoch');
VACUUM FULL eventbus.router_cursor;
});
rows_are($node, 'postgres', 'SELECT ctid FROM eventbus.router_cursor WHERE generation = 1',
	'(0,2)', 'another row is where the cursor was');

put_and_route();
rows_are($node, 'postgres', q{SELECT last_seq FROM eventbus.router_cursor WHERE generation = 1},
	6, 'the other row is as it was');
rows_are($node, 'postgres', 'SELECT count(*), count(DISTINCT id) FROM taken',
	"$events|$events", 'each event was delivered once');

$node->stop;
done_testing();
