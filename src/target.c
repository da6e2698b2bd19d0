/*-------------------------------------------------------------------------
 *
 * target.c
 *		The kinds of targets that there are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "target.h"

static const EbTargetType *const target_types[] = {
	&eb_target_table,
};

const EbTargetType *
eb_target_type(const char *name)
{
	for (int i = 0; i < lengthof(target_types); i++)
		if (strcmp(target_types[i]->name, name) == 0)
			return target_types[i];
	return NULL;
}

char *
eb_target_type_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(target_types); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 target_types[i]->name);
	return names.data;
}
