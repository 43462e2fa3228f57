"""Mode ``fast``: Resiliparse's rules for main content."""

from __future__ import annotations

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLParserException as ParserError

__all__ = ["ParserError", "main_text"]


def main_text(html: str) -> str:
    """Main content by Resiliparse; not for pages that ``guards.too_costly`` names.

    Raises:
        ParserError: memory is short.
    """
    try:
        return _extract(html)
    except TypeError:  # lone surrogates, of which Resiliparse says that they are no string
        return _extract(html.encode("utf-8", "ignore").decode())


def _extract(html: str) -> str:
    return extract_plain_text(
        html,
        main_content=True,
        alt_texts=False,  # captions for the blind, file names as often as not
        list_bullets=True,  # filters count bullets
        form_fields=False,
        comments=False,
    )
