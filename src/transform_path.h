/*-------------------------------------------------------------------------
 *
 * transform_path.h
 *		JSON paths of input transformers: $.detail.items[0].name
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_TRANSFORM_PATH_H
#define EB_TRANSFORM_PATH_H

#include "transform_event.h"

typedef enum EbInputStepKind
{
	EB_STEP_MEMBER,				/* .name */
	EB_STEP_ELEMENT,			/* [number] */
	EB_STEP_EACH				/* .* or [*] */
} EbInputStepKind;

typedef struct EbInputStep
{
	EbInputStepKind kind;
	const char *name;
	int			len;
	uint32		index;
} EbInputStep;

typedef struct EbInputPath
{
	bool		valid;			/* false: finds nothing */
	int			nsteps;			/* 0: the whole event */
	EbInputStep *steps;
} EbInputPath;

/*
 * Reads a path into CurrentMemoryContext; steps lead into text. What is not a
 * path is no error, but finds nothing.
 */
extern void eb_input_path_read(const char *text, int len, EbInputPath *path);

/*
 * What the path leads to; false where that is nothing. A path with a wildcard
 * leads to an array of what it finds. The value leads into the event, or is
 * allocated in CurrentMemoryContext.
 */
extern bool eb_input_path_find(const EbInputPath *path,
							   const EbTransformEvent *event,
							   JsonbValue *value);

#endif							/* EB_TRANSFORM_PATH_H */
