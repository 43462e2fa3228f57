"""Pages with known main content: WCXB (word F1 is its score) and ScrapingHub's articles."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["LabelledPage", "articles", "wcxb"]

WCXB_FOLDER = "extraction_wcxb"
ARTICLES_FOLDER = "extraction"


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """A page and the text a person would keep of it."""

    id: str
    domain: str
    """Pages of one domain never lie in two folds."""
    kind: str
    html: str
    gold: str


def wcxb(data: Path) -> list[LabelledPage]:
    """The Web Content Extraction Benchmark's development part: 1,348 pages of seven kinds (CC BY 4.0, Murrough Foley)."""
    folder = data / WCXB_FOLDER
    pages = []
    with gzip.open(folder / "ground_truth.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            html = gzip.decompress((folder / "html" / f"{row['id']}.html.gz").read_bytes()).decode("utf-8", "replace")
            pages.append(
                LabelledPage(row["id"], _domain(row["url"]) or row["id"], row["page_type"], html, row["main_content"])
            )
    return pages


def articles(data: Path) -> list[LabelledPage]:
    """ScrapingHub's article extraction benchmark: 181 news and blog pages (MIT)."""
    folder = data / ARTICLES_FOLDER
    truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    pages = []
    for name, row in sorted(truth.items()):
        html = gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes()).decode("utf-8", "replace")
        pages.append(LabelledPage(name, _domain(row.get("url", "")) or name, "article", html, row["articleBody"]))
    return pages


def _domain(url: str) -> str:
    """Host without ``www.``; subdomains of one site stay together by their last two labels, or three of ``co.uk`` kind."""
    labels = (urlsplit(url).hostname or "").split(".")
    keep = 3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    return ".".join(labels[-keep:])
