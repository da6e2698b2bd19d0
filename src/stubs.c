/*-------------------------------------------------------------------------
 *
 * stubs.c
 *		Stands in for modules that are not written yet, so that the library
 *		links. Each gives way to the real one; the file goes when all are there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "dispatcher.h"
#include "maintenance.h"
#include "router.h"

#define WEAK	__attribute__((weak))

WEAK void
eb_router_start(void)
{
}

WEAK bool
eb_router_turn(void)
{
	return false;
}

WEAK long
eb_dispatcher_turn(void)
{
	return -1;
}

WEAK void
eb_dispatcher_release(void)
{
}

WEAK void
eb_maintenance_round(void)
{
}
