/*-------------------------------------------------------------------------
 *
 * arn.c
 *		Names of buses, rules and targets: ARNs, and what a name may be.
 *
 * The texts of the errors are those of EventBridge's API, which reports all
 * constraints that a value fails at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "arn.h"
#include "eventbus.h"
#include "guc.h"

#define NAME_CHARS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"

/* colons before the resource part of an ARN */
#define ARN_COLONS	5

const char *
eb_arn_bus_name(const char *name, int *len)
{
	static const char prefix[] = "arn:";
	static const char service[] = ":events:";
	static const char resource[] = "event-bus/";
	const int	resource_len = sizeof(resource) - 1;
	int			colons = 0;
	bool		is_events = false;
	int			i = 0;

	if (*len < (int) sizeof(prefix) - 1 ||
		memcmp(name, prefix, sizeof(prefix) - 1) != 0)
		return name;

	for (; i < *len && colons < ARN_COLONS; i++)
	{
		if (name[i] != ':')
			continue;
		/* the second colon begins the service */
		if (++colons == 2)
			is_events = *len - i >= (int) sizeof(service) - 1 &&
				memcmp(name + i, service, sizeof(service) - 1) == 0;
	}
	if (colons < ARN_COLONS || !is_events || *len - i <= resource_len ||
		memcmp(name + i, resource, resource_len) != 0)
		return name;

	*len -= i + resource_len;
	return name + i + resource_len;
}

char *
eb_arn_name(const char *resource, const char *service, const char *prefix)
{
	const char *part = resource;
	int			colons = 0;

	if (strncmp(resource, "arn:", 4) != 0)
		return NULL;

	/* arn:PARTITION:SERVICE:REGION:ACCOUNT:PREFIX NAME */
	for (; *part != '\0' && colons < ARN_COLONS; part++)
	{
		if (*part != ':')
			continue;
		if (++colons == 2 &&
			(strncmp(part + 1, service, strlen(service)) != 0 ||
			 part[1 + strlen(service)] != ':'))
			return NULL;
	}
	if (colons < ARN_COLONS || strncmp(part, prefix, strlen(prefix)) != 0)
		return NULL;
	part += strlen(prefix);
	if (*part == '\0' || strpbrk(part, ":/") != NULL)
		return NULL;
	return pstrdup(part);
}

char *
eb_arn_of_bus(const char *bus)
{
	return psprintf("arn:aws:events:%s:%s:event-bus/%s",
					eb_guc_region, eb_guc_account_id, bus);
}

char *
eb_arn_of_rule(const char *bus, const char *rule)
{
	bool		is_default = strcmp(bus, EB_DEFAULT_BUS_NAME) == 0;

	return psprintf("arn:aws:events:%s:%s:rule/%s%s%s",
					eb_guc_region, eb_guc_account_id,
					is_default ? "" : bus, is_default ? "" : "/", rule);
}

char *
eb_arn_of_queue(const char *queue)
{
	return psprintf("arn:aws:sqs:%s:%s:%s",
					eb_guc_region, eb_guc_account_id, queue);
}

void
eb_arn_null_error(const char *member)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
	/* EventBridge's text */
			 errmsg("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null",
					member)));
}

void
eb_arn_empty_error(const char *member)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	/* EventBridge's text */
			 errmsg("1 validation error detected: Value '[]' at '%s' failed to satisfy constraint: Member must have length greater than or equal to 1",
					member)));
}

/* Adds one failed constraint to the message. */
static void
add_failure(StringInfo failures, int *count, const char *value,
			const char *member, const char *constraint)
{
	appendStringInfo(failures,
					 "%sValue '%s' at '%s' failed to satisfy constraint: Member must %s",
					 *count > 0 ? "; " : "", value, member, constraint);
	(*count)++;
}

static void
report_failures(StringInfo failures, int count)
{
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* EventBridge's text */
				 errmsg("%d validation error%s detected: %s",
						count, count == 1 ? "" : "s", failures->data)));
	pfree(failures->data);
}

void
eb_arn_check_name(const char *value, const char *member, int max_len,
				  bool slash)
{
	const char *allowed = slash ? "/" NAME_CHARS : NAME_CHARS;
	StringInfoData failures;
	int			count = 0;

	if (value == NULL)
		eb_arn_null_error(member);

	initStringInfo(&failures);
	if (value[0] == '\0' || value[strspn(value, allowed)] != '\0')
		add_failure(&failures, &count, value, member,
					slash ?
					"satisfy regular expression pattern: [/\\.\\-_A-Za-z0-9]+" :
					"satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+");
	if (value[0] == '\0')
		add_failure(&failures, &count, value, member,
					"have length greater than or equal to 1");
	if (pg_mbstrlen(value) > max_len)
		add_failure(&failures, &count, value, member,
					psprintf("have length less than or equal to %d", max_len));
	report_failures(&failures, count);
}

void
eb_arn_check_description(const char *value)
{
	StringInfoData failures;
	int			count = 0;

	if (value == NULL)
		return;

	initStringInfo(&failures);
	if (pg_mbstrlen(value) > EB_MAX_DESCRIPTION)
		add_failure(&failures, &count, value, "description",
					psprintf("have length less than or equal to %d",
							 EB_MAX_DESCRIPTION));
	report_failures(&failures, count);
}
