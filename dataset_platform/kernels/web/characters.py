"""What each Unicode code point is to the word split: class bits and lower-case folding, as arrays over code points.

Only facts about single characters belong here; rules over runs of characters are in ``words.py``.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CODE_POINTS = 0x110000

SPACE = 1  # str.isspace
ALPHA = 2  # str.isalpha
DIGIT = 4  # decimal digit of any script
UPPER = 8  # upper or title case, or a letter of a script without case
LOWER = 16  # lower case, or a letter of a script without case
PUNCT = 32  # categories P, S and C: a token of only these is no word
IDEOGRAPH = 64  # letter of a script written without spaces between words: a token of its own
MARK = 128  # combining or invisible: stays with the character before it
EDGE = 256  # splits off at either end of a run
LEADING = 512  # splits off at the beginning of a run only
ISOLATED = 1024  # splits off anywhere (emoji, dingbats, full-width punctuation)
TERMINAL = 2048  # ends a sentence
CLOSING = 4096  # category P: a sentence's end may be followed by these
QUOTE = 8192  # quotation mark
CURRENCY = 16384  # splits off at the beginning, and after a digit
LINE_BREAK = 32768  # where str.splitlines breaks

# Unicode's names of the marks that end a sentence. Khmer, Myanmar, Tibetan and some others name theirs after the
# script's own word; inverted marks and the ones that are part of a word are not among them.
_TERMINAL_WORDS = (
    "FULL STOP",
    "QUESTION MARK",
    "EXCLAMATION MARK",
    "INTERROBANG",
    "DANDA",
    "SENTENCE",
    "PURNA VIRAM",
    "KHMER SIGN KHAN",
    "KHMER SIGN BARIYOOSAN",
    "MYANMAR SIGN LITTLE SECTION",
    "MYANMAR SIGN SECTION",
    "TIBETAN MARK SHAD",
    "TIBETAN MARK NYIS SHAD",
)
_NOT_TERMINAL_WORDS = ("INVERTED", "ORNAMENT", "MEDIEVAL")
# Scripts without spaces between words (first and last code point); only their letters become IDEOGRAPH.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),  # Han iteration mark and zero
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han compatibility
    (0xFF66, 0xFF9F),  # half-width Katakana
    (0x1AFF0, 0x1B16F),  # Kana extensions
    (0x20000, 0x3FFFD),  # Han extensions B and later
)
_WIDE_PUNCTUATION = ((0x3000, 0x303F), (0xFF00, 0xFFEF))
_EDGE_ASCII = ",:;!?()[]{}<>_#*&\"'`"
_LEADING_ASCII = "%="
_QUOTES = "'\"`´‘’‚“”„«»‹›「」『』〈〉《》"
_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# Planes 2 and up hold ideographs, tags and private use: set by range, not looked up one by one.
_NAMED = 0x20000


class CharacterTables(NamedTuple):
    """Arrays indexed by code point, all of length 0x110000."""

    classes: npt.NDArray[np.uint16]
    """Bits of this module."""
    folded: npt.NDArray[np.uint32]
    """Lower-case code point; the typographic apostrophe folds to the ASCII one, so that MinHash does not see it."""


def _is_terminal(character: str) -> bool:
    name = unicodedata.name(character, "")
    return any(word in name for word in _TERMINAL_WORDS) and not any(word in name for word in _NOT_TERMINAL_WORDS)


@lru_cache(maxsize=1)
def terminal_marks() -> tuple[str, ...]:
    """Characters that end a sentence in any script, for ``str.endswith``."""
    characters = map(chr, range(_NAMED))
    return tuple(c for c in characters if unicodedata.category(c) == "Po" and _is_terminal(c))


def _select(classes: npt.NDArray[np.uint16], characters: str, bits: int) -> None:
    classes[[ord(c) for c in characters]] |= np.uint16(bits)


@lru_cache(maxsize=1)
def character_tables() -> CharacterTables:
    """The tables, built on first use (about 0.1 s) and kept for the life of the process."""
    characters = [chr(c) for c in range(_NAMED)]
    category = np.array([unicodedata.category(c) for c in characters])
    major = category.astype("U1")
    classes = np.zeros(CODE_POINTS, np.uint16)
    named = classes[:_NAMED]

    letter = major == "L"
    upper = np.fromiter((c.isupper() for c in characters), bool, _NAMED) | (category == "Lt")
    lower = np.fromiter((c.islower() for c in characters), bool, _NAMED) & letter
    uncased = letter & ~upper & ~lower
    named[np.fromiter((c.isspace() for c in characters), bool, _NAMED)] |= SPACE
    named[letter] |= ALPHA
    named[category == "Nd"] |= DIGIT
    named[(upper & letter) | uncased] |= UPPER
    named[lower | uncased] |= LOWER
    named[(major == "M") | (category == "Cf") | (category == "Sk")] |= MARK
    named[np.isin(category, ("Cc", "Cf")) | np.isin(major, ("P", "S"))] |= PUNCT
    named[major == "P"] |= CLOSING

    beyond_ascii = np.arange(_NAMED) > 0x7F
    named[(major == "P") & beyond_ascii] |= EDGE
    named[category == "So"] |= ISOLATED
    named[category == "Sc"] |= CURRENCY
    for first, last in _WIDE_PUNCTUATION:
        block = named[first : last + 1]
        block[(block & PUNCT) != 0] |= np.uint16(ISOLATED)
    _select(classes, _EDGE_ASCII, EDGE)
    _select(classes, _LEADING_ASCII, LEADING)
    _select(classes, _QUOTES, QUOTE)
    _select(classes, _LINE_BREAKS, LINE_BREAK)
    _select(classes, "".join(terminal_marks()), TERMINAL)
    # the Tibetan tsheg parts syllables as spaces part words elsewhere
    classes[0x0F0B] |= np.uint16(ISOLATED)
    # hyphens beyond ASCII that join words are no edge
    classes[[0x2010, 0x2011]] &= np.uint16(~EDGE & 0xFFFF)

    classes[0x20000:0x3FFFE] |= np.uint16(ALPHA | UPPER | LOWER)
    classes[0xE0000:0xE01F0] |= np.uint16(MARK | PUNCT)
    for first, last in _UNSPACED:
        block = classes[first : last + 1]
        block[(block & ALPHA) != 0] |= np.uint16(IDEOGRAPH)

    folded = np.arange(CODE_POINTS, dtype=np.uint32)
    for code in np.flatnonzero(upper):
        low = characters[code].lower()
        if len(low) == 1:
            folded[code] = ord(low)
    folded[0x2019] = ord("'")
    for table in (classes, folded):
        table.flags.writeable = False
    return CharacterTables(classes, folded)
