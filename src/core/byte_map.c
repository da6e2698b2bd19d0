/*-------------------------------------------------------------------------
 *
 * byte_map.c
 *		A hash table from (tag, bytes) to a number.
 *
 * Open addressing with linear probing, at most half full. Keys are added,
 * never removed. The tag keeps apart what shares a table: a path and a kind
 * of test, say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "common/hashfn.h"

#include "core/byte_map.h"

#define FIRST_SLOTS		16

static uint32 hash_key(uint32 tag, const void *bytes, int len);
static EbByteSlot *find_slot(const EbByteMap *map, uint32 hash, uint32 tag,
							 const void *bytes, int len);
static void grow(EbByteMap *map);

void
eb_byte_map_init(EbByteMap *map)
{
	map->nslots = FIRST_SLOTS;
	map->nkeys = 0;
	map->slots = palloc0(map->nslots * sizeof(EbByteSlot));
}

int
eb_byte_map_find(const EbByteMap *map, uint32 tag, const void *bytes, int len)
{
	const EbByteSlot *slot = find_slot(map, hash_key(tag, bytes, len), tag,
									   bytes, len);

	return slot->bytes != NULL ? slot->value : -1;
}

EbByteSlot *
eb_byte_map_add(EbByteMap *map, uint32 tag, const void *bytes, int len,
				bool *found)
{
	uint32		hash = hash_key(tag, bytes, len);
	EbByteSlot *slot = find_slot(map, hash, tag, bytes, len);

	*found = slot->bytes != NULL;
	if (*found)
		return slot;
	if (map->nkeys * 2 >= map->nslots)
	{
		grow(map);
		slot = find_slot(map, hash, tag, bytes, len);
	}
	slot->bytes = bytes;
	slot->len = len;
	slot->tag = tag;
	slot->hash = hash;
	slot->value = -1;
	map->nkeys++;
	return slot;
}

static uint32
hash_key(uint32 tag, const void *bytes, int len)
{
	return hash_combine(hash_bytes(bytes, len), tag);
}

/* The key's slot, or the free one where it would be. */
static EbByteSlot *
find_slot(const EbByteMap *map, uint32 hash, uint32 tag, const void *bytes,
		  int len)
{
	uint32		mask = map->nslots - 1;

	for (uint32 at = hash & mask;; at = (at + 1) & mask)
	{
		EbByteSlot *slot = &map->slots[at];

		if (slot->bytes == NULL ||
			(slot->hash == hash && slot->tag == tag && slot->len == len &&
			 memcmp(slot->bytes, bytes, len) == 0))
			return slot;
	}
}

static void
grow(EbByteMap *map)
{
	EbByteSlot *old = map->slots;
	uint32		nold = map->nslots;

	map->slots = palloc0(2 * nold * sizeof(EbByteSlot));
	map->nslots = 2 * nold;
	for (uint32 i = 0; i < nold; i++)
	{
		uint32		at = old[i].hash & (map->nslots - 1);

		if (old[i].bytes == NULL)
			continue;
		while (map->slots[at].bytes != NULL)
			at = (at + 1) & (map->nslots - 1);
		map->slots[at] = old[i];
	}
	pfree(old);
}
