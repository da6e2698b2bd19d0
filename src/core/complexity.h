/*-------------------------------------------------------------------------
 *
 * complexity.h
 *		How complex EventBridge holds the wildcards of a pattern to be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_COMPLEXITY_H
#define EB_CORE_COMPLEXITY_H

#include "core/pattern.h"

/*
 * A field at whose path the wildcards of the pattern are more complex than
 * the limit, or NULL. See complexity.c for what that means.
 */
extern const EbPatternField *eb_wildcards_too_complex(const EbPattern *pattern,
													  int limit);

#endif							/* EB_CORE_COMPLEXITY_H */
