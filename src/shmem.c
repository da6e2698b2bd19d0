/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		Shared memory: which databases have workers, and how to wake them.
 *
 * An array of slots, searched from one end to the other: it has tens of
 * entries, and a backend remembers where its own database is.
 *
 * Locks: EbShared.lock guards who sits where. What is read without it: a
 * slot's dboid (an aligned word: seen whole) and a worker's latch. The latch
 * of a worker that has left belongs to some other process by then, or to none;
 * setting it does no harm.
 *
 * Limits: a database that gets no slot (eventbus.max_databases) gets no
 * workers; the launcher says so in the log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"

#include "guc.h"
#include "shmem.h"

EbShared   *eb_shared = NULL;

Size
eb_shmem_size(void)
{
	return add_size(offsetof(EbShared, databases),
					mul_size(eb_guc_max_databases, sizeof(EbDatabase)));
}

static void
init_database(EbDatabase *db)
{
	pg_atomic_init_u32(&db->put_pending, 0);
	pg_atomic_init_u32(&db->maintenance_wanted, 0);
	pg_atomic_init_u64(&db->put_until, 0);
	pg_atomic_init_u64(&db->route_wanted, 0);
	pg_atomic_init_u64(&db->route_done, 0);
	pg_atomic_init_u64(&db->delivery_seq, 0);
	pg_atomic_init_u64(&db->routed_until, 0);
	ConditionVariableInit(&db->progress);
}

void
eb_shmem_init(void)
{
	bool		found;

	eb_shared = ShmemInitStruct("eventbus", eb_shmem_size(), &found);
	if (found)
		return;

	memset(eb_shared, 0, eb_shmem_size());
	eb_shared->lock = &(GetNamedLWLockTranche("eventbus"))[0].lock;
	pg_atomic_init_u64(&eb_shared->slot_wanted, 0);
	ConditionVariableInit(&eb_shared->worker_left);
	eb_shared->ndatabases = eb_guc_max_databases;
	for (int i = 0; i < eb_shared->ndatabases; i++)
		init_database(&eb_shared->databases[i]);
}

EbDatabase *
eb_shmem_database(Oid dboid)
{
	static EbDatabase *own = NULL;

	if (eb_shared == NULL)
		return NULL;
	if (own != NULL && own->dboid == dboid)
		return own;
	for (int i = 0; i < eb_shared->ndatabases; i++)
	{
		EbDatabase *db = &eb_shared->databases[i];

		if (db->dboid != dboid)
			continue;
		if (dboid == MyDatabaseId)
			own = db;
		return db;
	}
	return NULL;
}

/* Makes a slot that was another database's as good as new. */
static void
reset_database(EbDatabase *db)
{
	db->state = EB_DATABASE_PROBE;
	db->probe_wanted = false;
	for (int i = EB_FIRST_WORKER; i <= EB_LAST_WORKER; i++)
		memset(eb_shmem_place(db, i), 0, sizeof(EbWorkerSlot));
	pg_atomic_write_u32(&db->put_pending, 0);
	pg_atomic_write_u32(&db->maintenance_wanted, 0);
	pg_atomic_write_u64(&db->put_until, 0);
	pg_atomic_write_u64(&db->route_wanted, 0);
	pg_atomic_write_u64(&db->route_done, 0);
	pg_atomic_write_u64(&db->delivery_seq, 0);
	pg_atomic_write_u64(&db->routed_until, 0);
}

EbDatabase *
eb_shmem_take_database(Oid dboid)
{
	EbDatabase *db = eb_shmem_database(dboid);

	Assert(LWLockHeldByMeInMode(eb_shared->lock, LW_EXCLUSIVE));
	Assert(OidIsValid(dboid));

	if (db == NULL)
	{
		db = eb_shmem_database(InvalidOid);
		if (db != NULL)
		{
			reset_database(db);
			pg_write_barrier();
			db->dboid = dboid;
		}
	}
	return db;
}

void
eb_shmem_wake_launcher(void)
{
	Latch	   *latch;

	if (eb_shared == NULL)
		return;
	latch = eb_shared->launcher.latch;
	if (latch != NULL)
		SetLatch(latch);
}

void
eb_shmem_request_probe(Oid dboid)
{
	EbDatabase *db;

	if (eb_shared == NULL)
		return;
	LWLockAcquire(eb_shared->lock, LW_EXCLUSIVE);
	db = eb_shmem_take_database(dboid);
	if (db != NULL)
	{
		/* a router that runs looks at this when it leaves */
		db->probe_wanted = true;
		if (db->state == EB_DATABASE_ABSENT)
			db->state = EB_DATABASE_PROBE;
	}
	else
		eb_shared->probe_lost = true;
	LWLockRelease(eb_shared->lock);
	eb_shmem_wake_launcher();
}
