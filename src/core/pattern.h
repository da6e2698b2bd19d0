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

/* Limits. Passing one is an error, EB_PATTERN_TOO_COMPLEX. */
#define EB_PATTERN_MAX_DEPTH		1000	/* objects inside objects */
#define EB_PATTERN_MAX_FIELDS		256 /* of one conjunction */
#define EB_PATTERN_MAX_CONJUNCTIONS	1000	/* that $or multiplies to */

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
	EB_PATTERN_TOO_COMPLEX		/* a limit of this implementation */
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
 * into doc. Returns NULL and fills *error if doc is not a valid pattern.
 */
extern EbPattern *eb_pattern_compile(const EbJson *doc, int flags,
									 EbPatternError *error);

#endif							/* EB_CORE_PATTERN_H */
