/*-------------------------------------------------------------------------
 *
 * api_announce.c
 *		What the install script calls when it is done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "shmem.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(eventbus_announce);

/*
 * Has the launcher look into this database at commit. Warns where the library
 * was not preloaded, as there is no launcher then.
 */
Datum
eventbus_announce(PG_FUNCTION_ARGS)
{
	if (eb_shared == NULL)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("eventbus is not preloaded"),
				 errdetail("Events can be published, but nothing routes or delivers them until it is."),
				 errhint("Add eventbus to shared_preload_libraries and restart the server.")));
	eb_wake_extension_created();
	PG_RETURN_VOID();
}
