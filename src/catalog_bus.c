/*-------------------------------------------------------------------------
 *
 * catalog_bus.c
 *		Event buses: create, update, delete, describe.
 *
 * Who locks what: whoever puts something on a bus (a rule) locks the bus's row
 * FOR KEY SHARE, whoever deletes it FOR UPDATE, and looks for rules only then;
 * so nothing is left on a deleted bus. Two creators of one name meet in the
 * unique index. The default bus has no row and cannot go away: nothing to
 * lock. A deleted bus keeps its row with deleted_at set; its name is free.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

#include "answer.h"
#include "arn.h"
#include "catalog_sql.h"
#include "catalog_write.h"
#include "eventbus.h"

static bool
is_default(const char *name)
{
	return strcmp(name, EB_DEFAULT_BUS_NAME) == 0;
}

static void
exists_error(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
	/* EventBridge's text */
			 errmsg("Event bus %s already exists.", name)));
}

static void
missing_error(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
	/* EventBridge's text */
			 errmsg("Event bus %s does not exist.", name)));
}

/* The bare name of a bus parameter, which may be an ARN. */
static const char *
bare_name(const char *name, const char *member)
{
	int			len;
	const char *bare;

	if (name == NULL)
		eb_arn_null_error(member);
	len = strlen(name);
	bare = eb_arn_bus_name(name, &len);
	eb_arn_check_name(bare, member, EB_MAX_BUS_NAME, true);
	return bare;
}

/* Finds a bus by its bare name; lock is a locking clause or empty. */
static bool
find_bus(const char *name, const char *lock, EbBusRef *bus)
{
	EbSqlArg	arg = eb_sql_text(name);
	EbSqlRow	row;
	char	   *command;

	bus->name = name;
	bus->bus_id = EB_DEFAULT_BUS_ID;
	bus->owner = NULL;
	if (is_default(name))
		return true;

	command = psprintf("SELECT bus_id, owner FROM eventbus.event_bus"
					   " WHERE name OPERATOR(pg_catalog.=) $1"
					   " AND deleted_at IS NULL %s", lock);
	if (eb_sql_run(command, 1, &arg, &row) == 0)
		return false;
	bus->bus_id = DatumGetInt32(row.values[0]);
	bus->owner = eb_sql_cstring(&row, 1);
	return true;
}

void
eb_catalog_check_owner(const char *owner, const char *kind, const char *name)
{
	Oid			role = get_role_oid(owner, true);

	/* what belonged to a role that was dropped is a superuser's business */
	if (!OidIsValid(role))
		role = BOOTSTRAP_SUPERUSERID;
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of %s %s", kind, name)));
}

void
eb_catalog_get_bus(const char *name, bool lock_it, EbBusRef *bus)
{
	const char *bare = bare_name(name, "eventBusName");

	if (!find_bus(bare, lock_it ? "FOR KEY SHARE" : "", bus))
		missing_error(bare);
}

void
eb_catalog_create_bus(const char *name, const char *description)
{
	EbSqlArg	args[3];

	eb_arn_check_name(name, "name", EB_MAX_BUS_NAME, true);
	eb_arn_check_description(description);
	if (strchr(name, '/') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* EventBridge's text */
				 errmsg("Event bus name must not contain '/'.")));
	if (is_default(name))
		exists_error(name);

	args[0] = eb_sql_text(name);
	args[1] = eb_sql_text(description);
	args[2] = eb_sql_text(GetUserNameFromId(GetUserId(), false));
	if (eb_sql_run("INSERT INTO eventbus.event_bus (name, description, owner)"
				   " VALUES ($1, $2, $3)"
				   " ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING",
				   3, args, NULL) == 0)
		exists_error(name);
}

void
eb_catalog_update_bus(const char *name, const char *description)
{
	const char *bare = bare_name(name, "name");
	EbBusRef	bus;
	EbSqlArg	args[2];

	eb_arn_check_description(description);
	if (is_default(bare))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot update event bus %s", bare),
				 errdetail("The default event bus has no description.")));

	if (!find_bus(bare, "FOR NO KEY UPDATE", &bus))
		missing_error(bare);
	eb_catalog_check_owner(bus.owner, "event bus", bare);

	args[0] = eb_sql_int(bus.bus_id);
	args[1] = eb_sql_text(description);
	eb_sql_run("UPDATE eventbus.event_bus SET description = $2,"
			   " modified_at = pg_catalog.clock_timestamp()"
			   " WHERE bus_id OPERATOR(pg_catalog.=) $1", 2, args, NULL);
}

void
eb_catalog_delete_bus(const char *name)
{
	const char *bare = bare_name(name, "name");
	EbBusRef	bus;
	EbSqlArg	arg;

	if (is_default(bare))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		/* EventBridge's text */
				 errmsg("Cannot delete event bus %s.", bare)));

	if (!find_bus(bare, "FOR UPDATE", &bus))
		return;
	eb_catalog_check_owner(bus.owner, "event bus", bare);

	arg = eb_sql_int(bus.bus_id);
	if (eb_sql_run("SELECT FROM eventbus.rule"
				   " WHERE bus_id OPERATOR(pg_catalog.=) $1 LIMIT 1",
				   1, &arg, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
		/* EventBridge's text */
				 errmsg("Event bus %s can't be deleted since it has rules.",
						bare),
				 errhint("Delete its rules with eb_delete_rule() first.")));
	eb_sql_run("UPDATE eventbus.event_bus"
			   " SET deleted_at = pg_catalog.clock_timestamp()"
			   " WHERE bus_id OPERATOR(pg_catalog.=) $1", 1, &arg, NULL);
}

Jsonb *
eb_catalog_describe_bus(const char *name)
{
	const char *bare = bare_name(name, "name");
	EbAnswer	answer = {0};
	EbSqlArg	arg = eb_sql_text(bare);
	EbSqlRow	row;
	bool		has_row = !is_default(bare);

	if (has_row &&
		eb_sql_run("SELECT description, created_at, modified_at"
				   " FROM eventbus.event_bus"
				   " WHERE name OPERATOR(pg_catalog.=) $1"
				   " AND deleted_at IS NULL", 1, &arg, &row) == 0)
		missing_error(bare);

	eb_answer_begin(&answer);
	eb_answer_add_text(&answer, "Name", bare);
	eb_answer_add_text(&answer, "Arn", eb_arn_of_bus(bare));
	if (has_row)
	{
		eb_answer_add_text(&answer, "Description", eb_sql_cstring(&row, 0));
		eb_answer_add_time(&answer, "CreationTime",
						   DatumGetTimestampTz(row.values[1]));
		eb_answer_add_time(&answer, "LastModifiedTime",
						   DatumGetTimestampTz(row.values[2]));
	}
	eb_answer_end(&answer);
	return eb_answer_result(&answer);
}
