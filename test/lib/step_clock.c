/*
 * step_clock.c
 *		A library for LD_PRELOAD: the wall clock of a program and of all that
 *		it starts is off by what a file says.
 *
 * STEP_CLOCK names the file; it holds the offset in seconds, as an int64. It
 * is mapped, so that a step reaches all processes at once. The monotonic clock
 * is left alone, as it is when an administrator sets the time. libfaketime
 * would not do: it does not fake what runs below an interrupted select(), and
 * that is where the postmaster starts its children.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t zero = 0;
static const volatile int64_t *offset = &zero;

__attribute__((constructor)) static void
map_offset(void)
{
	const char *path = getenv("STEP_CLOCK");
	int			fd = path ? open(path, O_RDONLY) : -1;
	void	   *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		offset = map;
	close(fd);
}

int
clock_gettime(clockid_t clock, struct timespec *at)
{
	int			result = syscall(SYS_clock_gettime, clock, at);

	if (result == 0 &&
		(clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		at->tv_sec += *offset;
	return result;
}

int
gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *at)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (at != NULL)
		*at = now.tv_sec;
	return now.tv_sec;
}
