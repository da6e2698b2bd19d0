/*-------------------------------------------------------------------------
 *
 * xid_snapshot.c
 *		Snapshots as sets of 64-bit transaction ids, and their difference.
 *
 * What became visible between two snapshots S1 and S2 is what committed among
 *
 *		xids in [xmax(S1), xmax(S2)) that S2 does not list as running, and
 *		xids that S1 lists as running and S2 does not.
 *
 * The idea is PgQ's (batches between two ticks); since only the top-level
 * transaction of a row counts, the lists hold no subtransactions, and an
 * overflowed snapshot is no special case. Stored as pg_snapshot through its
 * text form, as its binary form is private to PostgreSQL (xid8funcs.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "lib/qunique.h"
#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "xid_snapshot.h"

static int
compare_xids(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return left < right ? -1 : left > right ? 1 : 0;
}

static EbXidSnapshot *
make_snapshot(uint64 xmin, uint64 xmax, int nxip)
{
	EbXidSnapshot *result = palloc(offsetof(EbXidSnapshot, xip) +
								   sizeof(uint64) * nxip);

	result->xmin = xmin;
	result->xmax = xmax;
	result->nxip = nxip;
	return result;
}

/* The 64-bit form of an xid that is not beyond next. */
static uint64
widen(TransactionId xid, FullTransactionId next)
{
	uint64		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return epoch << 32 | xid;
}

EbXidSnapshot *
eb_xid_snapshot_from(Snapshot snapshot)
{
	FullTransactionId next = ReadNextFullTransactionId();
	EbXidSnapshot *result;

	Assert(snapshot->snapshot_type == SNAPSHOT_MVCC);
	Assert(!snapshot->takenDuringRecovery);
	result = make_snapshot(widen(snapshot->xmin, next),
						   widen(snapshot->xmax, next), snapshot->xcnt);
	for (int i = 0; i < snapshot->xcnt; i++)
		result->xip[i] = widen(snapshot->xip[i], next);

	/* while a transaction is being prepared, two processes have its xid */
	qsort(result->xip, result->nxip, sizeof(uint64), compare_xids);
	result->nxip = qunique(result->xip, result->nxip, sizeof(uint64),
						   compare_xids);
	return result;
}

EbXidSnapshot *
eb_xid_snapshot_copy(const EbXidSnapshot *snapshot)
{
	EbXidSnapshot *result = make_snapshot(snapshot->xmin, snapshot->xmax,
										  snapshot->nxip);

	memcpy(result->xip, snapshot->xip, sizeof(uint64) * snapshot->nxip);
	return result;
}

EbXidSnapshot *
eb_xid_snapshot_from_datum(Datum pg_snapshot)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(pg_snapshot_out,
														   pg_snapshot));
	EbXidSnapshot *result;
	char	   *at;
	uint64		xmin = strtou64(text, &at, 10);
	uint64		xmax = strtou64(at + 1, &at, 10);
	int			nxip = 0;

	for (char *c = at; *c; c++)
		nxip += (*c == ':' && c[1] != '\0') || *c == ',';
	result = make_snapshot(xmin, xmax, nxip);
	for (int i = 0; i < nxip; i++)
		result->xip[i] = strtou64(at + 1, &at, 10);
	pfree(text);
	return result;
}

Datum
eb_xid_snapshot_to_datum(const EbXidSnapshot *snapshot)
{
	StringInfoData text;
	Datum		result;

	initStringInfo(&text);
	appendStringInfo(&text, UINT64_FORMAT ":" UINT64_FORMAT ":",
					 snapshot->xmin, snapshot->xmax);
	for (int i = 0; i < snapshot->nxip; i++)
		appendStringInfo(&text, "%s" UINT64_FORMAT, i > 0 ? "," : "",
						 snapshot->xip[i]);
	result = DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(text.data));
	pfree(text.data);
	return result;
}

bool
eb_xid_snapshot_ended(const EbXidSnapshot *snapshot, uint64 xid)
{
	if (xid < snapshot->xmin)
		return true;
	if (xid >= snapshot->xmax)
		return false;
	return bsearch(&xid, snapshot->xip, snapshot->nxip, sizeof(uint64),
				   compare_xids) == NULL;
}
