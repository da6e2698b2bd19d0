-- What default privileges of the installing role gave away is taken back:
-- nobody but the owner and the roles of the extension has rights on its
-- objects, PUBLIC none on tables, views and sequences. Rights on functions are
-- granted, and revoked from PUBLIC, beside each function.
DO $privileges$
DECLARE
	leak record;
BEGIN
	FOR leak IN
		WITH members AS (
			SELECT d.classid, d.objid
			FROM pg_catalog.pg_depend d
			JOIN pg_catalog.pg_extension x ON x.oid OPERATOR(pg_catalog.=) d.refobjid
			WHERE x.extname OPERATOR(pg_catalog.=) 'eventbus'
			  AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
			  AND d.deptype OPERATOR(pg_catalog.=) 'e'
		), objects AS (
			SELECT CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END
						OPERATOR(pg_catalog.||) m.objid::pg_catalog.regclass::pg_catalog.text AS object,
				   c.relowner AS owner, c.relacl AS acl, true AS nothing_for_public
			FROM members m JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) m.objid
			WHERE m.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
			UNION ALL
			SELECT 'ROUTINE ' OPERATOR(pg_catalog.||) m.objid::pg_catalog.regprocedure::pg_catalog.text,
				   p.proowner, p.proacl, false
			FROM members m JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) m.objid
			WHERE m.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
			UNION ALL
			SELECT 'SCHEMA ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(n.nspname),
				   n.nspowner, n.nspacl, true
			FROM members m JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) m.objid
			WHERE m.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
		)
		SELECT DISTINCT o.object,
			   CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'PUBLIC'
					ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee
		FROM objects o, pg_catalog.aclexplode(o.acl) a
		WHERE a.grantee OPERATOR(pg_catalog.<>) o.owner
		  AND (a.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid OR o.nothing_for_public)
		  AND pg_catalog.pg_get_userbyid(a.grantee) OPERATOR(pg_catalog.<>) ALL
			  (ARRAY['eventbus_admin', 'eventbus_publisher', 'eventbus_monitor', 'eventbus_consumer']::pg_catalog.name[])
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', leak.object, leak.grantee);
	END LOOP;
END
$privileges$;
