# A physical copy: pg_basebackup taken under load, opened for writing beside
# its source. Both go on for themselves: what was committed when the copy was
# taken is delivered once at the source, and once in the copy, into its own
# tables. Neither sees what is put at the other one.

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
my $source = new_node('source', streaming => 1);
my $storm = EventBus::Storm->new($source, $db, publishers => 3);

$storm->begin;
$storm->wait_for_growth;
$source->backup('backup');
$storm->wait_for_growth;

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($source, 'backup');
$copy->start;
wait_for_worker($copy, $db, 'router', 'the copy has a router');
$copy->safe_psql($db, q{SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts \gexec});
$copy->safe_psql($db, q{
	BEGIN;
	INSERT INTO ledger VALUES (99, 1, 1, false);
	SELECT eb_put_events('[{"Source":"storm","DetailType":"e","EventBusName":"storm","Detail":{"p":99,"n":1,"k":1}}]');
	COMMIT});
$storm->end;

for my $node ($source, $copy)
{
	my $name = $node->name;

	note($name);
	$storm->fail_over_to($node);
	$storm->check;
	rows_are($node, $db, 'SELECT count(*) FROM arrived WHERE (detail->>\'p\')::int = 99',
		$name eq 'copy' ? '1' : '0', "$name: an event of the copy is there only");
}
$copy->stop;
$source->stop;
done_testing();
