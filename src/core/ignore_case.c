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

/* Adds lower and upper case of c. Only for compiling: it scans the tables. */
static void
add_forms(EbFoldedChar *fc, uint32 c)
{
	if (c < 0x80)
	{
		if (c >= 'a' && c <= 'z')
			add_char(fc, c - 'a' + 'A');
		else if (c >= 'A' && c <= 'Z')
			add_char(fc, c - 'A' + 'a');
		return;
	}
	for (int i = 0; i < lengthof(case_ranges); i++)
	{
		const EbCaseRange *range = &case_ranges[i];

		if (c >= range->first && c <= range->last &&
			(c - range->first) % range->stride == 0)
		{
			add_char(fc, c + range->lower);
			add_char(fc, c + range->upper);
			return;
		}
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
