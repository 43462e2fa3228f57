"""Texts and seconds of rs-trafilatura: ``extraction_rs.py PAGES TEXTS``, JSON lines with ``id`` and ``html`` or ``text``.

The time is that of the calls alone, in processor seconds; a page that it raises on gives no text.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import rs_trafilatura


def main() -> None:
    """Extract every page once, after a first one that is not timed."""
    pages, texts = sys.argv[1:3]
    with open(pages, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rs_trafilatura.extract(rows[0]["html"])
    failed, spent = 0, 0.0
    with open(texts, "w", encoding="utf-8") as out:
        for row in rows:
            began = time.process_time()
            try:
                text = rs_trafilatura.extract(row["html"]).main_content or ""
            except Exception:  # whatever a peer raises is its own answer
                text, failed = "", failed + 1
            spent += time.process_time() - began
            out.write(json.dumps({"id": row["id"], "text": text}) + "\n")
    print(json.dumps({"seconds": spent, "failed": failed, "version": version("rs-trafilatura")}))


if __name__ == "__main__":
    main()
