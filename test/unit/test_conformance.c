/*-------------------------------------------------------------------------
 *
 * test_conformance.c
 *		Runs the cases of test/conformance: pattern, event, verdict.
 *
 * Arguments: the directory with the *.jsonl files. One TAP line per file and
 * one per exception. A case that fails must be named in exceptions.tsv, and a
 * case named there must fail: the list can neither hide nor outlive a fault.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <dirent.h>

#define MAX_EXCEPTIONS	256
#define MAX_SHOWN		20

typedef struct Exception
{
	char		name[256];
	int			nfailed;
} Exception;

static Exception exceptions[MAX_EXCEPTIONS];
static int	nexceptions = 0;

static void
read_exceptions(const char *directory)
{
	char		path[1024];
	char		line[1024];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/exceptions.tsv", directory);
	file = fopen(path, "r");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		int			len = strcspn(line, "\t\n");

		if (line[0] == '#' || len == 0 || nexceptions == MAX_EXCEPTIONS)
			continue;
		snprintf(exceptions[nexceptions++].name, sizeof(exceptions[0].name),
				 "%.*s", len, line);
	}
	fclose(file);
}

/* A member of the case, NULL if it has none of that name. */
static const EbJsonNode *
member(const EbJson *doc, const char *name)
{
	const EbJsonNode *nodes = doc->nodes;

	for (int key = 1; key < nodes[0].end; key = nodes[key + 1].end)
	{
		if (nodes[key].len == strlen(name) &&
			memcmp(nodes[key].text, name, nodes[key].len) == 0)
			return &nodes[key + 1];
	}
	return NULL;
}

/* The message that the service gives, without its "at line, column". */
static const char *
expected_reason(const EbJson *doc)
{
	const EbJsonNode *message = member(doc, "json_compiler_error");
	const EbJsonNode *flags = member(doc, "flags");
	int			len;

	if (message == NULL)
		message = member(doc, "error");
	if (message == NULL || flags != NULL)
		return NULL;
	for (len = 0; len < message->len && message->text[len] != '\n'; len++)
		;
	return psprintf("%.*s", len, message->text);
}

/* NULL if the case holds, otherwise what is wrong. */
static const char *
judge(const EbJson *doc)
{
	const EbJsonNode *pattern = member(doc, "pattern_text");
	const EbJsonNode *event = member(doc, "event_text");
	EbJsonKind	expected = member(doc, "match")->kind;
	EbPatternError error;
	EbPattern  *compiled;
	bool		match;

	compiled = compile(pattern->text, pattern->len, 0, &error);
	if (compiled == NULL)
	{
		const char *reason = expected_reason(doc);

		if (expected != EB_JSON_STRING)
			return psprintf("refused: %s", error.reason ? error.reason : "JSON");
		if (reason != NULL &&
			(error.reason == NULL || strcmp(reason, error.reason) != 0))
			return psprintf("refused with \"%s\", not with \"%s\"",
							error.reason ? error.reason : "JSON", reason);
		return NULL;
	}
	if (expected == EB_JSON_STRING)
		return "accepted";
	match = match_one(compiled, event->text, event->len);
	if (match != (expected == EB_JSON_TRUE))
		return match ? "matches" : "does not match";
	return NULL;
}

/* Counts a failure in the list of exceptions; false if it is not there. */
static bool
is_exception(const EbJsonNode *name)
{
	bool		found = false;

	for (int i = 0; i < nexceptions; i++)
	{
		if (strlen(exceptions[i].name) == name->len &&
			memcmp(exceptions[i].name, name->text, name->len) == 0)
		{
			exceptions[i].nfailed++;
			found = true;
		}
	}
	return found;
}

static void
run_file(const char *directory, const char *name)
{
	char	   *path = psprintf("%s/%s", directory, name);
	static char line[1 << 20];
	FILE	   *file = fopen(path, "r");
	int			ncases = 0;
	int			nfailed = 0;
	int			nexcused = 0;

	if (file == NULL)
	{
		ok(false, "%s: cannot be read", name);
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL)
	{
		EbJson		doc;
		EbJsonError error;
		const char *fault;

		free_all();
		if (!eb_json_parse(line, strlen(line), &doc, &error))
			fault = psprintf("case is not JSON: %s", error.reason);
		else
			fault = judge(&doc);
		ncases++;
		if (fault == NULL)
			continue;
		if (doc.nnodes > 0 && is_exception(member(&doc, "name")))
		{
			nexcused++;
			continue;
		}
		if (nfailed++ < MAX_SHOWN)
			note("%s:%d: %s\n# %s", name, ncases, fault, line);
	}
	fclose(file);
	ok(ncases > 0 && nfailed == 0, "%s: %d cases, %d failed, %d excepted",
	   name, ncases, nfailed, nexcused);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

int
main(int argc, char **argv)
{
	const char *directory = argc > 1 ? argv[1] : "../conformance";
	char	   *names[64];
	int			nnames = 0;
	DIR		   *dir = opendir(directory);
	struct dirent *entry;

	if (dir == NULL)
	{
		ok(false, "directory %s cannot be read", directory);
		return finish();
	}
	while ((entry = readdir(dir)) != NULL && nnames < lengthof(names))
	{
		size_t		len = strlen(entry->d_name);

		/* not those of input transformers */
		if (len > 6 && strcmp(entry->d_name + len - 6, ".jsonl") == 0 &&
			strncmp(entry->d_name, "pattern_", strlen("pattern_")) == 0)
			names[nnames++] = strdup(entry->d_name);
	}
	closedir(dir);
	qsort(names, nnames, sizeof(char *), compare_names);
	read_exceptions(directory);
	for (int i = 0; i < nnames; i++)
	{
		run_file(directory, names[i]);
		free_all();
		free(names[i]);
	}
	for (int i = 0; i < nexceptions; i++)
		ok(exceptions[i].nfailed > 0, "exception %s is needed",
		   exceptions[i].name);
	return finish();
}
