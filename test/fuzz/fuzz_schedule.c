/*-------------------------------------------------------------------------
 *
 * fuzz_schedule.c
 *		Any text as a schedule expression: read, and asked when it fires.
 *
 * Eight bytes are an instant, one chooses how far off UTC clocks are and how
 * they change; the rest is the expression. An error must have a reason and a
 * place in the text. Times must be later than what they were asked after, and
 * the same whether they are asked for one by one or as the last of some.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include "core/schedule.h"

#define HEAD	9
#define YEAR	(365 * 86400)

/* Clocks that change twice a year, by so many quarters of an hour. */
static int32
offset_of_fuzz(const EbScheduleZone *zone, int64 instant, int64 *until)
{
	int			base = *(const uint8 *) zone->data % 16 - 8;
	int			change = *(const uint8 *) zone->data / 16 - 8;
	int64		half = instant >= 0 ? instant / (YEAR / 2) :
		(instant - YEAR / 2 + 1) / (YEAR / 2);

	*until = (half + 1) * (YEAR / 2);
	return base * 3600 + (half % 2 == 0 ? 0 : change * 900);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	EbSchedule	schedule;
	EbScheduleError error = {-1, ""};
	EbScheduleZone zone = {offset_of_fuzz, data + HEAD - 1};
	EbScheduleSpan span = {0};
	const char *text = (const char *) data + HEAD;
	int64		after;
	int64		first;
	int64		last;
	int64		next;

	if (size < HEAD)
		return 0;
	memcpy(&after, data, sizeof(after));
	if (!eb_schedule_parse(text, size - HEAD, &schedule, &error))
	{
		if (error.position < 0 || error.position > size - HEAD ||
			error.reason[0] == '\0')
			abort();
		return 0;
	}
	span.since = after % (INT64CONST(1000) * YEAR);
	if (!eb_schedule_next(&schedule, &zone, &span, after, &first))
		return 0;
	if (first <= after || first <= span.since)
		abort();
	last = first;
	for (int i = 0; i < 5; i++)
	{
		if (!eb_schedule_next(&schedule, &zone, &span, last, &next))
			break;
		if (next <= last)
			abort();
		last = next;
	}
	if (eb_schedule_last(&schedule, &zone, &span, first, last) != last)
		abort();
	return 0;
}
