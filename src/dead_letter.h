/*-------------------------------------------------------------------------
 *
 * dead_letter.h
 *		Keeps events that a target could not take: eventbus.dead_letters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_DEAD_LETTER_H
#define EB_DEAD_LETTER_H

#include "target.h"

/*
 * Stores a copy of the event with the reason, in this transaction, as the
 * extension. attempts is how often it was tried.
 */
extern void eb_dead_letter(const EbTarget *target, const EbDelivery *item,
						   const ErrorData *error, int attempts);

#endif							/* EB_DEAD_LETTER_H */
