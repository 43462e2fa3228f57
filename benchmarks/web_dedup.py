"""Dedup against datatrove and rensa: signatures, components, and the rate at which near-duplicates become candidates.

Times are CPU seconds of one thread pinned to one core, so that other work on the machine counts little. Texts: main
content of the shared crawls' pages, in all their languages, and the true main content of WCXB's pages.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.peers_env import run_peer
from benchmarks.results import write_section
from benchmarks.web_input import real_pages
from dataset_platform.kernels.web import lsh, minhash
from dataset_platform.kernels.web.components import arrow_components, connected_components
from dataset_platform.kernels.web.line_duplicates import SpanConfig, remove_repeats

TITLE = "Web dedup against datatrove's and rensa"
COMMAND = "python -m benchmarks.web dedup"
ROUNDS = 5
EDGES = 500_000
PLANTED = 2000
LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class Rate:
    """Planted pairs of one kind that became candidates, beside what the S-curve predicts for their exact Jaccards."""

    edit: str
    pairs: int
    similarity: float
    measured: float
    predicted: float
    error: float
    """Standard error of ``measured``."""


@dataclass(frozen=True)
class Results:
    """What a run found; seconds by way of doing it."""

    texts: int
    megabytes: float
    signatures: dict[str, float]
    components: dict[str, dict[str, float]]
    rates: list[Rate]
    spans: dict[str, tuple[float, float, float, float]]
    """By unit: shares of units and characters removed and of documents rejected, and MB per CPU second."""
    versions: str


def real_texts() -> list[str]:
    """The texts, without empty ones."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    from dataset_platform.kernels.web.extraction import extract_text

    pages = (bytes_to_str(page.body, detect_encoding(page.body) or "utf-8") for page in real_pages())
    texts = [extract_text(page, mode="fast") for page in pages]
    truth = Path(os.environ["DATASET_PLATFORM_REAL_DATA"]) / "extraction_wcxb" / "ground_truth.jsonl.gz"
    with gzip.open(truth, "rt", encoding="utf-8") as stream:
        texts += [json.loads(line)["main_content"] for line in stream]
    return [text for text in texts if text.strip()]


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Least CPU seconds of some rounds, after one that compiles."""
    work()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def signature_seconds(texts: list[str], folder: Path, cores: set[int]) -> tuple[dict[str, float], str]:
    """Text to signature and words to signature, here and by the peers."""
    file = folder / "texts.jsonl"
    file.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    rensa = run_peer("dedup_rensa", str(file), str(ROUNDS), cores=cores)
    datatrove = run_peer("dedup_datatrove", str(file), cores=cores)
    hashes, bounds = minhash.word_hashes_of(texts)
    seconds = {
        "text": best(lambda: minhash.signatures_of(*minhash.word_hashes_of(texts))),
        "words": best(lambda: minhash.signatures_of(hashes, bounds)),
        "datatrove": datatrove["seconds"],
        **{f"rensa {way}": rensa[way] for way in ("text", "strings", "hashes", "flat")},
    }
    return seconds, f"datatrove {datatrove['version']}, rensa {rensa['version']}"


def graphs() -> dict[str, np.ndarray]:
    """Edges of two kinds, uint32 of shape (n, 2): duplicates as dedup finds them, and edges between any two of a million."""
    draw = np.random.default_rng(0)
    sizes = np.minimum(draw.geometric(0.3, EDGES) + 1, 200)
    ends = np.cumsum(sizes)
    cluster = draw.integers(0, np.searchsorted(ends, EDGES), EDGES)
    within = (draw.random((EDGES, 2)) * sizes[cluster][:, None]).astype(np.int64)
    places = draw.permutation(ends[-1])  # members of a cluster come from anywhere
    found = places[within + (ends - sizes)[cluster][:, None]].astype(np.uint32)
    scattered = draw.integers(0, 1_000_000, (EDGES, 2), np.uint32)
    return {"clusters of 2 to 20": found, "random": scattered}


def component_seconds(folder: Path, cores: set[int]) -> dict[str, dict[str, float]]:
    """Seconds per graph, of integer ids, of string ids, and of datatrove."""
    found = {}
    for name, edges in graphs().items():
        edges = edges[edges[:, 0] != edges[:, 1]]
        # file and document: datatrove's ids are pairs, and so is the integer that stands for them here
        files = edges % 1000
        np.stack([files[:, 0], edges[:, 0], files[:, 1], edges[:, 1]], axis=1).astype("<u4").tofile(folder / "edges")
        peer = run_peer("dedup_components", str(folder / "edges"), "1", cores=cores)
        ids = files.astype(np.int64) << 32 | edges
        src, dst = np.ascontiguousarray(ids[:, 0]), np.ascontiguousarray(ids[:, 1])
        nodes, labels = connected_components(src, dst)
        assert int((nodes != labels).sum()) == peer["removed"], "the two find other components"
        names = np.array([f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}" for number in range(int(edges.max()) + 1)])
        strings = [pa.array(names[edges[:, side]], pa.string()) for side in (0, 1)]
        found[name] = {
            "integers": best(lambda s=src, d=dst: connected_components(s, d)),  # type: ignore[misc]
            "strings": best(lambda s=strings: arrow_components(*s)),  # type: ignore[misc]
            "stage": peer["stage"],
            "bare": peer["bare"],
            "edges": float(len(edges)),
        }
    return found


def planted(texts: list[str], level: float, edit: str, draw: random.Random) -> list[str]:
    """Real passages of up to 400 words, each followed by a copy with words put in front or exchanged here and there."""
    passages = [words[:400] for text in texts if len(words := text.split()) >= 150]
    pool = [word for words in passages for word in words]
    found = []
    for _ in range(PLANTED):
        words = draw.choice(passages)
        start = draw.randrange(len(words) // 4)
        words = words[start:]
        if edit == "words in front":
            count = len(words) - 4
            other = draw.choices(pool, k=round(count / level - count)) + words
        else:
            other = list(words)
            changes = (1 - level) / (1 + level) / 5
            for at in range(len(words)):
                if draw.random() < changes:
                    other[at] = f"{draw.choice(pool)}{draw.randrange(10)}x"
        found += [" ".join(words), " ".join(other)]
    return found


def rates(texts: list[str]) -> list[Rate]:
    """Measured and predicted rates of candidates for each level and kind of edit."""
    draw, found = random.Random(0), []
    for edit in ("words in front", "words exchanged"):
        for level in LEVELS:
            both = planted(texts, level, edit, draw)
            pairs = np.arange(len(both)).reshape(-1, 2)
            exact = minhash.jaccard_of_pairs(*minhash.shingle_sets(both), pairs)
            keys = minhash.band_keys(minhash.signatures_of(*minhash.word_hashes_of(both)))
            hits = [len(lsh.candidate_pairs(keys[pair], np.ones(2, bool), 500, 10)) for pair in pairs]
            chance = np.array([minhash.candidate_probability(s) for s in exact])
            error = float(np.sqrt((chance * (1 - chance)).sum()) / len(pairs))
            found.append(Rate(edit, len(pairs), float(exact.mean()), float(np.mean(hits)), float(chance.mean()), error))
    return found


def spans(texts: list[str], megabytes: float) -> dict[str, tuple[float, float, float, float]]:
    """What removing repeated spans does to the texts, in the order they come in."""
    found = {}
    for unit in ("three_sentences", "line"):
        config = SpanConfig(unit=unit)
        work = lambda c=config: remove_repeats(texts, np.arange(len(texts)), np.empty(0, np.uint64), c)  # noqa: E731
        rows = work().rows
        removed = [np.sum(rows.column(name).to_numpy()) for name in ("units_removed", "characters_removed")]
        whole = sum(map(len, texts))
        rejected = len(texts) - rows.column("reason").null_count
        found[unit] = (float(removed[0]), removed[1] / whole, rejected / len(texts), megabytes / best(work, 2))
    return found


def measure() -> Results:
    """Everything, pinned to one core."""
    before = os.sched_getaffinity(0)
    cores = {max(before)}
    texts = real_texts()
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    os.sched_setaffinity(0, cores)
    try:
        with tempfile.TemporaryDirectory() as folder:
            signatures, versions = signature_seconds(texts, Path(folder), cores)
            components = component_seconds(Path(folder), cores)
        return Results(len(texts), megabytes, signatures, components, rates(texts), spans(texts, megabytes), versions)
    finally:
        os.sched_setaffinity(0, before)


def lines(found: Results) -> list[str]:
    """The section's lines."""
    s = found.signatures
    written = [
        f"{found.texts:,} texts, {found.megabytes:.1f} MB; {found.versions}; 112 values over word 5-grams; CPU seconds "
        "of one pinned core.",
        "",
        "| signatures | times as fast |",
        "|---|---|",
        f"| text to signature, beside datatrove | {s['datatrove'] / s['text']:.1f} |",
        f"| text to signature, beside rensa behind the cheapest Python shingling | {s['rensa text'] / s['text']:.1f} |",
    ]
    given = {"strings": "lists of 5-grams", "hashes": "lists of their hashes", "flat": "one array of their hashes"}
    written += [
        f"| hashed words to signature, beside rensa from ready {what} | {s[f'rensa {way}'] / s['words']:.1f} |"
        for way, what in given.items()
    ]
    written += [
        "",
        "| components, edges per second beside datatrove's | integer ids | string ids |",
        "|---|---|---|",
    ]
    for name, c in found.components.items():
        for way, what in (("bare", "its union-find alone"), ("stage", "its stage")):
            ratios = " | ".join(f"{c[way] / c[ids]:.1f}" for ids in ("integers", "strings"))
            written.append(f"| {c['edges']:,.0f} edges, {name}; {what} | {ratios} |")
    written += [
        "",
        f"Candidates of {PLANTED:,} planted pairs of real passages each; predicted: 1-(1-s^8)^14 at the exact Jaccard of "
        "each pair; interval: 95 % of its binomial.",
        "",
        "| edit | mean Jaccard | measured | predicted | interval | standard errors off |",
        "|---|---|---|---|---|---|",
    ]
    for r in found.rates:
        low, high = max(0.0, r.predicted - 1.96 * r.error), min(1.0, r.predicted + 1.96 * r.error)
        off = (r.measured - r.predicted) / max(r.error, 1e-12)
        written.append(
            f"| {r.edit} | {r.similarity:.3f} | {r.measured:.4f} | {r.predicted:.4f} | {low:.4f} to {high:.4f} | {off:+.1f} |"
        )
    written += [
        "",
        "| repeated spans (off by default) | units removed | characters | documents rejected | MB/s |",
        "|---|---|---|---|---|",
    ]
    for unit, (units, characters, rejected, speed) in found.spans.items():
        written.append(f"| {unit} | {units:,.0f} | {characters:.1%} | {rejected:.1%} | {speed:.0f} |")
    return written


def main() -> None:
    """Measure, print, write the section."""
    found = measure()
    written = lines(found)
    print("\n".join(written))
    each: dict[str, Any] = {"signatures": found.signatures, "components": found.components}
    print(json.dumps(each))
    write_section(TITLE, COMMAND, written)


if __name__ == "__main__":
    main()
