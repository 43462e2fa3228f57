"""FineWeb's own quality measures (arXiv:2406.17557, section 3.6), on the text that C4's line rules leave.

The words are not split again: the number of tokens comes from the shared split.
"""

from __future__ import annotations

from dataset_platform.kernels.web.characters import terminal_marks
from dataset_platform.kernels.web.gopher import duplicates

MEASURES = ("line_punct_ratio", "short_line_ratio", "char_dup_ratio", "newline_word_ratio")


def measures(text: str, token_count: int, short_line_length: int = 30) -> dict[str, float] | None:
    """Shares over lines that are not blank; None when there is none (reason ``empty``).

    Args:
        text: the cleaned text.
        token_count: its tokens, punctuation included.
        short_line_length: a line of this many characters or fewer is short.
    """
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if not lines:
        return None
    marks = terminal_marks()
    line_feeds = text.count("\n")
    return {
        "line_punct_ratio": sum([line.endswith(marks) for line in lines]) / len(lines),
        "short_line_ratio": sum([length <= short_line_length for length in map(len, lines)]) / len(lines),
        "char_dup_ratio": duplicates(lines)[1] / (len(text) - line_feeds),
        "newline_word_ratio": line_feeds / max(token_count, 1),
    }
