# Under load, routers, dispatchers, sessions and the server itself are killed
# at random. In the end every committed event has arrived once, in order, and
# none of a transaction that did not commit.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Storm;
use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
my $storm = EventBus::Storm->new($node, 'postgres', publishers => $ENV{EB_STORM_PUBLISHERS} || 6);

$storm->begin;
$storm->kill_something for 1 .. $storm->kills;
$storm->end;
$storm->check;

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|signal 6|signal 11/, 'nobody crashed but who was killed');
unlike($log, qr/invalid memory alloc|could not/, 'no internal error');
$node->stop;
done_testing();
