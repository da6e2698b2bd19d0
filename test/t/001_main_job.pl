# The main job: a committed event becomes a row, a rolled-back one never does,
# and a server that is killed in between delivers it when it is back, once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
my $db = 'postgres';

sub order_sql
{
	my ($number, $end) = @_;
	return qq{
BEGIN;
  INSERT INTO orders VALUES ('ORD-$number', 1249.0);
  SELECT eb_put_events('[{"Source":"orders.service","DetailType":"Order Placed","EventBusName":"orders-event-bus","Detail":{"orderId":"ORD-$number","totalAmount":1249.0}}]');
$end;};
}

sub place_order
{
	my ($number, $end) = @_;
	$node->safe_psql($db, order_sql($number, $end // 'COMMIT'));
}

sub orders_are
{
	my ($expected, $name) = @_;
	rows_are($node, $db,
		q{SELECT string_agg(detail->>'orderId', ' ' ORDER BY detail->>'orderId') FROM high_value_orders},
		$expected, $name);
}

# ---- what a user sees ----

$node->safe_psql($db, q{
SELECT eb_create_event_bus('orders-event-bus');
CREATE TABLE orders (id text PRIMARY KEY, total numeric);
CREATE TABLE high_value_orders (id uuid PRIMARY KEY, source text, detail_type text, "time" timestamptz, detail jsonb);
SELECT eb_put_rule('high-value', event_bus => 'orders-event-bus',
  event_pattern => '{"source":["orders.service"],"detail-type":["Order Placed"],"detail":{"totalAmount":[{"numeric":[">",1000]}]}}');
SELECT eb_put_target('high-value', 'inbox', 'table', 'high_value_orders', event_bus => 'orders-event-bus');
});

place_order(1);
all_is_delivered($node, $db, 'a committed event is delivered');
rows_are($node, $db,
	q{SELECT h.source, h.detail_type, h.detail, h.id = e.id, h."time" = e."time"
	  FROM high_value_orders h, eventbus.events e},
	'orders.service|Order Placed|{"orderId": "ORD-1", "totalAmount": 1249.0}|t|t',
	'it is a row of the table, with the values of the event');

place_order(2, 'ROLLBACK');
$node->safe_psql($db, q{
BEGIN;
SAVEPOINT s;
SELECT eb_put_events('[{"Source":"orders.service","DetailType":"Order Placed","EventBusName":"orders-event-bus","Detail":{"orderId":"ORD-2","totalAmount":1249.0}}]');
ROLLBACK TO s;
COMMIT});
$node->safe_psql($db, q{
SELECT eb_put_events('[{"Source":"orders.service","DetailType":"Order Placed","EventBusName":"orders-event-bus","Detail":{"orderId":"small","totalAmount":1000}},
  {"Source":"orders.service","DetailType":"Order Placed","Detail":{"orderId":"other bus","totalAmount":5000}},
  {"Source":"other.service","DetailType":"Order Placed","EventBusName":"orders-event-bus","Detail":{"orderId":"other source","totalAmount":5000}}]')});
all_is_delivered($node, $db);
orders_are('ORD-1', 'nothing of what was rolled back or does not match');

# ---- killed between commit and routing ----

# the router cannot write its cursor: it waits with what it has done
my $holder = $node->background_psql($db);
my %crash = (
	'pg_ctl stop -m immediate' => sub { $node->stop('immediate'); $node->start; },
	'kill -9 of the postmaster' => sub { kill_postmaster($node); $node->start; },
	'kill -9 of the router' => sub {
		my $pid = kill_worker($node, $db, 'router');
		wait_for_new_worker($node, $db, 'router', $pid);
	},
	'pg_ctl restart -m fast' => sub { $node->restart; });
my $number = 3;
my $expected = 'ORD-1';

for my $kind (sort keys %crash)
{
	$holder->query_safe('BEGIN; LOCK TABLE eventbus.router_cursor IN SHARE MODE');
	place_order($number);
	place_order('X', 'ROLLBACK');
	orders_are($expected, "before $kind: committed, not delivered");
	rows_are($node, $db, 'SELECT events FROM eventbus.unrouted()', '1', "$kind: and not routed");
	$crash{$kind}->();
	all_is_delivered($node, $db, "after $kind: routed and delivered");
	$expected .= " ORD-$number";
	orders_are($expected, "after $kind: the row is there, once");
	$number++;
	$holder->reconnect_and_clear;
}

# ---- killed between routing and delivery ----

for my $kind (sort keys %crash)
{
	$holder->query_safe('BEGIN; LOCK TABLE high_value_orders IN ACCESS EXCLUSIVE MODE');
	place_order($number);
	place_order('X', 'ROLLBACK');
	wait_until_routed($node, $db, "before $kind: routed");
	poll_until(sub {
			$node->safe_psql($db, q{SELECT waiting = 1 FROM eventbus.status WHERE item = 'target'}) eq 't' },
		"$kind: and waits for the locked table");
	$crash{$kind}->();
	all_is_delivered($node, $db, "after $kind: delivered");
	rows_are($node, $db, q{SELECT count(*), count(DISTINCT id) FROM high_value_orders},
		($number - 1) . '|' . ($number - 1), "after $kind: the row is there, once");
	$number++;
	$holder->reconnect_and_clear;
}
$holder->quit;

rows_are($node, $db, 'SELECT count(*) FROM eventbus.dead_letters', '0', 'no dead letters');
rows_are($node, $db,
	q{SELECT count(*) FROM high_value_orders h FULL JOIN orders o ON o.id = h.detail->>'orderId'
	  WHERE h.id IS NULL OR o.id IS NULL},
	'0', 'orders and events agree');
$node->stop;
done_testing();
