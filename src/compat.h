/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What differs between PostgreSQL 15, 17 and 18: the only place that
 *		tests PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_COMPAT_H
#define EB_COMPAT_H

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_relation.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

/* 18: a module can say what it is */
#if PG_VERSION_NUM >= 180000
#define EB_MODULE_MAGIC(module, module_version) \
	PG_MODULE_MAGIC_EXT(.name = module, .version = module_version)
#else
#define EB_MODULE_MAGIC(module, module_version) PG_MODULE_MAGIC
#endif

/* A function that does not return (18 has the mark before the declaration). */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 16 says which indexes an update touched */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes EbUpdatedIndexes;
#else
typedef bool EbUpdatedIndexes;
#endif

/* Inserts the index entries of a new row (16 adds a parameter). */
static inline void
eb_insert_index_tuples(ResultRelInfo *result_rel, TupleTableSlot *slot,
					   EState *estate)
{
#if PG_VERSION_NUM >= 160000
	(void) ExecInsertIndexTuples(result_rel, slot, estate, false, false, NULL,
								 NIL, false);
#else
	(void) ExecInsertIndexTuples(result_rel, slot, estate, false, false, NULL,
								 NIL);
#endif
}

/* Begins an index scan (18 adds the place for instrumentation). */
static inline IndexScanDesc
eb_index_beginscan(Relation heap, Relation index, Snapshot snapshot,
				   int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* The rights on a schema (16 has one function for most kinds of objects). */
static inline AclResult
eb_schema_aclcheck(Oid schema, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, role, mode);
#else
	return pg_namespace_aclcheck(schema, role, mode);
#endif
}

/* The right to call a function. */
static inline AclResult
eb_function_aclcheck(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE);
#else
	return pg_proc_aclcheck(function, role, ACL_EXECUTE);
#endif
}

/*
 * Gives estate a range table of one entry: rel, into whose columns
 * inserted_cols (numbered as in RangeTblEntry.insertedCols) an INSERT goes.
 * 16 keeps rights apart from the entry; 18 asks which entries are pruned.
 */
static inline void
eb_init_range_table(EState *estate, Relation rel, Bitmapset *inserted_cols)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
#if PG_VERSION_NUM >= 160000
	List	   *perminfos = NIL;
#endif

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(rel);
	rte->relkind = rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
#if PG_VERSION_NUM >= 160000
	addRTEPermissionInfo(&perminfos, rte)->insertedCols = inserted_cols;
#else
	rte->insertedCols = inserted_cols;
#endif
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, list_make1(rte), perminfos,
					   bms_make_singleton(1));
#elif PG_VERSION_NUM >= 160000
	ExecInitRangeTable(estate, list_make1(rte), perminfos);
#else
	ExecInitRangeTable(estate, list_make1(rte));
#endif
}

/* What an action of the JSON parser returns (16 lets it say that it failed). */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType EbJsonActionResult;
#define EB_JSON_ACTION_DONE()	return JSON_SUCCESS
#else
typedef void EbJsonActionResult;
#define EB_JSON_ACTION_DONE()	return
#endif

/* A JSON lexer that resolves escapes (17 adds the place to make it in). */
static inline JsonLexContext *
eb_make_json_lexer(const char *text, int len, int encoding)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, text, len, encoding, true);
#else
	return makeJsonLexContextCstringLen(unconstify(char *, text), len,
										encoding, true);
#endif
}

/* 16 has one function for the owner of any kind of object */
static inline bool
eb_database_ownercheck(Oid dboid, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, dboid, roleid);
#else
	return pg_database_ownercheck(dboid, roleid);
#endif
}

static inline bool
eb_extension_ownercheck(Oid extension, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(ExtensionRelationId, extension, roleid);
#else
	return pg_extension_ownercheck(extension, roleid);
#endif
}

/* 17: extensions can name their wait events. Call once, keep the result. */
static inline uint32
eb_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

#endif							/* EB_COMPAT_H */
