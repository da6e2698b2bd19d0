/*-------------------------------------------------------------------------
 *
 * partition.h
 *		Generations and leaves of the log, the stream, the dead letters and
 *		what is logged of deliveries, the messages of queues.
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
	EB_LOG_DEAD_LETTERS,		/* eventbus.dead_letter_log */
	EB_LOG_ATTEMPTS,			/* eventbus.delivery_log */
	EB_LOG_MESSAGES				/* eventbus.messages */
} EbLog;

#define EB_NLOGS	(EB_LOG_MESSAGES + 1)

/* A registered leaf. */
typedef struct EbLeaf
{
	int32		leaf_id;		/* unique within its generation */
	Oid			relid;
	TimestampTz range_start;	/* inclusive */
	TimestampTz range_end;		/* exclusive */
	FullTransactionId seal_xid; /* taken after range_end, or invalid */
	bool		sealed;			/* takes no more rows */
	bool		frozen;			/* was vacuumed after that */
} EbLeaf;

/* Leaves of one log in one generation, oldest first. */
typedef struct EbLeafArray
{
	int			nleaves;
	EbLeaf	   *leaves;
} EbLeafArray;

/*
 * What the lookups return is owned by this module and valid until the next
 * call of any function here.
 */

/*
 * The generation that this cluster writes to in this database, or 0 when
 * there is none yet (the extension is absent; or came with a copy, and no
 * worker has seen it).
 */
extern int32 eb_generation(void);

/*
 * The generations that are delivered from: those that were restored and
 * resumed, oldest first, and last of all the current one. Returns how many.
 */
extern int	eb_generations(const int32 **generations);

/* Leaves of one of these generations. */
extern const EbLeafArray *eb_leaves(int32 generation, EbLog log);

/* The leaf with that number among them, NULL when it is gone. */
extern const EbLeaf *eb_leaf_by_id(int32 generation, EbLog log,
								   int32 leaf_id);

/*
 * Opens, with RowExclusiveLock, the leaf of the current generation to append
 * to at time *at. Where the clock was stepped back into a leaf that is sealed,
 * or just being sealed, *at is moved on to the start of the first leaf after it
 * that takes rows. NULL when no leaf fits. Close it with table_close(rel, NoLock).
 */
extern Relation eb_leaf_open(EbLog log, TimestampTz *at);

/*
 * The same for workers, which may make leaves in their own transactions: makes
 * them if none fits. An error (55000) when that does not help.
 */
extern Relation eb_leaf_open_or_make(EbLog log, TimestampTz *at);

/*
 * The same for a generation that was restored: where no leaf fits, the last
 * one is taken, and *at is moved to what fits it.
 */
extern Relation eb_leaf_open_restored(int32 generation, EbLog log,
									  TimestampTz *at);

/*
 * Opens, with AccessShareLock, the plain btree index of a leaf on just these
 * columns. An error (42704) when somebody dropped it, or NULL if missing_ok.
 */
extern Relation eb_leaf_index(Relation leaf, int ncolumns,
							  const AttrNumber *columns, bool missing_ok);

/*
 * Takes the lock of whoever makes leaves or notes something of them: one at a
 * time, until the end of the transaction. Without wait, false when somebody
 * has it.
 */
extern bool eb_leaves_lock(bool wait);

/*
 * Makes missing leaves ahead of now, and the generation if there is none, in
 * this transaction. Returns how many leaves; without wait -1, and none are
 * made, when somebody holds a lock in the way.
 */
extern int	eb_make_leaves(bool wait);

/* Tells every process, at commit, that what is said above has changed. */
extern void eb_leaves_changed(void);

#endif							/* EB_PARTITION_H */
