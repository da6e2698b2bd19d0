/*-------------------------------------------------------------------------
 *
 * append.c
 *		Appends rows to a leaf and keeps its indexes.
 *
 * Rows are collected in slots and written with table_multi_insert(), in chunks
 * like those of COPY (copyfrom.c); the indexes, whichever the leaf has, are
 * kept by the executor's own routines. Constraints and triggers are not
 * looked at: a leaf is ours, and its rows are made to fit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/rel.h"

#include "append.h"
#include "compat.h"

/* a chunk is written when it has this many rows or bytes */
#define CHUNK_ROWS	500
#define CHUNK_BYTES	(256 * 1024)

struct EbAppender
{
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *result_rel;
	CommandId	cid;
	int			nslots;			/* slots made */
	int			nrows;			/* slots filled */
	Size		bytes;
	TupleTableSlot *slots[CHUNK_ROWS];
};

EbAppender *
eb_append_begin(Relation rel)
{
	EbAppender *appender = palloc(sizeof(EbAppender));

	appender->rel = rel;
	appender->estate = CreateExecutorState();
	appender->result_rel = makeNode(ResultRelInfo);
	InitResultRelInfo(appender->result_rel, rel, 0, NULL, 0);
	ExecOpenIndices(appender->result_rel, false);
	appender->cid = GetCurrentCommandId(true);
	appender->nslots = 0;
	appender->nrows = 0;
	appender->bytes = 0;
	return appender;
}

TupleTableSlot *
eb_append_slot(EbAppender *appender)
{
	TupleTableSlot *slot;

	if (appender->nrows == appender->nslots)
		appender->slots[appender->nslots++] =
			table_slot_create(appender->rel, NULL);
	slot = appender->slots[appender->nrows];
	ExecClearTuple(slot);
	return slot;
}

/* Writes the collected rows and their index entries. */
static void
write_chunk(EbAppender *appender)
{
	if (appender->nrows == 0)
		return;
	table_multi_insert(appender->rel, appender->slots, appender->nrows,
					   appender->cid, 0, NULL);
	if (appender->result_rel->ri_NumIndices > 0)
		for (int i = 0; i < appender->nrows; i++)
		{
			eb_insert_index_tuples(appender->result_rel, appender->slots[i],
								   appender->estate);
			ResetPerTupleExprContext(appender->estate);
		}
	appender->nrows = 0;
	appender->bytes = 0;
}

void
eb_append_row(EbAppender *appender, Size size)
{
	ExecStoreVirtualTuple(appender->slots[appender->nrows++]);
	appender->bytes += size;
	if (appender->nrows == CHUNK_ROWS || appender->bytes >= CHUNK_BYTES)
		write_chunk(appender);
}

void
eb_append_end(EbAppender *appender)
{
	write_chunk(appender);
	for (int i = 0; i < appender->nslots; i++)
		ExecDropSingleTupleTableSlot(appender->slots[i]);
	ExecCloseIndices(appender->result_rel);
	FreeExecutorState(appender->estate);
	pfree(appender);
}
