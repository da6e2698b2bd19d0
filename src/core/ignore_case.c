/*-------------------------------------------------------------------------
 *
 * ignore_case.c
 *		Comparing strings without regard to case.
 *
 * EventBridge's rule is not symmetric: each character of the pattern accepts
 * itself, its lower case and its upper case (full mappings, no locale), and
 * the event's string is taken as it is. So pattern "ß" accepts "SS", and
 * pattern "SS" does not accept "ß"; pattern "KELVIN" written with U+212A
 * accepts "k", and not the other way round.
 *
 * A form may be longer than the character, but no form of a character is the
 * head or the tail of another one (make_case_table.py makes sure), so the one
 * that fits is the right one and nothing needs to be tried again.
 *
 * An index needs one key for all strings that a pattern accepts. For most
 * characters that is the lower case of the upper case: whatever a pattern
 * character accepts has the same. Where it has not (ß accepts SS), the key of
 * the pattern ends, and what has the key may or may not match.
 *
 * Strings are UTF-8. A byte that is not (the server's encoding may be another
 * one) stands for itself; then only ASCII letters are folded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "core/case_table.h"
#include "core/ignore_case.h"
#include "core/utf8.h"

static void add_forms(EbFoldedChar *fc, uint32 c);
static void add_form(EbFoldedChar *fc, const char *bytes, int len);
static void add_char(EbFoldedChar *fc, uint32 c);
static const EbCaseRange *find_range(uint32 c);
static int	char_key(const EbFoldedChar *fc, char *key);
static uint32 key_of(uint32 c);

void
eb_fold_compile(const char *text, int len, EbFolded *folded)
{
	const char *at = text;
	const char *end = text + len;

	folded->nchars = 0;
	folded->chars = palloc0((len + 1) * sizeof(EbFoldedChar));
	while (at < end)
	{
		EbFoldedChar *fc = &folded->chars[folded->nchars++];
		int			n = eb_utf8_length(at, end - at);

		add_form(fc, at, Max(n, 1));
		if (n > 0)
			add_forms(fc, eb_utf8_decode(at, n));
		at += Max(n, 1);
	}
}

int
eb_fold_match_prefix(const EbFolded *folded, const char *text, int len)
{
	int			at = 0;

	for (int i = 0; i < folded->nchars; i++)
	{
		const EbFoldedChar *fc = &folded->chars[i];
		int			f;

		for (f = 0; f < fc->nforms; f++)
		{
			if (fc->len[f] <= len - at &&
				memcmp(text + at, fc->form[f], fc->len[f]) == 0)
				break;
		}
		if (f == fc->nforms)
			return -1;
		at += fc->len[f];
	}
	return at;
}

int
eb_fold_match_suffix(const EbFolded *folded, const char *text, int len)
{
	int			at = len;

	for (int i = folded->nchars - 1; i >= 0; i--)
	{
		const EbFoldedChar *fc = &folded->chars[i];
		int			f;

		for (f = 0; f < fc->nforms; f++)
		{
			if (fc->len[f] <= at &&
				memcmp(text + at - fc->len[f], fc->form[f], fc->len[f]) == 0)
				break;
		}
		if (f == fc->nforms)
			return -1;
		at -= fc->len[f];
	}
	return len - at;
}

int
eb_fold_key(const char *text, int len, char *key)
{
	int			n = 0;

	for (int at = 0; at < len;)
	{
		unsigned char byte = (unsigned char) text[at];
		int			size;

		if (byte < 0x80)
		{
			key[n++] = byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte;
			at++;
			continue;
		}
		size = eb_utf8_length(text + at, len - at);
		if (size == 0)
			key[n++] = text[at++];
		else
		{
			n += eb_utf8_encode(key_of(eb_utf8_decode(text + at, size)),
								key + n);
			at += size;
		}
	}
	return n;
}

bool
eb_fold_pattern_key(const EbFolded *folded, bool from_end, char *key,
					int *len)
{
	int			n = 0;
	int			i;

	for (i = 0; i < folded->nchars; i++)
	{
		char		one[EB_FOLD_KEY_SIZE(EB_FOLD_MAX_BYTES)];
		int			size = char_key(&folded->chars[from_end ?
												   folded->nchars - 1 - i : i],
									one);

		if (size < 0)
			break;
		if (from_end)
			memmove(key + size, key, n);
		memcpy(from_end ? key : key + n, one, size);
		n += size;
	}
	*len = n;
	return i == folded->nchars;
}

/* The key that all forms of a character have, or -1 if they differ. */
static int
char_key(const EbFoldedChar *fc, char *key)
{
	char		other[EB_FOLD_KEY_SIZE(EB_FOLD_MAX_BYTES)];
	int			len = eb_fold_key(fc->form[0], fc->len[0], key);

	for (int f = 1; f < fc->nforms; f++)
	{
		if (eb_fold_key(fc->form[f], fc->len[f], other) != len ||
			memcmp(key, other, len) != 0)
			return -1;
	}
	return len;
}

/* The lower case of the upper case of a character outside ASCII. */
static uint32
key_of(uint32 c)
{
	const EbCaseRange *range = find_range(c);

	if (range == NULL)
		return c;
	c += range->upper;
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
	range = find_range(c);
	return range == NULL ? c : c + range->lower;
}

/*
 * The range of the table that says what becomes of c. Ranges are sorted by
 * their first characters, and interleave: the search goes back from the last
 * one that may hold c for as long as one before reaches that far.
 */
static const EbCaseRange *
find_range(uint32 c)
{
	static uint32 reach[lengthof(case_ranges)]; /* greatest last up to here */
	static bool ready = false;
	int			low = 0;
	int			high = lengthof(case_ranges);

	if (!ready)
	{
		for (int i = 0; i < lengthof(case_ranges); i++)
			reach[i] = i == 0 ? case_ranges[i].last :
				Max(reach[i - 1], case_ranges[i].last);
		ready = true;
	}
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (case_ranges[middle].first <= c)
			low = middle + 1;
		else
			high = middle;
	}
	for (int i = low - 1; i >= 0 && reach[i] >= c; i--)
	{
		const EbCaseRange *range = &case_ranges[i];

		if (c <= range->last && (c - range->first) % range->stride == 0)
			return range;
	}
	return NULL;
}

/* Adds lower and upper case of c. */
static void
add_forms(EbFoldedChar *fc, uint32 c)
{
	const EbCaseRange *range;

	if (c < 0x80)
	{
		if (c >= 'a' && c <= 'z')
			add_char(fc, c - 'a' + 'A');
		else if (c >= 'A' && c <= 'Z')
			add_char(fc, c - 'A' + 'a');
		return;
	}
	range = find_range(c);
	if (range != NULL)
	{
		add_char(fc, c + range->lower);
		add_char(fc, c + range->upper);
		return;
	}
	for (int i = 0; i < lengthof(case_specials); i++)
	{
		const EbCaseSpecial *special = &case_specials[i];

		if (c == special->code)
		{
			add_form(fc, special->lower, strlen(special->lower));
			add_form(fc, special->upper, strlen(special->upper));
			return;
		}
	}
}

static void
add_char(EbFoldedChar *fc, uint32 c)
{
	char		bytes[4];

	add_form(fc, bytes, eb_utf8_encode(c, bytes));
}

static void
add_form(EbFoldedChar *fc, const char *bytes, int len)
{
	Assert(len <= EB_FOLD_MAX_BYTES);
	for (int f = 0; f < fc->nforms; f++)
	{
		if (fc->len[f] == len && memcmp(fc->form[f], bytes, len) == 0)
			return;
	}
	Assert(fc->nforms < EB_FOLD_MAX_FORMS);
	fc->len[fc->nforms] = (uint8) len;
	memcpy(fc->form[fc->nforms], bytes, len);
	fc->nforms++;
}
