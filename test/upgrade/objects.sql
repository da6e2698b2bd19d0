-- What extension eventbus consists of in this database: a line for each thing
-- that an update must leave as CREATE EXTENSION does. Names instead of OIDs, in
-- no order that depends on when something was made, and without what differs
-- from one life of the extension to the next (partitions, numbers in use,
-- column options of the server's own, whose names begin with pg_). The number of
-- a column counts only in partitioned tables, which the library reads by number;
-- elsewhere columns may have been dropped before it.
WITH extension AS (
	SELECT * FROM pg_extension WHERE extname = 'eventbus'
), member AS (
	SELECT d.classid, d.objid, i.type, i.identity
	FROM pg_depend d, extension e, pg_identify_object(d.classid, d.objid, 0) i
	WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
), relation AS (
	SELECT c.*, m.identity
	FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
), acl AS (
	SELECT classid, objid, acl FROM (
		SELECT 'pg_class'::regclass::oid, oid, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) FROM pg_class
		UNION ALL SELECT 'pg_proc'::regclass, oid, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
		UNION ALL SELECT 'pg_namespace'::regclass, oid, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace
		UNION ALL SELECT 'pg_type'::regclass, oid, coalesce(typacl, acldefault('T', typowner)) FROM pg_type
	) a (classid, objid, acl)
), line (kind, name, what) AS (
	SELECT 'extension', extname::text, concat_ws(' ', extversion, extnamespace::regnamespace, extrelocatable, extowner::regrole) FROM extension
	UNION ALL
	SELECT 'dumped', t.id::regclass::text, e.extcondition[t.n]
	FROM extension e, unnest(e.extconfig) WITH ORDINALITY AS t (id, n)
	UNION ALL
	SELECT 'member', identity, type FROM member
	UNION ALL
	SELECT 'comment', identity, obj_description(objid, classid::regclass::text::name) FROM member
	UNION ALL
	SELECT 'right', m.identity, concat_ws(' ', g.grantor::regrole, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END, g.privilege_type, g.is_grantable)
	FROM member m JOIN acl a USING (classid, objid), aclexplode(a.acl) g
	UNION ALL
	SELECT 'relation', identity, concat_ws(' ', relkind, relpersistence, relowner::regrole, relreplident, relrowsecurity, relforcerowsecurity,
		reloptions, (SELECT amname FROM pg_am WHERE oid = relam), pg_get_partkeydef(oid))
	FROM relation
	UNION ALL
	SELECT 'column', r.identity || '.' || attname, concat_ws(' ',
		CASE relkind WHEN 'p' THEN attnum ELSE rank() OVER (PARTITION BY a.attrelid ORDER BY attnum) END, format_type(atttypid, atttypmod), attnotnull, attstorage,
		attcompression, attidentity, attgenerated, attstattarget,
		(SELECT array_agg(o ORDER BY o) FROM unnest(attoptions) o WHERE o NOT LIKE 'pg\_%'), attcollation::regcollation, attacl,
		pg_get_expr(adbin, adrelid), col_description(a.attrelid, attnum))
	FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE attnum > 0 AND NOT attisdropped
	UNION ALL
	SELECT 'view', identity, pg_get_viewdef(oid) FROM relation WHERE relkind IN ('v', 'm')
	UNION ALL
	SELECT 'index', i.indexrelid::regclass::text, concat_ws(' ', pg_get_indexdef(i.indexrelid), indisvalid, indisclustered, indisreplident)
	FROM relation r JOIN pg_index i ON i.indrelid = r.oid
	UNION ALL
	SELECT 'constraint', r.identity || ' ' || conname, concat_ws(' ', pg_get_constraintdef(c.oid), convalidated)
	FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid
	UNION ALL
	SELECT 'trigger', r.identity || ' ' || tgname, concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled)
	FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT tgisinternal
	UNION ALL
	SELECT 'rule', r.identity || ' ' || rulename, concat_ws(' ', pg_get_ruledef(w.oid), ev_enabled)
	FROM relation r JOIN pg_rewrite w ON w.ev_class = r.oid
	UNION ALL
	SELECT 'policy', r.identity || ' ' || polname, concat_ws(' ', polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
	FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
	UNION ALL
	SELECT 'sequence', identity, concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
	FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
	UNION ALL
	SELECT 'function', m.identity, concat_ws(' ', pg_get_functiondef(p.oid), proowner::regrole, procost, prorows, prosupport, probin)
	FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid WHERE prokind <> 'a'
	UNION ALL
	SELECT 'operator', m.identity, concat_ws(' ', oprowner::regrole, oprcanmerge, oprcanhash, oprresult::regtype, oprcom::regoperator, oprnegate::regoperator, oprcode, oprrest, oprjoin)
	FROM member m JOIN pg_operator o ON m.classid = 'pg_operator'::regclass AND o.oid = m.objid
	UNION ALL
	SELECT 'type', m.identity, concat_ws(' ', typowner::regrole, typtype, typcategory, typlen, typbyval, typalign, typstorage, typdelim, typbasetype::regtype, typdefault)
	FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
)
SELECT kind || ' | ' || name || ' | ' || regexp_replace(coalesce(what, '-'), '\s+', ' ', 'g')
FROM line ORDER BY kind COLLATE "C", name COLLATE "C", what COLLATE "C"
