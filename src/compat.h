/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What differs between PostgreSQL 15, 17 and 18: the only place that
 *		tests PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_COMPAT_H
#define EB_COMPAT_H

#endif							/* EB_COMPAT_H */
