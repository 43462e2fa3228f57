"""Real English text that every Python carries: the interpreter's own manual and docstrings, cut into pages.

The same interpreter gives the same pages on every machine: nothing depends on addresses, set order or the clock.
"""

from __future__ import annotations

import html
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

MODULES = """
    abc argparse ast asyncio.events asyncio.queues asyncio.streams asyncio.tasks base64 bisect calendar cmd
    code codecs collections collections.abc concurrent.futures configparser contextlib copy csv ctypes
    dataclasses datetime decimal difflib dis email.message email.policy enum filecmp fileinput fractions
    ftplib functools getopt gettext glob gzip heapq hmac html.parser http.client http.cookiejar http.server
    imaplib importlib.abc inspect io ipaddress itertools json json.decoder json.encoder locale logging
    logging.config logging.handlers lzma mailbox math mimetypes multiprocessing.connection
    multiprocessing.managers multiprocessing.pool numbers operator optparse os os.path pathlib pdb pickle
    pickletools pkgutil platform plistlib poplib posixpath pprint profile queue random re sched secrets
    selectors shelve shlex shutil signal smtplib socket socketserver sqlite3 ssl statistics string struct
    subprocess symtable tarfile tempfile textwrap threading timeit tokenize trace traceback turtle types
    typing unittest unittest.case unittest.mock unittest.suite urllib.parse urllib.request urllib.robotparser
    uuid warnings wave weakref xml.dom.minidom xml.etree.ElementTree xml.sax.handler xmlrpc.client zipfile
    zipimport zoneinfo
""".split()  # noqa: SIM905 - a hundred quoted names read worse

_PAGE_WORDS = 330
_MIN_PAGE_WORDS = 160
_RULE = re.compile(r"^[=*\-~^\"#+]{3,}$")
_QUOTED = re.compile(r'"([^"]{1,40})"')  # code words, which a page would set in another type
_TOKEN = re.compile(r"\w+|[^\w\s]")
_MIN_WORD_SHARE = 0.82
_MAX_CODE_LINES = 3
_MARKUP = re.compile(r"(?<![\w*])[*`]{1,2}(?=[\w.])|(?<=[\w.)])[*`]{1,2}(?![\w*])|:[a-z]+:(?=`)")


@dataclass(frozen=True)
class Page:
    """One page of text: a title and blocks of (``heading`` | ``paragraph`` | ``item`` | ``code``, text)."""

    title: str
    blocks: tuple[tuple[str, str], ...]

    @property
    def words(self) -> int:
        """Words in all blocks."""
        return sum(len(text.split()) for _, text in self.blocks)


def handbook_pages() -> list[Page]:
    """The language reference that ``help()`` shows, some three hundred words a page; empty where it is left out.

    Some topics are chapters of another: a page that says what an earlier one said is taken once.
    """
    try:
        topics = importlib.import_module("pydoc_data.topics").topics
    except ImportError:
        return []
    pages = (page for name in sorted(topics) for page in _cut(name, list(_blocks(topics[name]))))
    first: dict[tuple[tuple[str, str], ...], Page] = {}
    for page in pages:
        first.setdefault(page.blocks, page)
    return list(first.values())


def library_pages() -> list[Page]:
    """The docstrings of the standard library, module by module; texts that repeat are taken once."""
    seen: set[str] = set()
    pages: list[Page] = []
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:  # not every build has every module
            continue
        blocks: list[tuple[str, str]] = []
        for title, text in _docstrings(name, module):
            if text not in seen and len(text.split()) >= 12:
                seen.add(text)
                blocks += [("heading", title), *_blocks(text)]
        pages += _cut(name, blocks)
    return pages


def _docstrings(name: str, module: object) -> Iterator[tuple[str, str]]:
    yield name, inspect.getdoc(module) or ""
    for key in sorted(vars(module)):
        member = vars(module)[key]
        if key.startswith("_") or not (inspect.isclass(member) or inspect.isroutine(member)):
            continue
        if getattr(member, "__module__", name) not in (name, f"_{name}", None):
            continue
        yield f"{name}.{key}", _own_doc(member)
        if inspect.isclass(member):
            for inner in sorted(vars(member)):
                if not inner.startswith("_"):
                    yield f"{name}.{key}.{inner}", _own_doc(vars(member)[inner])


def _own_doc(member: object) -> str:
    doc = getattr(member, "__doc__", None)
    # an instance shows the docstring of its class, a static mock none: take texts only
    return inspect.cleandoc(doc) if isinstance(doc, str) and " at 0x" not in doc else ""


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Paragraphs of reStructuredText-like prose, set as one line each."""
    for chunk in re.split(r"\n\s*\n", text.expandtabs()):
        lines = [line for line in chunk.splitlines() if line.strip()]
        if not lines:
            continue
        rules = [line for line in lines if _RULE.match(line.strip())]
        if rules and len(lines) <= 3:
            heading = " ".join(line.strip() for line in lines if line not in rules)
            if heading:
                yield "heading", _MARKUP.sub("", heading)
        elif lines[0].lstrip().startswith((">>>", "...")) or min(len(line) - len(line.lstrip()) for line in lines) >= 4:
            if len(lines) <= _MAX_CODE_LINES:
                yield "code", "\n".join(lines)
        else:
            kind = "item" if re.match(r"\s*[*\-] ", lines[0]) else "paragraph"
            prose = _QUOTED.sub(r"\1", re.sub(r"\s+", " ", " ".join(lines)).strip())
            prose = _MARKUP.sub("", prose.lstrip("*- ") if kind == "item" else prose)
            if _is_prose(prose):
                yield kind, prose


def _is_prose(text: str) -> bool:
    """Whether most of a paragraph is words: grammars, signatures and tables are left out."""
    tokens = _TOKEN.findall(text)
    return sum(token[0].isalpha() for token in tokens) >= _MIN_WORD_SHARE * len(tokens)


def _cut(title: str, blocks: list[tuple[str, str]]) -> list[Page]:
    """Pages of some three hundred words; a tail too short to stand alone goes to the page before it, or nowhere."""
    pages: list[Page] = []
    current: list[tuple[str, str]] = []
    words = 0
    for kind, text in dict.fromkeys(blocks):  # docstrings say many things twice
        current.append((kind, text))
        words += len(text.split())
        if words >= _PAGE_WORDS:
            pages.append(Page(f"{title}, part {len(pages) + 1}", tuple(current)))
            current, words = [], 0
    if words >= _MIN_PAGE_WORDS:
        pages.append(Page(f"{title}, part {len(pages) + 1}", tuple(current)))
    elif current and pages:
        pages[-1] = Page(pages[-1].title, (*pages[-1].blocks, *current))
    return pages


def render(page: Page, site: str, *, language: str = "en", meta_charset: str | None = "utf-8") -> str:
    """The page as HTML with what pages have around their text: navigation, sidebar, footer."""
    tags = {"heading": "h2", "paragraph": "p", "item": "li", "code": "pre"}
    body: list[str] = []
    in_list = False
    for kind, text in page.blocks:
        if (kind == "item") != in_list:
            in_list = kind == "item"
            body.append("<ul>" if in_list else "</ul>")
        body.append(f"<{tags[kind]}>{html.escape(text, quote=False)}</{tags[kind]}>")
    body += ["</ul>"] if in_list else []
    charset = f'<meta charset="{meta_charset}">' if meta_charset else ""
    title = html.escape(page.title, quote=False)
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>{charset}<title>{title} - {site}</title><style>nav a {{ padding: 4px }}</style></head>
<body>
<nav class="navbar"><a href="/">Home</a> <a href="/index">Index</a> <a href="/search">Search</a></nav>
<aside class="sidebar"><ul><li><a href="/a">Previous</a></li><li><a href="/b">Next</a></li></ul></aside>
<div class="page"><main><article><h1>{title}</h1><div class="text">
{chr(10).join(body)}
</div></article></main></div>
<footer class="footer"><p>Imprint | Contact | {site}</p></footer>
<script>window.page = {{}};</script>
</body>
</html>
"""
