"""The one word split that every filter and MinHash share.

A document is split once into tokens with hashes, flags and lines; rules over tokens belong in ``gopher.py``, ``c4.py``
and ``fineweb.py``, facts about characters in ``characters.py``, the compiled rule on runs in ``affixes.py``, the loops in
``segmentation.py``.

The rule is the English word tokenizer of spaCy 3, which datatrove's filters split English text with and the field's
thresholds were set with; the tests hold the two against each other. Its parts:

1. A run is what lies between whitespace (``str.isspace``).
2. A run that is an exception as a whole ("don't", "e.g.", "cannot", ":-)") is cut as its entry says.
3. Else a mark splits off at either end, and again, until neither end has one or an exception is left: punctuation,
   quotes, brackets, currency signs, symbols, two or more full stops; at the end also ``'s``, a unit behind a digit
   ("5km"), and a full stop behind a digit, a lower case letter, a mark or two capitals.
4. What is left is one token if it is an address (``addresses.py``), else it is cut at dots in a row, at symbols, at
   hyphens and dashes between letters, at a comma between letters, at ``: < > = /`` before a letter, at an arithmetic
   sign between digits and at a full stop between a lower and an upper case letter.
5. Where three or more tokens came of a run, those that together are an exception become it ("x-a.m." ends in "a.m.").

Differences from spaCy, all of them without a rule that sees them: whitespace makes no tokens; an exception that the
marks of two neighbouring runs make up (": )") does not stop one inside a run.

In languages written without spaces every letter is a token of its own (``letters``), with the marks that follow it. To
MinHash it is one in every language, so that two copies of a text are the same set whatever language they were taken for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import affixes, editing
from dataset_platform.kernels.web.affixes import Exceptions, hash_span, join_hash
from dataset_platform.kernels.web.characters import character_tables, word_facts
from dataset_platform.kernels.web.segmentation import CLOSING, GAP, HAS_ALPHA, SENTENCE_END, SYMBOLS, split_codes

__all__ = ["CLOSING", "GAP", "HAS_ALPHA", "SENTENCE_END", "SYMBOLS", "Words", "code_points", "hash_word", "split"]


@dataclass(frozen=True, slots=True)
class Words:
    """Tokens and lines of one document. Positions are characters (code points) of the text; ends are exclusive.

    Lines are those of ``str.splitlines``, and what is known of them is of the stripped line.
    """

    codes: npt.NDArray[np.uint32]
    """Code points of the text."""
    letters: bool
    """Whether letters of scripts without spaces are tokens."""
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.uint64]
    """Of the token as written."""
    flags: npt.NDArray[np.uint8]
    lines: npt.NDArray[np.int32]
    """Line of each token."""
    folded: npt.NDArray[np.uint64]
    """Hashes of MinHash's words: tokens in lower case that are not all punctuation, letters without spaces apart."""
    folded_starts: npt.NDArray[np.int32]
    line_starts: npt.NDArray[np.int32]
    """First character of each line that is not whitespace."""
    line_ends: npt.NDArray[np.int32]
    """End of each line's last character that is not whitespace; a blank line's start."""
    line_words: npt.NDArray[np.int32]
    """Words of each line as ``str.split`` gives them; with ``letters``, each letter counts as one."""
    line_longest: npt.NDArray[np.int32]
    """Characters of each line's longest such word."""

    @property
    def count(self) -> int:
        """Number of tokens."""
        return len(self.starts)

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Characters per token."""
        return self.ends - self.starts

    def without(self, spans: npt.NDArray[np.int32]) -> Words:
        """The split of the text without some spans; what is known of the lines' words stays as it was with them.

        Args:
            spans: first and end character of each, of shape (n, 2), ascending; each within a line's stripped text.
        """
        tables = character_tables()
        codes = editing.without(self.codes, spans)
        codes.flags.writeable = False  # as those of ``code_points``: one compiled version for both
        starts, ends, hashes, flags, lines, folded, folded_starts, line_starts, line_ends = editing.remove_spans(
            codes,
            (self.starts, self.ends, self.hashes, self.flags, self.folded, self.folded_starts),
            (self.line_starts, self.line_ends),
            spans,
            (tables.classes, tables.folded),
            exceptions(),
            self.letters,
        )
        return replace(
            self,
            codes=codes,
            starts=starts,
            ends=ends,
            hashes=hashes,
            flags=flags,
            lines=lines,
            folded=folded,
            folded_starts=folded_starts,
            line_starts=line_starts,
            line_ends=line_ends,
        )


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The text's code points; read-only, and lone surrogates pass."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def hash_word(word: str) -> np.uint64:
    """The 64-bit hash that ``split`` gives a token of this spelling."""
    codes = code_points(word)
    return np.uint64(hash_span(codes, 0, len(codes)))


def _table(entries: dict[int, int], slots: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    keys, values = np.zeros(slots, np.uint64), np.zeros(slots, np.uint32)
    for key, value in entries.items():
        at = key % slots
        while keys[at]:
            at = (at + 1) % slots
        keys[at], values[at] = key, value
    return keys, values


@lru_cache(maxsize=1)
def exceptions() -> Exceptions:
    """The published exceptions and units, hashed."""
    facts = word_facts()["word_split"]
    parted = [entry.split("|") for entry in " ".join(facts["parted"]).split()]
    cuts = {"".join(parts): sum(1 << at for at in np.cumsum([len(p) for p in parts[:-1]]).tolist()) for parts in parted}
    cuts |= dict.fromkeys(" ".join(facts["whole"]).split(), 0)
    if longest := [word for word in cuts if len(word) > affixes.MAX_EXCEPTION]:
        raise ValueError(f"word_facts.json has exceptions longer than the split looks: {', '.join(longest)}")
    units = np.sort(np.array([hash_word(unit) for unit in " ".join(facts["units"]).split()], np.uint64))
    empty = Exceptions(*_table({}, 8), *_table({}, 8), units)
    phrases: dict[int, int] = {}
    for word, cut in cuts.items():
        hashes = _split(word, empty, letters=False).hashes
        if len(hashes) > 1:
            key = hashes[0]
            for token in hashes[1:]:
                phrases.setdefault(int(key), 0)
                key = np.uint64(join_hash(key, token))
            phrases[int(key)] = cut | 1
    return Exceptions(*_table({int(hash_word(w)): c for w, c in cuts.items()}, 4096), *_table(phrases, 2048), units)


def split(text: str, *, letters: bool = False) -> Words:
    """Split a text into tokens by the rule of this module.

    Args:
        letters: make a token of each letter of a script without spaces between words (Han, Hiragana, Katakana, Thai,
            Lao, Khmer, Myanmar).
    """
    return _split(text, exceptions(), letters=letters)


def _split(text: str, published: Exceptions, *, letters: bool) -> Words:
    codes = code_points(text)
    tables = character_tables()
    return Words(codes, letters, *split_codes(codes, tables.classes, tables.folded, published, letters))
