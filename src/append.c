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
 * Everything lives in the memory of one executor state. The slots are virtual
 * and of a row type of their own, not the relcache's, so that they pin
 * nothing: making and dropping pins for each slot of a small batch would cost
 * as much as forming its tuples. The tuples of a chunk live in the state's
 * per-tuple memory.
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
	TupleDesc	tupdesc;
	CommandId	cid;
	int			nslots;			/* slots made */
	int			nrows;			/* slots filled */
	Size		bytes;
	TupleTableSlot *slots[CHUNK_ROWS];
};

EbAppender *
eb_append_begin(Relation rel)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext caller_context = MemoryContextSwitchTo(estate->es_query_cxt);
	EbAppender *appender = palloc(sizeof(EbAppender));

	appender->rel = rel;
	appender->estate = estate;
	appender->result_rel = makeNode(ResultRelInfo);
	InitResultRelInfo(appender->result_rel, rel, 0, NULL, 0);
	ExecOpenIndices(appender->result_rel, false);
	appender->tupdesc = CreateTupleDescCopy(RelationGetDescr(rel));
	appender->cid = GetCurrentCommandId(true);
	appender->nslots = 0;
	appender->nrows = 0;
	appender->bytes = 0;
	MemoryContextSwitchTo(caller_context);
	return appender;
}

TupleTableSlot *
eb_append_slot(EbAppender *appender)
{
	TupleTableSlot *slot;

	if (appender->nrows == appender->nslots)
	{
		MemoryContext caller_context;

		caller_context = MemoryContextSwitchTo(appender->estate->es_query_cxt);
		appender->slots[appender->nslots++] =
			MakeTupleTableSlot(appender->tupdesc, &TTSOpsVirtual);
		MemoryContextSwitchTo(caller_context);
	}
	slot = appender->slots[appender->nrows];
	ExecClearTuple(slot);
	return slot;
}

void
eb_append_flush(EbAppender *appender)
{
	EState	   *estate = appender->estate;
	MemoryContext caller_context;

	if (appender->nrows == 0)
		return;
	caller_context = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	table_multi_insert(appender->rel, appender->slots, appender->nrows,
					   appender->cid, 0, NULL);
	if (appender->result_rel->ri_NumIndices > 0)
		for (int i = 0; i < appender->nrows; i++)
		{
			eb_insert_index_tuples(appender->result_rel, appender->slots[i],
								   estate);
			ResetPerTupleExprContext(estate);
		}
	ResetPerTupleExprContext(estate);
	MemoryContextSwitchTo(caller_context);
	appender->nrows = 0;
	appender->bytes = 0;
}

void
eb_append_row(EbAppender *appender, Size size)
{
	ExecStoreVirtualTuple(appender->slots[appender->nrows++]);
	appender->bytes += size;
	if (appender->nrows == CHUNK_ROWS || appender->bytes >= CHUNK_BYTES)
		eb_append_flush(appender);
}

void
eb_append_end(EbAppender *appender)
{
	eb_append_flush(appender);
	ExecCloseIndices(appender->result_rel);
	FreeExecutorState(appender->estate);
}
