-- Tells the launcher that this database has the extension, once the
-- transaction has committed; without preload, warns that nothing will run.
-- Needed this once only.
CREATE FUNCTION eventbus.announce() RETURNS void
	LANGUAGE C AS 'MODULE_PATHNAME', 'eventbus_announce';
SELECT eventbus.announce();
DROP FUNCTION eventbus.announce();
