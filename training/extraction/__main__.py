"""``python -m training.extraction``: cross-validates, fits on everything, writes ``model.npz`` and ``model_card.json``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from dataset_platform.kernels.web.extraction import model
from training.extraction import card, corpus, pages, scores
from training.extraction.fit import Settings, calibration, fit
from training.extraction.validation import across_domains, apply


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m training.extraction", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with extraction_wcxb/ and extraction/")
    parser.add_argument("--out", type=Path, default=model.MODEL_FILE.parent, help="where model and card are written")
    parser.add_argument("--folds", type=int, default=4, help="folds of the cross-validation over domains; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="for LightGBM; the result depends on it in last digits")
    parser.add_argument("--processes", type=int, default=1, help="folds at a time; no figure depends on it")
    arguments = parser.parse_args()
    begin = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {line}", flush=True)

    settings = Settings(seed=arguments.seed, threads=arguments.threads)
    web = [corpus.example(page) for page in pages.wcxb(arguments.data)]
    news = [corpus.example(page) for page in pages.articles(arguments.data)]
    say(f"{len(web)} pages of WCXB and {len(news)} articles scanned and labelled")
    figures: dict[str, object] = {}
    line = None
    if arguments.folds:
        outcomes = across_domains(web, news, arguments.folds, settings, arguments.processes, say)
        line = calibration(*outcomes.confidence())
        figures["wcxb_cross_validation"] = {"folds": arguments.folds, **outcomes.figures()}
        say(f"WCXB word F1, cross-validated over domains: {outcomes.mean():.4f}")
        apart = fit(web, settings, say)
        told = [apply(page, apart) for page in news]
        figures["articles_trained_without_them"] = {
            "shingle_f1": round(
                scores.shingle_f1([(text, page.gold) for (text, _), page in zip(told, news, strict=True)]), 4
            )
        }
        say(f"articles, trained on WCXB alone: {figures['articles_trained_without_them']}")
    final = fit([*web, *news], settings, say)
    if line is not None:
        final = final._replace(calibration=line)
    arguments.out.mkdir(parents=True, exist_ok=True)
    model.save(final, arguments.out / model.MODEL_FILE.name)
    card.write(arguments.out / "model_card.json", settings, final, web, news, figures)
    say(f"wrote {arguments.out / model.MODEL_FILE.name} and model_card.json")


if __name__ == "__main__":
    main()
