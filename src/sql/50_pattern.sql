-- Event patterns: matching and checking them. Pure functions, for everybody.

-- One event, one pattern; an event of any shape. The operator's function.
CREATE FUNCTION @extschema@.eb_event_matches(event jsonb, pattern jsonb)
	RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'eventbus_event_matches';
COMMENT ON FUNCTION @extschema@.eb_event_matches(jsonb, jsonb) IS 'implementation of @~ operator';

CREATE FUNCTION @extschema@.eb_pattern_matches(pattern jsonb, event jsonb)
	RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'eventbus_pattern_matches';
COMMENT ON FUNCTION @extschema@.eb_pattern_matches(jsonb, jsonb) IS 'implementation of ~@ operator';

-- The estimators run the operator on the most common values and the histogram
-- of the column: a sample of real events tells more of a pattern than any guess
-- by its operators could.
CREATE OPERATOR @extschema@.@~ (
	LEFTARG = jsonb,
	RIGHTARG = jsonb,
	FUNCTION = @extschema@.eb_event_matches,
	COMMUTATOR = OPERATOR(@extschema@.~@),
	RESTRICT = pg_catalog.matchingsel,
	JOIN = pg_catalog.matchingjoinsel
);
COMMENT ON OPERATOR @extschema@.@~ (jsonb, jsonb) IS 'event matches event pattern';

CREATE OPERATOR @extschema@.~@ (
	LEFTARG = jsonb,
	RIGHTARG = jsonb,
	FUNCTION = @extschema@.eb_pattern_matches,
	COMMUTATOR = OPERATOR(@extschema@.@~),
	RESTRICT = pg_catalog.matchingsel,
	JOIN = pg_catalog.matchingjoinsel
);
COMMENT ON OPERATOR @extschema@.~@ (jsonb, jsonb) IS 'event pattern matches event';

-- TestEventPattern: the event must have what every event has.
CREATE FUNCTION @extschema@.eb_test_event_pattern(event_pattern jsonb, event jsonb)
	RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'eventbus_test_event_pattern';
COMMENT ON FUNCTION @extschema@.eb_test_event_pattern(jsonb, jsonb) IS 'tells whether an event pattern matches an event';

-- For CHECK constraints too: never false.
CREATE FUNCTION @extschema@.eb_validate_event_pattern(event_pattern jsonb)
	RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'eventbus_validate_event_pattern';
COMMENT ON FUNCTION @extschema@.eb_validate_event_pattern(jsonb) IS 'true if the event pattern is valid, an error that says why if not';
