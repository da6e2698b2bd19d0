/*-------------------------------------------------------------------------
 *
 * tap.c
 *		Output in the Test Anything Protocol.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

static int	ntests = 0;
static int	nfailed = 0;

static void
report(bool passed, const char *format, va_list args)
{
	ntests++;
	if (!passed)
		nfailed++;
	printf("%sok %d - ", passed ? "" : "not ", ntests);
	vprintf(format, args);
	printf("\n");
}

void
ok(bool passed, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	report(passed, format, args);
	va_end(args);
}

void
is_text(const char *got, const char *want, const char *format,...)
{
	bool		same = got != NULL && want != NULL ? strcmp(got, want) == 0 :
		got == want;
	va_list		args;

	va_start(args, format);
	report(same, format, args);
	va_end(args);
	if (!same)
		note("got  %s\n# want %s", got ? got : "(null)", want ? want : "(null)");
}

void
note(const char *format,...)
{
	va_list		args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

int
finish(void)
{
	printf("1..%d\n", ntests);
	free_all();
	return nfailed > 0 ? 1 : 0;
}
