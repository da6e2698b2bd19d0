#!/usr/bin/env python3
"""Writes case_table.h: what Unicode's full, locale-free upper and lower case
make of each character outside ASCII (UnicodeData.txt and SpecialCasing.txt,
as Python carries them).

    python3 make_case_table.py > case_table.h
"""
import sys
import unicodedata

simple, special = {}, []
for code in range(0x80, 0x110000):
    if 0xD800 <= code <= 0xDFFF:
        continue
    char = chr(code)
    lower, upper = char.lower(), char.upper()
    if lower == char and upper == char:
        continue
    # ignore_case.c takes the one alternative that fits: none may be the
    # head or the tail of another
    forms = {form.encode() for form in (char, lower, upper)}
    for a in forms:
        for b in forms:
            assert a == b or not (a.startswith(b) or a.endswith(b)), hex(code)
    if len(lower) == 1 and len(upper) == 1:
        simple[code] = (ord(lower) - code, ord(upper) - code)
    else:
        special.append((code, lower, upper))

ranges = []
while simple:
    first = min(simple)
    best = (first, 1)
    for stride in (1, 2):
        last = first
        while simple.get(last + stride) == simple[first]:
            last += stride
        if last > best[0]:
            best = (last, stride)
            break
    last, stride = best
    ranges.append((first, last, stride) + simple[first])
    for code in range(first, last + 1, stride):
        del simple[code]


def literal(text):
    return '"' + "".join("\\x%02X" % byte for byte in text.encode()) + '"'


print("""/*-------------------------------------------------------------------------
 *
 * case_table.h
 *		Case mappings of Unicode %s. Made by make_case_table.py.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EB_CORE_CASE_TABLE_H
#define EB_CORE_CASE_TABLE_H

/*
 * Characters whose lower and upper case are one character each: every
 * stride-th one from first to last, lower and upper being the distances.
 * Ranges may interleave.
 */
typedef struct EbCaseRange
{
	uint32		first;
	uint32		last;
	uint32		stride;
	int32		lower;
	int32		upper;
} EbCaseRange;

/* Characters with a longer form, in UTF-8. */
typedef struct EbCaseSpecial
{
	uint32		code;
	const char *lower;
	const char *upper;
} EbCaseSpecial;

static const EbCaseRange case_ranges[] = {""" % unicodedata.unidata_version)
for r in ranges:
    print("\t{0x%04X, 0x%04X, %d, %d, %d}," % r)
print("};\n\nstatic const EbCaseSpecial case_specials[] = {")
for code, lower, upper in special:
    print("\t{0x%04X, %s, %s}," % (code, literal(lower), literal(upper)))
print("};\n\n#endif\t\t\t\t\t\t\t/* EB_CORE_CASE_TABLE_H */")
sys.stdout.flush()
