-- Event buses, rules and targets: the functions. They write, so none is
-- parallel safe; those that only describe read under the latest snapshot, which
-- parallel workers cannot take.

CREATE FUNCTION @extschema@.eb_create_event_bus(name text, description text DEFAULT NULL) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_create_event_bus';
COMMENT ON FUNCTION @extschema@.eb_create_event_bus(text, text) IS 'creates an event bus, returns its ARN';
REVOKE ALL ON FUNCTION @extschema@.eb_create_event_bus(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_create_event_bus(text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_update_event_bus(name text, description text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_update_event_bus';
COMMENT ON FUNCTION @extschema@.eb_update_event_bus(text, text) IS 'sets the description of an event bus';
REVOKE ALL ON FUNCTION @extschema@.eb_update_event_bus(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_update_event_bus(text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_delete_event_bus(name text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_delete_event_bus';
COMMENT ON FUNCTION @extschema@.eb_delete_event_bus(text) IS 'deletes an event bus that has no rules; does nothing when there is none of that name';
REVOKE ALL ON FUNCTION @extschema@.eb_delete_event_bus(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_delete_event_bus(text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_describe_event_bus(name text DEFAULT 'default') RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_describe_event_bus';
COMMENT ON FUNCTION @extschema@.eb_describe_event_bus(text) IS 'what is known of an event bus';
REVOKE ALL ON FUNCTION @extschema@.eb_describe_event_bus(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_describe_event_bus(text) TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_event_bus_arn(name text) RETURNS text
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eventbus_event_bus_arn';
COMMENT ON FUNCTION @extschema@.eb_event_bus_arn(text) IS 'the ARN of an event bus of that name';
REVOKE ALL ON FUNCTION @extschema@.eb_event_bus_arn(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_event_bus_arn(text) TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_put_rule(name text, event_pattern jsonb DEFAULT NULL,
		event_bus text DEFAULT 'default', state text DEFAULT 'ENABLED',
		description text DEFAULT NULL,
		schedule_expression text DEFAULT NULL, schedule_timezone text DEFAULT NULL,
		flexible_time_window interval DEFAULT NULL,
		schedule_start timestamptz DEFAULT NULL, schedule_end timestamptz DEFAULT NULL,
		missed_runs text DEFAULT NULL) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_put_rule';
COMMENT ON FUNCTION @extschema@.eb_put_rule(text, jsonb, text, text, text, text, text, interval, timestamptz, timestamptz, text) IS 'creates a rule or replaces it (its targets stay), returns its ARN';
REVOKE ALL ON FUNCTION @extschema@.eb_put_rule(text, jsonb, text, text, text, text, text, interval, timestamptz, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_put_rule(text, jsonb, text, text, text, text, text, interval, timestamptz, timestamptz, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_enable_rule(name text, event_bus text DEFAULT 'default') RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_enable_rule';
COMMENT ON FUNCTION @extschema@.eb_enable_rule(text, text) IS 'lets a rule match events';
REVOKE ALL ON FUNCTION @extschema@.eb_enable_rule(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_enable_rule(text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_disable_rule(name text, event_bus text DEFAULT 'default') RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_disable_rule';
COMMENT ON FUNCTION @extschema@.eb_disable_rule(text, text) IS 'keeps a rule from matching events';
REVOKE ALL ON FUNCTION @extschema@.eb_disable_rule(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_disable_rule(text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_delete_rule(name text, event_bus text DEFAULT 'default') RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_delete_rule';
COMMENT ON FUNCTION @extschema@.eb_delete_rule(text, text) IS 'deletes a rule that has no targets; does nothing when there is none of that name';
REVOKE ALL ON FUNCTION @extschema@.eb_delete_rule(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_delete_rule(text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_describe_rule(name text, event_bus text DEFAULT 'default') RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_describe_rule';
COMMENT ON FUNCTION @extschema@.eb_describe_rule(text, text) IS 'what is known of a rule';
REVOKE ALL ON FUNCTION @extschema@.eb_describe_rule(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_describe_rule(text, text) TO eventbus_admin, eventbus_monitor;

CREATE FUNCTION @extschema@.eb_rule_arn(name text, event_bus text DEFAULT 'default') RETURNS text
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eventbus_rule_arn';
COMMENT ON FUNCTION @extschema@.eb_rule_arn(text, text) IS 'the ARN of a rule of that name';
REVOKE ALL ON FUNCTION @extschema@.eb_rule_arn(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_rule_arn(text, text) TO eventbus_admin, eventbus_monitor;

-- The options are those of src/api_target.c, in its order.
CREATE FUNCTION @extschema@.eb_put_target(rule text, target_id text, type text, resource text DEFAULT NULL,
		event_bus text DEFAULT 'default', parameters jsonb DEFAULT '{}',
		on_conflict text DEFAULT NULL,
		input jsonb DEFAULT NULL, input_path text DEFAULT NULL, input_transformer jsonb DEFAULT NULL,
		maximum_retry_attempts int DEFAULT NULL, maximum_event_age interval DEFAULT NULL,
		dead_letters boolean DEFAULT NULL, dead_letter_queue text DEFAULT NULL,
		fifo boolean DEFAULT NULL, max_batch_size int DEFAULT NULL, max_batch_window interval DEFAULT NULL,
		timeout interval DEFAULT NULL, log_level text DEFAULT NULL, message_group_id text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_put_target';
COMMENT ON FUNCTION @extschema@.eb_put_target(text, text, text, text, text, jsonb, text, jsonb, text, jsonb, int, interval, boolean, text, boolean, int, interval, interval, text, text) IS 'adds a target to a rule, or replaces the one of that id';
REVOKE ALL ON FUNCTION @extschema@.eb_put_target(text, text, text, text, text, jsonb, text, jsonb, text, jsonb, int, interval, boolean, text, boolean, int, interval, interval, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_put_target(text, text, text, text, text, jsonb, text, jsonb, text, jsonb, int, interval, boolean, text, boolean, int, interval, interval, text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_put_targets(rule text, targets jsonb, event_bus text DEFAULT 'default') RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_put_targets';
COMMENT ON FUNCTION @extschema@.eb_put_targets(text, jsonb, text) IS 'adds or replaces targets of a rule, returns which could not be';
REVOKE ALL ON FUNCTION @extschema@.eb_put_targets(text, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_put_targets(text, jsonb, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_remove_target(rule text, target_id text, event_bus text DEFAULT 'default') RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_remove_target';
COMMENT ON FUNCTION @extschema@.eb_remove_target(text, text, text) IS 'removes a target from a rule';
REVOKE ALL ON FUNCTION @extschema@.eb_remove_target(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_remove_target(text, text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_remove_targets(rule text, ids text[], event_bus text DEFAULT 'default') RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_remove_targets';
COMMENT ON FUNCTION @extschema@.eb_remove_targets(text, text[], text) IS 'removes targets from a rule, returns which were not there';
REVOKE ALL ON FUNCTION @extschema@.eb_remove_targets(text, text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_remove_targets(text, text[], text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_pause_target(rule text, target_id text, event_bus text DEFAULT 'default') RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_pause_target';
COMMENT ON FUNCTION @extschema@.eb_pause_target(text, text, text) IS 'stops deliveries to a target; what is matched meanwhile waits';
REVOKE ALL ON FUNCTION @extschema@.eb_pause_target(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_pause_target(text, text, text) TO eventbus_admin;

CREATE FUNCTION @extschema@.eb_resume_target(rule text, target_id text, event_bus text DEFAULT 'default',
		resume_position text DEFAULT 'last_processed') RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventbus_resume_target';
COMMENT ON FUNCTION @extschema@.eb_resume_target(text, text, text, text) IS 'goes on with a paused target where it stopped (last_processed), or with what comes from now on (latest)';
REVOKE ALL ON FUNCTION @extschema@.eb_resume_target(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.eb_resume_target(text, text, text, text) TO eventbus_admin;
