/*-------------------------------------------------------------------------
 *
 * transform.h
 *		What a target gets of an event: Input, InputPath, InputTransformer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TRANSFORM_H
#define EB_TRANSFORM_H

#include "nodes/pg_list.h"

#include "transform_event.h"

typedef struct EbTransform EbTransform;

/* The members of a target's parameters that are read here. */
#define EB_PARAMETER_INPUT				"input"
#define EB_PARAMETER_INPUT_PATH			"input_path"
#define EB_PARAMETER_INPUT_TRANSFORMER	"input_transformer"

/*
 * Compiles what the parameters (an object, or NULL) of a target say; NULL
 * where they say nothing (null is as good as absent), and the target gets the
 * whole event:
 *
 *	input				a constant: any JSON, or a string that holds JSON text
 *	input_path			a string: the part of the event that it leads to
 *	input_transformer	{"InputPathsMap": {...}, "InputTemplate": "..."}
 *
 * The result is in CurrentMemoryContext, and does not lead into parameters.
 * What is not valid is an error 22023, with EventBridge's text where it has
 * one; target_id is what that calls the target.
 */
extern EbTransform *eb_transform_compile(const char *target_id,
										 Jsonb *parameters);

/*
 * Warns of what is valid but likely to be a mistake: for when a target is put
 * (not each time that it is compiled). transform may be NULL.
 */
extern void eb_transform_warn(const EbTransform *transform);

/* What is known of a target's payloads before there is an event. */
typedef enum EbPayloadKind
{
	EB_PAYLOAD_UNKNOWN,			/* depends on the event */
	EB_PAYLOAD_OBJECT,			/* each one is a JSON object */
	EB_PAYLOAD_NO_OBJECT		/* none is */
} EbPayloadKind;

/*
 * The kind of all payloads of a transform. Of objects: the names of the
 * members that each of them has (a list of char *, in CurrentMemoryContext),
 * and whether they have no others.
 */
extern EbPayloadKind eb_transform_foresee(const EbTransform *transform,
										  List **members, bool *complete);

/* What a target gets. Make it with one of the functions below. */
typedef struct EbPayload
{
	bool		is_json;		/* false: the result of a text template */
	bool		is_event;		/* it is the whole event */
	Jsonb	   *json;			/* NULL: not made; see eb_payload_json() */
	text	   *text;			/* NULL: not made; see eb_payload_text() */
} EbPayload;

/*
 * Makes the payload of an event of the log for a target of the rule, in
 * CurrentMemoryContext; it may lead into the transform and the event. With
 * NULL as transform, it is the whole event. Where a template cannot make JSON
 * of this event, or its result is too large, the error is
 * EB_ERRCODE_TRANSFORMATION (errcodes.h).
 */
extern void eb_transform_apply(const EbTransform *transform,
							   const EbRule *rule, const EbEvent *event,
							   EbPayload *payload);

/* The same for an event that is a jsonb object, and for its time of put. */
extern void eb_transform_apply_jsonb(const EbTransform *transform,
									 const EbRule *rule, Jsonb *event,
									 TimestampTz ingested_at,
									 EbPayload *payload);

/*
 * The payload as jsonb, NULL where it is not JSON; as text, which for a
 * template is its result byte by byte, and otherwise JSON without white space.
 * Errors are the same.
 * In CurrentMemoryContext; kept in the payload.
 */
extern Jsonb *eb_payload_json(EbPayload *payload);
extern text *eb_payload_text(EbPayload *payload);

#endif							/* EB_TRANSFORM_H */
