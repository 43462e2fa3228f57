"""The one word split that every filter and MinHash share.

A document is split once into tokens with hashes, flags and lines; rules over tokens belong in ``gopher.py``, ``c4.py``
and ``fineweb.py``, facts about characters in ``characters.py``, the
compiled loops in ``segmentation.py``.

The rule, close to the English word tokenizer of spaCy 3 (which the field's thresholds were set with):

1. A run is what lies between whitespace (``str.isspace``).
2. From both ends of a run, punctuation, quotes, brackets, currency signs and dashes split off, each as its own token;
   two or more full stops in a row stay one token. A single full stop splits off at the end only: after a digit, a lower
   case letter, punctuation or two capitals, but not after an abbreviation ("Mr.", "e.g.", "U.S.", "J."). ``-``, ``/``,
   ``@``, ``|``, ``\\`` and ``~`` stay where they are.
3. Clitics split off at the end: ``n't``, ``'s``, ``'m``, ``'d``, ``'ll``, ``'ve``, ``'re`` (either apostrophe, either
   case); "cannot", "gonna" and "gotta" are two tokens.
4. Inside a run, a hyphen or dash between letters, a comma between letters, ``: < > = /`` before a letter, an arithmetic
   sign between digits, a full stop between a lower and an upper case letter, and full stops in a row are tokens.
   What looks like an address ("://", "www.", a path after a domain) is not split inside.
5. Emoji, dingbats and full-width punctuation are tokens wherever they stand. So is every letter of a script without
   spaces between words (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar), with the marks that follow it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web.characters import character_tables
from dataset_platform.kernels.web.segmentation import (
    CLOSING,
    HAS_ALPHA,
    PUNCTUATION,
    SENTENCE_END,
    hash_span,
    split_codes,
)

__all__ = ["CLOSING", "HAS_ALPHA", "PUNCTUATION", "SENTENCE_END", "Words", "code_points", "hash_word", "split"]

# With a full stop these are one token: titles, company forms, months, American states, Latin.
# fmt: off
_ABBREVIATIONS = (
    "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Mt", "Jr", "Sr", "Gen", "Gov", "Rep", "Rev", "Sen", "Adm", "Bros", "Co",
    "co", "Corp", "Inc", "Ltd", "Messrs", "vs", "Md", "Mo", "Mont", "Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug",
    "Sep", "Sept", "Oct", "Nov", "Dec", "Ak", "Ala", "Ariz", "Ark", "Calif", "Colo", "Conn", "Del", "Fla", "Ga", "Ia",
    "Id", "Ill", "Ind", "Kan", "Kans", "Ky", "La", "Mass", "Mich", "Minn", "Miss", "Neb", "Nebr", "Nev", "Okla",
    "Ore", "Pa", "Tenn", "Va", "Wash", "Wis",
)
# fmt: on
_COMPOUNDS = {"cannot": 3, "Cannot": 3, "gonna": 3, "Gonna": 3, "gotta": 3, "Gotta": 3}


@dataclass(frozen=True, slots=True)
class Words:
    """Tokens and lines of one document. Positions are characters (code points) of the text; ends are exclusive.

    Lines are those of ``str.splitlines``. A line word is what ``str.split`` gives, except that each letter of a script
    without spaces counts as one.
    """

    codes: npt.NDArray[np.uint32]
    """Code points of the text."""
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.uint64]
    """Of the token as written."""
    folded: npt.NDArray[np.uint64]
    """Of the token in lower case."""
    flags: npt.NDArray[np.uint8]
    lines: npt.NDArray[np.int32]
    """Line of each token."""
    line_first: npt.NDArray[np.int32]
    """First character of each line that is not whitespace; -1 on blank lines."""
    line_last: npt.NDArray[np.int32]
    """Last character of each line that is not whitespace; -1 on blank lines."""
    line_words: npt.NDArray[np.int32]
    line_longest: npt.NDArray[np.int32]
    """Characters of each line's longest line word."""

    @property
    def count(self) -> int:
        """Number of tokens."""
        return len(self.starts)

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Characters per token."""
        return self.ends - self.starts

    def select_lines(self, keep: npt.NDArray[np.bool_]) -> Words:
        """The tokens of some lines (bool, one per line); positions and line numbers stay those of the whole text."""
        kept = keep[self.lines]
        return replace(
            self,
            starts=self.starts[kept],
            ends=self.ends[kept],
            hashes=self.hashes[kept],
            folded=self.folded[kept],
            flags=self.flags[kept],
            lines=self.lines[kept],
        )


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The text's code points; read-only, and lone surrogates pass."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def hash_word(word: str) -> np.uint64:
    """The 64-bit hash that ``split`` gives a token of this spelling."""
    codes = code_points(word)
    return np.uint64(hash_span(codes, 0, len(codes)))


@lru_cache(maxsize=1)
def _exceptions() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    abbreviations = np.sort(np.array([hash_word(word) for word in _ABBREVIATIONS], np.uint64))
    compounds = sorted((int(hash_word(word)), cut) for word, cut in _COMPOUNDS.items())
    return (
        abbreviations,
        np.array([key for key, _ in compounds], np.uint64),
        np.array([cut for _, cut in compounds], np.int32),
    )


def split(text: str) -> Words:
    """Split a text into tokens by the rule of this module."""
    codes = code_points(text)
    tables = character_tables()
    return Words(codes, *split_codes(codes, tables.classes, tables.folded, *_exceptions()))
