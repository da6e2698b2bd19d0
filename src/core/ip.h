/*-------------------------------------------------------------------------
 *
 * ip.h
 *		IP addresses and ranges of them, as event patterns write them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_IP_H
#define EB_CORE_IP_H

typedef struct EbIp
{
	int			nbytes;			/* 4 or 16 */
	uint8		bytes[16];		/* network order */
} EbIp;

typedef struct EbIpRange
{
	EbIp		base;
	int			bits;			/* leading bits that must agree */
} EbIpRange;

/*
 * Reads an address: four decimal numbers with points between (leading zeros
 * are decimal too), or hexadecimal groups with colons. An IPv4 address mapped
 * into IPv6 (::ffff:0a00:0001) is the IPv4 address. Returns false for
 * anything else, also for IPv6 with a dotted tail.
 */
extern bool eb_ip_read(const char *text, int len, EbIp *ip);

/* Does text have the letters of an address, right or wrong? */
extern bool eb_ip_looks_like(const char *text, int len);

extern bool eb_ip_in_range(const EbIp *ip, const EbIpRange *range);

#endif							/* EB_CORE_IP_H */
