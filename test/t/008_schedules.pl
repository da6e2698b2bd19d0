# Random interleavings of transactions: each committed event is routed once, in
# causal order, whatever overlaps what.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Schedules;
use EventBus::Test;
use PostgreSQL::Test::Utils;
use Test::More;

# The router takes a snapshot as often as it can, and few events at a time. No
# wake-up can be lost unseen.
my $node = new_node('main', conf => q{
eventbus.batch_interval = 0
eventbus.route_batch_size = 7
eventbus.dispatch_batch_size = 5
eventbus.safety_interval = 1h
fsync = off
});
my $schedules = EventBus::Schedules->new($node, 'postgres');

$schedules->run;
$schedules->check;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 6|signal 11/, 'nobody crashed but who was killed');
$node->stop;
done_testing();
