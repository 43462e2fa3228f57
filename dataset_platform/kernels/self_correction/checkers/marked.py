"""Where a model says which of its words are the answer: after ``####``, "the answer is" or "Answer:"."""

from __future__ import annotations

import re

_HASHES = re.compile(r"####")
_PHRASE = re.compile(r"\bthe\s+(?:final\s+|correct\s+)?answer\s+is\b|\banswer\**\s*:", re.IGNORECASE)
_DECORATION = " \t\r*:"


def marked_answer(text: str) -> str | None:
    """What follows the last ``####`` on its line, or where there is none the last "the answer is" or "Answer:".

    A mark at the end of its line speaks of the next line that is not blank. ``None`` when there is no mark; an empty
    string when nothing follows it.
    """
    marks = list(_HASHES.finditer(text)) or list(_PHRASE.finditer(text))
    if not marks:
        return None
    for line in text[marks[-1].end() :].split("\n"):
        if said := line.strip(_DECORATION):
            return said
    return ""
