# A dump takes along what is configured and what is kept, and the database it
# is restored to goes on with a log of its own: new events are delivered.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'eventbus'\n");
$node->start;

# What lists say of buses, rules and targets, without what delivering changes.
my $lists = q{
	SELECT * FROM eventbus.event_buses ORDER BY name;
	SELECT * FROM eventbus.rules ORDER BY event_bus, name;
	SELECT event_bus, rule, id, target_id, type, resource, parameters, created_at
	  FROM eventbus.targets ORDER BY event_bus, rule, id;
	SELECT event_bus, id, event FROM eventbus.events ORDER BY seq, ord;
};

sub dump_to
{
	my ($from, $to, @options) = @_;
	my $file = $node->basedir . "/$from.dump";
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $file, $node->connstr($from) ], "$from is dumped");
	$node->safe_psql('postgres', "CREATE DATABASE $to");
	$node->command_ok([ 'pg_restore', '--exit-on-error', @options, '-d', $node->connstr($to), $file ],
		"$to is restored");
}

sub delivered
{
	my ($database, $number, $name) = @_;
	ok($node->poll_query_until($database, 'SELECT count(*) FROM inbox', $number), $name);
}

$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION eventbus;
	SELECT eb_create_event_bus('orders', 'of the shop');
	SELECT eb_create_event_bus('old');
	SELECT eb_put_event('s', 'Old', '{}', 'old');
	SELECT eb_delete_event_bus('old');
	CREATE TABLE inbox (id uuid PRIMARY KEY, detail jsonb);
	SELECT eb_put_rule('all', '{"source":["s"]}', 'orders', description => 'of everything');
	SELECT eb_put_rule('off', '{"source":["s"]}', 'orders', state => 'DISABLED');
	SELECT eb_put_target('all', 'inbox', 'table', 'inbox', 'orders', on_conflict => 'error');
	SELECT eb_put_event('s', 'New', jsonb_build_object('i', i), 'orders') FROM generate_series(1, 20) i;
});
delivered('source', 20, 'events are delivered before the dump');

dump_to('source', 'copy');
is($node->safe_psql('copy', $lists), $node->safe_psql('source', $lists),
	'buses, rules, targets and events are the same');
is($node->safe_psql('copy', q{SELECT event_bus FROM eventbus.events WHERE detail_type = 'Old'}),
	'old', 'the name of a deleted bus is kept');

# numbers of deliveries begin anew: what was done in the old log must not count
$node->safe_psql('copy', q{SELECT eb_put_event('s', 'New', '{"i": 21}', 'orders')});
delivered('copy', 21, 'a new event is delivered once, and no old one again');
$node->safe_psql('copy', q{
	SELECT eb_create_event_bus('old');
	SELECT eb_put_rule('more', '{"source":["s"]}', 'old');
	SELECT eb_put_target('more', 'inbox', 'table', 'inbox', 'old');
	SELECT eb_put_event('s', 'New', '{"i": 22}', 'old');
});
delivered('copy', 22, 'new buses, rules and targets find numbers that are free');
$node->safe_psql('source', q{SELECT eb_put_event('s', 'New', '{"i": 21}', 'orders')});
delivered('source', 21, 'the source goes on');

# a restored database can be dumped again, and restored in one transaction
dump_to('copy', 'copy_of_copy', '--single-transaction');
is($node->safe_psql('copy_of_copy', $lists), $node->safe_psql('copy', $lists),
	'a copy of the copy is the same');
$node->safe_psql('copy_of_copy', q{SELECT eb_put_event('s', 'New', '{"i": 23}', 'orders')});
delivered('copy_of_copy', 23, 'and delivers');

$node->stop;
done_testing();
