"""White space and control characters of an extracted text."""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\ufeff\ud800-\udfff]")
_LINE_ENDS = re.compile("[\u2028\u2029]")
_BLANKS = re.compile("[ \t\xa0]+")
_BLANK_LINES = re.compile(r"\n{3,}")


def tidy(text: str) -> str:
    """The text without control characters, trailing blanks and runs of blank lines."""
    text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text.replace("\x85", " ")))
    lines = text.split("\n")
    if "\t" in text or "\xa0" in text:
        # tabs and hard spaces are layout; plain spaces stay, since code is indented by them
        lines = [_BLANKS.sub(" ", line) if "\t" in line or "\xa0" in line else line for line in lines]
    return _BLANK_LINES.sub("\n\n", "\n".join([line.rstrip() for line in lines])).strip()
