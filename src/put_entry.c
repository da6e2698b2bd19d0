/*-------------------------------------------------------------------------
 *
 * put_entry.c
 *		An entry of a PutEvents request: read, checked, made an event.
 *
 * What is wrong with an entry is an answer (EbPutError), not an error: the
 * caller decides whether it fails the statement. The first thing that is
 * wrong counts, looked at in this order:
 *
 *	1. form: the entry is an object, each member is one that there is and of
 *	   the right kind (null is as good as absent); Time can be read;
 *	2. Source, DetailType, Detail are there and not empty;
 *	3. lengths of the other members, then the size of the whole entry;
 *	4. Detail is (or holds) a JSON object that jsonb can hold: MalformedDetail;
 *	5. Source does not begin with "aws." and is not "eventbus", which the
 *	   extension's own events have: NotAuthorizedForSourceException;
 *	6. the bus exists: ResourceNotFoundException.
 *
 * 2, 4 and 5, and their texts, are EventBridge's. It answers 1 and 3 with a
 * failure of the whole request, mostly from the client's library; here they
 * are the entry's own. And it takes entries for a bus that does not exist,
 * and drops them; here nothing is dropped silently.
 *
 * The size of an entry is EventBridge's formula: the bytes of Source,
 * DetailType, Detail and each of Resources, and 14 for Time. A Detail that is
 * an object counts with the size of its jsonb, or of its text if that is less.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "eventbus.h"
#include "guc.h"
#include "iso8601.h"
#include "jsonb_text.h"
#include "put.h"
#include "put_entry.h"

/* limits of EventBridge, in characters */
#define MAX_DETAIL_TYPE_LEN		128
#define MAX_RESOURCE_LEN		2048
#define MAX_EVENT_BUS_NAME_LEN	1600
#define MAX_TRACE_HEADER_LEN	500
#define MAX_EVENT_GROUP_ID_LEN	128
#define MAX_DEDUPLICATION_ID_LEN	128

/* what Time counts in the size of an entry */
#define TIME_SIZE				14

/* how much of a caller's string a message repeats, in bytes */
#define MAX_QUOTED_LEN			256

#define RESERVED_SOURCE_PREFIX	"aws."

typedef bool (*MemberReader) (const char *name, const JsonbValue *value,
							  EbPutEntry *entry, EbPutError *error);

/* A member of an entry: a string at an offset, or what its reader takes. */
typedef struct MemberType
{
	const char *name;
	size_t		string_offset;
	MemberReader read;			/* NULL: a string */
} MemberType;

static bool read_detail(const char *name, const JsonbValue *value,
						EbPutEntry *entry, EbPutError *error);
static bool read_time(const char *name, const JsonbValue *value,
					  EbPutEntry *entry, EbPutError *error);
static bool read_resources(const char *name, const JsonbValue *value,
						   EbPutEntry *entry, EbPutError *error);
static bool read_system_metadata(const char *name, const JsonbValue *value,
								 EbPutEntry *entry, EbPutError *error);

static const MemberType member_types[] = {
	{"Source", offsetof(EbPutEntry, source), NULL},
	{"DetailType", offsetof(EbPutEntry, detail_type), NULL},
	{"Detail", 0, read_detail},
	{"EventBusName", offsetof(EbPutEntry, event_bus), NULL},
	{"Time", 0, read_time},
	{"Resources", 0, read_resources},
	{"TraceHeader", offsetof(EbPutEntry, trace_header), NULL},
	{"EventGroupId", offsetof(EbPutEntry, event_group_id), NULL},
	{"DeduplicationId", offsetof(EbPutEntry, deduplication_id), NULL},
	{"SystemMetadata", 0, read_system_metadata},
};

/* what of them may also be in SystemMetadata */
static const MemberType system_metadata_types[] = {
	{"EventGroupId", offsetof(EbPutEntry, event_group_id), NULL},
	{"DeduplicationId", offsetof(EbPutEntry, deduplication_id), NULL},
};

static const struct
{
	const char *name;
	int			sqlstate;
}			error_codes[] = {
	[EB_PUT_OK] = {"", ERRCODE_SUCCESSFUL_COMPLETION},
	[EB_PUT_INVALID_ARGUMENT] = {"InvalidArgument",
	ERRCODE_INVALID_PARAMETER_VALUE},
	[EB_PUT_MALFORMED_DETAIL] = {"MalformedDetail",
	ERRCODE_INVALID_JSON_TEXT},
	[EB_PUT_NOT_AUTHORIZED_FOR_SOURCE] = {"NotAuthorizedForSourceException",
	ERRCODE_INSUFFICIENT_PRIVILEGE},
	[EB_PUT_RESOURCE_NOT_FOUND] = {"ResourceNotFoundException",
	ERRCODE_UNDEFINED_OBJECT},
};

static bool read_member(const JsonbValue *key, const JsonbValue *value,
						EbPutEntry *entry, EbPutError *error);
static bool read_string(const MemberType *type, const JsonbValue *value,
						EbPutEntry *entry, EbPutError *error);
static const MemberType *system_metadata_type(const JsonbValue *key);
static bool unknown_member(const JsonbValue *key, EbPutError *error);
static bool same_letters(const char *key, int len, const char *name);
static bool epoch_to_time(Numeric seconds, TimestampTz *time);
static bool check_lengths(const EbPutEntry *entry, EbPutError *error);
static bool check_size(const EbPutEntry *entry, EbPutError *error);
static Jsonb *make_detail(const EbPutEntry *entry);
static text *make_text(EbEntryString string);
static bool fail(EbPutError *error, EbPutErrorCode code,
				 const char *format,...) pg_attribute_printf(3, 4);
static bool invalid(EbPutError *error, const char *name,
					const char *format,...) pg_attribute_printf(3, 4);

const char *
eb_put_error_name(EbPutErrorCode code)
{
	return error_codes[code].name;
}

int
eb_put_error_sqlstate(EbPutErrorCode code)
{
	return error_codes[code].sqlstate;
}

/* --- reading ------------------------------------------------------------ */

bool
eb_put_entry_read(const JsonbValue *value, EbPutEntry *entry,
				  EbPutError *error)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	member;

	memset(entry, 0, sizeof(*entry));
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return fail(error, EB_PUT_INVALID_ARGUMENT,
					"Entry is not valid. Reason: Entry must be an object.");

	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &member, true);
		if (!read_member(&key, &member, entry, error))
			return false;
	}
	return true;
}

static bool
read_member(const JsonbValue *key, const JsonbValue *value,
			EbPutEntry *entry, EbPutError *error)
{
	for (int i = 0; i < lengthof(member_types); i++)
	{
		const MemberType *type = &member_types[i];

		if (strlen(type->name) != key->val.string.len ||
			memcmp(type->name, key->val.string.val, key->val.string.len) != 0)
			continue;
		if (value->type == jbvNull)
			return true;
		if (type->read != NULL)
			return type->read(type->name, value, entry, error);
		return read_string(type, value, entry, error);
	}
	return unknown_member(key, error);
}

static bool
read_string(const MemberType *type, const JsonbValue *value,
			EbPutEntry *entry, EbPutError *error)
{
	EbEntryString *string =
		(EbEntryString *) ((char *) entry + type->string_offset);

	if (value->type != jbvString)
		return invalid(error, type->name, "%s must be a string.", type->name);
	if (string->data != NULL)
		return invalid(error, type->name,
					   "%s must not be given twice, in the entry and in SystemMetadata.",
					   type->name);
	string->data = value->val.string.val;
	string->len = value->val.string.len;
	return true;
}

/* Where EventBridge's newer custom event buses have some members. */
static bool
read_system_metadata(const char *name, const JsonbValue *value,
					 EbPutEntry *entry, EbPutError *error)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	member;
	const MemberType *type;

	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return invalid(error, name, "SystemMetadata must be an object.");

	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &member, true);
		type = system_metadata_type(&key);
		if (type == NULL)
			return invalid(error, name,
						   "SystemMetadata may have EventGroupId and DeduplicationId only.");
		if (member.type != jbvNull &&
			!read_string(type, &member, entry, error))
			return false;
	}
	return true;
}

static const MemberType *
system_metadata_type(const JsonbValue *key)
{
	for (int i = 0; i < lengthof(system_metadata_types); i++)
	{
		const MemberType *type = &system_metadata_types[i];

		if (strlen(type->name) == key->val.string.len &&
			memcmp(type->name, key->val.string.val, key->val.string.len) == 0)
			return type;
	}
	return NULL;
}

/* Answers a member that there is not, with the name that may be meant. */
static bool
unknown_member(const JsonbValue *key, EbPutError *error)
{
	const char *name = key->val.string.val;
	int			len = key->val.string.len;
	int			shown = pg_mbcliplen(name, len, MAX_QUOTED_LEN);

	for (int i = 0; i < lengthof(member_types); i++)
		if (same_letters(name, len, member_types[i].name))
			return fail(error, EB_PUT_INVALID_ARGUMENT,
						"Parameter %.*s is not valid. Reason: Entries have no such parameter; did you mean %s?",
						shown, name, member_types[i].name);
	return fail(error, EB_PUT_INVALID_ARGUMENT,
				"Parameter %.*s is not valid. Reason: Entries have no such parameter.",
				shown, name);
}

/* Is key the name in another case, or with hyphens or underscores? */
static bool
same_letters(const char *key, int len, const char *name)
{
	for (int i = 0; i < len; i++)
	{
		if (key[i] == '-' || key[i] == '_')
			continue;
		if (*name == '\0' ||
			pg_ascii_tolower((unsigned char) key[i]) !=
			pg_ascii_tolower((unsigned char) *name))
			return false;
		name++;
	}
	return *name == '\0';
}

static bool
read_detail(const char *name, const JsonbValue *value, EbPutEntry *entry,
			EbPutError *error)
{
	if (value->type == jbvString)
	{
		entry->detail_text.data = value->val.string.val;
		entry->detail_text.len = value->val.string.len;
	}
	else
		entry->detail = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	return true;
}

/* A string may hold the object as text, like EventBridge's own Detail. */
void
eb_put_entry_set_detail(EbPutEntry *entry, Jsonb *detail)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_SCALAR(detail))
		entry->detail = detail;
	else if (JsonbExtractScalar(&detail->root, &value) &&
			 value.type != jbvNull)
		(void) read_detail("Detail", &value, entry, NULL);
}

static bool
read_time(const char *name, const JsonbValue *value, EbPutEntry *entry,
		  EbPutError *error)
{
	TimestampTz time;

	if ((value->type == jbvString &&
		 eb_iso8601_read(value->val.string.val, value->val.string.len,
						 &time)) ||
		(value->type == jbvNumeric &&
		 epoch_to_time(value->val.numeric, &time)))
		return eb_put_entry_set_time(entry, time, error);
	return invalid(error, name,
				   "Time must be an ISO 8601 timestamp or the seconds since 1970-01-01.");
}

bool
eb_put_entry_set_time(EbPutEntry *entry, TimestampTz time, EbPutError *error)
{
	if (!eb_iso8601_writable(time))
		return invalid(error, "Time",
					   "Time must be in the years 1 to 9999.");
	entry->has_time = true;
	entry->time = time;
	return true;
}

/* Seconds since 1970, rounded to microseconds. */
static bool
epoch_to_time(Numeric seconds, TimestampTz *time)
{
	/* beyond the range of float8: infinite */
	double		value =
		DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
										   NumericGetDatum(seconds)));

	/* what a timestamp can hold: years 4713 BC to 294276, roughly */
	if (isnan(value) || value < -2.1e11 || value > 9.2e12)
		return false;
	*time = (TimestampTz) rint(value * USECS_PER_SEC) -
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	return true;
}

static bool
read_resources(const char *name, const JsonbValue *value, EbPutEntry *entry,
			   EbPutError *error)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	Datum	   *items;
	int			nitems = 0;

	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		return invalid(error, name, "Resources must be an array of strings.");

	items = palloc(JsonContainerSize(value->val.binary.data) * sizeof(Datum));
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvString)
			return invalid(error, name,
						   "Resources must be an array of strings.");
		items[nitems++] =
			PointerGetDatum(cstring_to_text_with_len(item.val.string.val,
													 item.val.string.len));
	}
	return eb_put_entry_set_resources(entry,
									  construct_array(items, nitems, TEXTOID,
													  -1, false, TYPALIGN_INT),
									  error);
}

bool
eb_put_entry_set_resources(EbPutEntry *entry, ArrayType *resources,
						   EbPutError *error)
{
	Datum	   *items;
	int			nitems;

	if (ARR_NDIM(resources) > 1 || array_contains_nulls(resources))
		return invalid(error, "Resources",
					   "Resources must be an array of strings.");
	deconstruct_array(resources, TEXTOID, -1, false, TYPALIGN_INT,
					  &items, NULL, &nitems);
	for (int i = 0; i < nitems; i++)
	{
		text	   *item = DatumGetTextPP(items[i]);
		int			len = VARSIZE_ANY_EXHDR(item);

		if (len > MAX_RESOURCE_LEN &&
			pg_mbstrlen_with_len(VARDATA_ANY(item), len) > MAX_RESOURCE_LEN)
			return invalid(error, "Resources",
						   "Each of Resources must have length less than or equal to %d.",
						   MAX_RESOURCE_LEN);
		entry->resources_len += len;
	}
	entry->resources = nitems > 0 ? resources : NULL;
	return true;
}

/* --- checking ----------------------------------------------------------- */

static bool
is_reserved_source(const EbEntryString *source)
{
	const int	prefix_len = strlen(RESERVED_SOURCE_PREFIX);

	return (source->len >= prefix_len &&
			memcmp(source->data, RESERVED_SOURCE_PREFIX, prefix_len) == 0) ||
		(source->len == strlen(EB_OWN_SOURCE) &&
		 memcmp(source->data, EB_OWN_SOURCE, source->len) == 0);
}

bool
eb_put_entry_check(const EbPutEntry *entry, EbEvent *event, EbPutError *error)
{
	if (entry->source.len == 0)
		return invalid(error, "Source", "Source is a required argument.");
	if (entry->detail_type.len == 0)
		return invalid(error, "DetailType",
					   "DetailType is a required argument.");
	if (entry->detail == NULL && entry->detail_text.len == 0)
		return invalid(error, "Detail", "Detail is a required argument.");
	if (!check_lengths(entry, error) || !check_size(entry, error))
		return false;

	memset(event, 0, sizeof(*event));
	event->detail = make_detail(entry);
	if (event->detail == NULL)
		return fail(error, EB_PUT_MALFORMED_DETAIL, "Detail is malformed.");
	if (is_reserved_source(&entry->source))
		return fail(error, EB_PUT_NOT_AUTHORIZED_FOR_SOURCE,
					"Not authorized for the source.");

	event->bus_id = EB_DEFAULT_BUS_ID;
	if (entry->event_bus.data != NULL &&
		!eb_catalog_find_bus(entry->event_bus.data, entry->event_bus.len,
							 &event->bus_id))
		return fail(error, EB_PUT_RESOURCE_NOT_FOUND,
					"Event bus %.*s does not exist.",
					pg_mbcliplen(entry->event_bus.data, entry->event_bus.len,
								 MAX_QUOTED_LEN),
					entry->event_bus.data);

	event->time = entry->has_time ? entry->time : EB_TIME_OF_CALL;
	event->source = make_text(entry->source);
	event->detail_type = make_text(entry->detail_type);
	event->resources = entry->resources;
	event->trace_header = make_text(entry->trace_header);
	event->event_group_id = make_text(entry->event_group_id);
	if (entry->deduplication_id.data != NULL)
		event->deduplication_id = make_text(entry->deduplication_id);
	return true;
}

static bool
check_length(const char *name, EbEntryString string, int max,
			 EbPutError *error)
{
	if (string.data == NULL)
		return true;
	if (string.len == 0)
		return invalid(error, name,
					   "%s must have length greater than or equal to 1.",
					   name);
	if (string.len > max &&
		pg_mbstrlen_with_len(string.data, string.len) > max)
		return invalid(error, name,
					   "%s must have length less than or equal to %d.",
					   name, max);
	return true;
}

static bool
check_deduplication_id(EbEntryString id, EbPutError *error)
{
	if (!check_length("DeduplicationId", id, MAX_DEDUPLICATION_ID_LEN, error))
		return false;
	for (int i = 0; i < id.len; i++)
		if (strchr(" \t\n\v\f\r", id.data[i]) == NULL)
			return true;
	return invalid(error, "DeduplicationId",
				   "DeduplicationId must not be blank.");
}

static bool
check_lengths(const EbPutEntry *entry, EbPutError *error)
{
	return check_length("DetailType", entry->detail_type,
						MAX_DETAIL_TYPE_LEN, error) &&
		check_length("EventBusName", entry->event_bus,
					 MAX_EVENT_BUS_NAME_LEN, error) &&
		check_length("TraceHeader", entry->trace_header,
					 MAX_TRACE_HEADER_LEN, error) &&
		check_length("EventGroupId", entry->event_group_id,
					 MAX_EVENT_GROUP_ID_LEN, error) &&
		(entry->deduplication_id.data == NULL ||
		 check_deduplication_id(entry->deduplication_id, error));
}

static bool
check_size(const EbPutEntry *entry, EbPutError *error)
{
	int64		rest = (int64) eb_guc_max_event_bytes - entry->source.len -
		entry->detail_type.len - entry->resources_len -
		(entry->has_time ? TIME_SIZE : 0);
	bool		fits;

	/* many small numbers take more room in a jsonb than in its text */
	if (entry->detail == NULL)
		fits = entry->detail_text.len <= rest;
	else
		fits = VARSIZE(entry->detail) <= Max(rest, 0) ||
			eb_jsonb_text_fits(entry->detail, rest);
	if (fits)
		return true;
	return fail(error, EB_PUT_INVALID_ARGUMENT,
				"Total size of the entry is over the limit of %d bytes.",
				eb_guc_max_event_bytes);
}

/* The detail; NULL where it is malformed. */
static Jsonb *
make_detail(const EbPutEntry *entry)
{
	Jsonb	   *detail = entry->detail;

	if (detail == NULL)
		detail = eb_jsonb_from_text(entry->detail_text.data,
									entry->detail_text.len);
	else if (eb_jsonb_too_deep(detail))
		return NULL;
	return detail != NULL && JB_ROOT_IS_OBJECT(detail) ? detail : NULL;
}

static text *
make_text(EbEntryString string)
{
	return string.data == NULL ? NULL :
		cstring_to_text_with_len(string.data, string.len);
}

/* --- answers ------------------------------------------------------------ */

/* Sets *error; returns false. */
static bool
fail(EbPutError *error, EbPutErrorCode code, const char *format,...)
{
	StringInfoData message;
	int			needed;

	initStringInfo(&message);
	do
	{
		va_list		args;

		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&message, needed);
	} while (needed > 0);
	error->code = code;
	error->message = message.data;
	return false;
}

/* Sets *error as EventBridge words a bad parameter; returns false. */
static bool
invalid(EbPutError *error, const char *name, const char *format,...)
{
	char		reason[256];
	va_list		args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return fail(error, EB_PUT_INVALID_ARGUMENT,
				"Parameter %s is not valid. Reason: %s", name, reason);
}
