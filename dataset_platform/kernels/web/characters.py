"""What each Unicode code point is to the word split and to the rules on characters: class bits and lower-case folding.

Only facts about single characters belong here; rules over runs of characters are in ``segmentation.py``. What spaCy and
datatrove say of a character lies in ``word_facts.json``, with its source; the rest is what ``unicodedata`` says.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

CODE_POINTS = 0x110000

SPACE = 1  # str.isspace
ALPHA = 2  # str.isalpha
DIGIT = 4  # 0 to 9
DECIMAL = 8  # decimal digit of any script
WORD = 16  # \w of a regular expression
LINE_BREAK = 32  # where str.splitlines breaks
WORDLESS = 64  # categories P, S and C: to MinHash, a token of only these is no word
SYMBOL = 128  # datatrove's punctuation: to Gopher's rules, a token of only these is no word
CLOSING = 256  # category P: a sentence's end may be followed by these
SENTENCE_END = 512  # spaCy's sentencizer: ends a sentence
LINE_END = 1024  # datatrove's terminal punctuation: ends a line properly
IDEOGRAPH = 2048  # letter of a script written without spaces between words
MARK = 4096  # combining or invisible: stays with the letter before it
# spaCy's classes: what splits off at the beginning and at the end of a run, and what its rules on the inside look at
PREFIX = 1 << 13
SUFFIX = 1 << 14
ICON = 1 << 15
LETTER = 1 << 16
LOWER = 1 << 17
UPPER = 1 << 18
QUOTE = 1 << 19
CURRENCY = 1 << 20
BEFORE_STOP = 1 << 21  # a full stop behind it splits off
DIGITS_ONLY = DIGIT | DECIMAL | WORD | BEFORE_STOP  # all that a digit is
ACTIVE = 1 << 22  # any rule on the parts of a run starts from such a character; a run without one is one token

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
_TIBETAN_TSHEG = 0x0F0B
_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_INFIX_SIGNS = "+-*^.,:<>=/~"
# Planes 2 and up hold ideographs, tags and private use: their letters end below _LAST_LETTER.
_NAMED = 0x20000
_LAST_LETTER = 0x34000


class CharacterTables(NamedTuple):
    """Arrays indexed by code point, all of length 0x110000."""

    classes: npt.NDArray[np.uint32]
    """Bits of this module."""
    folded: npt.NDArray[np.uint32]
    """Lower-case code point; the typographic apostrophe folds to the ASCII one, so that MinHash does not see it."""


@lru_cache(maxsize=1)
def word_facts() -> dict[str, Any]:
    """The content of ``word_facts.json``."""
    facts: dict[str, Any] = json.loads(Path(__file__).with_name("word_facts.json").read_text(encoding="utf-8"))
    return facts


def code_point_ranges(lines: Iterable[str]) -> list[slice]:
    """Ranges as ``word_facts.json`` writes them: ``41-5A``, one code point alone, ``100-136/2`` every second one."""
    ranges = []
    for part in " ".join(lines).split():
        bounds, _, step = part.partition("/")
        first, _, last = bounds.partition("-")
        ranges.append(slice(int(first, 16), int(last or first, 16) + 1, int(step or "1")))
    return ranges


def _select(classes: npt.NDArray[np.uint32], characters: str, bits: int) -> None:
    classes[[ord(c) for c in characters]] |= np.uint32(bits)


def _set_published(classes: npt.NDArray[np.uint32]) -> None:
    facts = word_facts()
    of_words = facts["word_split"]["classes"]
    for name, bit in (
        ("prefix", PREFIX | ACTIVE),
        ("suffix", SUFFIX | ACTIVE),
        ("icon", ICON | ACTIVE),
        ("letter", LETTER),
        ("lower", LOWER),
        ("upper", UPPER),
        ("quote", QUOTE | ACTIVE),
        ("currency", CURRENCY | ACTIVE),
        ("before_stop", BEFORE_STOP),
    ):
        for where in code_point_ranges(of_words[name]):
            classes[where] |= np.uint32(bit)
    for name, bit in (("sentence_ends", SENTENCE_END), ("symbols", SYMBOL), ("line_ends", LINE_END)):
        for where in code_point_ranges(facts[name]["characters"]):
            classes[where] |= np.uint32(bit)
    _select(classes, _INFIX_SIGNS, ACTIVE)


@lru_cache(maxsize=1)
def character_tables() -> CharacterTables:
    """The tables, built on first use (about 0.1 s) and kept for the life of the process."""
    characters = [chr(c) for c in range(_NAMED)]
    category = np.array([unicodedata.category(c) for c in characters])
    major = category.astype("U1")
    classes = np.zeros(CODE_POINTS, np.uint32)
    named = classes[:_NAMED]

    letter = major == "L"
    named[np.fromiter((c.isspace() for c in characters), bool, _NAMED)] |= SPACE
    named[letter] |= ALPHA
    named[category == "Nd"] |= DECIMAL
    named[np.fromiter((c.isalnum() for c in characters), bool, _NAMED)] |= WORD
    named[(major == "M") | (category == "Cf") | (category == "Sk")] |= MARK
    named[np.isin(category, ("Cc", "Cf")) | np.isin(major, ("P", "S"))] |= WORDLESS
    named[major == "P"] |= CLOSING
    named[ord("0") : ord("9") + 1] |= DIGIT
    _select(classes, "_", WORD)
    _select(classes, _LINE_BREAKS, LINE_BREAK)
    classes[0xE0000:0xE01F0] |= np.uint32(MARK | WORDLESS)
    for code in range(_NAMED, _LAST_LETTER):
        if chr(code).isalpha():
            classes[code] |= np.uint32(ALPHA | WORD)
    for first, last in _UNSPACED:
        block = classes[first : last + 1]
        block[(block & ALPHA) != 0] |= np.uint32(IDEOGRAPH)
    # the Tibetan mark that parts syllables as spaces part words elsewhere
    classes[_TIBETAN_TSHEG] |= np.uint32(IDEOGRAPH)
    _set_published(classes)

    folded = np.arange(CODE_POINTS, dtype=np.uint32)
    for code, character in enumerate(characters):
        low = character.lower()
        if low != character and len(low) == 1:
            folded[code] = ord(low)
    folded[0x2019] = ord("'")
    for table in (classes, folded):
        table.flags.writeable = False
    return CharacterTables(classes, folded)
