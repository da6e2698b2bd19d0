/*-------------------------------------------------------------------------
 *
 * catalog_scan.h
 *		Rules and targets row by row, for who keeps them in a form of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CATALOG_SCAN_H
#define EB_CATALOG_SCAN_H

#include "storage/itemptr.h"

#include "catalog.h"

/* How often each table may have changed, as far as this process knows. */
typedef struct EbCatalogChanges
{
	uint64		buses;
	uint64		rules;
	uint64		targets;
} EbCatalogChanges;

/* Which version of a row this is: the same twice, and the row is the same. */
typedef struct EbRowVersion
{
	ItemPointerData tid;
	TransactionId xmin;
} EbRowVersion;

/* What is called for each row of a table; NULL: the table is not read. */
typedef struct EbCatalogVisitor
{
	/* an event bus that was not deleted; the default one has no row */
	void		(*bus) (int32 bus_id, void *arg);

	/* a rule: is more of it wanted? */
	bool		(*rule) (int32 rule_id, const EbRowVersion *version,
						 void *arg);

	/*
	 * Then this follows, with its pattern, and its name if it has a schedule;
	 * both are gone after the call. NULL: it has none or is not enabled.
	 */
	void		(*pattern) (int32 rule_id, int32 bus_id, Jsonb *pattern,
							const char *scheduled, void *arg);

	void		(*target) (int32 rule_id, int32 target_id, void *arg);
	void	   *arg;
} EbCatalogVisitor;

/* Takes in what other processes have changed, and says so. Cheap. */
extern void eb_catalog_changes(EbCatalogChanges *changes);

/*
 * Reads tables under the latest snapshot. What changes after that snapshot
 * is counted after what eb_catalog_changes() said before the call.
 */
extern void eb_catalog_scan(const EbCatalogVisitor *visitor);

#endif							/* EB_CATALOG_SCAN_H */
