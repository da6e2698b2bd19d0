/*-------------------------------------------------------------------------
 *
 * target_options.h
 *		What every type of target can be told: how to retry, in which order,
 *		how many events at once, where dead letters go.
 *
 * Options are members of a target's parameters, beside those of its type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TARGET_OPTIONS_H
#define EB_TARGET_OPTIONS_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* EventBridge's limits, which are its defaults too */
#define EB_MAX_RETRY_ATTEMPTS	185
#define EB_MIN_EVENT_AGE		60	/* seconds */
#define EB_MAX_EVENT_AGE		86400
#define EB_MAX_BATCH_SIZE		10000
#define EB_MAX_BATCH_WINDOW		300 /* seconds */

/* What is written down of deliveries that go well, and of those that do not. */
typedef enum EbLogLevel
{
	EB_LOG_LEVEL_OFF,
	EB_LOG_LEVEL_ERROR,			/* failed attempts */
	EB_LOG_LEVEL_ALL
} EbLogLevel;

typedef struct EbTargetOptions
{
	int			maximum_retry_attempts;
	int64		maximum_event_age;	/* microseconds */
	bool		dead_letters;	/* false: what cannot be delivered is dropped */
	char	   *dead_letter_queue;	/* NULL: eventbus.dead_letters */
	bool		fifo;			/* a failed event holds up its group */
	int			max_batch_size; /* 0: as many as there are */
	int64		max_batch_window;	/* microseconds to wait for more */
	int			timeout;		/* ms for one call, 0: none */
	EbLogLevel	log_level;
} EbTargetOptions;

/*
 * Reads and checks the options among a target's parameters; strings are
 * allocated in CurrentMemoryContext. An error (22023) where one is wrong.
 */
extern void eb_target_options_read(Jsonb *parameters,
								   EbTargetOptions *options);

/*
 * What is left of parameters for the type to check, in CurrentMemoryContext.
 */
extern Jsonb *eb_target_options_strip(Jsonb *parameters);

#endif							/* EB_TARGET_OPTIONS_H */
