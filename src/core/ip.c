/*-------------------------------------------------------------------------
 *
 * ip.c
 *		IP addresses and ranges of them, as event patterns write them.
 *
 * Not inet: the core knows no server types, and EventBridge's notion of an
 * address is that of java.net.InetAddress, which takes leading zeros as
 * decimal, has no dotted tail here, and folds mapped addresses into IPv4.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/ip.h"

#define IPV4_MAX_TEXT	15

static bool looks_like_v4(const char *text, int len);
static bool looks_like_v6(const char *text, int len);
static bool read_v4(const char *text, int len, EbIp *ip);
static bool read_v6(const char *text, int len, EbIp *ip);
static void fold_mapped(EbIp *ip);

bool
eb_ip_looks_like(const char *text, int len)
{
	return looks_like_v4(text, len) || looks_like_v6(text, len);
}

bool
eb_ip_read(const char *text, int len, EbIp *ip)
{
	memset(ip, 0, sizeof(*ip));
	if (looks_like_v4(text, len))
		return read_v4(text, len, ip);
	if (looks_like_v6(text, len))
		return read_v6(text, len, ip);
	return false;
}

bool
eb_ip_in_range(const EbIp *ip, const EbIpRange *range)
{
	int			whole = range->bits / 8;
	int			rest = range->bits % 8;
	uint8		mask;

	if (ip->nbytes != range->base.nbytes ||
		memcmp(ip->bytes, range->base.bytes, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	mask = (uint8) (0xFF << (8 - rest));
	return ((ip->bytes[whole] ^ range->base.bytes[whole]) & mask) == 0;
}

/* Four runs of digits with points between them. */
static bool
looks_like_v4(const char *text, int len)
{
	int			points = 0;
	bool		digit = false;

	for (int i = 0; i < len; i++)
	{
		if (text[i] >= '0' && text[i] <= '9')
			digit = true;
		else if (text[i] == '.' && digit)
		{
			points++;
			digit = false;
		}
		else
			return false;
	}
	return points == 3 && digit;
}

/* Nothing but hexadecimal digits and at least one colon. */
static bool
looks_like_v6(const char *text, int len)
{
	bool		colon = false;

	for (int i = 0; i < len; i++)
	{
		char		c = text[i];

		if (c == ':')
			colon = true;
		else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
				   (c >= 'A' && c <= 'F')))
			return false;
	}
	return colon;
}

static bool
read_v4(const char *text, int len, EbIp *ip)
{
	int			value = 0;
	int			part = 0;

	if (len > IPV4_MAX_TEXT)
		return false;
	for (int i = 0; i < len; i++)
	{
		if (text[i] == '.')
		{
			ip->bytes[part++] = (uint8) value;
			value = 0;
			continue;
		}
		value = value * 10 + (text[i] - '0');
		if (value > 255)
			return false;
	}
	ip->bytes[part] = (uint8) value;
	ip->nbytes = 4;
	return true;
}

static int
hex_digit(char c)
{
	if (c <= '9')
		return c - '0';
	return (c | 0x20) - 'a' + 10;
}

/*
 * Reads groups from left to right. "::" is remembered; at the end what came
 * after it is moved to the right end, and zeros fill the gap.
 */
static bool
read_v6(const char *text, int len, EbIp *ip)
{
	int			n = 0;			/* bytes written */
	int			gap = -1;		/* n where "::" was */
	int			i = 0;

	if (text[0] == ':')
	{
		if (len < 2 || text[1] != ':')
			return false;
		gap = 0;
		i = 2;
	}
	while (i < len)
	{
		uint32		group = 0;

		if (text[i] == ':' || n == 16)
			return false;
		for (; i < len && text[i] != ':'; i++)
		{
			group = group * 16 + hex_digit(text[i]);
			if (group > 0xFFFF)
				return false;
		}
		ip->bytes[n++] = (uint8) (group >> 8);
		ip->bytes[n++] = (uint8) group;
		if (i == len)
			break;
		if (++i == len)
			return false;		/* a lone colon at the end */
		if (text[i] == ':')
		{
			if (gap >= 0)
				return false;
			gap = n;
			i++;
		}
	}
	if ((gap < 0) != (n == 16))
		return false;
	if (gap >= 0)
	{
		memmove(ip->bytes + 16 - (n - gap), ip->bytes + gap, n - gap);
		memset(ip->bytes + gap, 0, 16 - n);
	}
	ip->nbytes = 16;
	fold_mapped(ip);
	return true;
}

/* ::ffff:a.b.c.d, however written, is a.b.c.d */
static void
fold_mapped(EbIp *ip)
{
	static const uint8 prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

	if (memcmp(ip->bytes, prefix, sizeof(prefix)) != 0)
		return;
	memmove(ip->bytes, ip->bytes + 12, 4);
	memset(ip->bytes + 4, 0, 12);
	ip->nbytes = 4;
}
