/*-------------------------------------------------------------------------
 *
 * guc.h
 *		Settings. One variable per setting: eventbus.NAME is eb_guc_NAME.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_GUC_H
#define EB_GUC_H

extern char *eb_guc_account_id;
extern double eb_guc_batch_interval;	/* ms */
extern int	eb_guc_deduplication_window;	/* seconds, 0: off */
extern int	eb_guc_dead_letter_retention;	/* minutes, 0: for ever */
extern int	eb_guc_delivery_log_retention;	/* likewise */
extern int	eb_guc_dispatch_batch_size;
extern bool eb_guc_input_transformer_escape;
extern int	eb_guc_leaf_width;	/* minutes */
extern int	eb_guc_leaves_ahead;
extern int	eb_guc_max_databases;
extern int	eb_guc_max_dispatchers;
extern int	eb_guc_max_event_bytes;
extern int	eb_guc_max_hops;	/* a hop_count that is not delivered */
extern int	eb_guc_max_pattern_characters;
extern int	eb_guc_max_pattern_combinations;
extern int	eb_guc_max_pattern_complexity;
extern int	eb_guc_max_pattern_paths;
extern int	eb_guc_max_queued_targets;
extern char *eb_guc_region;
extern int	eb_guc_route_batch_size;
extern int	eb_guc_safety_interval; /* seconds */
extern int	eb_guc_target_lock_timeout; /* ms */
extern int	eb_guc_target_timeout;	/* ms, 0: none */

/* Defines all settings; from _PG_init. */
extern void eb_guc_init(void);

#endif							/* EB_GUC_H */
