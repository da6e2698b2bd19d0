/*-------------------------------------------------------------------------
 *
 * api_target.h
 *		A target on its way from SQL to the catalog.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_API_TARGET_H
#define EB_API_TARGET_H

#include "catalog_write.h"

/* Named arguments and entry members that are kept among the parameters. */
typedef struct EbTargetOption
{
	const char *parameter;		/* also the argument of eb_put_target() */
	Oid			type;			/* of that argument */
	const char *block;			/* member of an entry of eb_put_targets() that
								 * this is a member of, or NULL */
	const char *member;
} EbTargetOption;

#define EB_NUM_TARGET_OPTIONS	14

extern const EbTargetOption eb_target_options[EB_NUM_TARGET_OPTIONS];

/* A target as it was given: nothing checked yet, NULL for what is missing. */
typedef struct EbTargetInput
{
	const char *id;
	const char *type;
	const char *resource;
	Jsonb	   *parameters;
	Jsonb	   *options[EB_NUM_TARGET_OPTIONS];
} EbTargetInput;

/* Checks a target whose id was checked, and stores it. */
extern void eb_target_put(const EbRuleRef *rule, const EbTargetInput *input);

#endif							/* EB_API_TARGET_H */
