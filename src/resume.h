/*-------------------------------------------------------------------------
 *
 * resume.h
 *		What becomes of a log that a restore or a copy brought along.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_RESUME_H
#define EB_RESUME_H

/*
 * Ends the parking of logs that other databases have left here, in this
 * transaction: with deliver, what they had not routed is routed by the rules
 * as they stand, and what they had not delivered will be, before what is new;
 * without, none of it. Returns how many deliveries wait because of it.
 */
extern int64 eb_resume(bool deliver);

#endif							/* EB_RESUME_H */
