/*-------------------------------------------------------------------------
 *
 * partition.h
 *		Generations and leaves of the log, the stream and the dead letters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_PARTITION_H
#define EB_PARTITION_H

#include "access/attnum.h"
#include "access/transam.h"
#include "datatype/timestamp.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

typedef enum EbLog
{
	EB_LOG_EVENTS,				/* eventbus.event_log */
	EB_LOG_DELIVERIES,			/* eventbus.deliveries */
	EB_LOG_DEAD_LETTERS			/* eventbus.dead_letters */
} EbLog;

#define EB_NLOGS	(EB_LOG_DEAD_LETTERS + 1)

/* A leaf that this cluster registered. */
typedef struct EbLeaf
{
	int32		leaf_id;
	Oid			relid;
	TimestampTz range_start;	/* inclusive */
	TimestampTz range_end;		/* exclusive */
	FullTransactionId seal_xid; /* taken after range_end, or invalid */
	bool		sealed;			/* takes no more rows */
	bool		frozen;			/* was vacuumed after that */
} EbLeaf;

/* Leaves of one log, oldest first. */
typedef struct EbLeafArray
{
	int			nleaves;
	EbLeaf	   *leaves;
} EbLeafArray;

/*
 * The generation that this cluster writes to in this database, or 0 when
 * there is none (the extension is absent, or came with a physical copy).
 */
extern int32 eb_generation(void);

/*
 * Registered leaves of the current generation. Owned by this module, valid
 * until the next call of any function here.
 */
extern const EbLeafArray *eb_leaves(EbLog log);

/* The leaf with that number among them, NULL when it is gone. */
extern const EbLeaf *eb_leaf_by_id(EbLog log, int32 leaf_id);

/*
 * The leaf that holds time at and still takes rows; InvalidOid when none
 * does. For readers and tests; to append, use eb_leaf_open().
 */
extern Oid	eb_leaf_for(EbLog log, TimestampTz at);

/*
 * Opens, with RowExclusiveLock, the leaf to append to at time *at. Where the
 * clock was stepped back into a sealed leaf, *at is moved on to the start of
 * the first leaf after it that takes rows. NULL when no leaf fits. Close it
 * with table_close(rel, NoLock).
 */
extern Relation eb_leaf_open(EbLog log, TimestampTz *at);

/*
 * The same for workers, which may make leaves in their own transactions: makes
 * them if none fits. An error (55000) when that does not help.
 */
extern Relation eb_leaf_open_or_make(EbLog log, TimestampTz *at);

/*
 * Opens, with AccessShareLock, the plain btree index of a leaf on just these
 * columns. An error (42704) when somebody dropped it.
 */
extern Relation eb_leaf_index(Relation leaf, int ncolumns,
							  const AttrNumber *columns);

/* Makes missing leaves ahead of now, in this transaction. Returns how many. */
extern int	eb_make_leaves(void);

/* Tells every process, at commit, that what eb_leaves() says has changed. */
extern void eb_leaves_changed(void);

/* OID of a table in schema eventbus; InvalidOid when there is none. */
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

#endif							/* EB_PARTITION_H */
