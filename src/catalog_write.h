/*-------------------------------------------------------------------------
 *
 * catalog_write.h
 *		Changes and descriptions of event buses, rules and targets.
 *
 * What EventBridge's API does to them, with its rules and its messages. Bus
 * parameters are a name or an ARN. Errors: 22004 NULL where a value must be,
 * 22023 invalid, 42704 missing, 42710 duplicate, 2BP01 in use, 42501 not
 * allowed. Changes of one object are serialized by locking its row; see the
 * file headers for which lock keeps what.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CATALOG_WRITE_H
#define EB_CATALOG_WRITE_H

#include "utils/jsonb.h"

#include "schedule_spec.h"

/* A bus that was found. */
typedef struct EbBusRef
{
	int32		bus_id;
	const char *name;
	const char *owner;			/* role name; NULL for the default bus */
} EbBusRef;

/* A rule that was found and locked. */
typedef struct EbRuleRef
{
	EbBusRef	bus;
	int32		rule_id;
	const char *name;
	const char *owner;			/* role name */
} EbRuleRef;

/* All that eb_put_rule() sets. */
typedef struct EbRuleSpec
{
	const char *name;
	const char *event_bus;
	const char *state;
	const char *description;	/* NULL: none */
	Jsonb	   *event_pattern;	/* checked by the caller; NULL: none */
	EbScheduleSpec schedule;	/* likewise */
} EbRuleSpec;

/* All that a put of a target sets, checked by the caller. */
typedef struct EbTargetSpec
{
	const char *id;
	const char *type;
	const char *resource;		/* NULL: none */
	Jsonb	   *parameters;		/* an object */
	const char *search_path;	/* for code of users that it runs */
} EbTargetSpec;

/* in catalog_bus.c */

extern void eb_catalog_create_bus(const char *name, const char *description);
extern void eb_catalog_update_bus(const char *name, const char *description);

/* Refused while the bus has rules; a missing bus is fine. */
extern void eb_catalog_delete_bus(const char *name);

/* The answer of DescribeEventBus. */
extern Jsonb *eb_catalog_describe_bus(const char *name);

/*
 * Finds a bus, error when there is none. lock_it keeps it from being deleted
 * until the transaction ends.
 */
extern void eb_catalog_get_bus(const char *name, bool lock_it, EbBusRef *bus);

/* Error (42501) unless the current user has the rights of role owner. */
extern void eb_catalog_check_owner(const char *owner, const char *kind,
								   const char *name);

/* in catalog_rule.c */

/* Creates the rule, or replaces all but its targets and owner. */
extern void eb_catalog_put_rule(const EbRuleSpec *spec, EbRuleRef *rule);

extern void eb_catalog_set_rule_state(const char *name, const char *event_bus,
									  const char *state);

/* Refused while the rule has targets; a missing rule is fine. */
extern void eb_catalog_delete_rule(const char *name, const char *event_bus);

/* The answer of DescribeRule. */
extern Jsonb *eb_catalog_describe_rule(const char *name,
									   const char *event_bus);

/*
 * Finds a rule whose targets the current user may change, error when there is
 * none, and keeps it from being deleted until the transaction ends.
 */
extern void eb_catalog_get_rule(const char *name, const char *event_bus,
								EbRuleRef *rule);

/* in catalog_target.c */

/* Creates the target of that id, or replaces it: it keeps its position. */
extern void eb_catalog_put_target(const EbRuleRef *rule,
								  const EbTargetSpec *spec);

/*
 * Keeps events from a target, or lets them go to it again. False when there
 * is none.
 */
extern bool eb_catalog_pause_target(const EbRuleRef *rule, const char *id);
extern bool eb_catalog_resume_target(const EbRuleRef *rule, const char *id,
									 int32 *target_id, bool *was_paused);

/* Forgets all that waits for a target. */
extern void eb_catalog_skip_backlog(int32 target_id);

/* Removes a target, its position and its retries. False when there is none. */
extern bool eb_catalog_remove_target(const EbRuleRef *rule, const char *id);

#endif							/* EB_CATALOG_WRITE_H */
