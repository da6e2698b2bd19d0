/*-------------------------------------------------------------------------
 *
 * transform_template.h
 *		Templates of input transformers: read once, expanded for each event.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TRANSFORM_TEMPLATE_H
#define EB_TRANSFORM_TEMPLATE_H

#include "transform_path.h"

/* what a variable stands for */
typedef enum EbVariableKind
{
	EB_VARIABLE_PATH,			/* what a path leads to */
	EB_VARIABLE_RULE_ARN,
	EB_VARIABLE_RULE_NAME,
	EB_VARIABLE_INGESTION_TIME,
	EB_VARIABLE_BRIEF_EVENT,	/* the event without detail */
	EB_VARIABLE_EVENT			/* the whole event */
} EbVariableKind;

typedef struct EbVariable
{
	const char *name;
	int			len;
	EbVariableKind kind;
	EbInputPath path;			/* of EB_VARIABLE_PATH */
} EbVariable;

/* Some text, and the placeholder that follows it. */
typedef struct EbTemplateToken
{
	const char *text;
	int			len;
	int			variable;		/* -1: no placeholder, the end */
	bool		in_string;		/* the placeholder is between quotes */
} EbTemplateToken;

typedef struct EbTemplate
{
	bool		is_json;		/* its result must be a JSON object */
	bool		is_certain;		/* which it is for any values, if strings in
								 * quotes are escaped */
	int			ntokens;
	EbTemplateToken *tokens;
	int			nvariables;		/* those that tokens refer to */
	EbVariable *variables;
} EbTemplate;

/*
 * Reads a template with the variables of a paths map into CurrentMemoryContext;
 * it leads into text, and into what the variables lead to. An error 22023,
 * which names the target, where a placeholder has no variable, or where a JSON
 * template cannot become JSON, whatever its values are.
 */
extern EbTemplate *eb_template_read(const char *target_id, const char *text,
									int len, const EbVariable *variables,
									int nvariables);

/*
 * Appends to buf what the template makes of an event. An object between quotes
 * is an error EB_ERRCODE_TRANSFORMATION.
 */
extern void eb_template_expand(const EbTemplate *template,
							   const EbTransformEvent *event,
							   StringInfo buf);

/*
 * What a JSON template makes with null (1 where that would not be JSON) for
 * each value outside of quotes, and in_quotes for each one between them.
 */
extern Jsonb *eb_template_example(const EbTemplate *template,
								  const char *in_quotes);

/* May the result of a JSON template not be JSON, so that it must be parsed? */
extern bool eb_template_must_parse(const EbTemplate *template);

/*
 * The jsonb of a JSON template's result, in CurrentMemoryContext; an error
 * EB_ERRCODE_TRANSFORMATION where it is not JSON, or none that jsonb can hold.
 */
extern Jsonb *eb_template_parse(const char *text, int len);

#endif							/* EB_TRANSFORM_TEMPLATE_H */
