-- What pg_dump takes along besides CREATE EXTENSION: all that is configured,
-- and where the log, its readers and the numbers stood. The numbers of leaves
-- are left out: a restored database goes on with leaves of its own.
SELECT pg_catalog.pg_extension_config_dump('eventbus.generations', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.leaves', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.put_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.router_cursor', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.target_positions', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.event_bus', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.bus_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.rule', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.rule_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.delivery_retries', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.dead_letter_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.resolved_dead_letters', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.target', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.target_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.queue', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.queue_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.queue_heads', '');
SELECT pg_catalog.pg_extension_config_dump('eventbus.message_claims', '');
