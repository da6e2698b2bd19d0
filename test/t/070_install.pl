# The extension where it is installed otherwise than usual: in another schema,
# again in a session that knew the one before, by a role with default
# privileges, and where schema "eventbus" is somebody else's.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'eventbus'\n");
$node->start;

# --- functions in a schema of their own, called without it in the path ---

$node->safe_psql('postgres', q{
	CREATE DATABASE other_schema;
	CREATE ROLE watcher;
});
$node->safe_psql('other_schema', q{
	CREATE SCHEMA app;
	CREATE EXTENSION eventbus SCHEMA app;
	GRANT eventbus_monitor TO watcher;
	GRANT USAGE ON SCHEMA app TO watcher;
	CREATE TABLE inbox (id uuid, detail jsonb);
	SELECT app.eb_create_event_bus('b');
	SELECT app.eb_put_rule('r', '{"source":["s"]}', 'b');
	SELECT app.eb_put_target('r', 't', 'table', 'inbox', 'b');
	SELECT app.eb_put_event('s', 'x', '{}', 'b');
});
ok($node->poll_query_until('other_schema', 'SELECT count(*) = 1 FROM inbox'),
	'an event is delivered where the functions are in another schema');
is($node->safe_psql('other_schema', q{
		SET ROLE watcher;
		SELECT arn FROM eventbus.rules;
		SELECT app.eb_describe_rule('r', 'b') ->> 'State';
		SELECT count(*) FROM eventbus.events;
	}),
	"arn:aws:events:local:000000000000:rule/b/r\nENABLED\n1",
	'a monitor reads views and descriptions');

$node->safe_psql('postgres', 'CREATE DATABASE one_schema');
is($node->safe_psql('one_schema', q{
		CREATE SCHEMA eventbus;
		CREATE EXTENSION eventbus SCHEMA eventbus;
		SELECT eventbus.eb_create_event_bus('b') IS NOT NULL;
		SELECT name FROM eventbus.event_buses ORDER BY name;
	}),
	"t\nb\ndefault", 'functions and tables may share the schema');

# --- dropped and made again ---

$node->safe_psql('postgres', 'CREATE DATABASE again');
$node->safe_psql('again', 'CREATE EXTENSION eventbus');
is($node->safe_psql('again', q{
		SET client_min_messages = error;
		SELECT eb_create_event_bus('b') IS NOT NULL;
		SELECT eb_put_event('s', 'x', '{}', 'b') IS NOT NULL;
		DROP EXTENSION eventbus CASCADE;
		CREATE EXTENSION eventbus;
		SELECT (eb_put_events('[{"Source":"s","DetailType":"x","Detail":{},"EventBusName":"b"}]', 'report')
				-> 'Entries' -> 0 ->> 'ErrorCode');
		SELECT eb_create_event_bus('b') IS NOT NULL;
		SELECT eb_put_event('s', 'x', '{}', 'b') IS NOT NULL;
		SELECT count(*) FROM eventbus.events;
	}),
	"t\nt\nResourceNotFoundException\nt\nt\n1",
	'a session that knew the extension before it was dropped knows the new one');

# --- default privileges give nothing of the extension away ---

$node->safe_psql('postgres', 'CREATE DATABASE defaults');
is($node->safe_psql('defaults', q{
		CREATE ROLE leak;
		ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO leak, PUBLIC;
		ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO leak, PUBLIC;
		ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO leak;
		ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO leak;
		CREATE EXTENSION eventbus;
		SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(p.proacl) a
		  WHERE a.grantee = 'leak'::regrole;
		SELECT c.oid::regclass FROM pg_class c, pg_depend d, aclexplode(c.relacl) a
		  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
		  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'eventbus')
		  AND (a.grantee = 'leak'::regrole OR a.grantee = 0);
		SELECT has_schema_privilege('leak', 'eventbus', 'USAGE');
	}),
	'f', 'default privileges of the installing role give nothing away');

# --- a schema that is somebody else's ---

$node->safe_psql('postgres', 'CREATE DATABASE taken');
my ($status, $stdout, $stderr) = $node->psql('taken', q{
	CREATE ROLE stranger;
	CREATE SCHEMA eventbus AUTHORIZATION stranger;
	CREATE EXTENSION eventbus;
});
isnt($status, 0, 'an existing schema of another role is not used');
like($stderr, qr/schema "eventbus" exists and belongs to another role.*HINT:/s, 'and the error says what to do');

$node->stop;
done_testing();
