/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Settings: one row per setting, in alphabetical order.
 *
 * Settings that size shared memory (PGC_POSTMASTER) can be defined only while
 * shared_preload_libraries is processed; where the library is loaded later
 * their variables keep the boot value, and nothing reads them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "core/pattern.h"
#include "guc.h"
#include "shmem.h"

char	   *eb_guc_account_id = NULL;
double		eb_guc_batch_interval = 1.0;
int			eb_guc_deduplication_window = 300;
int			eb_guc_dead_letter_retention = 14 * 24 * 60;
int			eb_guc_delivery_log_retention = 7 * 24 * 60;
int			eb_guc_dispatch_batch_size = 1000;
bool		eb_guc_input_transformer_escape = true;
int			eb_guc_leaf_width = 1440;
int			eb_guc_leaves_ahead = 14;
int			eb_guc_max_databases = 64;
int			eb_guc_max_dispatchers = 3;
int			eb_guc_max_event_bytes = 1048576;
int			eb_guc_max_hops = 16;
int			eb_guc_max_pattern_characters = 2048;
int			eb_guc_max_pattern_combinations = 1000;
int			eb_guc_max_pattern_complexity = 10;
int			eb_guc_max_pattern_paths = 256;
int			eb_guc_max_queued_targets = 8192;
char	   *eb_guc_region = NULL;
int			eb_guc_route_batch_size = 20000;
int			eb_guc_safety_interval = 10;
int			eb_guc_target_lock_timeout = 100;
int			eb_guc_target_timeout = 30000;

typedef struct IntSetting
{
	const char *name;
	const char *description;
	int		   *variable;
	int			boot;
	int			min;
	int			max;
	GucContext	context;
	int			flags;
} IntSetting;

typedef struct StringSetting
{
	const char *name;
	const char *description;
	char	  **variable;
	const char *boot;
	GucContext	context;
} StringSetting;

static const IntSetting int_settings[] = {
	{"eventbus.deduplication_window", "How long an event's deduplication id keeps others with the same id out; 0: not at all.",
	&eb_guc_deduplication_window, 300, 0, 86400, PGC_SIGHUP, GUC_UNIT_S},
	{"eventbus.dead_letter_retention", "How long dead letters are kept; 0: for ever.",
		&eb_guc_dead_letter_retention, 14 * 24 * 60, 0, INT_MAX, PGC_SIGHUP,
	GUC_UNIT_MIN},
	{"eventbus.delivery_log_retention", "How long is kept what log_level has logged of deliveries; 0: for ever.",
		&eb_guc_delivery_log_retention, 7 * 24 * 60, 0, INT_MAX, PGC_SIGHUP,
	GUC_UNIT_MIN},
	{"eventbus.dispatch_batch_size", "Most events that a dispatcher hands to a target in one transaction.",
	&eb_guc_dispatch_batch_size, 1000, 1, 100000, PGC_SIGHUP, 0},
	{"eventbus.leaf_width", "How much time one partition of the event log covers.",
	&eb_guc_leaf_width, 1440, 1, 60 * 24 * 366, PGC_SIGHUP, GUC_UNIT_MIN},
	{"eventbus.leaves_ahead", "How many partitions are made ahead of time.",
	&eb_guc_leaves_ahead, 14, 1, 1000, PGC_SIGHUP, 0},
	{"eventbus.max_databases", "Most databases of the cluster that can have workers.",
	&eb_guc_max_databases, 64, 1, 10000, PGC_POSTMASTER, 0},
	{"eventbus.max_dispatchers", "Most dispatchers that run in one database.",
	&eb_guc_max_dispatchers, 3, 1, EB_MAX_DISPATCHERS, PGC_SIGHUP, 0},
	{"eventbus.max_event_bytes", "Largest size of one event entry.",
		&eb_guc_max_event_bytes, 1048576, 1024, INT_MAX / 4, PGC_SUSET,
	GUC_UNIT_BYTE},
	{"eventbus.max_hops", "How many events may lead to one another before one is not delivered any more.",
	&eb_guc_max_hops, 16, 1, 10000, PGC_SIGHUP, 0},
	{"eventbus.max_pattern_characters", "Longest event pattern of a rule, counted as JSON text without white space.",
	&eb_guc_max_pattern_characters, 2048, 1, INT_MAX, PGC_SUSET, 0},
	{"eventbus.max_pattern_combinations", "Most combinations that the $or of an event pattern may make.",
		&eb_guc_max_pattern_combinations, 1000, 1, EB_PATTERN_MAX_CONJUNCTIONS,
	PGC_SUSET, 0},
	{"eventbus.max_pattern_complexity", "Most heads of an event pattern's wildcards that one string may match; 0: any.",
		&eb_guc_max_pattern_complexity, 10, 0, EB_PATTERN_MAX_COMPLEXITY,
	PGC_SUSET, 0},
	{"eventbus.max_pattern_paths", "Most paths of one combination of an event pattern.",
	&eb_guc_max_pattern_paths, 256, 1, EB_PATTERN_MAX_FIELDS, PGC_SUSET, 0},
	{"eventbus.max_queued_targets", "Most targets of the cluster that can have work waiting at one time.",
	&eb_guc_max_queued_targets, 8192, 64, 1000000, PGC_POSTMASTER, 0},
	{"eventbus.route_batch_size", "Most events that the router takes in one transaction.",
	&eb_guc_route_batch_size, 20000, 1, 1000000, PGC_SIGHUP, 0},
	{"eventbus.safety_interval", "How long an idle worker sleeps before it looks for work that nobody told it of.",
	&eb_guc_safety_interval, 10, 1, 3600, PGC_SIGHUP, GUC_UNIT_S},
	{"eventbus.target_lock_timeout", "How long a dispatcher waits for a lock that a target needs before it turns to another target.",
	&eb_guc_target_lock_timeout, 100, 1, 60000, PGC_SIGHUP, GUC_UNIT_MS},
	{"eventbus.target_timeout", "How long one batch for a target may take.",
	&eb_guc_target_timeout, 30000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS},
};

static const StringSetting string_settings[] = {
	{"eventbus.account_id", "Account in the envelope of events and in ARNs.",
	&eb_guc_account_id, "000000000000", PGC_SIGHUP},
	{"eventbus.region", "Region in the envelope of events and in ARNs.",
	&eb_guc_region, "local", PGC_SIGHUP},
};

void
eb_guc_init(void)
{
	bool		preloading = process_shared_preload_libraries_in_progress;

	for (int i = 0; i < lengthof(int_settings); i++)
	{
		const IntSetting *s = &int_settings[i];

		if (s->context == PGC_POSTMASTER && !preloading)
			continue;
		DefineCustomIntVariable(s->name, s->description, NULL, s->variable,
								s->boot, s->min, s->max, s->context, s->flags,
								NULL, NULL, NULL);
	}
	for (int i = 0; i < lengthof(string_settings); i++)
	{
		const StringSetting *s = &string_settings[i];

		DefineCustomStringVariable(s->name, s->description, NULL, s->variable,
								   s->boot, s->context, 0, NULL, NULL, NULL);
	}
	DefineCustomRealVariable("eventbus.batch_interval",
							 "Least time between the starts of two batches of a busy worker; the first batch after idleness starts at once.",
							 NULL, &eb_guc_batch_interval, 1.0, 0.0, 1000.0,
							 PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable("eventbus.input_transformer_escape",
							 "Escapes strings that an input transformer puts between quotes in a JSON template.",
							 "Off is what EventBridge does: a quote in such a string ends it.",
							 &eb_guc_input_transformer_escape, true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("eventbus");
}
