/*-------------------------------------------------------------------------
 *
 * latency.c
 *		How long from a commit until somebody who waits is told of it.
 *
 *		latency put|notify SAMPLES
 *
 * Two connections (PGHOST and so on say where to): one publishes, one waits,
 * asleep in poll() on its socket after LISTEN; nothing polls the database.
 *
 *	notify	BEGIN; NOTIFY; then COMMIT: the time until the notification is here.
 *	put		BEGIN; eb_put_event(); then COMMIT: the event is routed, a dispatcher
 *			inserts the row into the target table, whose AFTER trigger sends a
 *			NOTIFY; the time until that is here. The server sends it when the
 *			dispatcher has committed, so the row can be seen by then. The trigger
 *			and the second NOTIFY count on our side: without them the row is
 *			there earlier, but nobody could know without asking again and again.
 *
 * One sample each 20 ms, and the first ten do not count. Prints for each the
 * microseconds since COMMIT was sent, and since its answer came (negative:
 * before that).
 *
 * A transaction that does nothing but NOTIFY does not wait for the disk when
 * it commits, as it wrote nothing else to the WAL. A put does. So that the
 * first figure of both is of the same work, let PGOPTIONS switch
 * synchronous_commit off for the put; with it on, take the second figure.
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libpq-fe.h"

#define WARM_UP		10
#define PERIOD_NS	20000000
#define TIMEOUT_MS	30000

static void
die(const char *what, PGconn *conn)
{
	fprintf(stderr, "latency: %s: %s\n", what,
			conn ? PQerrorMessage(conn) : "");
	exit(1);
}

static PGconn *
connect_to_server(void)
{
	PGconn	   *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
		die("cannot connect", conn);
	return conn;
}

static void
run(PGconn *conn, const char *command)
{
	PGresult   *result = PQexec(conn, command);

	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
		PQresultStatus(result) != PGRES_TUPLES_OK)
		die(command, conn);
	PQclear(result);
}

static double
microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

/* Has the waiter been told of this sample? */
static bool
told(PGconn *waiter, const char *sample)
{
	PGnotify   *notify;
	bool		found = false;

	if (!PQconsumeInput(waiter))
		die("the waiter lost its connection", waiter);
	while ((notify = PQnotifies(waiter)) != NULL)
	{
		found |= strcmp(notify->extra, sample) == 0;
		PQfreemem(notify);
	}
	return found;
}

/* Has COMMIT been answered? */
static bool
committed(PGconn *publisher)
{
	PGresult   *result;

	if (!PQconsumeInput(publisher))
		die("the publisher lost its connection", publisher);
	if (PQisBusy(publisher))
		return false;
	while ((result = PQgetResult(publisher)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			die("COMMIT", publisher);
		PQclear(result);
	}
	return true;
}

/* Commits, and sleeps until both connections have heard of it. */
static void
commit_and_wait(PGconn *publisher, PGconn *waiter, const char *sample,
				bool print)
{
	struct pollfd fds[2] = {{PQsocket(publisher), POLLIN, 0},
	{PQsocket(waiter), POLLIN, 0}};
	double		sent;
	double		answered = 0;
	double		seen = 0;

	sent = microseconds();
	if (!PQsendQuery(publisher, "COMMIT"))
		die("COMMIT", publisher);
	while (answered == 0 || seen == 0)
	{
		if (poll(fds, 2, TIMEOUT_MS) <= 0)
			die("nobody was told", NULL);
		if (fds[1].revents && told(waiter, sample))
			seen = microseconds();
		if (fds[0].revents && committed(publisher))
			answered = microseconds();
	}
	if (print)
		printf("%.1f\t%.1f\n", seen - sent, seen - answered);
}

int
main(int argc, char **argv)
{
	bool		put;
	int			samples;
	PGconn	   *publisher;
	PGconn	   *waiter;
	struct timespec due;

	if (argc != 3 || (strcmp(argv[1], "put") && strcmp(argv[1], "notify")))
	{
		fprintf(stderr, "usage: latency put|notify SAMPLES\n");
		return 2;
	}
	put = strcmp(argv[1], "put") == 0;
	samples = atoi(argv[2]);
	publisher = connect_to_server();
	waiter = connect_to_server();
	run(waiter, "LISTEN heard");

	clock_gettime(CLOCK_MONOTONIC, &due);
	for (int i = 0; i < WARM_UP + samples; i++)
	{
		char		sample[32];
		char		command[128];

		due.tv_nsec += PERIOD_NS;
		if (due.tv_nsec >= 1000000000)
		{
			due.tv_nsec -= 1000000000;
			due.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);

		snprintf(sample, sizeof(sample), "%d", i);
		if (put)
			snprintf(command, sizeof(command),
					 "SELECT eb_put_event('latency', 'Sample', '{\"n\": %d}')", i);
		else
			snprintf(command, sizeof(command), "NOTIFY heard, '%d'", i);
		run(publisher, "BEGIN");
		run(publisher, command);
		commit_and_wait(publisher, waiter, sample, i >= WARM_UP);
	}
	PQfinish(publisher);
	PQfinish(waiter);
	return 0;
}
