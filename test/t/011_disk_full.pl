# The disk is full for a while, again and again, under load: publishers are told
# so (53100), workers go on by themselves when there is room again, and nothing
# is lost or doubled. The disk is a small tmpfs in a mount namespace of the
# server's own, so nobody needs to be root; WAL is elsewhere, as without room
# for WAL no server goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use EventBus::Storm;
use EventBus::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant ROUNDS => 4;

plan skip_all => 'SKIP: no user namespaces (unshare -Urm): the disk is not filled'
  if system('unshare -Urm true 2>/dev/null') != 0;

my $db = 'postgres';
my $node = new_node('main', conf => "autovacuum_naptime = 1\n");
my $data = $node->data_dir;

# Starts the server with directory base on a file system of 96 MB.
sub start_on_small_disk
{
	my $log = $node->logfile;
	my $uid = $<;
	my ($gid) = split(/ /, $();

	$node->stop;
	command_ok([ 'unshare', '-Urm', 'sh', '-ec', qq{
		cp -a "$data/base" "$data/base.copy"
		mount -t tmpfs -o size=96m,mode=0700 none "$data/base"
		cp -a "$data/base.copy/." "$data/base"
		rm -rf "$data/base.copy"
		exec unshare -U --map-user=$uid --map-group=$gid pg_ctl -w -s -D "$data" -l "$log" start} ],
		'a server on a small disk');
	$node->_update_pid(1);
}

# The one who asks, and fills the disk, has been connected before: on a full disk
# PostgreSQL may refuse new sessions, for want of a file of its own.
my $session;

# A command of a shell where the server is, in its data directory.
sub on_server
{
	my ($command) = @_;
	$session->query_safe("COPY (SELECT 1) TO PROGRAM '($command) >/dev/null 2>&1 || true'");
}

# How often the server's sessions, or its workers, found the disk full.
sub times_full
{
	my ($whose) = @_;
	my $log = slurp_file($node->logfile);
	my @lines = grep { / ERROR: .*No space left on device/ } split(/\n/, $log);
	my $of_session = qr/\[\d+\] \S+ ERROR:/;

	return scalar(grep { $whose eq 'session' ? $_ =~ $of_session : $_ !~ $of_session } @lines);
}

start_on_small_disk();
$session = $node->background_psql($db, on_error_stop => 0);
my $storm = EventBus::Storm->new($node, $db, publishers => 4);

$storm->begin;
for my $round (1 .. ROUNDS)
{
	my ($sessions, $workers) = (times_full('session'), times_full('worker'));

	on_server('dd if=/dev/zero of=base/ballast bs=64k');
	poll_until(sub { times_full('session') > $sessions + 3 }, "round $round: publishers find the disk full");
	poll_until(sub { times_full('worker') > $workers }, "round $round: a worker, too") if $round == 1;
	like($session->query(q{
DO $$BEGIN
	PERFORM eb_put_event('s', 'd', jsonb_build_object('x', repeat(md5(i::text), 100))) FROM generate_series(1, 5000) i;
EXCEPTION WHEN disk_full THEN
	PERFORM set_config('test.answer', SQLSTATE, false);
END$$;
SELECT current_setting('test.answer', true);
SET test.answer = '';
}), qr/53100/, "round $round: so does one that is asked");
	on_server('rm base/ballast');
	$storm->wait_for_growth;
}
$session->quit;
$storm->end;
$storm->check;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal \d+/, 'nobody crashed');
$node->stop;
done_testing();
