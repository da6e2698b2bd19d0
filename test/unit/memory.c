/*-------------------------------------------------------------------------
 *
 * memory.c
 *		palloc for tests: every block is one malloc, so that the address
 *		sanitizer sees each overrun, and all of them can be freed at once, as
 *		deleting a memory context does in the server.
 *
 * Takes the place of libpgcommon's fe_memutils.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

typedef struct Block
{
	struct Block *before;
	struct Block *after;
	/* the caller's bytes follow, aligned */
} Block;

static Block blocks = {&blocks, &blocks};

#define BLOCK_HEADER	MAXALIGN(sizeof(Block))

static void *
link_block(Block *block)
{
	if (block == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	block->before = &blocks;
	block->after = blocks.after;
	blocks.after->before = block;
	blocks.after = block;
	return (char *) block + BLOCK_HEADER;
}

static Block *
unlink_block(void *pointer)
{
	Block	   *block = (Block *) ((char *) pointer - BLOCK_HEADER);

	block->before->after = block->after;
	block->after->before = block->before;
	return block;
}

void *
palloc(Size size)
{
	return link_block(malloc(BLOCK_HEADER + size));
}

void *
palloc0(Size size)
{
	return link_block(calloc(1, BLOCK_HEADER + size));
}

void *
repalloc(void *pointer, Size size)
{
	return link_block(realloc(unlink_block(pointer), BLOCK_HEADER + size));
}

void
pfree(void *pointer)
{
	free(unlink_block(pointer));
}

void
free_all(void)
{
	while (blocks.after != &blocks)
		free(unlink_block((char *) blocks.after + BLOCK_HEADER));
}
