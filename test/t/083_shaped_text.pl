# What an input transformer makes arrives at a channel and in the log byte by
# byte: the text of a template with its white space, JSON without any.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => 'log_min_messages = log');

# the target's id, its input as SQL, and what has to arrive
my @shapes = (
	[ 'text', q{input_transformer => '{"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": "\"Order <n>\" \\t<n>, rule <aws.events.rule-name>"}'},
		qq{"Order q"1" \tq"1, rule all} ],
	[ 'json', q{input_transformer => '{"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": " {\"b\" :  <n>, \"a\": \"<n>\"}"}'},
		q{ {"b" :  "q\"1", "a": "q\"1"}} ],
	[ 'path', q{input_path => '$.detail.list'}, q{[1.50,{"b":null}]} ],
	[ 'scalar', q{input_path => '$.detail.n'}, q{"q\"1"} ],
	[ 'input', q{input => '{"constant": true}'}, q{{"constant":true}} ],
);

$node->safe_psql('postgres', q{SELECT eb_put_rule('all', '{"source": ["s"]}')});
for my $shape (@shapes)
{
	$node->safe_psql('postgres', qq{
		SELECT eb_put_target('all', 'n-$shape->[0]', 'notify', 'c_$shape->[0]', $shape->[1]);
		SELECT eb_put_target('all', 'l-$shape->[0]', 'log', $shape->[1]);
	});
}

my $listener = $node->background_psql('postgres');
$listener->query_safe(join(' ', map { "LISTEN c_$_->[0];" } @shapes));

my $log_start = -s $node->logfile;
$node->safe_psql('postgres', q{SELECT eb_put_event('s', 'd', '{"n": "q\"1", "list": [1.50, {"b": null}]}')});
ok($node->poll_query_until('postgres', q{SELECT eb_wait_until_delivered('30 s')}), 'all is delivered');

# psql shows what has come when a query is over
my $heard = $listener->query(q{SELECT 'end'});
$listener->quit;
my $log = slurp_file($node->logfile, $log_start);

for my $shape (@shapes)
{
	my ($id, undef, $expected) = @$shape;

	like($heard, qr/"c_$id" with payload "\Q$expected\E" received/, "$id: at the channel");
	like($log, qr/target "l-$id" of rule "all" on event bus "default": \Q$expected\E$/m, "$id: in the log");
}

$node->stop;
done_testing();
