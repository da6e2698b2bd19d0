/*-------------------------------------------------------------------------
 *
 * catalog.h
 *		Event buses, rules and targets: read, write, cache, invalidate.
 *
 * The only module that touches eventbus.event_bus, eventbus.rule and
 * eventbus.target; changes are in catalog_write.h. Reads come from a cache per
 * process that a change of any of these tables (also by COPY) invalidates;
 * what a caller gets back stays valid until its transaction ends or it calls
 * CommandCounterIncrement() (in a background worker: until the transaction
 * ends). Call inside a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CATALOG_H
#define EB_CATALOG_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

typedef struct EbRule
{
	int32		rule_id;
	int32		bus_id;
	const char *name;
	const char *bus_name;
	const char *owner;			/* role name */
} EbRule;

typedef struct EbTarget
{
	int32		target_id;
	const EbRule *rule;
	const char *id;				/* unique within the rule */
	const char *type;			/* name of an EbTargetType */
	const char *resource;		/* schema-qualified name, or NULL */
	Jsonb	   *parameters;		/* an object */
	const char *search_path;	/* for code of users that it runs */
	bool		paused;
} EbTarget;

/*
 * The id of the bus that name says (a bare name or an event bus ARN). False
 * when there is none; 'default' always exists.
 */
extern bool eb_catalog_find_bus(const char *name, int len, int32 *bus_id);

/* A rule by number, NULL when it is gone. */
extern const EbRule *eb_catalog_rule(int32 rule_id);

/* A target by number, NULL when it is gone. */
extern const EbTarget *eb_catalog_target(int32 target_id);

/*
 * Changes whenever the cache was thrown away and read again: what a caller
 * derived from it (a compiled matcher, a resolved table) is then stale.
 * Reads the cache if need be.
 */
extern uint64 eb_catalog_version(void);

#endif							/* EB_CATALOG_H */
