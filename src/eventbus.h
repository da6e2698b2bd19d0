/*-------------------------------------------------------------------------
 *
 * eventbus.h
 *		Names that every layer of eventbus shares.
 *
 * Nothing but constants: no types, no functions, no includes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVENTBUS_H
#define EVENTBUS_H

#define EB_EXTENSION_NAME	"eventbus"
#define EB_LIBRARY_NAME		"eventbus"

/* the schema of tables and views; the functions live where the user says */
#define EB_SCHEMA			"eventbus"

/* the default bus exists without a row */
#define EB_DEFAULT_BUS_ID	0
#define EB_DEFAULT_BUS_NAME	"default"

/* roles, made by the install script when absent */
#define EB_ROLE_ADMIN		"eventbus_admin"
#define EB_ROLE_PUBLISHER	"eventbus_publisher"
#define EB_ROLE_MONITOR		"eventbus_monitor"
#define EB_ROLE_CONSUMER	"eventbus_consumer"

#endif							/* EVENTBUS_H */
