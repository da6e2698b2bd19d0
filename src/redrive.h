/*-------------------------------------------------------------------------
 *
 * redrive.h
 *		Has dead letters delivered again, or done with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_REDRIVE_H
#define EB_REDRIVE_H

#include "catalog_sql.h"

/* Which dead letters, of those that wait: each condition may be null. */
typedef struct EbLetterSelection
{
	EbSqlArg	ids;			/* bigint[] */
	EbSqlArg	event_bus;		/* names as in eventbus.dead_letters */
	EbSqlArg	rule;
	EbSqlArg	target;
	EbSqlArg	error_code;
	EbSqlArg	from;			/* dead_lettered_at: from then on */
	EbSqlArg	to;				/* and before */
} EbLetterSelection;

/*
 * Makes a new delivery of each of them, at once or rate_limit (float8; null:
 * any number) of them a second, in this transaction. Returns how many; *skipped
 * says how many more have no target any more, and stay as they are.
 */
extern int64 eb_redrive(const EbLetterSelection *selection,
						EbSqlArg rate_limit, int64 *skipped);

/* Nothing is to be done with them any more. Returns how many. */
extern int64 eb_discard_letters(const EbLetterSelection *selection);

#endif							/* EB_REDRIVE_H */
