/*-------------------------------------------------------------------------
 *
 * target_table_columns.c
 *		Which field of an event goes to which column of a table.
 *
 * A column takes the field whose name it bears. A column that is generated
 * always (identity or expression) takes none; any other column gets its
 * default. What cannot work for any event is found here, when the target is
 * put and again when a changed table is first used, and carries an SQLSTATE
 * of class 42: the target is at fault, not an event.
 *
 * An event is presented as a source row: one column per field, described by
 * eb_table_source_desc(). The multi-insert projects that row, the executor
 * scans a tuplestore of such rows; both convert as eb_table_convert() says.
 *
 * Conversions are those of an assignment in SQL. Beyond these a text field
 * goes into other types by their input function (an enum, a number, ...), but
 * not where that reads something else than the text itself: not into bytea,
 * json and jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/tupdesc.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "eventbus.h"
#include "guc.h"
#include "target_table.h"

/* spelled out for hints */
#define FIELD_NAMES "id, source, detail_type, time, account, region, " \
	"resources, detail, event, event_bus, rule, replay_name"

typedef struct FieldType
{
	const char *name;			/* the column's name; NULL: of no column */
	Oid			type;
} FieldType;

/* indexed by EbTableField - 1 */
static const FieldType field_types[EB_TABLE_NFIELDS] = {
	{"id", UUIDOID},
	{"source", TEXTOID},
	{"detail_type", TEXTOID},
	{"time", TIMESTAMPTZOID},
	{"account", TEXTOID},
	{"region", TEXTOID},
	{"resources", TEXTARRAYOID},
	{"detail", JSONBOID},
	{"event", JSONBOID},
	{"event_bus", TEXTOID},
	{"rule", TEXTOID},
	{"replay_name", TEXTOID},
	{NULL, JSONBOID},
};

#define field_type(field)	(field_types[(field) - 1].type)

static int	field_of_column(Form_pg_attribute att);
static void add_column(EbTableMap *map, Relation rel, Form_pg_attribute att,
					   EbTableField field);
static void check_unfilled(Relation rel, Form_pg_attribute att);
static bool domain_is_not_null(Oid type);
pg_noreturn static void rights_error(Relation rel, AttrNumber attnum,
									 const char *rolname);
static Node *convert(EbTableField field, Form_pg_attribute att,
					 bool explicit_cast);
static bool is_input_faithful(Oid type);
static Datum resources_as_json(ArrayType *resources);

/*
 * Maps the columns of rel, which the caller has open and locked. The result
 * is allocated in CurrentMemoryContext. Raises an error when the table cannot
 * take events: no column bears a field's name, a column's type does not fit,
 * or a NOT NULL column would stay empty.
 */
EbTableMap *
eb_table_map(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	EbTableMap *map;

	map = palloc0(offsetof(EbTableMap, columns) +
				  desc->natts * sizeof(EbTableColumn));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int			field;

		if (att->attisdropped || att->attgenerated ||
			att->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
			continue;
		field = field_of_column(att);
		if (field == 0)
			check_unfilled(rel, att);
		else
			add_column(map, rel, att, field);
	}
	if (map->ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("relation \"%s\" has no column that takes a field of an event",
						RelationGetRelationName(rel)),
				 errdetail("A column takes the field whose name it bears, unless it is GENERATED ALWAYS."),
				 errhint("Name at least one column after one of the fields %s.",
						 FIELD_NAMES)));
	return map;
}

/* A copy of a map in CurrentMemoryContext. */
EbTableMap *
eb_table_map_copy(const EbTableMap *map)
{
	Size		size = offsetof(EbTableMap, columns) +
		map->ncolumns * sizeof(EbTableColumn);
	EbTableMap *copy = palloc(size);

	memcpy(copy, map, size);
	copy->attnums = bms_copy(map->attnums);
	return copy;
}

/* The field whose name the column bears, 0 for none. */
static int
field_of_column(Form_pg_attribute att)
{
	for (int field = 1; field <= EB_TABLE_NFIELDS; field++)
	{
		const char *name = field_types[field - 1].name;

		if (name == NULL || strcmp(NameStr(att->attname), name) != 0)
			continue;
		if (field == EB_FIELD_RESOURCES)
		{
			Oid			base = getBaseType(att->atttypid);

			if (base == JSONBOID || base == JSONOID)
				return EB_FIELD_RESOURCES_JSON;
		}
		return field;
	}
	return 0;
}

/* Lets a column take a field, or says why it cannot. */
static void
add_column(EbTableMap *map, Relation rel, Form_pg_attribute att,
		   EbTableField field)
{
	EbTableColumn *column = &map->columns[map->ncolumns];

	column->attnum = att->attnum;
	column->field = field;
	column->explicit_cast = convert(field, att, false) == NULL;
	if (column->explicit_cast && convert(field, att, true) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of relation \"%s\" cannot take the field \"%s\" of events",
						NameStr(att->attname), RelationGetRelationName(rel),
						NameStr(att->attname)),
				 errdetail("The field is of type %s, the column of type %s, and an assignment does not convert the one into the other.",
						   format_type_be(field_type(field)),
						   format_type_with_typemod(att->atttypid,
													att->atttypmod)),
				 errhint("Change the column's type, rename the column, or make it GENERATED ALWAYS so that it takes no field.")));
	if (field == EB_FIELD_REPLAY_NAME &&
		(att->attnotnull || domain_is_not_null(att->atttypid)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
				 errmsg("column \"%s\" of relation \"%s\" must not be NOT NULL",
						NameStr(att->attname), RelationGetRelationName(rel)),
				 errdetail("Only events that come from a replay have a replay name."),
				 errhint("Drop the column's NOT NULL constraint, or rename the column.")));
	map->fields |= 1U << field;
	map->attnums = bms_add_member(map->attnums, att->attnum -
								  FirstLowInvalidHeapAttributeNumber);
	map->ncolumns++;
}

/* Would a column violate NOT NULL if it were given no value? */
bool
eb_table_stays_null(Relation rel, Form_pg_attribute att)
{
	if (att->attisdropped || att->attgenerated)
		return false;
	return (att->attnotnull || domain_is_not_null(att->atttypid)) &&
		build_column_default(rel, att->attnum) == NULL;
}

/* Refuses a column that takes no field and would violate NOT NULL. */
static void
check_unfilled(Relation rel, Form_pg_attribute att)
{
	if (!eb_table_stays_null(rel, att))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
			 errmsg("column \"%s\" of relation \"%s\" would be null in every row",
					NameStr(att->attname), RelationGetRelationName(rel)),
			 errdetail("The column is NOT NULL, has no default, and does not bear the name of a field of an event."),
			 errhint("Give the column a default, drop its NOT NULL constraint, or name it after one of the fields %s.",
					 FIELD_NAMES)));
}

/* Is it a domain that, itself or by one it is built on, is NOT NULL? */
static bool
domain_is_not_null(Oid type)
{
	for (;;)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
		Form_pg_type form;
		bool		is_domain;
		bool		not_null;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for type %u", type);
		form = (Form_pg_type) GETSTRUCT(tuple);
		is_domain = form->typtype == TYPTYPE_DOMAIN;
		not_null = form->typnotnull;
		type = form->typbasetype;
		ReleaseSysCache(tuple);
		if (!is_domain || not_null)
			return is_domain;
	}
}

/*
 * The expression that makes a column's value of its field in the source row,
 * a Var of range table entry 1. Allocated in CurrentMemoryContext.
 */
Node *
eb_table_convert(Relation rel, const EbTableColumn *column)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
										  column->attnum - 1);
	Node	   *expr = convert(column->field, att, column->explicit_cast);

	if (expr == NULL)
		elog(ERROR, "no conversion for column \"%s\"", NameStr(att->attname));
	return expr;
}

/* Does the type's input function take a text for what it is? */
static bool
is_input_faithful(Oid type)
{
	switch (getBaseType(type))
	{
		case BYTEAOID:
		case JSONOID:
		case JSONBOID:
			return false;
		default:
			return true;
	}
}

/*
 * The same by one way of conversion, NULL when that leads nowhere. An
 * explicit cast goes to the bare type and leaves a length limit to the
 * assignment, which raises an error where the cast would cut.
 */
static Node *
convert(EbTableField field, Form_pg_attribute att, bool explicit_cast)
{
	Oid			type = field_type(field);
	Node	   *expr;

	expr = (Node *) makeVar(1, field, type, -1, get_typcollation(type), 0);
	if (explicit_cast)
	{
		if (type != TEXTOID || !is_input_faithful(att->atttypid))
			return NULL;
		expr = coerce_to_target_type(NULL, expr, type, att->atttypid, -1,
									 COERCION_EXPLICIT, COERCE_EXPLICIT_CAST,
									 -1);
		if (expr == NULL)
			return NULL;
		type = att->atttypid;
	}
	expr = coerce_to_target_type(NULL, expr, type, att->atttypid,
								 att->atttypmod, COERCION_ASSIGNMENT,
								 COERCE_IMPLICIT_CAST, -1);
	if (expr != NULL)
		assign_expr_collations(NULL, expr);
	return expr;
}

/*
 * Refuses relations that cannot be inserted into, or should not be: those of
 * the system and of this extension, and temporary ones, which the worker that
 * delivers does not see. The caller has rel open and locked.
 */
void
eb_table_check_kind(Relation rel)
{
	const char *name = RelationGetRelationName(rel);
	const char *schema = get_namespace_name(RelationGetNamespace(rel));

	if (IsCatalogRelation(rel) || IsToastRelation(rel))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("\"%s\" is a system catalog", name),
				 errdetail("A system catalog cannot be a target.")));
	if (schema != NULL && strcmp(schema, EB_SCHEMA) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" belongs to the extension \"%s\"",
						name, EB_EXTENSION_NAME),
				 errdetail("Nothing in schema \"%s\" can be a target.",
						   EB_SCHEMA)));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is temporary", name),
				 errdetail("Events are delivered by another process, which does not see temporary tables."),
				 errhint("Use a permanent or an unlogged table.")));
	if ((relation_is_updatable(RelationGetRelid(rel), NIL, true, NULL) &
		 (1 << CMD_INSERT)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot insert into relation \"%s\"", name),
				 errdetail("A table target is a table, a partitioned table, or a view or foreign table that takes INSERT.")));
}

/*
 * Raises insufficient_privilege unless role may insert into all those columns
 * (as RangeTblEntry.insertedCols); where there are none, into any. No lock
 * needed beyond the one that keeps rel open.
 */
void
eb_table_check_rights(Relation rel, const Bitmapset *attnums, Oid role)
{
	Oid			relid = RelationGetRelid(rel);
	Oid			schema = RelationGetNamespace(rel);
	const char *nspname = get_namespace_name(schema);
	const char *rolname = GetUserNameFromId(role, false);
	int			member = -1;

	if (eb_schema_aclcheck(schema, role, ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", nspname),
				 errdetail("Role \"%s\", which owns the rule, needs the USAGE privilege.",
						   rolname),
				 errhint("GRANT USAGE ON SCHEMA %s TO %s;",
						 quote_identifier(nspname),
						 quote_identifier(rolname))));
	if (pg_class_aclcheck(relid, role, ACL_INSERT) == ACLCHECK_OK)
		return;
	if (bms_is_empty(attnums) &&
		pg_attribute_aclcheck_all(relid, role, ACL_INSERT,
								  ACLMASK_ANY) != ACLCHECK_OK)
		rights_error(rel, InvalidAttrNumber, rolname);
	while ((member = bms_next_member(attnums, member)) >= 0)
	{
		AttrNumber	attnum = member + FirstLowInvalidHeapAttributeNumber;

		if (pg_attribute_aclcheck(relid, attnum, role,
								  ACL_INSERT) != ACLCHECK_OK)
			rights_error(rel, attnum, rolname);
	}
}

/* attnum: the column that the privilege is missing on, 0: all of them. */
static void
rights_error(Relation rel, AttrNumber attnum, const char *rolname)
{
	const char *relname = RelationGetRelationName(rel);
	const char *nspname = get_namespace_name(RelationGetNamespace(rel));

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for relation %s", relname),
			 attnum == InvalidAttrNumber ?
			 errdetail("Role \"%s\", which owns the rule, needs the INSERT privilege.",
					   rolname) :
			 errdetail("Role \"%s\", which owns the rule, needs the INSERT privilege on column \"%s\".",
					   rolname, get_attname(RelationGetRelid(rel), attnum,
											false)),
			 errhint("GRANT INSERT ON %s TO %s;",
					 quote_qualified_identifier(nspname, relname),
					 quote_identifier(rolname))));
}

/*
 * The source row: column number field is named after the field (resources as
 * json: "resources_json"). Made once, lives as long as the process.
 */
TupleDesc
eb_table_source_desc(void)
{
	static TupleDesc source_desc = NULL;
	MemoryContext oldcontext;
	TupleDesc	desc;

	if (source_desc != NULL)
		return source_desc;
	oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	desc = CreateTemplateTupleDesc(EB_TABLE_NFIELDS);
	for (int field = 1; field <= EB_TABLE_NFIELDS; field++)
	{
		const char *name = field_types[field - 1].name;

		TupleDescInitEntry(desc, field, name ? name : "resources_json",
						   field_type(field), -1, 0);
	}
	source_desc = desc;
	MemoryContextSwitchTo(oldcontext);
	return source_desc;
}

/*
 * Sets up the rows of one call. Values that all events share are allocated
 * in CurrentMemoryContext; rule and map are not referred to afterwards, items
 * are.
 */
void
eb_table_source_init(EbTableSource *source, const EbTableMap *map,
					 const EbRule *rule, EbDelivery *items, int n)
{
	memset(source, 0, sizeof(*source));
	source->items = items;
	source->nitems = n;
	source->fields = map->fields;
	source->common[EB_FIELD_ACCOUNT - 1] =
		CStringGetTextDatum(eb_guc_account_id);
	source->common[EB_FIELD_REGION - 1] = CStringGetTextDatum(eb_guc_region);
	source->common[EB_FIELD_EVENT_BUS - 1] =
		CStringGetTextDatum(rule->bus_name);
	source->common[EB_FIELD_RULE - 1] = CStringGetTextDatum(rule->name);
}

/*
 * Fills values and nulls (EB_TABLE_NFIELDS of each) with item i. Only fields
 * in use are set, others are null. What has to be built is allocated in
 * CurrentMemoryContext.
 */
void
eb_table_source_row(const EbTableSource *source, int i, Datum *values,
					bool *nulls)
{
	EbEvent    *event = &source->items[i].event;
	uint32		fields = source->fields;

	for (int field = 1; field <= EB_TABLE_NFIELDS; field++)
		nulls[field - 1] = (fields & (1U << field)) == 0;
	memcpy(values, source->common, sizeof(source->common));

	values[EB_FIELD_ID - 1] = UUIDPGetDatum(&event->id);
	values[EB_FIELD_SOURCE - 1] = PointerGetDatum(event->source);
	values[EB_FIELD_DETAIL_TYPE - 1] = PointerGetDatum(event->detail_type);
	values[EB_FIELD_TIME - 1] = TimestampTzGetDatum(event->time);
	values[EB_FIELD_DETAIL - 1] = JsonbPGetDatum(event->detail);
	values[EB_FIELD_REPLAY_NAME - 1] = PointerGetDatum(event->replay_name);
	if (event->replay_name == NULL)
		nulls[EB_FIELD_REPLAY_NAME - 1] = true;
	if (fields & (1U << EB_FIELD_RESOURCES))
		values[EB_FIELD_RESOURCES - 1] = event->resources ?
			PointerGetDatum(event->resources) :
			PointerGetDatum(construct_empty_array(TEXTOID));
	if (fields & (1U << EB_FIELD_RESOURCES_JSON))
		values[EB_FIELD_RESOURCES_JSON - 1] =
			resources_as_json(event->resources);
	if (fields & (1U << EB_FIELD_EVENT))
		values[EB_FIELD_EVENT - 1] = JsonbPGetDatum(eb_event_envelope(event));
}

/* Resources as a jsonb array, empty for none. */
static Datum
resources_as_json(ArrayType *resources)
{
	JsonbParseState *state = NULL;
	JsonbValue	item;
	Datum	   *elements = NULL;
	bool	   *nulls = NULL;
	int			n = 0;

	if (resources != NULL)
		deconstruct_array(resources, TEXTOID, -1, false, TYPALIGN_INT,
						  &elements, &nulls, &n);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		item.type = nulls[i] ? jbvNull : jbvString;
		if (!nulls[i])
		{
			item.val.string.val = VARDATA_ANY(DatumGetPointer(elements[i]));
			item.val.string.len =
				VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i]));
		}
		pushJsonbValue(&state, WJB_ELEM, &item);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state,
														   WJB_END_ARRAY,
														   NULL)));
}
