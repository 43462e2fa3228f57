"""HTML element names as small numbers, and what the scanner must know of each.

Element classes follow the HTML Standard (https://html.spec.whatwg.org): void elements, raw text elements, elements whose
start tag closes an open ``p``, and the scope markers that an end tag never looks beyond.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CONTEXTS", "CONTEXT_OF_ROLE", "NAMES", "TABLES", "each", "hash_of"]


def each(names: str) -> tuple[str, ...]:
    """The names of a line."""
    return tuple(names.split())


_BLOCKS = each(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol optgroup "
    "option p pre search section select summary table tbody td tfoot th thead tr ul noscript template svg math "
    "iframe video audio object canvas custom-element"
)
_INLINE = each(
    "a abbr b bdi bdo big br button cite code data del dfn em font i img input ins kbd label link map mark meta "
    "meter output picture progress q rp rt ruby s samp script small source span strike strong style sub sup "
    "textarea time title tt u var wbr area base col colgroup embed param track xmp noembed noframes"
)
NAMES = ("", *_BLOCKS, *_INLINE)
"""Element name by number; 0 stands for any name not listed, ``custom-element`` for any with a hyphen."""

_VOID = set(each("area base br col embed hr img input link meta param source track wbr"))
_RAW = set(each("script style textarea title iframe noembed noframes"))
_SPACED = set(each("button input label img time select picture"))
_CLOSES_P = set(
    each(
        "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form h1 "
        "h2 h3 h4 h5 h6 header hgroup hr main menu nav ol p pre search section summary table ul li dd dt"
    )
)
_SCOPE = set(each("caption table td th template object html"))

BLOCK, VOID, RAW, SPACED, CLOSES_P, SCOPE = 1, 2, 4, 8, 16, 32

CONTEXTS = each(
    "nav aside footer header article main section ul ol li table td th form dl pre blockquote figure figcaption "
    "h1 h2 h3 h4 h5 h6 a button label select noscript template svg details summary dialog code address p hidden "
    "caption dt dd address_role search_role article_body schema_product schema_review schema_comment "
    "schema_breadcrumb schema_other tr bold"
)
"""What an element lies in: one bit each, handed down to all that is inside."""

CONTEXT_OF_ROLE = {
    "navigation": "nav",
    "menu": "nav",
    "menubar": "nav",
    "banner": "header",
    "contentinfo": "footer",
    "complementary": "aside",
    "main": "main",
    "article": "article",
    "dialog": "dialog",
    "alertdialog": "dialog",
    "search": "search_role",
    "button": "button",
    "form": "form",
    "list": "ul",
    "listitem": "li",
    "region": "section",
    "articlebody": "article_body",
    "reviewbody": "schema_review",
    "review": "schema_review",
    "comment": "schema_comment",
    "product": "schema_product",
    "breadcrumb": "schema_breadcrumb",
    "breadcrumblist": "schema_breadcrumb",
}
"""Values of ``role``, ``itemprop`` and the last part of ``itemtype``, lower-cased, and the context each stands for."""

OFFSET, PRIME = 2166136261, 16777619  # FNV-1a, 32 bits


def hash_of(text: str) -> int:
    """FNV-1a of the lower-cased ASCII (other characters: UTF-8) bytes of a word."""
    value = OFFSET
    for byte in text.encode():
        value = ((value ^ (byte | 32 if 65 <= byte <= 90 else byte)) * PRIME) & 0xFFFFFFFF
    return value


def _table(values: dict[str, int], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Open-addressed table of hash → value; hash 0 marks an empty place."""
    keys = np.zeros(size, np.uint32)
    found = np.zeros(size, np.int64)
    for name, value in values.items():
        place = hash_of(name) % size
        while keys[place]:
            place = (place + 1) % size
        keys[place] = hash_of(name)
        found[place] = value
    return keys, found


def _flags() -> np.ndarray:
    flags = np.zeros(len(NAMES), np.int64)
    groups = (
        (set(_BLOCKS), BLOCK),
        (_VOID, VOID),
        (_RAW, RAW),
        (_SPACED, SPACED),
        (_CLOSES_P, CLOSES_P),
        (_SCOPE, SCOPE),
    )
    for names, flag in groups:
        for name in names:
            flags[NAMES.index(name)] |= flag
    return flags


def _contexts() -> np.ndarray:
    """Context bit of each element; ``menu`` is a list, ``strong`` and ``b`` are bold; ``a`` only with an address."""
    also = {"menu": "ul", "b": "bold", "strong": "bold", "optgroup": "select", "math": "code", "kbd": "code"}
    bits = np.zeros(len(NAMES), np.int64)
    for number, name in enumerate(NAMES):
        context = also.get(name, name)
        if context in CONTEXTS and name != "a":
            bits[number] = 1 << CONTEXTS.index(context)
    return bits


TABLES = (
    *_table({name: number for number, name in enumerate(NAMES) if name}, 1024),
    _flags(),
    _contexts(),
    *_table({role: CONTEXTS.index(context) for role, context in CONTEXT_OF_ROLE.items()}, 128),
)
"""Names' hashes and numbers, flags by number, context bits by number, roles' hashes and contexts."""
