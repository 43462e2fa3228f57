"""What is counted in each block's text: words, letters, punctuation, and the hashes that vocabularies are asked for."""

from __future__ import annotations

import sys

import numba
import numpy as np

__all__ = ["COUNTS", "WORD_TABLE", "measure"]

COUNTS = (
    "bytes", "characters", "words", "wide", "capitals", "digits", "stops", "commas", "marks", "title_words", "letters",
    "currency", "ends_stopped", "first_kind", "longest", "sentences", "separators", "symbols",
)  # fmt: skip
"""Columns of ``measure``'s first answer; ``wide`` counts characters of scripts written without spaces."""


def _word_table() -> np.ndarray:
    """1 for each code point below 65,536 that ``\\w`` matches, 2 for those of scripts without spaces between words."""
    codes = np.arange(0x10000, dtype=np.uint32)
    codes[0xD800:0xE000] = 0x20
    table = np.char.isalnum(codes.view("<U1" if sys.byteorder == "little" else ">U1")).astype(np.uint8)
    table[ord("_")] = 1
    # Thai, Lao, Burmese, Khmer; kana; Han
    for begin, end in (
        (0x0E00, 0x0EFF),
        (0x1000, 0x109F),
        (0x1780, 0x17FF),
        (0x3040, 0x30FF),
        (0x3400, 0x9FFF),
        (0xF900, 0xFAFF),
    ):
        table[begin : end + 1][table[begin : end + 1] == 1] = 2
    return table


WORD_TABLE = _word_table()


@numba.njit(cache=True)
def measure(text, start, table):  # type: ignore[no-untyped-def]
    """Counts of each block (blocks × COUNTS, float32), word hashes, first word of each block, hash of each block's words.

    Hashes are FNV-1a of the UTF-8 bytes, ASCII letters lower-cased and digits all the same.
    """
    blocks = len(start) - 1
    counts = np.zeros((blocks, 18), np.float32)
    words = np.empty(len(text) // 2 + blocks + 1, np.uint32)
    first = np.zeros(blocks + 1, np.int64)
    whole = np.zeros(blocks, np.uint32)
    n_words = 0
    for block in range(blocks):
        at, end = start[block], start[block + 1]
        characters, wide, capitals, digits, stops, commas, marks, titles, letters = 0, 0, 0, 0, 0, 0, 0, 0, 0
        currency, longest, sentences, separators, symbols, begun_at = 0, 0, 0, 0, 0, n_words
        all_words = numba.uint32(2166136261)
        last = numba.int64(32)
        kind = 0
        while at < end:
            c = numba.int64(text[at])
            size = 1
            if c >= 0xF0 and at + 3 < end:
                c = ((c & 7) << 18) | ((text[at + 1] & 63) << 12) | ((text[at + 2] & 63) << 6) | (text[at + 3] & 63)
                size = 4
            elif c >= 0xE0 and at + 2 < end:
                c = ((c & 15) << 12) | ((text[at + 1] & 63) << 6) | (text[at + 2] & 63)
                size = 3
            elif c >= 0xC0 and at + 1 < end:
                c = ((c & 31) << 6) | (text[at + 1] & 63)
                size = 2
            what = table[c] if c < 0x10000 else (2 if 0x20000 <= c < 0x40000 else 0)
            if what == 0:
                characters += 1
                if kind == 0:
                    kind = 4
                if (
                    c == 46
                    or c == 33
                    or c == 63
                    or c == 0x3002
                    or c == 0xFF01
                    or c == 0xFF1F
                    or c == 0x2026
                    or c == 0x964
                ):
                    stops += 1
                    if last != 32 and (at + size >= end or text[at + size] == 32 or c > 255):
                        sentences += 1
                elif c == 44 or c == 59 or c == 0x3001 or c == 0xFF0C or c == 0x60C:
                    commas += 1
                elif c == 58 or c == 34 or c == 39 or c == 40 or c == 41 or (0x2010 <= c <= 0x201F):
                    marks += 1
                elif c == 36 or c == 0xA3 or c == 0x20AC or c == 0xA5 or c == 0x20B9:
                    currency += 1
                elif c == 124 or c == 47 or c == 0x203A or c == 0xBB or c == 0x2022 or c == 0xB7 or c == 62:
                    separators += 1
                elif c != 32 and c != 10:
                    symbols += 1
                last = c
                at += size
                continue
            # a word
            value = numba.uint32(2166136261)
            begin, length, upper_first = at, 0, False
            while at < end:
                c = numba.int64(text[at])
                size = 1
                if c >= 0xF0 and at + 3 < end:
                    c = ((c & 7) << 18) | ((text[at + 1] & 63) << 12) | ((text[at + 2] & 63) << 6) | (text[at + 3] & 63)
                    size = 4
                elif c >= 0xE0 and at + 2 < end:
                    c = ((c & 15) << 12) | ((text[at + 1] & 63) << 6) | (text[at + 2] & 63)
                    size = 3
                elif c >= 0xC0 and at + 1 < end:
                    c = ((c & 31) << 6) | (text[at + 1] & 63)
                    size = 2
                what = table[c] if c < 0x10000 else (2 if 0x20000 <= c < 0x40000 else 0)
                if what == 0:
                    break
                if what == 2:
                    wide += 1
                if 48 <= c <= 57:
                    digits += 1
                else:
                    letters += 1
                    if 65 <= c <= 90 or 0xC0 <= c <= 0xDE or 0x410 <= c <= 0x42F:
                        capitals += 1
                        if length == 0:
                            upper_first = True
                for step in range(size):
                    b = numba.int64(text[at + step])
                    if 65 <= b <= 90:
                        b |= 32
                    elif 48 <= b <= 57:
                        b = 48
                    value = numba.uint32((value ^ numba.uint32(b)) * numba.uint32(16777619))
                length += 1
                at += size
            if kind == 0:
                kind = 1 if upper_first else (3 if 48 <= text[begin] <= 57 else 2)
            if upper_first:
                titles += 1
            characters += length
            longest = max(longest, length)
            words[n_words] = value
            n_words += 1
            all_words = numba.uint32((all_words ^ value) * numba.uint32(16777619))
            last = c if what else numba.int64(97)
        whole[block] = all_words
        first[block] = begun_at
        row = counts[block]
        row[0], row[1], row[2], row[3] = start[block + 1] - start[block], characters, n_words - begun_at, wide
        row[4], row[5], row[6], row[7], row[8], row[9], row[10] = (
            capitals,
            digits,
            stops,
            commas,
            marks,
            titles,
            letters,
        )
        ended = (
            last == 46
            or last == 33
            or last == 63
            or last == 0x3002
            or last == 0xFF01
            or last == 0xFF1F
            or last == 0x2026
        )
        row[11], row[12], row[13], row[14], row[15] = (
            currency,
            2 if ended else (1 if last == 58 else 0),
            kind,
            longest,
            sentences,
        )
        row[16], row[17] = separators, symbols
    first[blocks] = n_words
    return counts, words[:n_words], first, whole
