/*-------------------------------------------------------------------------
 *
 * arn.h
 *		Names of buses, rules and targets: ARNs, and what a name may be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_ARN_H
#define EB_ARN_H

/* the longest name of each kind */
#define EB_MAX_BUS_NAME		256
#define EB_MAX_RULE_NAME	64
#define EB_MAX_TARGET_ID	64
#define EB_MAX_DESCRIPTION	512

/*
 * The name that a bus parameter means: of "arn:PARTITION:events:REGION:
 * ACCOUNT:event-bus/NAME" what follows the slash, anything else as it is.
 * Returns a pointer into name and sets *len, which says its length before.
 * Region and account are not compared: applications bring theirs along.
 */
extern const char *eb_arn_bus_name(const char *name, int *len);

/*
 * What kind and name of a thing another ARN means: prefix is what stands
 * between the account and the name, service what it is of. NULL where resource
 * is not an ARN of that service, or where there is more than a plain name
 * behind the prefix (a version, an alias, a filter). In CurrentMemoryContext.
 */
extern char *eb_arn_name(const char *resource, const char *service,
						 const char *prefix);

/* The ARN of a bus; of a rule; of a queue. Allocated in CurrentMemoryContext. */
extern char *eb_arn_of_bus(const char *bus);
extern char *eb_arn_of_rule(const char *bus, const char *rule);
extern char *eb_arn_of_queue(const char *queue);

/*
 * Raises EventBridge's validation error (22023) unless value has 1 to max_len
 * characters of its name alphabet, also '/' where slash is true. A NULL value
 * is 22004. member is how EventBridge calls the parameter.
 */
extern void eb_arn_check_name(const char *value, const char *member,
							  int max_len, bool slash);

/* Likewise for a description: NULL or up to EB_MAX_DESCRIPTION characters. */
extern void eb_arn_check_description(const char *value);

/* Raises the error for a parameter that must be given (22004). */
extern void eb_arn_null_error(const char *member);

/* Raises the error for a list that must have members (22023). */
extern void eb_arn_empty_error(const char *member);

#endif							/* EB_ARN_H */
