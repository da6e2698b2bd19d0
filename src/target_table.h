/*-------------------------------------------------------------------------
 *
 * target_table.h
 *		What the files of the table target share.
 *
 *		target_table.c			validate, deliver, what is kept between calls
 *		target_table_columns.c	which field of an event goes to which column
 *		target_table_fast.c		multi-insert, for plain tables
 *		target_table_executor.c	INSERT, for everything else
 *		target_table_payload.c	members of what a transform makes, to columns
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TARGET_TABLE_H
#define EB_TARGET_TABLE_H

#include "executor/spi.h"
#include "nodes/bitmapset.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "target.h"

/* Where each field of an event stands in the source row, from 1. */
typedef enum EbTableField
{
	EB_FIELD_ID = 1,
	EB_FIELD_SOURCE,
	EB_FIELD_DETAIL_TYPE,
	EB_FIELD_TIME,
	EB_FIELD_ACCOUNT,
	EB_FIELD_REGION,
	EB_FIELD_RESOURCES,
	EB_FIELD_DETAIL,
	EB_FIELD_EVENT,
	EB_FIELD_EVENT_BUS,
	EB_FIELD_RULE,
	EB_FIELD_REPLAY_NAME,
	EB_FIELD_RESOURCES_JSON		/* resources again, for json columns */
} EbTableField;

#define EB_TABLE_NFIELDS	EB_FIELD_RESOURCES_JSON

/* One column that takes a field. */
typedef struct EbTableColumn
{
	AttrNumber	attnum;
	EbTableField field;
	bool		explicit_cast;	/* by text, as CAST would; else assignment */
} EbTableColumn;

/* Which columns of a table take which fields. */
typedef struct EbTableMap
{
	uint32		fields;			/* 1 << field for each one in use */
	Bitmapset  *attnums;		/* columns, as RangeTblEntry.insertedCols */
	int			ncolumns;
	EbTableColumn columns[FLEXIBLE_ARRAY_MEMBER];
} EbTableMap;

/* The events of one call, and what all of them have in common. */
typedef struct EbTableSource
{
	EbDelivery *items;
	int			nitems;
	uint32		fields;			/* as EbTableMap.fields */
	Datum		common[EB_TABLE_NFIELDS];	/* account, region, bus and rule */
} EbTableSource;

/* in target_table_columns.c */
extern EbTableMap *eb_table_map(Relation rel);
extern EbTableMap *eb_table_map_copy(const EbTableMap *map);
extern void eb_table_check_kind(Relation rel);
extern void eb_table_check_rights(Relation rel, const Bitmapset *attnums,
								  Oid role);
extern bool eb_table_stays_null(Relation rel, Form_pg_attribute att);
extern Node *eb_table_convert(Relation rel, const EbTableColumn *column);
extern TupleDesc eb_table_source_desc(void);
extern void eb_table_source_init(EbTableSource *source,
								 const EbTableMap *map, const EbRule *rule,
								 EbDelivery *items, int n);
extern void eb_table_source_row(const EbTableSource *source, int i,
								Datum *values, bool *nulls);

/* in target_table_fast.c */
extern List *eb_table_fast_targetlist(Relation rel, const EbTableMap *map);
extern void eb_table_fast_insert(Relation rel, const EbTableMap *map,
								 List *targetlist,
								 const EbTableSource *source);

/* in target_table_executor.c */
extern char *eb_table_statement(Relation rel, const char *columns,
								const char *values,
								bool ignore_conflicts);
extern char *eb_table_event_statement(Relation rel,
									  const EbTableMap *map,
									  bool ignore_conflicts);
extern SPIPlanPtr eb_table_executor_prepare(const char *statement,
											TupleDesc source);
extern void eb_table_executor_check(const char *statement, TupleDesc source);
extern void eb_table_executor_insert(SPIPlanPtr plan, TupleDesc source,
									 Tuplestorestate *rows);
extern Tuplestorestate *eb_table_event_rows(const EbTableSource *source);

/* in target_table_payload.c */
typedef struct EbTablePayloads EbTablePayloads;

extern EbTablePayloads *eb_table_payloads_create(bool ignore_conflicts);
extern void eb_table_payloads_free(EbTablePayloads *payloads);
extern void eb_table_payloads_check(Relation rel,
									const EbTransform *transform, Oid owner,
									bool ignore_conflicts);
extern void eb_table_payloads_insert(EbTablePayloads *payloads, Relation rel,
									 EbTargetRun *run);

#endif							/* EB_TARGET_TABLE_H */
