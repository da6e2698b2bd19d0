/*-------------------------------------------------------------------------
 *
 * utf8.h
 *		Reading and writing one character of UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_UTF8_H
#define EB_CORE_UTF8_H

/*
 * Bytes of the character at s, of which avail bytes may be read (> 0). Zero
 * when it is not well-formed UTF-8 (truncated, overlong, a surrogate, beyond
 * U+10FFFF).
 */
static inline int
eb_utf8_length(const char *s, int avail)
{
	const unsigned char *u = (const unsigned char *) s;
	int			len;

	if (u[0] < 0x80)
		return 1;
	else if (u[0] >= 0xC2 && u[0] <= 0xDF)
		len = 2;
	else if (u[0] >= 0xE0 && u[0] <= 0xEF)
		len = 3;
	else if (u[0] >= 0xF0 && u[0] <= 0xF4)
		len = 4;
	else
		return 0;
	if (avail < len)
		return 0;
	for (int i = 1; i < len; i++)
	{
		if ((u[i] & 0xC0) != 0x80)
			return 0;
	}
	/* overlong, surrogate, too large: all show in the second byte */
	if ((u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xED && u[1] > 0x9F) ||
		(u[0] == 0xF0 && u[1] < 0x90) || (u[0] == 0xF4 && u[1] > 0x8F))
		return 0;
	return len;
}

/* The character at s, which eb_utf8_length says is len bytes long. */
static inline uint32
eb_utf8_decode(const char *s, int len)
{
	const unsigned char *u = (const unsigned char *) s;
	uint32		c;

	if (len == 1)
		return u[0];
	c = u[0] & (0x7F >> len);
	for (int i = 1; i < len; i++)
		c = (c << 6) | (u[i] & 0x3F);
	return c;
}

/* Writes a character to out, which has room for 4 bytes; returns its length. */
static inline int
eb_utf8_encode(uint32 c, char *out)
{
	if (c < 0x80)
	{
		out[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		out[0] = (char) (0xC0 | (c >> 6));
		out[1] = (char) (0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000)
	{
		out[0] = (char) (0xE0 | (c >> 12));
		out[1] = (char) (0x80 | ((c >> 6) & 0x3F));
		out[2] = (char) (0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | (c >> 18));
	out[1] = (char) (0x80 | ((c >> 12) & 0x3F));
	out[2] = (char) (0x80 | ((c >> 6) & 0x3F));
	out[3] = (char) (0x80 | (c & 0x3F));
	return 4;
}

#endif							/* EB_CORE_UTF8_H */
