/*-------------------------------------------------------------------------
 *
 * put_entry.h
 *		An entry of a PutEvents request: read, checked, made an event.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_PUT_ENTRY_H
#define EB_PUT_ENTRY_H

#include "event_row.h"

/* A string of a request; data is NULL where it is absent. */
typedef struct EbEntryString
{
	const char *data;
	int			len;
} EbEntryString;

/* An entry as the caller gave it. All zero is an empty entry. */
typedef struct EbPutEntry
{
	EbEntryString source;
	EbEntryString detail_type;
	EbEntryString detail_text;	/* Detail as a string */
	Jsonb	   *detail;			/* or as anything else */
	EbEntryString event_bus;	/* name or ARN; absent: the default bus */
	EbEntryString trace_header;
	EbEntryString event_group_id;
	EbEntryString deduplication_id;
	ArrayType  *resources;		/* of text, not empty; NULL: none */
	int64		resources_len;	/* bytes of its strings */
	bool		has_time;
	TimestampTz time;
} EbPutEntry;

/* Why an entry cannot be put: the ErrorCode of EventBridge. */
typedef enum EbPutErrorCode
{
	EB_PUT_OK,
	EB_PUT_INVALID_ARGUMENT,
	EB_PUT_MALFORMED_DETAIL,
	EB_PUT_NOT_AUTHORIZED_FOR_SOURCE,
	EB_PUT_RESOURCE_NOT_FOUND
} EbPutErrorCode;

typedef struct EbPutError
{
	EbPutErrorCode code;
	const char *message;		/* palloc'd, or constant */
} EbPutError;

/*
 * Reads one element of a request's Entries: which members there are, and of
 * what kind. False, with *error, where that is wrong. Strings of *entry lead
 * into value.
 */
extern bool eb_put_entry_read(const JsonbValue *value, EbPutEntry *entry,
							  EbPutError *error);

/*
 * What a reader does with these members, for a caller that has their values;
 * false, with *error, where a value is wrong. Nothing is copied.
 */
extern void eb_put_entry_set_detail(EbPutEntry *entry, Jsonb *detail);
extern bool eb_put_entry_set_time(EbPutEntry *entry, TimestampTz time,
								  EbPutError *error);
extern bool eb_put_entry_set_resources(EbPutEntry *entry,
									   ArrayType *resources,
									   EbPutError *error);

/*
 * Checks an entry and makes it an event that eb_put_insert() takes, allocated
 * in CurrentMemoryContext. False, with *error, where it cannot be put.
 */
extern bool eb_put_entry_check(const EbPutEntry *entry, EbEvent *event,
							   EbPutError *error);

/* EventBridge's name of an error code, and the SQLSTATE that goes with it. */
extern const char *eb_put_error_name(EbPutErrorCode code);
extern int	eb_put_error_sqlstate(EbPutErrorCode code);

#endif							/* EB_PUT_ENTRY_H */
