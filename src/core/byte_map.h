/*-------------------------------------------------------------------------
 *
 * byte_map.h
 *		A hash table from (tag, bytes) to a number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_BYTE_MAP_H
#define EB_CORE_BYTE_MAP_H

typedef struct EbByteSlot
{
	const char *bytes;			/* NULL: the slot is free */
	int			len;
	uint32		tag;
	uint32		hash;
	int			value;
} EbByteSlot;

typedef struct EbByteMap
{
	uint32		nslots;			/* a power of two */
	uint32		nkeys;
	EbByteSlot *slots;
} EbByteMap;

/* Memory from palloc. */
extern void eb_byte_map_init(EbByteMap *map);

/* The number stored for the key, or -1. */
extern int	eb_byte_map_find(const EbByteMap *map, uint32 tag,
							 const void *bytes, int len);

/*
 * The key's slot, made if need be; *found says whether it was there, else the
 * caller sets its value. The bytes of a new key are kept by reference, and must
 * live as long as the map: the caller may point the slot to a copy of them.
 * The slot may be read and set until the next key is added.
 */
extern EbByteSlot *eb_byte_map_add(EbByteMap *map, uint32 tag,
								   const void *bytes, int len, bool *found);

#endif							/* EB_CORE_BYTE_MAP_H */
