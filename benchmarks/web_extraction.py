"""Extraction beside its peers: ``python -m benchmarks.web_extraction [--pages N]``, quality and speed in one run.

Every extractor runs alone, pinned to one core, over the same decoded pages of WCXB and of ScrapingHub's articles
(folder ``DATASET_PLATFORM_REAL_DATA``). Speed is pages per processor second, so that what else the machine does shows as
little as it can. Our model was trained on these pages: its honest quality is the cross-validated one of its card, which
is printed beside the figures of this run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.extraction_systems import OURS, PEERS
from benchmarks.peers_env import run_peer
from benchmarks.results import write_section
from training.extraction import pages as labelled
from training.extraction import scores

TITLE = "Web: text from HTML"
COMMAND = "python -m benchmarks.web_extraction"
RS = "rs-trafilatura"
BASE = "trafilatura default"
SYSTEMS = (*OURS, BASE, "trafilatura fast", RS, "Resiliparse main content", "Resiliparse whole page")


@dataclass(frozen=True)
class Outcome:
    """One extractor over WCXB and the articles."""

    name: str
    version: str
    f1: float
    by_kind: dict[str, float]
    articles: float
    pages_per_second: float
    paths: dict[str, int]


def measure(data: Path, most: int | None = None, systems: tuple[str, ...] = SYSTEMS) -> list[Outcome]:
    """Run the extractors one after the other on one core.

    Args:
        data: folder with ``extraction_wcxb`` and ``extraction``.
        most: pages of each set, for a quick look.
        systems: which of them.
    """
    sets = {"wcxb": labelled.wcxb(data)[:most], "articles": labelled.articles(data)[:most]}
    core = {max(os.sched_getaffinity(0))}
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        for name, pages in sets.items():
            lines = (json.dumps({"id": page.id, "html": page.html}) for page in pages)
            Path(folder, name).write_text("\n".join(lines), encoding="utf-8")
        for system in systems:
            print(f"{system} …", file=sys.stderr, flush=True)
            texts, told = {}, {}
            for name in sets:
                told[name] = _run(system, Path(folder, name), Path(folder, f"{name}.texts"), core)
                texts[name] = _texts(Path(folder, f"{name}.texts"))
            kinds: dict[str, list[float]] = defaultdict(list)
            for page in sets["wcxb"]:
                kinds[page.kind].append(scores.word_f1(texts["wcxb"][page.id], page.gold))
            outcomes.append(
                Outcome(
                    system,
                    told["wcxb"]["version"],
                    fmean(score for found in kinds.values() for score in found),
                    {kind: fmean(found) for kind, found in sorted(kinds.items())},
                    scores.shingle_f1([(texts["articles"][page.id], page.gold) for page in sets["articles"]]),
                    len(sets["wcxb"]) / told["wcxb"]["seconds"],
                    told["wcxb"].get("paths", {}),
                )
            )
    return outcomes


def _run(system: str, pages: Path, texts: Path, core: set[int]) -> dict[str, Any]:
    if system == RS:
        return run_peer("extraction_rs", str(pages), str(texts), cores=core)
    command = [sys.executable, "-m", "benchmarks.extraction_systems", system, str(pages), str(texts)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, core)
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _texts(path: Path) -> dict[str, str]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {row["id"]: row["text"] for row in rows}


def card() -> dict[str, Any]:
    """Scores of the shipped model's card."""
    from dataset_platform.kernels.web.extraction.model import MODEL_FILE

    found: dict[str, Any] = json.loads(MODEL_FILE.with_name("model_card.json").read_text(encoding="utf-8"))["scores"]
    return found


def lines(outcomes: list[Outcome], scored: dict[str, Any]) -> list[str]:
    """The section of RESULTS: one row an extractor, and the model's cross-validated scores above them."""
    base = next(outcome for outcome in outcomes if outcome.name == BASE)
    fold = scored["wcxb_cross_validation"]
    kinds = list(base.by_kind)
    rows = [
        "Word F1 over WCXB's development pages under 100 kB gzipped, four-word-shingle F1 over ScrapingHub's articles; "
        "pages per processor second on one pinned core, as a multiple of trafilatura's default. `learned` and `accurate` "
        "were trained on these pages: their row `cross-validated` (over domains; the articles from a model that never saw "
        "them) is what to compare, and the others say what this run measured.",
        "",
        f"| extractor | word F1 | {' | '.join(kinds)} | articles | speed |",
        f"|---|---|{'---|' * len(kinds)}---|---|",
        _row(
            f"`learned`, cross-validated in {fold['folds']} folds (model_card.json)",
            fold["word_f1"],
            [fold["by_kind"][kind] for kind in kinds],
            scored["articles_trained_without_them"]["shingle_f1"],
            "",
        ),
    ]
    for one in outcomes:
        trained = one.name in ("learned", "accurate")
        name = f"`{one.name}`" + (", pages it was trained on" if trained else "") if one.name in OURS else one.name
        speed = f"{one.pages_per_second / base.pages_per_second:.1f}×"
        rows.append(_row(name, one.f1, [one.by_kind[kind] for kind in kinds], one.articles, speed))
    versions = {f"{PEERS.get(one.name, one.name)} {one.version}" for one in outcomes if one.name not in OURS}
    ways = next((one.paths for one in outcomes if one.name == "accurate"), {})
    rows += ["", f"Versions: {', '.join(sorted(versions))}. Ways of `accurate`'s pages: {_ways(ways)}."]
    return rows


def _row(name: str, f1: float, kinds: list[float], articles: float, speed: str) -> str:
    return f"| {name} | {f1:.3f} | {' | '.join(f'{score:.3f}' for score in kinds)} | {articles:.3f} | {speed} |"


def _ways(paths: dict[str, int]) -> str:
    total = sum(paths.values()) or 1
    return ", ".join(f"{path} {count / total:.1%}" for path, count in sorted(paths.items(), key=lambda one: -one[1]))


def main() -> None:
    """Measure, print and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, help="most pages of each set; nothing is written then")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    arguments = parser.parse_args()
    data = os.environ.get("DATASET_PLATFORM_REAL_DATA")
    if not data:
        raise SystemExit("Set DATASET_PLATFORM_REAL_DATA to the folder with extraction_wcxb and extraction.")
    section = lines(measure(Path(data), arguments.pages, tuple(arguments.systems)), card())
    print("\n".join(section))
    if arguments.pages is None and set(arguments.systems) == set(SYSTEMS):
        write_section(TITLE, COMMAND, section)


if __name__ == "__main__":
    main()
