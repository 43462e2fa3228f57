"""The model's card: what it was trained on, how, and what it scored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from dataset_platform.kernels.web.extraction import features, kinds, stacking
from dataset_platform.kernels.web.extraction.model import Model
from training.extraction.corpus import Example
from training.extraction.fit import Settings

__all__ = ["write"]


def write(
    path: Path,
    settings: Settings,
    model: Model,
    web: Sequence[Example],
    news: Sequence[Example],
    figures: dict[str, object],
) -> None:
    """Write the card as JSON."""
    card = {
        "task": "share of each block of an HTML page's text that is main content",
        "training_data": [
            {
                "name": "Web Content Extraction Benchmark (WCXB), development part, pages under 100 kB gzipped",
                "author": "Murrough Foley",
                "licence": "CC BY 4.0",
                "pages": len(web),
                "pages_by_kind": dict(sorted(Counter(page.kind for page in web).items())),
            },
            {
                "name": "Article extraction benchmark (scrapinghub/article-extraction-benchmark)",
                "author": "ScrapingHub (Zyte)",
                "licence": "MIT",
                "pages": len(news),
            },
        ],
        "not_trained_on": "WCXB's held-back part; trafilatura's evaluation pages",
        "method": "a page's kind by boosted trees, then two stages of boosted trees (LightGBM, cross entropy of shares) on block features; the second sees "
        "what the first said of other domains' pages; blocks chosen by the mean of both log-odds for the highest expected word F1, on articles "
        "with a loss for what stands apart and with all-or-nothing content",
        "settings": asdict(settings),
        "lightgbm_parameters": settings.parameters(),
        "lightgbm_parameters_of_kinds": settings.kind_parameters(),
        "versions": {name: version(name) for name in ("lightgbm", "numpy", "numba")},
        "size": {
            "first_stage_nodes": len(model.first.feature),
            "second_stage_nodes": len(model.second.feature),
            "class_words": int((model.vocabulary.class_keys != 0).sum()),
            "text_words": int((model.vocabulary.text_keys != 0).sum()),
        },
        "scores": figures,
        "features": [*features.NAMES, *kinds.NAMES, *stacking.NAMES],
    }
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
