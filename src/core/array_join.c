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
 *	 A state is a set of (array, index) members that the fields up to now
 *	 have settled on. For each state and each value that satisfies the next
 *	 field and agrees with the state, there is a new state with the value's
 *	 members added. Members of arrays that no later field mentions are
 *	 dropped and equal states are merged, so independent arrays do not
 *	 multiply. The conjunction holds if a state is left at the end.
 *
 * "exists": false holds for a state if no value at the path agrees with it.
 * It is thus relative to the elements settled on before, which makes the
 * order of the paths matter; EventBridge does the same.
 *
 * With one array of n objects this is n log n: where all values of a field
 * are in one outermost array, those of the state's element are found by
 * binary search.
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

typedef struct EbJoinMember
{
	int			array;
	int			index;
} EbJoinMember;

/* a run of members, by array, descending */
typedef struct EbJoinState
{
	int			start;
	int			count;
} EbJoinState;

/* the values of the field being joined */
typedef struct Values
{
	int			n;
	const EbField **list;
	bool	   *satisfies;
	int		   *index;			/* in the common array, if there is one */
	int			common_array;	/* outermost array of all values, or -1 */
	bool		may_be_absent;
} Values;

static void note_last_uses(EbJoin *join, const EbFields *fields,
						   const EbJoinField *conjunction, int nfields);
static void collect_values(const EbFields *fields, const EbJoinField *jf,
						   Values *values);
static void find_common_array(const EbFields *fields, Values *values);
static void free_values(Values *values);
static void join_state(EbJoin *join, const EbFields *fields,
					   const EbJoinState *state, const Values *values,
					   int position);
static void narrow(const EbJoin *join, const EbJoinState *state,
				   const Values *values, int *from, int *to);
static bool agrees(const EbJoin *join, const EbFields *fields,
				   const EbJoinState *state, int trail);
static void add_state(EbJoin *join, const EbFields *fields,
					  const EbJoinState *state, int trail, int position);
static void add_member(EbJoin *join, int array, int index, int position);
static void merge_equal_states(EbJoin *join);
static int	compare_states(const void *a, const void *b, void *arg);

void
eb_join_init(EbJoin *join)
{
	memset(join, 0, sizeof(*join));
	join->members_capacity = 64;
	join->members = palloc(64 * sizeof(EbJoinMember));
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
	join->states[0] = (EbJoinState)
	{
		0, 0
	};
	join->nstates = 1;
	for (int i = 0; i < nfields && join->nstates > 0; i++)
	{
		EbJoinState *swap = join->states;
		int			swap_capacity = join->states_capacity;
		Values		values;

		collect_values(fields, &conjunction[i], &values);
		join->nnext = 0;
		for (int s = 0; s < join->nstates; s++)
		{
			CHECK_FOR_INTERRUPTS();
			join_state(join, fields, &join->states[s], &values, i);
		}
		free_values(&values);
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
		join->last_use_capacity = fields->narrays * 2;
		join->last_use = repalloc(join->last_use,
								  join->last_use_capacity * sizeof(int));
	}
	for (int i = 0; i < nfields; i++)
	{
		for (int f = fields->first[conjunction[i].path]; f >= 0;
			 f = fields->fields[f].next)
		{
			for (int t = fields->fields[f].trail; t >= 0;
				 t = fields->trails[t].outer)
				join->last_use[fields->trails[t].array] = i;
		}
	}
}

static void
collect_values(const EbFields *fields, const EbJoinField *jf, Values *values)
{
	int			n = 0;

	for (int f = fields->first[jf->path]; f >= 0; f = fields->fields[f].next)
		n++;
	values->list = palloc((n + 1) * sizeof(EbField *));
	values->satisfies = palloc((n + 1) * sizeof(bool));
	values->index = palloc((n + 1) * sizeof(int));
	values->n = 0;
	values->may_be_absent = false;
	for (int t = 0; t < jf->field->ntests; t++)
		values->may_be_absent |= jf->field->tests[t].kind == EB_TEST_ABSENT;
	for (int f = fields->first[jf->path]; f >= 0; f = fields->fields[f].next)
	{
		const EbField *field = &fields->fields[f];
		bool		satisfies = false;

		for (int t = 0; t < jf->field->ntests && !satisfies; t++)
			satisfies = eb_test_match(&jf->field->tests[t], &field->value);
		values->satisfies[values->n] = satisfies;
		values->list[values->n++] = field;
	}
	find_common_array(fields, values);
}

/*
 * If all values are in one outermost array, in order of its elements (they
 * are, unless keys with dots brought an array in twice), notes which.
 */
static void
find_common_array(const EbFields *fields, Values *values)
{
	values->common_array = -1;
	for (int i = 0; i < values->n; i++)
	{
		int			t = values->list[i]->trail;

		if (t < 0)
			break;
		while (fields->trails[t].outer >= 0)
			t = fields->trails[t].outer;
		values->index[i] = fields->trails[t].index;
		if (i == 0)
			values->common_array = fields->trails[t].array;
		else if (fields->trails[t].array != values->common_array ||
				 values->index[i] < values->index[i - 1])
			break;
		if (i == values->n - 1)
			return;
	}
	values->common_array = -1;
}

static void
free_values(Values *values)
{
	pfree(values->list);
	pfree(values->satisfies);
	pfree(values->index);
}

/* Adds the states that one state and the field's values make. */
static void
join_state(EbJoin *join, const EbFields *fields, const EbJoinState *state,
		   const Values *values, int position)
{
	bool		present = false;
	int			from;
	int			to;

	narrow(join, state, values, &from, &to);
	for (int i = from; i < to; i++)
	{
		int			trail = values->list[i]->trail;

		if (!agrees(join, fields, state, trail))
			continue;
		present = true;
		if (values->satisfies[i])
			add_state(join, fields, state, trail, position);
	}
	if (!present && values->may_be_absent)
		add_state(join, fields, state, EB_NO_TRAIL, position);
}

/* The values from *from to *to - 1 are all that can agree with the state. */
static void
narrow(const EbJoin *join, const EbJoinState *state, const Values *values,
	   int *from, int *to)
{
	int			low = 0;
	int			high = values->n;
	int			wanted = -1;

	*from = 0;
	*to = values->n;
	if (values->common_array < 0)
		return;
	for (int m = state->start; m < state->start + state->count; m++)
	{
		if (join->members[m].array == values->common_array)
			wanted = join->members[m].index;
	}
	if (wanted < 0)
		return;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (values->index[middle] < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	*from = low;
	while (low < values->n && values->index[low] == wanted)
		low++;
	*to = low;
}

/* Is no array of the trail settled on another element? */
static bool
agrees(const EbJoin *join, const EbFields *fields, const EbJoinState *state,
	   int trail)
{
	const EbJoinMember *member = join->members + state->start;
	const EbJoinMember *end = member + state->count;

	while (trail >= 0 && member < end)
	{
		const EbTrail *t = &fields->trails[trail];

		if (t->array > member->array)
			trail = t->outer;
		else if (t->array < member->array)
			member++;
		else if (t->index != member->index)
			return false;
		else
		{
			trail = t->outer;
			member++;
		}
	}
	return true;
}

/* Adds the state that has the members of both. */
static void
add_state(EbJoin *join, const EbFields *fields, const EbJoinState *state,
		  int trail, int position)
{
	int			start = join->nmembers;
	int			m = state->start;
	int			end = m + state->count;

	while (trail >= 0 || m < end)
	{
		int			array = trail >= 0 ? fields->trails[trail].array : -1;
		int			settled = m < end ? join->members[m].array : -1;
		int			index = array >= settled ? fields->trails[trail].index :
			join->members[m].index;

		add_member(join, Max(array, settled), index, position);
		if (array >= settled)
			trail = fields->trails[trail].outer;
		if (settled >= array)
			m++;
	}
	if (join->nnext == join->next_capacity)
	{
		join->next_capacity *= 2;
		join->next = repalloc(join->next,
							  join->next_capacity * sizeof(EbJoinState));
	}
	join->next[join->nnext++] = (EbJoinState)
	{
		start, join->nmembers - start
	};
}

/* Adds a member, unless no field after the current one mentions its array. */
static void
add_member(EbJoin *join, int array, int index, int position)
{
	if (join->last_use[array] <= position)
		return;
	if (join->nmembers == join->members_capacity)
	{
		join->members_capacity *= 2;
		join->members = repalloc(join->members, join->members_capacity *
								 sizeof(EbJoinMember));
	}
	join->members[join->nmembers++] = (EbJoinMember)
	{
		array, index
	};
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
	const EbJoinMember *members = arg;

	if (x->count != y->count)
		return x->count < y->count ? -1 : 1;
	return memcmp(members + x->start, members + y->start,
				  x->count * sizeof(EbJoinMember));
}
