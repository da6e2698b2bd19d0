/*-------------------------------------------------------------------------
 *
 * chunk_index.c
 *		Which of many strings occur in a text.
 *
 * The automaton of Aho and Corasick (1975). The strings make a trie; a node
 * stands for what has just been read, as much of it as begins some string. If
 * the next byte leads nowhere, the automaton goes on from the node of the
 * longest tail of that, "fail". A look-up takes at most two steps a byte.
 *
 *		strings: he, she, hers
 *
 *		(root) -h-> 1 -e-> 2* -r-> 3 -s-> 4*
 *		   \---s-> 5 -h-> 6 -e-> 7*			7 fails to 2: "she" ends in "he"
 *
 * All steps are in one hash table from (node, byte) to node, so memory is
 * linear in the strings. A node knows the next one on its way of fails where
 * a string ends. A node that was reported is marked with the look-up's number
 * and not reported again, nor what is behind it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/chunk_index.h"

#define ROOT		0
#define NOWHERE		(-1)

typedef struct Node
{
	int			parent;
	int			fail;
	int			output;			/* this, or the next by fail where a string
								 * ends; or NOWHERE */
	int			first_number;	/* of strings that end here, or -1 */
	unsigned char byte;			/* that led here */
	uint64		found_in;		/* look-up that reported it */
} Node;

/* a string that ends at a node */
typedef struct Number
{
	int			number;
	int			next;			/* or -1 */
} Number;

typedef struct Step
{
	int			from;			/* -1: free */
	int			to;
	unsigned char byte;
} Step;

struct EbChunkIndex
{
	int			nnodes;
	int			nodes_capacity;
	Node	   *nodes;
	int			nnumbers;
	int			numbers_capacity;
	Number	   *numbers;
	uint32		nslots;			/* a power of two */
	Step	   *steps;
	uint64		lookup;			/* number of the last one */
};

static int	step(const EbChunkIndex *index, int node, unsigned char byte);
static int	add_step(EbChunkIndex *index, int node, unsigned char byte);
static void insert_step(EbChunkIndex *index, Step added);
static void grow_steps(EbChunkIndex *index);
static int	add_node(EbChunkIndex *index, int parent, unsigned char byte);
static void report(EbChunkIndex *index, int node, EbHits *hits);

EbChunkIndex *
eb_chunk_index_create(void)
{
	EbChunkIndex *index = palloc0(sizeof(EbChunkIndex));

	index->nodes_capacity = 8;
	index->nodes = palloc(index->nodes_capacity * sizeof(Node));
	index->numbers_capacity = 4;
	index->numbers = palloc(index->numbers_capacity * sizeof(Number));
	index->nslots = 16;
	index->steps = palloc(index->nslots * sizeof(Step));
	for (uint32 i = 0; i < index->nslots; i++)
		index->steps[i].from = NOWHERE;
	add_node(index, ROOT, 0);
	return index;
}

void
eb_chunk_index_add(EbChunkIndex *index, const char *text, int len, int number)
{
	int			node = ROOT;

	Assert(len > 0);
	for (int i = 0; i < len; i++)
		node = add_step(index, node, (unsigned char) text[i]);
	if (index->nnumbers == index->numbers_capacity)
	{
		index->numbers_capacity *= 2;
		index->numbers = repalloc(index->numbers, index->numbers_capacity *
								  sizeof(Number));
	}
	index->numbers[index->nnumbers].number = number;
	index->numbers[index->nnumbers].next = index->nodes[node].first_number;
	index->nodes[node].first_number = index->nnumbers++;
}

/*
 * Sets fails and outputs, shallow nodes first: those of a node are found by
 * way of its parent's. Nodes are put in order of depth by a queue; the children
 * of a node are found by a list through all nodes.
 */
void
eb_chunk_index_finish(EbChunkIndex *index)
{
	int		   *queue = palloc(index->nnodes * sizeof(int));
	int		   *child = palloc(index->nnodes * sizeof(int));
	int		   *sibling = palloc(index->nnodes * sizeof(int));
	int			end = 0;

	for (int n = 0; n < index->nnodes; n++)
		child[n] = NOWHERE;
	for (int n = 1; n < index->nnodes; n++)
	{
		sibling[n] = child[index->nodes[n].parent];
		child[index->nodes[n].parent] = n;
	}
	queue[end++] = ROOT;
	for (int at = 0; at < end; at++)
	{
		Node	   *node = &index->nodes[queue[at]];
		int			fail = node->parent;

		for (int c = child[queue[at]]; c != NOWHERE; c = sibling[c])
			queue[end++] = c;
		if (at == 0)
			continue;
		if (fail != ROOT)
		{
			int			next = NOWHERE;

			while (next == NOWHERE && fail != ROOT)
			{
				fail = index->nodes[fail].fail;
				next = step(index, fail, node->byte);
			}
			fail = next == NOWHERE ? ROOT : next;
		}
		node->fail = fail;
		node->output = node->first_number >= 0 ? queue[at] :
			index->nodes[fail].output;
	}
	pfree(queue);
	pfree(child);
	pfree(sibling);
}

void
eb_chunk_index_find(EbChunkIndex *index, const char *text, int len,
					EbHits *hits)
{
	int			node = ROOT;

	index->lookup++;
	for (int i = 0; i < len; i++)
	{
		unsigned char byte = (unsigned char) text[i];
		int			next = step(index, node, byte);

		while (next == NOWHERE && node != ROOT)
		{
			node = index->nodes[node].fail;
			next = step(index, node, byte);
		}
		if (next == NOWHERE)
			continue;
		node = next;
		if (index->nodes[node].output != NOWHERE)
			report(index, index->nodes[node].output, hits);
	}
}

/* Reports the strings that end at the node and on its way of fails. */
static void
report(EbChunkIndex *index, int node, EbHits *hits)
{
	while (node != NOWHERE && index->nodes[node].found_in != index->lookup)
	{
		Node	   *n = &index->nodes[node];

		n->found_in = index->lookup;
		for (int i = n->first_number; i >= 0; i = index->numbers[i].next)
			eb_hits_add(hits, index->numbers[i].number);
		node = index->nodes[n->fail].output;
	}
}

static inline uint32
hash_step(int node, unsigned char byte)
{
	uint32		hash = ((uint32) node * 257 + byte) * 0x9E3779B1;

	return hash ^ hash >> 15;
}

/* Where the byte leads from the node. */
static int
step(const EbChunkIndex *index, int node, unsigned char byte)
{
	uint32		mask = index->nslots - 1;

	for (uint32 at = hash_step(node, byte) & mask;; at = (at + 1) & mask)
	{
		const Step *s = &index->steps[at];

		if (s->from == NOWHERE)
			return NOWHERE;
		if (s->from == node && s->byte == byte)
			return s->to;
	}
}

/* The same, making the step and the node if need be. */
static int
add_step(EbChunkIndex *index, int node, unsigned char byte)
{
	int			to = step(index, node, byte);
	Step		added = {.from = node, .byte = byte};

	if (to != NOWHERE)
		return to;
	if (index->nnodes * 2 >= index->nslots)
		grow_steps(index);
	added.to = add_node(index, node, byte);
	insert_step(index, added);
	return added.to;
}

static void
insert_step(EbChunkIndex *index, Step added)
{
	uint32		mask = index->nslots - 1;
	uint32		at = hash_step(added.from, added.byte) & mask;

	while (index->steps[at].from != NOWHERE)
		at = (at + 1) & mask;
	index->steps[at] = added;
}

static void
grow_steps(EbChunkIndex *index)
{
	Step	   *old = index->steps;
	uint32		nold = index->nslots;

	index->nslots = 2 * nold;
	index->steps = palloc(index->nslots * sizeof(Step));
	for (uint32 i = 0; i < index->nslots; i++)
		index->steps[i].from = NOWHERE;
	for (uint32 i = 0; i < nold; i++)
	{
		if (old[i].from != NOWHERE)
			insert_step(index, old[i]);
	}
	pfree(old);
}

static int
add_node(EbChunkIndex *index, int parent, unsigned char byte)
{
	if (index->nnodes == index->nodes_capacity)
	{
		index->nodes_capacity *= 2;
		index->nodes = repalloc(index->nodes,
								index->nodes_capacity * sizeof(Node));
	}
	index->nodes[index->nnodes] = (Node)
	{
		.parent = parent, .fail = ROOT, .output = NOWHERE,
			.first_number = -1, .byte = byte
	};
	return index->nnodes++;
}
