# A restored log is parked: nothing that the source had left to do is done
# unasked. eb_resume_after_restore(true) delivers exactly what the source had
# not delivered, routed or not; (false) none of it. All formats of pg_dump.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'eventbus'\n");
$node->start;

sub put
{
	my ($database, $from, $to) = @_;
	$node->safe_psql($database,
		qq{SELECT eb_put_event('s', 'Numbered', jsonb_build_object('n', n)) FROM generate_series($from, $to) n});
}

# What the target has, in the order of its arrival.
sub inbox
{
	my ($database) = @_;
	return $node->safe_psql($database, q{SELECT string_agg(detail ->> 'n', ' ' ORDER BY arrival) FROM inbox});
}

sub settle
{
	my ($database) = @_;
	is($node->safe_psql($database, q{SELECT eb_wait_until_delivered('60 s')}), 't', "$database is delivered");
}

sub preload
{
	my ($libraries) = @_;
	$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'$libraries'");
	$node->restart;
}

# The source: 1 to 10 delivered, 11 to 20 routed and waiting for a table that
# is away, 21 to 30 not even routed.
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION eventbus;
	CREATE TABLE inbox (arrival bigserial, id uuid, detail jsonb);
	SELECT eb_put_rule('all', '{"source":["s"]}');
	SELECT eb_put_target('all', 'inbox', 'table', 'inbox');
});
put('source', 1, 10);
settle('source');
$node->safe_psql('source', 'ALTER TABLE inbox RENAME TO inbox_away');
put('source', 11, 20);
ok($node->poll_query_until('source',
		q{SELECT waiting = 10 AND state = 'failed' FROM eventbus.status WHERE item = 'target'}),
	'ten deliveries wait at the source');
preload('');
put('source', 21, 30);
$node->safe_psql('source', 'ALTER TABLE inbox_away RENAME TO inbox');

my %file;
for my $format (qw(plain custom directory tar))
{
	$file{$format} = $node->basedir . "/source.$format";
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file{$format}, $node->connstr('source') ],
		"pg_dump in format $format");
}
$file{schema} = $node->basedir . '/schema.sql';
$node->command_ok([ 'pg_dump', '--schema-only', '-f', $file{schema}, $node->connstr('source') ],
	'pg_dump --schema-only');
preload('eventbus');

sub restore
{
	my ($format, $database, @options) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->command_ok(
		$format =~ /plain|schema/
		? [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file{$format}, '-d', $node->connstr($database) ]
		: [ 'pg_restore', '--exit-on-error', @options, '-d', $node->connstr($database), $file{$format} ],
		"restored from format $format into a server with workers");
}

restore('plain', 'plain');
restore('custom', 'custom');
restore('directory', 'directory', '-j', '3');
restore('tar', 'tar');
restore('schema', 'schema');

my $done = join(' ', 1 .. 10);
my $rest = join(' ', 11 .. 30);
my $parked = q{SELECT count(*) FROM eventbus.status WHERE item = 'restored log' AND state = 'parked'};

for my $database (qw(plain custom directory tar))
{
	put($database, 31, 31);
	settle($database);
	is(inbox($database), "$done 31", "$database: only what is new is delivered unasked");
	is($node->safe_psql($database, $parked), '1', "$database: the old log is parked, and status says so");
}

for my $database (qw(plain custom directory))
{
	is($node->safe_psql($database, q{SELECT eb_resume_after_restore(true)}), '20', "$database: resumed");
	settle($database);
	is(inbox($database), "$done 31 $rest",
		"$database: what the source had not delivered arrives once, in order");
	is($node->safe_psql($database, q{SELECT eb_resume_after_restore(true)}), '0', "$database: and that was all");
	ok($node->poll_query_until($database, q{SELECT eb_run_maintenance() IS NOT NULL AND NOT EXISTS
			(SELECT FROM eventbus.generations WHERE state = 'resumed')}),
		"$database: the old log is retired");
	put($database, 32, 33);
	settle($database);
	is(inbox($database), "$done 31 $rest 32 33", "$database: new events go on");
}

is($node->safe_psql('tar', q{SELECT eb_resume_after_restore(false)}), '0', 'tar: skipped');
put('tar', 32, 32);
settle('tar');
is(inbox('tar'), "$done 31 32", 'tar: nothing of the old log is delivered');
is($node->safe_psql('tar', $parked), '0', 'tar: and it is not parked any more');
is($node->safe_psql('tar', q{SELECT count(*) FROM eventbus.events}), '32', 'tar: its events can still be read');

# only the schema: nothing configured, and a log that works
$node->safe_psql('schema', q{
	SELECT eb_put_rule('all', '{"source":["s"]}');
	SELECT eb_put_target('all', 'inbox', 'table', 'inbox');
});
put('schema', 1, 3);
settle('schema');
is(inbox('schema'), '1 2 3', 'a schema without data works');

# the source has not lost or repeated anything
settle('source');
is(inbox('source'), "$done $rest", 'the source delivers its rest itself');

# a database made from a template: the same, within one cluster
put('source', 31, 32);
settle('source');
$node->safe_psql('source', 'ALTER TABLE inbox RENAME TO inbox_away');
put('source', 33, 34);
ok($node->poll_query_until('source', q{SELECT waiting = 2 FROM eventbus.status WHERE item = 'target'}),
	'two deliveries wait in the template');
$node->safe_psql('postgres', 'CREATE DATABASE clone TEMPLATE source');
$node->safe_psql($_, 'ALTER TABLE inbox_away RENAME TO inbox') for qw(source clone);
ok($node->poll_query_until('clone', 'SELECT eventbus.generation() <> 0'), 'the clone gets a log of its own');
put('clone', 35, 35);
settle('clone');
is(inbox('clone'), "$done $rest 31 32 35", 'the clone delivers only what is its own');
is($node->safe_psql('clone', q{SELECT eb_resume_after_restore(true)}), '2', 'until it is told otherwise');
settle('clone');
is(inbox('clone'), "$done $rest 31 32 35 33 34", 'then what was waiting, once');
settle('source');
is(inbox('source'), "$done $rest 31 32 33 34", 'and so does the template');

# rights and nulls
$node->safe_psql('clone', 'CREATE ROLE nobody_special');
my ($ret, $out, $err) =
  $node->psql('clone', 'SET ROLE nobody_special; SELECT eb_resume_after_restore(true)');
like($err, qr/permission denied for function eb_resume_after_restore/, 'not for everybody');
($ret, $out, $err) = $node->psql('clone', 'SELECT eb_resume_after_restore(NULL)');
like($err, qr/deliver must not be null/, 'null is refused');

$node->stop;
done_testing();
