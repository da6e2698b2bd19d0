# Targets that send events out of the database: what a listener gets of a
# notify target, and what is written to the server's log by a log target.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');

$node->safe_psql('postgres', q{
	SELECT eb_put_rule('send', '{"source": ["send"]}');
	SELECT eb_put_target('send', 'listener', 'notify', 'Some Channel');
	SELECT eb_put_target('send', 'logger', 'log');
});

# One session listens, puts, waits, and then has its notifications shown. The
# longest payload has 7999 bytes.
my $out = $node->safe_psql('postgres', q{
	LISTEN "Some Channel";
	SELECT eb_put_events('[{"Source": "send", "DetailType": "short", "Detail": {"n": 1}},
						   {"Source": "send", "DetailType": "short", "Detail": {"n": 2}}]');
	SELECT eb_put_event('send', 'long', jsonb_build_object('text', repeat('x', 8000)));
	SELECT eb_put_rule('long-source', '{"detail-type": ["long"], "source": [{"prefix": "ss"}]}');
	SELECT eb_put_target('long-source', 'listener', 'notify', 'Some Channel');
	SELECT eb_put_event(repeat('s', 8000), 'long', '{}');
	SELECT eb_wait_until_delivered('60 s');
	SELECT 'all is sent';
});
my @sent = $out =~ /^Asynchronous notification "Some Channel" with payload "(.*)" received from server process/gm;

is(scalar(@sent), 4, 'each event was sent once');
like($sent[0], qr/"detail": \{"n": 1\}/, 'the first one first');
like($sent[1], qr/"detail": \{"n": 2\}/, 'then the second one');
is($node->safe_psql('postgres', "SELECT eb_get_event((e->>'id')::uuid) = e FROM (SELECT '$sent[0]'::jsonb AS e) s"),
	't', 'it is the event');
is($node->safe_psql('postgres', "SELECT e - 'id' FROM (SELECT '$sent[2]'::jsonb AS e) s"),
	'{"source": "send", "event_bus": "default", "truncated": true, "detail-type": "long"}',
	'of one that is too long, what it is');
is($node->safe_psql('postgres', "SELECT length(eb_get_event((e->>'id')::uuid)->'detail'->>'text') FROM (SELECT '$sent[2]'::jsonb AS e) s"),
	'8000', 'and where to read it');
is($node->safe_psql('postgres', "SELECT e - 'id' FROM (SELECT '$sent[3]'::jsonb AS e) s"),
	'{"event_bus": "default", "truncated": true}', 'less, if even that is too long');

# one byte decides
$node->safe_psql('postgres', q{SELECT eb_put_event('size', 'd', '{"text": ""}')});
for my $length (7999, 8000)
{
	my $text = $length - $node->safe_psql('postgres', q{
		SELECT length(event::text) FROM eventbus.events WHERE source = 'size' LIMIT 1});

	$out = $node->safe_psql('postgres', qq{
		LISTEN "Some Channel";
		SELECT eb_put_event('send', 'd', jsonb_build_object('text', repeat('x', $text)));
		SELECT eb_wait_until_delivered('60 s');
		SELECT 'all is sent';
	});
	my ($payload) = $out =~ /with payload "(.*)" received/;
	is($payload =~ /truncated/ ? 'short' : length($payload), $length > 7999 ? 'short' : $length,
		"an event of $length bytes");
}

my $log = slurp_file($node->logfile);
my @lines = $log =~ /LOG:  target "logger" of rule "send" on event bus "default": (\{.*\})$/gm;

is(scalar(@lines), 5, 'each event is a line of the log');
is($lines[0], $sent[0], 'which holds the event');
unlike($log, qr/STATEMENT:|CONTEXT:/, 'and nothing else');
$node->stop;
done_testing();
