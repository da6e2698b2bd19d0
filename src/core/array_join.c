/*-------------------------------------------------------------------------
 *
 * array_join.c
 *		Array consistency.
 *
 * An event may hold several values at a path, in different elements of an
 * array of objects. {"name": "Anna", "age": 30} must not match
 * [{"name": "Anna", "age": 5}, {"name": "Bert", "age": 30}]: the values that
 * satisfy the fields have to agree on the element, for every array that more
 * than one of them is in. That is a join of the fields' values on (array,
 * index), done here field by field, in byte order of the paths:
 *
 *	 A state is a set of elements that the fields up to now have settled on.
 *	 For each state and each value that satisfies the next field and agrees
 *	 with the state, there is a new state with the value's element added.
 *	 Elements of arrays that no later field is in are dropped and equal
 *	 states are merged, so independent arrays do not multiply. The
 *	 conjunction holds if a state is left at the end.
 *
 * "exists": false holds for a state if no value at the path agrees with it.
 * It is thus relative to the elements settled on before, which makes the
 * order of the paths matter; EventBridge does the same.
 *
 * Elements inside each other make a tree, and a trail is a node of it. An
 * element stands for those around it too, so a state needs to hold only the
 * innermost. The paths of values inside one array begin alike, so in byte
 * order they are neighbours: a state has one element, and there are no more
 * states than elements (keys with dots can bring more about, and are only
 * slower). What a value adds depends on its element alone, so values in the
 * same element count as one. They are sorted as the tree is walked, and those
 * inside the state's element are found by binary search: the join of n values
 * is about n log n.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"

#include "miscadmin.h"
#else
#include "postgres_fe.h"

#define CHECK_FOR_INTERRUPTS()	((void) 0)
#endif

#include "core/array_join.h"

/* a run of members; none is around another one; ascending */
typedef struct EbJoinState
{
	int			start;
	int			count;
} EbJoinState;

/* the values of the field being joined that are in one element */
typedef struct Value
{
	int			trail;			/* the element, or EB_NO_TRAIL */
	bool		satisfies;		/* does one of them satisfy the field? */
} Value;

typedef struct Values
{
	int			n;
	Value	   *list;			/* in the order of compare_values */
	bool		may_be_absent;
} Values;

/* fewer values than that are looked at one by one */
#define MIN_SEARCH		4

static void note_last_uses(EbJoin *join, const EbFields *fields,
						   const EbJoinField *conjunction, int nfields);
static void collect_values(const EbFields *fields, const EbJoinField *jf,
						   Values *values);
static bool satisfies(const EbPatternField *field, const EbValue *value);
static void sort_values(const EbFields *fields, Values *values);
static int	compare_values(const void *a, const void *b, void *arg);
static void join_state(EbJoin *join, const EbFields *fields,
					   const EbJoinState *state, const Values *values,
					   int position);
static void narrow(const EbJoin *join, const EbFields *fields,
				   const EbJoinState *state, const Values *values,
				   int *from, int *to);
static int	settled_index(const EbJoin *join, const EbFields *fields,
						  const EbJoinState *state, int depth, int array);
static int	lower_bound(const EbFields *fields, const Values *values,
						int depth, int from, int to, int index);
static bool agrees(const EbJoin *join, const EbFields *fields,
				   const EbJoinState *state, int trail);
static void add_state(EbJoin *join, const EbFields *fields,
					  const EbJoinState *state, int trail, int position);
static void add_member(EbJoin *join, const EbFields *fields, int start,
					   int trail, int position);
static void merge_equal_states(EbJoin *join);
static int	compare_states(const void *a, const void *b, void *arg);
static int	ancestor(const EbFields *fields, int trail, int depth);
static void split(const EbFields *fields, int *x, int *y);

void
eb_join_init(EbJoin *join)
{
	memset(join, 0, sizeof(*join));
	join->members_capacity = 64;
	join->members = palloc(64 * sizeof(int));
	join->states_capacity = 16;
	join->states = palloc(16 * sizeof(EbJoinState));
	join->next_capacity = 16;
	join->next = palloc(16 * sizeof(EbJoinState));
	join->last_use_capacity = 16;
	join->last_use = palloc(16 * sizeof(int));
}

bool
eb_join_match(EbJoin *join, const EbFields *fields,
			  const EbJoinField *conjunction, int nfields)
{
	note_last_uses(join, fields, conjunction, nfields);
	join->nmembers = 0;
	join->states[0].start = 0;
	join->states[0].count = 0;
	join->nstates = 1;
	for (int i = 0; i < nfields && join->nstates > 0; i++)
	{
		EbJoinState *swap = join->states;
		int			swap_capacity = join->states_capacity;
		Values		values;

		collect_values(fields, &conjunction[i], &values);
		join->nnext = 0;
		for (int s = 0; s < join->nstates; s++)
			join_state(join, fields, &join->states[s], &values, i);
		pfree(values.list);
		merge_equal_states(join);
		join->states = join->next;
		join->states_capacity = join->next_capacity;
		join->nstates = join->nnext;
		join->next = swap;
		join->next_capacity = swap_capacity;
	}
	return join->nstates > 0;
}

/* Finds for each array the last field with a value in it. */
static void
note_last_uses(EbJoin *join, const EbFields *fields,
			   const EbJoinField *conjunction, int nfields)
{
	if (join->last_use_capacity < fields->narrays)
	{
		join->last_use = repalloc(join->last_use,
								  fields->narrays * 2 * sizeof(int));
		join->last_use_capacity = fields->narrays * 2;
	}
	for (int a = 0; a < fields->narrays; a++)
		join->last_use[a] = -1;
	for (int i = 0; i < nfields; i++)
	{
		for (int f = fields->first[conjunction[i].path]; f >= 0;
			 f = fields->fields[f].next)
		{
			/* where one array is known to be used, so are those around it */
			for (int t = fields->fields[f].trail;
				 t >= 0 && join->last_use[fields->trails[t].array] < i;
				 t = fields->trails[t].outer)
				join->last_use[fields->trails[t].array] = i;
		}
	}
}

static void
collect_values(const EbFields *fields, const EbJoinField *jf, Values *values)
{
	const EbPatternField *field = jf->field;
	int			n = 0;

	for (int f = fields->first[jf->path]; f >= 0; f = fields->fields[f].next)
		n++;
	values->list = palloc((n + 1) * sizeof(Value));
	values->n = 0;
	values->may_be_absent = false;
	for (int t = 0; t < field->ntests; t++)
	{
		if (field->tests[t].kind == EB_TEST_ABSENT)
			values->may_be_absent = true;
	}
	for (int f = fields->first[jf->path]; f >= 0; f = fields->fields[f].next)
	{
		int			trail = fields->fields[f].trail;
		Value	   *value = &values->list[values->n - 1];

		CHECK_FOR_INTERRUPTS();
		if (values->n == 0 || value->trail != trail)
		{
			value = &values->list[values->n++];
			value->trail = trail;
			value->satisfies = false;
		}
		if (!value->satisfies)
			value->satisfies = satisfies(field, &fields->fields[f].value);
	}
	sort_values(fields, values);
}

static bool
satisfies(const EbPatternField *field, const EbValue *value)
{
	for (int t = 0; t < field->ntests; t++)
	{
		if (eb_test_match(&field->tests[t], value))
			return true;
	}
	return false;
}

/* They come in document order, which nearly always is sorted. */
static void
sort_values(const EbFields *fields, Values *values)
{
	for (int i = 1; i < values->n; i++)
	{
		if (compare_values(&values->list[i - 1], &values->list[i],
						   (void *) fields) > 0)
		{
			qsort_arg(values->list, values->n, sizeof(Value), compare_values,
					  (void *) fields);
			break;
		}
	}
}

/*
 * The order in which a walk of the tree comes by: an element before what is
 * inside it, arrays and elements by number.
 */
static int
compare_values(const void *a, const void *b, void *arg)
{
	const EbFields *fields = arg;
	int			x = ((const Value *) a)->trail;
	int			y = ((const Value *) b)->trail;
	const EbTrail *p;
	const EbTrail *q;

	if (x == y)
		return 0;
	if (x < 0 || y < 0)
		return x < 0 ? -1 : 1;
	p = &fields->trails[x];
	q = &fields->trails[y];
	if (p->depth != q->depth &&
		ancestor(fields, x, q->depth) == ancestor(fields, y, p->depth))
		return p->depth < q->depth ? -1 : 1;
	split(fields, &x, &y);
	p = &fields->trails[x];
	q = &fields->trails[y];
	if (p->array != q->array)
		return p->array < q->array ? -1 : 1;
	return p->index < q->index ? -1 : p->index > q->index;
}

/* Adds the states that one state and the field's values make. */
static void
join_state(EbJoin *join, const EbFields *fields, const EbJoinState *state,
		   const Values *values, int position)
{
	bool		present = false;
	int			from;
	int			to;

	narrow(join, fields, state, values, &from, &to);
	for (int i = from; i < to; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!agrees(join, fields, state, values->list[i].trail))
			continue;
		present = true;
		if (values->list[i].satisfies)
			add_state(join, fields, state, values->list[i].trail, position);
	}
	if (!present && values->may_be_absent)
		add_state(join, fields, state, EB_NO_TRAIL, position);
}

/*
 * The values from *from to *to - 1 are all that can agree with the state.
 * Going inwards: if they part in one array, and the state has settled on an
 * element of it, only those in that element are left.
 */
static void
narrow(const EbJoin *join, const EbFields *fields, const EbJoinState *state,
	   const Values *values, int *from, int *to)
{
	*from = 0;
	*to = values->n;
	while (*to - *from >= MIN_SEARCH)
	{
		int			x = values->list[*from].trail;
		int			y = values->list[*to - 1].trail;
		int			depth;
		int			array;
		int			index;

		if (x < 0)
			break;
		split(fields, &x, &y);
		if (x == y)
			break;				/* the first is around the others */
		array = fields->trails[x].array;
		depth = fields->trails[x].depth;
		if (!agrees(join, fields, state, fields->trails[x].outer))
		{
			*to = *from;
			break;
		}
		if (fields->trails[y].array != array)
			break;
		index = settled_index(join, fields, state, depth, array);
		if (index < 0)
			break;
		*from = lower_bound(fields, values, depth, *from, *to, index);
		*to = lower_bound(fields, values, depth, *from, *to, index + 1);
	}
}

/* The element of an array at that depth that the state settled on, or -1. */
static int
settled_index(const EbJoin *join, const EbFields *fields,
			  const EbJoinState *state, int depth, int array)
{
	for (int m = state->start; m < state->start + state->count; m++)
	{
		int			trail = ancestor(fields, join->members[m], depth);

		if (fields->trails[trail].depth == depth &&
			fields->trails[trail].array == array)
			return fields->trails[trail].index;
	}
	return -1;
}

/*
 * The first of the values from "from" to "to" - 1, all in one array at that
 * depth, that is in element index or after it.
 */
static int
lower_bound(const EbFields *fields, const Values *values, int depth, int from,
			int to, int index)
{
	while (from < to)
	{
		int			middle = from + (to - from) / 2;
		const Value *value = &values->list[middle];
		int			trail = ancestor(fields, value->trail, depth);

		if (fields->trails[trail].index < index)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Has the state settled on no other element of an array of the trail? */
static bool
agrees(const EbJoin *join, const EbFields *fields, const EbJoinState *state,
	   int trail)
{
	if (trail < 0)
		return true;
	for (int m = state->start; m < state->start + state->count; m++)
	{
		int			x = join->members[m];
		int			y = trail;

		split(fields, &x, &y);
		if (x != y && fields->trails[x].array == fields->trails[y].array)
			return false;
	}
	return true;
}

/* Adds a state: that one, and the element of the trail. */
static void
add_state(EbJoin *join, const EbFields *fields, const EbJoinState *state,
		  int trail, int position)
{
	int			start = join->nmembers;
	EbJoinState *added;

	for (int m = 0; m < state->count; m++)
		add_member(join, fields, start, join->members[state->start + m],
				   position);
	add_member(join, fields, start, trail, position);
	if (join->nnext == join->next_capacity)
	{
		join->next = repalloc(join->next, join->next_capacity * 2 *
							  sizeof(EbJoinState));
		join->next_capacity *= 2;
	}
	added = &join->next[join->nnext++];
	added->start = start;
	added->count = join->nmembers - start;
}

/*
 * Adds an element to the members from start on: the innermost around the
 * trail that a field after the current one will ask for.
 */
static void
add_member(EbJoin *join, const EbFields *fields, int start, int trail,
		   int position)
{
	int			at;

	while (trail >= 0 &&
		   join->last_use[fields->trails[trail].array] <= position)
		trail = fields->trails[trail].outer;
	if (trail < 0)
		return;
	for (int m = start; m < join->nmembers; m++)
	{
		int			x = join->members[m];
		int			y = trail;

		split(fields, &x, &y);
		if (x != y)
			continue;
		if (fields->trails[join->members[m]].depth >=
			fields->trails[trail].depth)
			return;				/* it stands for this one */
		memmove(&join->members[m], &join->members[m + 1],
				(join->nmembers - m - 1) * sizeof(int));
		join->nmembers--;
		break;
	}
	if (join->nmembers == join->members_capacity)
	{
		join->members = repalloc(join->members,
								 join->members_capacity * 2 * sizeof(int));
		join->members_capacity *= 2;
	}
	at = join->nmembers++;
	for (; at > start && join->members[at - 1] > trail; at--)
		join->members[at] = join->members[at - 1];
	join->members[at] = trail;
}

static void
merge_equal_states(EbJoin *join)
{
	int			kept = 1;

	if (join->nnext < 2)
		return;
	qsort_arg(join->next, join->nnext, sizeof(EbJoinState), compare_states,
			  join->members);
	for (int i = 1; i < join->nnext; i++)
	{
		if (compare_states(&join->next[i], &join->next[kept - 1],
						   join->members) != 0)
			join->next[kept++] = join->next[i];
	}
	join->nnext = kept;
}

static int
compare_states(const void *a, const void *b, void *arg)
{
	const EbJoinState *x = a;
	const EbJoinState *y = b;
	const int  *members = arg;

	if (x->count != y->count)
		return x->count < y->count ? -1 : 1;
	for (int m = 0; m < x->count; m++)
	{
		int			p = members[x->start + m];
		int			q = members[y->start + m];

		if (p != q)
			return p < q ? -1 : 1;
	}
	return 0;
}

/* The element around the trail at that depth; the trail, if not so deep. */
static int
ancestor(const EbFields *fields, int trail, int depth)
{
	while (fields->trails[trail].depth > depth)
		trail = fields->trails[trail].outer;
	return trail;
}

/*
 * Takes two elements to where they part: two that have the same around them.
 * If one of them is around the other, takes both to that one.
 */
static void
split(const EbFields *fields, int *x, int *y)
{
	const EbTrail *trails = fields->trails;

	*x = ancestor(fields, *x, trails[*y].depth);
	*y = ancestor(fields, *y, trails[*x].depth);
	while (*x != *y && trails[*x].outer != trails[*y].outer)
	{
		*x = trails[*x].outer;
		*y = trails[*y].outer;
	}
}
