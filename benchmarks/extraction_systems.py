"""One extractor over a file of pages, in a process of its own: ``python -m benchmarks.extraction_systems NAME PAGES TEXTS``.

Prints the processor seconds that the calls took, those of the worker process included, and writes the texts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

Extract = Callable[[str], str]
OURS = ("learned", "fast", "accurate")
PEERS = {
    "trafilatura default": "trafilatura",
    "trafilatura fast": "trafilatura",
    "Resiliparse main content": "resiliparse",
    "Resiliparse whole page": "resiliparse",
}


def extractor(name: str, paths: Counter[str]) -> Extract:
    """The function to time; ``paths`` counts the ways our pages take."""
    if name in OURS:
        from dataset_platform.kernels.web.extraction import extract

        def ours(html: str) -> str:
            found = extract(html, name)
            paths[found.path] += 1
            return found.text

        return ours
    if name.startswith("trafilatura"):
        import trafilatura

        return lambda html: trafilatura.extract(html, fast=name.endswith("fast")) or ""
    from resiliparse.extract.html2text import extract_plain_text

    return partial(extract_plain_text, main_content=name.endswith("main content"))


def _seconds() -> float:
    """Processor seconds of this process and of the worker."""
    from dataset_platform.kernels.web.extraction.worker import shared

    pid, spent = shared().pid, time.process_time()
    if pid is None:
        return spent
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return spent + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Extract every page once, after a round over the first ones that loads and compiles."""
    name, pages, texts = sys.argv[1:4]
    rows = [json.loads(line) for line in Path(pages).read_text(encoding="utf-8").splitlines()]
    paths: Counter[str] = Counter()
    extract = extractor(name, paths)
    for row in rows[:40]:
        extract(row["html"])
    paths.clear()
    found = []
    began, wall = _seconds(), time.perf_counter()
    for row in rows:
        found.append(extract(row["html"]))
    spent, wall = _seconds() - began, time.perf_counter() - wall
    with open(texts, "w", encoding="utf-8") as out:
        for row, text in zip(rows, found, strict=True):
            out.write(json.dumps({"id": row["id"], "text": text}) + "\n")
    package = PEERS.get(name, "dataset-platform")
    print(json.dumps({"seconds": spent, "wall": wall, "version": version(package), "paths": dict(paths)}))


if __name__ == "__main__":
    main()
