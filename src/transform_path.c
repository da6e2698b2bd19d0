/*-------------------------------------------------------------------------
 *
 * transform_path.c
 *		JSON paths of input transformers.
 *
 *		path	= "$" step*
 *		step	= "." name | "[" digits "]" | ".*" | "[*]"
 *
 * A name is anything without a dot, a bracket or an asterisk; EventBridge has
 * neither names in brackets nor filters nor recursive descent. A step that
 * does not fit the value (a name on an array, an element beyond the end) leads
 * to nothing.
 *
 * With a wildcard the result is an array, also of one or no elements: what
 * stands before the first wildcard must exist and be an array or an object,
 * what does not have the rest is left out. Each value of the event is visited
 * at most once for each step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "transform_path.h"

static bool read_steps(const char *p, const char *end, EbInputPath *path);
static const char *read_step(const char *p, const char *end,
							 EbInputStep *step);
static const char *read_bracket(const char *p, const char *end,
								EbInputStep *step);
static bool take_step(const EbInputStep *step, JsonbValue *value);
static void collect(const EbInputStep *steps, int nsteps, JsonbValue *value,
					JsonbParseState **found);

/* --- reading ------------------------------------------------------------ */

void
eb_input_path_read(const char *text, int len, EbInputPath *path)
{
	/* a step takes two characters at least */
	path->steps = palloc(sizeof(EbInputStep) * (len / 2 + 1));
	path->nsteps = 0;
	path->valid = len > 0 && text[0] == '$' &&
		read_steps(text + 1, text + len, path);
}

static bool
read_steps(const char *p, const char *end, EbInputPath *path)
{
	while (p != NULL && p < end)
		p = read_step(p, end, &path->steps[path->nsteps++]);
	return p != NULL;
}

/* Reads the step at p; returns where it ends, NULL where there is none. */
static const char *
read_step(const char *p, const char *end, EbInputStep *step)
{
	if (*p == '[')
		return read_bracket(p + 1, end, step);
	if (*p != '.')
		return NULL;
	step->kind = EB_STEP_MEMBER;
	step->name = ++p;
	while (p < end && *p != '.' && *p != '[' && *p != ']' && *p != '*')
		p++;
	step->len = p - step->name;
	if (step->len > 0)
		return p;
	if (p == end || *p != '*')
		return NULL;
	step->kind = EB_STEP_EACH;
	return p + 1;
}

static const char *
read_bracket(const char *p, const char *end, EbInputStep *step)
{
	const char *start = p;
	uint64		index = 0;

	if (p < end && *p == '*')
	{
		step->kind = EB_STEP_EACH;
		p++;
	}
	else
	{
		for (; p < end && *p >= '0' && *p <= '9'; p++)
			index = Min(index * 10 + (*p - '0'), PG_UINT32_MAX);
		step->kind = EB_STEP_ELEMENT;
		step->index = (uint32) index;
	}
	return p > start && p < end && *p == ']' ? p + 1 : NULL;
}

/* --- finding ------------------------------------------------------------ */

bool
eb_input_path_find(const EbInputPath *path, const EbTransformEvent *event,
				   JsonbValue *value)
{
	const EbInputStep *steps = path->steps;
	int			nsteps = path->nsteps;
	JsonbParseState *found = NULL;
	Jsonb	   *jsonb;

	if (!path->valid)
		return false;
	if (nsteps > 0 && steps[0].kind == EB_STEP_MEMBER)
	{
		if (!eb_transform_event_member(event, steps[0].name, steps[0].len,
									   value))
			return false;
		steps++;
		nsteps--;
	}
	else
	{
		jsonb = eb_transform_event_jsonb(event);
		value->type = jbvBinary;
		value->val.binary.data = &jsonb->root;
		value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	}

	for (; nsteps > 0 && steps[0].kind != EB_STEP_EACH; steps++, nsteps--)
		if (!take_step(&steps[0], value))
			return false;
	if (nsteps == 0)
		return true;
	if (value->type != jbvBinary)
		return false;
	pushJsonbValue(&found, WJB_BEGIN_ARRAY, NULL);
	collect(steps, nsteps, value, &found);
	jsonb = JsonbValueToJsonb(pushJsonbValue(&found, WJB_END_ARRAY, NULL));
	value->val.binary.data = &jsonb->root;
	value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	return true;
}

/* Replaces value by what a step without wildcard leads to. */
static bool
take_step(const EbInputStep *step, JsonbValue *value)
{
	JsonbContainer *container;
	JsonbValue *element;

	if (value->type != jbvBinary)
		return false;
	container = value->val.binary.data;
	if (step->kind == EB_STEP_MEMBER)
		return JsonContainerIsObject(container) &&
			getKeyJsonValueFromContainer(container, step->name, step->len,
										 value) != NULL;
	if (!JsonContainerIsArray(container))
		return false;
	element = getIthJsonbValueFromContainer(container, step->index);
	if (element == NULL)
		return false;
	*value = *element;
	pfree(element);
	return true;
}

/*
 * Adds what the steps lead to from value. Calls itself once for each wildcard
 * of a path, which is short.
 */
static void
collect(const EbInputStep *steps, int nsteps, JsonbValue *value,
		JsonbParseState **found)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	child;

	CHECK_FOR_INTERRUPTS();
	for (; nsteps > 0 && steps[0].kind != EB_STEP_EACH; steps++, nsteps--)
		if (!take_step(&steps[0], value))
			return;
	if (nsteps == 0)
	{
		pushJsonbValue(found, WJB_ELEM, value);
		return;
	}
	if (value->type != jbvBinary)
		return;
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &child, true)) != WJB_DONE)
		if (token == WJB_ELEM || token == WJB_VALUE)
			collect(steps + 1, nsteps - 1, &child, found);
}
