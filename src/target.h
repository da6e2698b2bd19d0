/*-------------------------------------------------------------------------
 *
 * target.h
 *		Kinds of targets: one vtable each, one file each.
 *
 * The delivery engine knows no kind. To add one, write target_KIND.c with a
 * const EbTargetType and name it in target.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TARGET_H
#define EB_TARGET_H

#include "catalog.h"
#include "event_row.h"
#include "target_options.h"
#include "transform.h"

/* One matched event on its way to a target. */
typedef struct EbDelivery
{
	int64		delivery_seq;	/* its number: gap-free per generation */
	int32		generation;		/* of the log that it belongs to */
	int32		redrive;		/* how often it came back from dead letters */
	int			attempt;		/* number of this attempt, from 1 */
	TimestampTz accepted_at;	/* its age counts from then */
	EbEvent		event;
	EbPayload  *payload;		/* what is sent, NULL: the whole event */
} EbDelivery;

/* Some of them, to be delivered in order. */
typedef struct EbTargetRun
{
	const EbTarget *target;
	const EbTargetOptions *options;
	const EbTransform *transform;	/* NULL: events are sent as they are */
	EbDelivery *items;
	int			n;

	/*
	 * Which one is being delivered: set by types that take them one at a
	 * time, so that an error tells whose it is. -1: any of them.
	 */
	int			at;
} EbTargetRun;

typedef struct EbTargetType
{
	const char *name;

	/*
	 * Checks a target as it is put, and returns the resource name to store
	 * (schema-qualified). Runs as the caller, so that names mean what they
	 * mean to it; the rights that count are those of role owner. Parameters
	 * are without the options that all types have. Raises an error with
	 * DETAIL and HINT where it cannot work.
	 */
	const char *(*validate) (const char *resource, Jsonb *parameters,
							 Oid owner);

	/*
	 * Checks, after validate() and likewise, that the resource to be stored
	 * takes what it will be sent: what the transform makes of events, or with
	 * NULL events. May be NULL: it takes anything.
	 */
	void		(*check_input) (const char *resource, Jsonb *parameters,
								const EbTransform *transform, Oid owner);

	/*
	 * Delivers items from the first one on, in order, and returns how many:
	 * all, or fewer (but one at least) where the rest would take too long.
	 * All of these or none: runs inside a subtransaction as the rule's owner
	 * under SECURITY_RESTRICTED_OPERATION, and raises an error when it
	 * cannot. CurrentMemoryContext is reset after the call. 55P03
	 * (lock_not_available) says "busy, try the same again". May change to a
	 * user with fewer rights; the caller changes back.
	 */
	int			(*deliver) (EbTargetRun *run);

	/* Forgets what it keeps between calls (may be NULL). */
	void		(*shutdown) (void);
} EbTargetType;

/* The type of that name, NULL when there is none. */
extern const EbTargetType *eb_target_type(const char *name);

/* The names of all types, for messages. In CurrentMemoryContext. */
extern char *eb_target_type_names(void);

/* --- what types have in common --- */

/*
 * Makes what is sent of each item of a run, where its target has a transform;
 * run->at says of which item an error is. In CurrentMemoryContext.
 */
extern void eb_target_shape(EbTargetRun *run);

/*
 * What the target is sent of an event: as jsonb (what a text template made is
 * a JSON string, without the quotes that it may have around it), and as text.
 * In CurrentMemoryContext.
 */
extern Jsonb *eb_delivery_json(const EbDelivery *item);
extern char *eb_delivery_text(const EbDelivery *item);

/*
 * The id of a delivery: the same at each attempt, of no other one in this
 * database. In CurrentMemoryContext.
 */
extern char *eb_delivery_id(const EbDelivery *item);

/* items[0..n) are delivered now: what is put meanwhile comes of them. */
extern void eb_target_set_cause(const EbDelivery *items, int n);

/*
 * Raises an error (22023) where parameters of a target, those of all types
 * aside, are not empty: for a type that has none.
 */
extern void eb_target_no_parameters(const char *type, Jsonb *parameters);

/*
 * Raises an error (22004) where resource is NULL. what says what it should be,
 * as in "the table that takes the events".
 */
extern void eb_target_need_resource(const char *type, const char *resource,
									const char *what);

/*
 * Whoever owns an object with code of its own (a table with triggers, a
 * function) acts with the rights of those who use it. A rule of a superuser
 * must not make a superuser of the owner: where the current user is one and
 * role owner is not, it becomes the current user. attempt.c changes back. (In
 * the same spirit logical replication applies changes since PostgreSQL 16.)
 */
extern void eb_target_lower_rights(Oid owner);

extern const EbTargetType eb_target_bus;
extern const EbTargetType eb_target_function;
extern const EbTargetType eb_target_log;
extern const EbTargetType eb_target_notify;
extern const EbTargetType eb_target_queue;
extern const EbTargetType eb_target_table;

#endif							/* EB_TARGET_H */
