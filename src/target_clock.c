/*-------------------------------------------------------------------------
 *
 * target_clock.c
 *		How long a target may take.
 *
 * It is PostgreSQL's statement timeout, which workers have no other use for.
 * Types that call a user's function once for each event start it anew for each
 * call; setting a later time costs no system call (timeout.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timeout.h"

#include "target_clock.h"

void
eb_target_clock_start(int timeout)
{
	if (timeout > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, timeout);
}

void
eb_target_clock_stop(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	QueryCancelPending = false;
}
