/*-------------------------------------------------------------------------
 *
 * number.h
 *		JSON numbers as event patterns compare them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_NUMBER_H
#define EB_CORE_NUMBER_H

/*
 * A number is comparable when it is what its binary64 prints as: when no
 * digit of it is lost. Others equal only their own text and lie in no range.
 */
typedef struct EbNumber
{
	bool		comparable;
	double		value;			/* meaningful when comparable */
} EbNumber;

/* Reads the text of a JSON number; len bytes, not terminated. */
extern EbNumber eb_number_read(const char *text, int len);

#endif							/* EB_CORE_NUMBER_H */
