--
-- The extension as a whole: what CREATE EXTENSION leaves behind.
--
-- every object of the extension, but for the row types and array types that
-- come with another one: they are members of it since PostgreSQL 17
CREATE TEMP VIEW member AS
SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS object
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'eventbus')
  AND d.deptype = 'e'
  AND NOT EXISTS (
    SELECT FROM pg_depend i
    WHERE i.classid = 'pg_type'::regclass AND i.deptype = 'i'
      AND i.classid = d.classid AND i.objid = d.objid);

-- each one tells what it is for
SELECT object FROM member
WHERE obj_description(objid, classid::regclass::name) IS NULL
ORDER BY 1;

-- PUBLIC may call what matches patterns, and touch nothing else
SELECT object FROM member
WHERE (classid = 'pg_proc'::regclass AND has_function_privilege('public', objid, 'EXECUTE'))
   OR (classid = 'pg_class'::regclass AND
       (SELECT relkind = 'S' AND has_sequence_privilege('public', oid, 'USAGE, SELECT, UPDATE')
            OR relkind <> 'S' AND has_table_privilege('public', oid,
                 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        FROM pg_class WHERE oid = objid))
   OR (classid = 'pg_namespace'::regclass AND has_schema_privilege('public', objid, 'CREATE, USAGE'))
ORDER BY 1;

-- functions run with the rights of who calls them
SELECT object FROM member JOIN pg_proc p ON p.oid = objid
WHERE classid = 'pg_proc'::regclass AND prosecdef
ORDER BY 1;

-- a SQL or PL/pgSQL function looks nothing up by the caller's search_path
SELECT object FROM member JOIN pg_proc p ON p.oid = objid JOIN pg_language l ON l.oid = prolang
WHERE classid = 'pg_proc'::regclass AND lanname NOT IN ('c', 'internal')
  AND p.prosqlbody IS NULL
  AND NOT coalesce(array_to_string(proconfig, ' ') LIKE '%search_path=%', false)
ORDER BY 1;

-- partitioned parents carry no index, constraint or trigger: a restore would
-- make them before the partitions, and break
SELECT object FROM member JOIN pg_class c ON c.oid = objid
WHERE classid = 'pg_class'::regclass AND relkind = 'p'
  AND (relhasindex OR relhastriggers
       OR EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype <> 'n'))
ORDER BY 1;

-- what is installed, and where
SELECT extversion, extnamespace::regnamespace FROM pg_extension WHERE extname = 'eventbus';
