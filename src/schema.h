/*-------------------------------------------------------------------------
 *
 * schema.h
 *		The extension's own relations: finding them, and their owner's rights.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_SCHEMA_H
#define EB_SCHEMA_H

#include "nodes/pg_list.h"

/* OID of a relation in schema eventbus; InvalidOid when there is none. */
extern Oid	eb_relation_oid(const char *name);

/*
 * Becomes the owner of the extension's tables, for writes that the caller's
 * own rights do not cover; returns what eb_owner_leave() needs. An error
 * restores the user by itself at the end of the (sub)transaction.
 */
typedef struct EbSavedUser
{
	Oid			userid;
	int			sec_context;
} EbSavedUser;

extern EbSavedUser eb_owner_enter(void);
extern void eb_owner_leave(EbSavedUser saved);

/*
 * Runs one statement of our own through SPI, connecting and disconnecting.
 * Everything in it must be schema-qualified. Returns how many rows it touched.
 */
extern uint64 eb_run_sql(const char *format,...) pg_attribute_printf(1, 2);

/*
 * The same for a query: the first column of its first row as text, in
 * CurrentMemoryContext; NULL when there is no row or it is null.
 */
extern char *eb_query_text(const char *format,...) pg_attribute_printf(1, 2);

/* The same for all rows: a list of strings. */
extern List *eb_query_list(const char *query);

#endif							/* EB_SCHEMA_H */
