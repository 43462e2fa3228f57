"""The filters against datatrove's on the same English texts: agreement, rule by rule and as a pipeline, and speed.

Texts: main content of the shared crawls' English pages by two extractors, the true main content and the whole page of
WCXB, the articles of the extraction benchmark. Both sides run pinned to one core, one after the other, and are timed by
the processor time they take, so that what else the machine does is not counted.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.peers_env import run_peer
from benchmarks.results import write_section
from benchmarks.web_input import real_pages
from dataset_platform.contracts import Documents
from dataset_platform.kernels.web.filter_rules import MEASURES, RULES, FilterConfig, limits
from dataset_platform.kernels.web.filters import filter_documents, measure_vector

TITLE = "Web filters against datatrove's"
COMMAND = "python -m benchmarks.web filters"
ENGLISH = 0.65
# one filter of datatrove's gives two reasons for one threshold
JOINED = {"gopher_too_many_ellipsis": "gopher_too_many_hashes"}
BATCH_ROWS = 256


@dataclass
class Comparison:
    """What came of both sides on the same texts."""

    texts: int
    characters: int
    sources: dict[str, int]
    pipeline_agreed: int
    same_reason: int
    rules: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Texts that both judge alike and texts that datatrove rejects, by rule."""
    differences: dict[str, float] = field(default_factory=dict)
    """Greatest absolute difference of each measure."""
    seconds: tuple[float, float] = (0.0, 0.0)
    """Of this project's kernel and of datatrove's filters."""
    versions: str = ""
    disagreements: list[tuple[int, str, str]] = field(default_factory=list)


def data_folder() -> Path:
    """The folder of real inputs.

    Raises:
        SystemExit: it is not named.
    """
    root = os.environ.get("DATASET_PLATFORM_REAL_DATA")
    if not root:
        raise SystemExit("Set DATASET_PLATFORM_REAL_DATA to the folder of real inputs.")
    return Path(root)


def texts_by_source(limit: int | None = None) -> Iterator[tuple[str, str]]:
    """Name of the source and text, whatever the language; at most ``limit`` of each source."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding
    from trafilatura import extract

    from dataset_platform.kernels.web.extraction import extract_text

    root = data_folder()
    for page in real_pages()[:limit]:
        html = bytes_to_str(page.body, detect_encoding(page.body) or "utf-8")
        yield "crawls, fast", extract_text(html, mode="fast")
        yield "crawls, trafilatura", extract(html, fast=True) or ""
    with gzip.open(root / "extraction_wcxb" / "ground_truth.jsonl.gz", "rt", encoding="utf-8") as stream:
        for number, line in enumerate(stream):
            if number == limit:
                break
            truth = json.loads(line)
            yield "WCXB, main content", truth["main_content"]
            body = gzip.decompress((root / "extraction_wcxb" / "html" / f"{truth['id']}.html.gz").read_bytes())
            yield "WCXB, whole page", extract_plain_text(bytes_to_str(body, detect_encoding(body) or "utf-8"))
    articles = json.loads((root / "extraction" / "ground-truth.json").read_text(encoding="utf-8"))
    for article in list(articles.values())[:limit]:
        yield "extraction, articles", article["articleBody"]


def english_texts(limit: int | None = None) -> tuple[list[str], dict[str, int]]:
    """The texts that lid.176 takes for English, and how many came from each source."""
    from dataset_platform.kernels.web.language import LanguageIdentifier
    from dataset_platform.setup.lid_model import lid_model_path

    named = [(source, text) for source, text in texts_by_source(limit) if text.strip()]
    languages, scores = LanguageIdentifier(lid_model_path()).predict([text for _, text in named])
    kept: list[str] = []
    sources: dict[str, int] = {}
    for (source, text), language, score in zip(named, languages, scores, strict=True):
        if language == "en" and score >= ENGLISH:
            kept.append(text)
            sources[source] = sources.get(source, 0) + 1
    return kept, sources


def batches(texts: list[str]) -> list[pa.RecordBatch]:
    """The texts as rows of web/documents."""
    fields = {name: Documents.arrow_schema().field(name).type for name in Documents.arrow_schema().names}
    found = []
    for start in range(0, len(texts), BATCH_ROWS):
        part = texts[start : start + BATCH_ROWS]
        columns = {name: pa.nulls(len(part), kind) for name, kind in fields.items()}
        columns["text"] = pa.array(part, pa.string())
        columns["language"] = pa.array(["en"] * len(part), pa.string())
        columns["language_score"] = pa.array([1.0] * len(part), pa.float64())
        found.append(pa.RecordBatch.from_pydict(columns))
    return found


def judged(rows: list[pa.RecordBatch]) -> tuple[list[str], float]:
    """Reasons, an empty string for what is kept, and the processor seconds it took."""
    kernel = filter_documents(FilterConfig())
    list(kernel(iter([rows[0].slice(0, 20)])))
    started = time.process_time()
    out = list(kernel(iter(rows)))
    seconds = time.process_time() - started
    return [reason or "" for batch in out for reason in batch.column("reason").to_pylist()], seconds


def _by_rule(vectors: np.ndarray) -> dict[str, np.ndarray]:
    asked = limits(FilterConfig(), "en")
    found: dict[str, np.ndarray] = {}
    for rule, column, below, limit in zip(asked.rules, asked.columns, asked.below, asked.values, strict=True):
        values = vectors[:, column]
        broken = values < limit if below else values > limit
        name = JOINED.get(rule.reason, rule.reason)
        found[name] = found[name] | broken if name in found else broken
    return found


def compare(texts: list[str], sources: dict[str, int], core: int, values: bool = True) -> Comparison:
    """Run both sides on the texts, each pinned to the core."""
    rows = batches(texts)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.jsonl"
        file.write_text("\n".join(json.dumps(text) for text in texts) + "\n", encoding="utf-8")
        peer = run_peer("filters_datatrove", str(file), *(["--values"] if values else []), cores={core})
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})
        ours, seconds = judged(rows)
        os.sched_setaffinity(0, before)
    theirs = peer["pipeline"]
    found = Comparison(
        texts=len(texts),
        characters=sum(map(len, texts)),
        sources=sources,
        pipeline_agreed=sum(bool(a) == bool(b) for a, b in zip(ours, theirs, strict=True)),
        same_reason=sum(a == b for a, b in zip(ours, theirs, strict=True)),
        seconds=(seconds, peer["seconds"]),
        versions=f"datatrove {peer['datatrove']}, spaCy {peer['spacy']}",
    )
    pairs = enumerate(zip(ours, theirs, strict=True))
    found.disagreements = [(at, a, b) for at, (a, b) in pairs if a != b]
    config = FilterConfig()
    vectors = np.array([measure_vector(text, "en", config)[0] for text in texts])
    alone = _by_rule(vectors)
    for name, bits in peer["rules"].items():
        theirs_alone = np.frombuffer(bits.encode(), np.uint8) == ord("1")
        found.rules[name] = (int((alone[name] == theirs_alone).sum()), int(theirs_alone.sum()))
        found.disagreements += [(int(at), f"{name} alone", "") for at in np.flatnonzero(alone[name] != theirs_alone)]
    if values:
        found.differences = _differences(vectors, peer["values"])
    return found


def _differences(vectors: np.ndarray, theirs: list[dict[str, Any]]) -> dict[str, float]:
    worst: dict[str, float] = {}
    for vector, measures in zip(vectors, theirs, strict=True):
        for name, value in measures.items():
            worst[name] = max(worst.get(name, 0.0), abs(float(vector[MEASURES.index(name)]) - value))
    return worst


def measure(limit: int | None = None) -> Comparison:
    """The comparison on the real texts; at most ``limit`` pages of each source."""
    texts, sources = english_texts(limit)
    return compare(texts, sources, core=max(os.sched_getaffinity(0)))


def lines(found: Comparison) -> list[str]:
    """The section's lines."""
    n = found.texts
    ours, theirs = found.seconds
    worst_rule = min(found.rules.values(), key=lambda of: of[0])[0]
    exact = [name for name, value in found.differences.items() if value < 1e-9]
    written = [
        f"{n:,} English texts, {found.characters / n:,.0f} characters each on average: "
        + ", ".join(f"{count:,} {source}" for source, count in found.sources.items())
        + f". {found.versions}; one core, one after the other.",
        "",
        "| | |",
        "|---|---|",
        f"| keep or drop agrees | {found.pipeline_agreed / n:.2%} ({n - found.pipeline_agreed} of {n:,} differ) |",
        f"| and for the same reason | {found.same_reason / n:.2%} |",
        f"| rule by rule, the worst of {len(found.rules)} | {worst_rule / n:.2%} |",
        f"| measures equal on every text | {len(exact)} of {len(found.differences)} |",
        f"| documents per second, measured, judged, hashed, signed | {theirs / ours:.1f}x datatrove's |",
        "",
        "| rule | agree | datatrove rejects |",
        "|---|---|---|",
    ]
    order = {rule.reason: at for at, rule in enumerate(RULES)}
    for name in sorted(found.rules, key=lambda reason: order[reason]):
        agreed, rejected = found.rules[name]
        written.append(f"| {name} | {agreed / n:.2%} | {rejected:,} |")
    if inexact := {name: value for name, value in found.differences.items() if name not in exact}:
        listed = ", ".join(f"{name} {value:.2g}" for name, value in sorted(inexact.items()))
        written += ["", f"Greatest differences of the measures that are not equal: {listed}."]
    return written


def main() -> None:
    """Measure, print, write the section."""
    found = measure()
    written = lines(found)
    print("\n".join(written))
    for at, ours, theirs in found.disagreements[:40]:
        print(f"text {at}: {ours or 'kept'} / {theirs or 'kept'}")
    print(f"{found.texts / found.seconds[0]:,.0f} and {found.texts / found.seconds[1]:,.0f} documents per second")
    write_section(TITLE, COMMAND, written)


if __name__ == "__main__":
    main()
