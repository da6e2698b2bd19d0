/*-------------------------------------------------------------------------
 *
 * ruleset.h
 *		All enabled rules of the database, compiled for the router.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_RULESET_H
#define EB_RULESET_H

#include "event_row.h"

/*
 * Makes the compiled rules those of the catalog as it stands; cheap when
 * nothing changed. Call with a transaction open, at the start of a batch.
 * Returns whether anything may have changed.
 */
extern bool eb_ruleset_refresh(void);

/*
 * How often rules were read: the same twice, and no rule has changed as far
 * as this process knows. 0 before the first refresh.
 */
extern uint32 eb_ruleset_version(void);

/*
 * Numbers of the targets that the event goes to, each once. The array is
 * owned by this module and valid until the next call.
 */
extern int	eb_ruleset_match(const EbEvent *event, const int32 **target_ids);

/* Numbers of all targets, owned likewise, valid until the next refresh. */
extern int	eb_ruleset_targets(const int32 **target_ids);

#endif							/* EB_RULESET_H */
