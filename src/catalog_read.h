/*-------------------------------------------------------------------------
 *
 * catalog_read.h
 *		What the cache of buses, rules and targets holds. For catalog*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CATALOG_READ_H
#define EB_CATALOG_READ_H

#include "utils/hsearch.h"
#include "utils/palloc.h"
#include "utils/relcache.h"

#include "catalog.h"

/* The tables, in the order in which they are read. */
typedef enum EbCatalogTable
{
	EB_BUS_TABLE,
	EB_RULE_TABLE,
	EB_TARGET_TABLE
} EbCatalogTable;

#define EB_CATALOG_NTABLES	(EB_TARGET_TABLE + 1)

/* A name that need not end in a zero byte: the key of buses_by_name. */
typedef struct EbNameKey
{
	const char *data;
	Size		len;
} EbNameKey;

typedef struct EbBusNameItem
{
	EbNameKey	key;
	int32		bus_id;
} EbBusNameItem;

typedef struct EbBusItem
{
	int32		bus_id;
	const char *name;
	bool		deleted;
} EbBusItem;

typedef struct EbRuleItem
{
	int32		rule_id;
	EbRule	   *rule;
} EbRuleItem;

typedef struct EbTargetItem
{
	int32		target_id;
	EbTarget   *target;
} EbTargetItem;

typedef struct EbCatalog
{
	MemoryContext context;		/* holds everything, this struct too */
	int			ntables;		/* how many of the tables were read */
	uint64		invalidations[EB_CATALOG_NTABLES];	/* before the snapshot */
	HTAB	   *buses_by_name;	/* of EbBusNameItem; not deleted ones */
	HTAB	   *buses;			/* of EbBusItem, by bus_id; deleted ones too */
	HTAB	   *rules_by_id;	/* of EbRuleItem */
	HTAB	   *targets;		/* of EbTargetItem, by target_id */
} EbCatalog;

/*
 * Reads the first ntables tables into a context under TopTransactionContext,
 * which the caller moves to where it is kept. Writes the OID of each table to
 * oids, and copies the counters, which a callback counts up for these OIDs,
 * when all tables are open and before it takes the snapshot.
 */
extern EbCatalog *eb_catalog_read(int ntables, Oid *oids,
								  const uint64 *invalidations);

/*
 * Opens one of the tables with AccessShareLock, whatever the caller's rights;
 * writes its OID to *oid. An error (42P01) when there is none.
 */
extern Relation eb_catalog_open_table(EbCatalogTable table, Oid *oid);

#endif							/* EB_CATALOG_READ_H */
