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

diag('EB_STORM_KILLS=' . $storm->kills);
$storm->begin;
$storm->kill_something for 1 .. $storm->kills;
$storm->end;
$storm->check;

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|signal 6|signal 11/, 'nobody crashed but who was killed');

# lines of sessions have a name between pid and level, those of workers none
my %errors = map { $_ => 1 } $log =~ /\[\d+\] ((?:ERROR|FATAL): .*)/g;
# a target that is put again or removed while a batch is delivered to it: the
# batch is done again
delete @errors{ grep { /due to (user request|administrator command|a concurrent change)$/ } keys %errors };
is(join("\n", sort keys %errors), '', 'no worker failed but who was told to end, or came too late');
$node->stop;
done_testing();
