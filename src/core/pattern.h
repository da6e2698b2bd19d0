/*-------------------------------------------------------------------------
 *
 * pattern.h
 *		An event pattern, validated and taken apart.
 *
 * A pattern is an OR of conjunctions (one, unless it uses $or); a conjunction
 * an AND of fields; a field an OR of tests on the values at one path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_PATTERN_H
#define EB_CORE_PATTERN_H

#include "core/value_match.h"

/*
 * Limits. Passing one is an error, EB_PATTERN_TOO_COMPLEX. Those of the struct
 * are the caller's choice, up to what these are here.
 */
#define EB_PATTERN_MAX_DEPTH		1000	/* objects inside objects */
#define EB_PATTERN_MAX_FIELDS		10000
#define EB_PATTERN_MAX_CONJUNCTIONS	100000
#define EB_PATTERN_MAX_COMPLEXITY	1000

typedef struct EbPatternLimits
{
	int			fields;			/* of one conjunction */
	int			conjunctions;	/* that $or multiplies to */
	int			complexity;		/* of wildcards, see complexity.h; 0: any */
} EbPatternLimits;

/* EventBridge's limits */
#define EB_PATTERN_EVENTBRIDGE_LIMITS	{256, 1000, 10}

typedef struct EbPatternField
{
	const char *path;			/* keys joined with ".", terminated */
	int			len;
	int			ntests;
	EbTest	   *tests;
} EbPatternField;

typedef struct EbConjunction
{
	int			nfields;
	EbPatternField **fields;	/* in byte order of path, each path once */
} EbConjunction;

typedef struct EbPattern
{
	int			nconjunctions;
	EbConjunction *conjunctions;
	bool		or_is_field;	/* "$or" did not have the form of the operator
								 * and was taken as a field's name */
} EbPattern;

typedef enum EbPatternErrorCode
{
	EB_PATTERN_INVALID,			/* not a pattern */
	EB_PATTERN_TOO_COMPLEX		/* passes a limit */
} EbPatternErrorCode;

typedef struct EbPatternError
{
	EbPatternErrorCode code;
	const char *reason;			/* EventBridge's words */
	const char *path;			/* JSON path of the fault, "$" is the pattern */
	const char *hint;			/* a full sentence, or NULL */
} EbPatternError;

/*
 * Treat a path that occurs twice as an error. Without, the later one in
 * document order replaces the earlier, as in EventBridge; but jsonb has no
 * document order.
 */
#define EB_PATTERN_STRICT	0x01

/*
 * Compiles a pattern. Everything is allocated with palloc; nothing points
 * into doc. Returns NULL and fills *error if doc is not a valid pattern or
 * passes a limit. limits may be NULL: the greatest.
 */
extern EbPattern *eb_pattern_compile(const EbJson *doc, int flags,
									 const EbPatternLimits *limits,
									 EbPatternError *error);

#endif							/* EB_CORE_PATTERN_H */
