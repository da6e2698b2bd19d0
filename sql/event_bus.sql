-- Event buses: create, update, delete, describe, list.
\set VERBOSITY default

-- create and describe
SELECT eb_create_event_bus('bus-orders');
SELECT eb_create_event_bus('bus_2.x', description => 'second one');
SELECT eb_describe_event_bus('bus-orders') - 'CreationTime' - 'LastModifiedTime';
SELECT eb_describe_event_bus('bus_2.x') - 'CreationTime' - 'LastModifiedTime';
SELECT eb_describe_event_bus('arn:aws:events:eu-west-1:123456789012:event-bus/bus_2.x') ->> 'Name' AS by_arn;
SELECT eb_describe_event_bus(), eb_describe_event_bus('default') = eb_describe_event_bus() AS same;
SELECT (eb_describe_event_bus('bus-orders') ->> 'CreationTime')::timestamptz = created_at AS created,
       (eb_describe_event_bus('bus-orders') ->> 'LastModifiedTime')::timestamptz = modified_at AS modified
  FROM eventbus.event_buses WHERE name = 'bus-orders';

-- names that are taken, or are none
SELECT eb_create_event_bus('bus-orders');
SELECT eb_create_event_bus('default');
SELECT eb_create_event_bus('no spaces');
SELECT eb_create_event_bus('');
SELECT eb_create_event_bus('a/b');
SELECT eb_create_event_bus('größe');
SELECT length(eb_create_event_bus(repeat('x', 256))) AS longest;
SELECT eb_delete_event_bus(repeat('x', 256));
\set VERBOSITY sqlstate
SELECT eb_create_event_bus(repeat('x', 257));
SELECT eb_create_event_bus('bus-orders');
SELECT eb_create_event_bus('arn:aws:events:eu-west-1:123456789012:event-bus/x');
SELECT eb_create_event_bus('bus-described', repeat('d', 513));
\set VERBOSITY default
SELECT eb_create_event_bus('bus-described', repeat('ü', 512)) IS NOT NULL AS created;
SELECT eb_create_event_bus(NULL);

-- update
SELECT eb_update_event_bus('bus-orders', 'orders of the shop');
SELECT eb_describe_event_bus('bus-orders') ->> 'Description' AS description;
SELECT modified_at > created_at AS modified FROM eventbus.event_buses WHERE name = 'bus-orders';
SELECT eb_update_event_bus('bus-orders', NULL);
SELECT eb_describe_event_bus('bus-orders') ? 'Description' AS has_description;
SELECT eb_update_event_bus('bus-none', 'x');
SELECT eb_update_event_bus('default', 'x');
SELECT eb_update_event_bus(NULL, 'x');

-- delete: not the default one, not one with rules; a missing one is fine
SELECT eb_delete_event_bus('default');
SELECT eb_delete_event_bus('arn:aws:events:eu-west-1:123456789012:event-bus/default');
SELECT eb_delete_event_bus('bus-none');
SELECT eb_delete_event_bus(NULL);
SELECT eb_put_rule('r', '{"source":["a"]}', 'bus_2.x');
SELECT eb_delete_event_bus('bus_2.x');
SELECT eb_delete_rule('r', 'bus_2.x');
SELECT eb_delete_event_bus('bus_2.x');
SELECT eb_describe_event_bus('bus_2.x');
SELECT eb_describe_event_bus(NULL);

-- the name of a deleted bus is free, and the new bus is another one
SELECT eb_create_event_bus('bus_2.x') IS NOT NULL AS created;
SELECT count(*), count(deleted_at) AS deleted, count(DISTINCT bus_id) AS ids
  FROM eventbus.event_bus WHERE name = 'bus_2.x';

-- lists
SELECT name, arn, description FROM eventbus.event_buses WHERE name = 'default' OR name LIKE 'bus%' AND name <> 'bus-described'
  ORDER BY name COLLATE "C";

-- a change is seen at once in its own transaction, and gone when rolled back
BEGIN;
SELECT eb_create_event_bus('bus-temporary') IS NOT NULL AS created;
SELECT eb_put_event('a', 'b', '{}', 'bus-temporary') IS NOT NULL AS put;
SAVEPOINT s;
SELECT eb_delete_event_bus('bus-temporary');
SELECT eb_put_event('a', 'b', '{}', 'bus-temporary') IS NOT NULL AS put;
ROLLBACK TO s;
SELECT eb_put_event('a', 'b', '{}', 'bus-temporary') IS NOT NULL AS put;
ROLLBACK;
SELECT eb_put_event('a', 'b', '{}', 'bus-temporary') IS NOT NULL AS put;

-- COPY and TRUNCATE count too
BEGIN;
SELECT eb_put_event('a', 'b', '{}', 'bus-copied');
ROLLBACK;
BEGIN;
COPY eventbus.event_bus (name, owner) FROM stdin;
bus-copied	nobody
\.
SELECT eb_put_event('a', 'b', '{}', 'bus-copied') IS NOT NULL AS put;
TRUNCATE eventbus.event_bus;
SELECT eb_put_event('a', 'b', '{}', 'bus-copied') IS NOT NULL AS put;
ROLLBACK;
SELECT eb_put_event('a', 'b', '{}', 'bus-orders') IS NOT NULL AS put;

-- many changes and uses in one transaction do not pile up memory
DO $$
DECLARE
	before bigint; after bigint;
BEGIN
	FOR i IN 1 .. 200 LOOP
		PERFORM eb_create_event_bus('bus-many-' || i);
		PERFORM eb_put_event('a', 'b', '{}', 'bus-many-' || i);
		IF i = 20 THEN
			SELECT count(*) INTO before FROM pg_backend_memory_contexts WHERE name LIKE 'eventbus catalog%';
		END IF;
	END LOOP;
	SELECT count(*) INTO after FROM pg_backend_memory_contexts WHERE name LIKE 'eventbus catalog%';
	RAISE NOTICE 'few: %, no more than before: %', after < 10, after <= before;
	FOR i IN 1 .. 200 LOOP
		PERFORM eb_delete_event_bus('bus-many-' || i);
	END LOOP;
END
$$;

SELECT eb_delete_event_bus(name) FROM eventbus.event_buses WHERE name LIKE 'bus%';
