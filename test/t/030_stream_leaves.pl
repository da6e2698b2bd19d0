# A backlog that goes over two leaves of the delivery stream is delivered whole,
# also when the target fails in between.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use Test::More;

my $node = new_node('main', conf => "eventbus.safety_interval = 1h\n");

sub put_and_route
{
	my ($n) = @_;

	$node->safe_psql('postgres', qq{SELECT eb_put_event('s', 'd', '{"n":$n}')});
	wait_until_routed($node, 'postgres', "event $n is routed");
}

# The clock of the stream jumps a day ahead: the next rows go to another leaf.
sub jump_to_next_leaf
{
	my $router = worker_pid($node, 'postgres', 'router');

	$node->safe_psql('postgres',
		q{UPDATE eventbus.router_cursor SET routed_at = routed_at + interval '1 day'});
	kill('TERM', $router);
	wait_for_new_worker($node, 'postgres', 'router', $router, 'a new router starts there');
}

$node->safe_psql('postgres', q{
CREATE TABLE taken (detail jsonb);
SELECT eb_put_rule('all', event_pattern => '{"source":["s"]}');
SELECT eb_put_target('all', 'taken', 'table', 'taken');
});
put_and_route(1);
all_is_delivered($node, 'postgres', 'the first event is delivered');

$node->safe_psql('postgres', 'ALTER TABLE taken RENAME TO elsewhere');
put_and_route(2);
jump_to_next_leaf();
put_and_route(3);
rows_are($node, 'postgres', 'SELECT count(DISTINCT tableoid) FROM eventbus.deliveries',
	2, 'what waits is in two leaves');
ok( $node->poll_query_until('postgres', q{
		SELECT state = 'failed' AND attempts > 2 FROM eventbus.target_positions}),
	'the target has failed on it');

$node->safe_psql('postgres', q{
ALTER TABLE elsewhere RENAME TO taken;
SELECT eb_put_target('all', 'taken', 'table', 'taken');
});
all_is_delivered($node, 'postgres');
rows_are($node, 'postgres', q{SELECT string_agg(detail->>'n', ' ') FROM taken},
	'1 2 3', 'nothing was left out');

$node->stop;
done_testing();
