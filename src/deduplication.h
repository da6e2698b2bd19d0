/*-------------------------------------------------------------------------
 *
 * deduplication.h
 *		Deduplication ids: an event that is put twice is stored once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DEDUPLICATION_H
#define EB_DEDUPLICATION_H

#include "event_row.h"

/*
 * Looks for the deduplication ids of events[0..n), which have got their id
 * and ingested_at, among those put within eventbus.deduplication_window
 * before, and in this call. Where one is found, sets duplicate[i], and the id
 * of events[i] to that of the first event; others are noted as put, by this
 * (sub)transaction. Events without a deduplication id are left alone. Waits
 * for transactions that have put one of the ids and have not ended. Returns
 * how many duplicates there are. Allocates nothing that stays.
 */
extern int	eb_deduplicate(EbEvent *events, int n, bool *duplicate);

/*
 * Throws away the ids that are past the window, if nobody is in the way; in
 * the caller's transaction, which should end soon: while it holds the lock,
 * who looks for ids may have to wait.
 */
extern void eb_deduplication_clean(void);

#endif							/* EB_DEDUPLICATION_H */
