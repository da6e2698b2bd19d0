/*-------------------------------------------------------------------------
 *
 * causation.c
 *		Which event this process delivers: what is put meanwhile comes of it.
 *
 * A function that is a target, or a trigger on a table that is one, may put
 * events. Each of them gets the id of the event that was being delivered as
 * its causation_id, and its hop_count and one more. So a chain can be read
 * back, and one that never ends is noticed (eventbus.max_hops).
 *
 * The code that is run learns the id from current_setting('eventbus.event_id'):
 * a setting that nobody can set, whose value is made when it is shown.
 *
 * Where several events are delivered at once (rows of one INSERT, an array for
 * one function call), nobody can tell of which of them a new event comes. It
 * gets the id of the first one, and one more than the highest of their
 * hop_counts: with anything less, a chain that shares its batches with fresh
 * events would never end.
 *
 * What is set here does not outlive an attempt, whether it succeeds or not
 * (attempt.c). Parallel workers know nothing of it: they cannot put events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "causation.h"
#include "uuid7.h"

static EbCause current;
static bool is_set = false;

/* Where the server keeps the value of the setting, which nobody reads. */
static char *unused_value = NULL;

static const char *
show_event_id(void)
{
	static char text[EB_UUID_TEXT_SIZE];

	if (!is_set)
		return "";
	eb_uuid_text(&current.event_id, text);
	return text;
}

void
eb_causation_init(void)
{
	DefineCustomStringVariable("eventbus.event_id",
							   "Id of the event that is being delivered, while a target's code runs; otherwise empty.",
							   NULL, &unused_value, "", PGC_INTERNAL,
							   GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   NULL, NULL, show_event_id);
}

void
eb_causation_set(const EbCause *cause)
{
	is_set = cause != NULL;
	if (is_set)
		current = *cause;
}

const EbCause *
eb_causation(void)
{
	return is_set ? &current : NULL;
}
