/*-------------------------------------------------------------------------
 *
 * oracle.c
 *		The plain evaluator: what a pattern means, without any index.
 *
 * Two of them. One follows the definition of array consistency literally and
 * tries every choice of values: exponential, for events of few values. The
 * other asks the join of array_join.c about all fields, for any event.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include "core/array_join.h"

#define MAX_FIELDS	256			/* as compile() allows */

/* Do two trails stand in different elements of one array? */
static bool
conflict(const EbFields *fields, int x, int y)
{
	for (int i = x; i >= 0; i = fields->trails[i].outer)
	{
		for (int j = y; j >= 0; j = fields->trails[j].outer)
		{
			if (fields->trails[i].array == fields->trails[j].array &&
				fields->trails[i].index != fields->trails[j].index)
				return true;
		}
	}
	return false;
}

static int
path_of(EbPathNode *root, const EbPatternField *field)
{
	return eb_path_step(root, field->path, field->len)->path;
}

/* Tries every choice of values for fields number i and up. */
static bool
search(const EbFields *fields, EbPathNode *root, const EbConjunction *c,
	   int i, int *chosen, int nchosen)
{
	const EbPatternField *field;
	bool		present = false;
	bool		may_be_absent = false;

	if (i == c->nfields)
		return true;
	field = c->fields[i];
	for (int f = fields->first[path_of(root, field)]; f >= 0;
		 f = fields->fields[f].next)
	{
		bool		agrees = true;
		bool		satisfies = false;

		for (int k = 0; k < nchosen; k++)
			agrees &= !conflict(fields, fields->fields[f].trail, chosen[k]);
		if (!agrees)
			continue;
		present = true;
		for (int t = 0; t < field->ntests; t++)
			satisfies |= eb_test_match(&field->tests[t],
									   &fields->fields[f].value);
		chosen[nchosen] = fields->fields[f].trail;
		if (satisfies && search(fields, root, c, i + 1, chosen, nchosen + 1))
			return true;
	}
	for (int t = 0; t < field->ntests; t++)
		may_be_absent |= field->tests[t].kind == EB_TEST_ABSENT;
	return may_be_absent && !present &&
		search(fields, root, c, i + 1, chosen, nchosen);
}

bool
oracle_search(const EbPattern *pattern, EbPathNode *root,
			  const EbFields *fields)
{
	int			chosen[MAX_FIELDS];

	for (int c = 0; c < pattern->nconjunctions; c++)
	{
		if (search(fields, root, &pattern->conjunctions[c], 0, chosen, 0))
			return true;
	}
	return false;
}

bool
oracle_join(const EbPattern *pattern, EbPathNode *root,
			const EbFields *fields)
{
	EbJoinField join_fields[MAX_FIELDS];
	EbJoin		join;

	eb_join_init(&join);
	for (int c = 0; c < pattern->nconjunctions; c++)
	{
		const EbConjunction *conjunction = &pattern->conjunctions[c];

		for (int i = 0; i < conjunction->nfields; i++)
		{
			join_fields[i].field = conjunction->fields[i];
			join_fields[i].path = path_of(root, conjunction->fields[i]);
		}
		if (eb_join_match(&join, fields, join_fields, conjunction->nfields))
			return true;
	}
	return false;
}
