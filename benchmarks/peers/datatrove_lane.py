"""The web lane as datatrove runs it: WARC → text → language → filters → MinHash → tokens. Run by its own interpreter.

Same steps and thresholds as web/* and tokens/tokenized_shards; prints one JSON line with the seconds of each step.
Worker processes are forked, which spares the peer its imports; the time to import is told apart.
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path

STARTED = time.perf_counter()

from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature  # noqa: E402
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets  # noqa: E402
from datatrove.pipeline.extractors import Trafilatura  # noqa: E402
from datatrove.pipeline.filters import (  # noqa: E402
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.readers import JsonlReader, WarcReader  # noqa: E402
from datatrove.pipeline.tokens import DocumentTokenizer  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402
from datatrove.utils import lid  # noqa: E402
from datatrove.utils.hashing import HashConfig  # noqa: E402

IMPORTED = time.perf_counter()


def main() -> None:
    """Run the lane and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True, help="folder of .warc.gz files")
    parser.add_argument("--work", required=True, help="folder for what the lane writes; emptied first")
    parser.add_argument("--lid", required=True, help="lid.176 model file")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json")
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    work = Path(args.work)
    shutil.rmtree(work, ignore_errors=True)
    # the very model our lane uses, instead of a download
    lid.cached_asset_path_or_download = lambda *a, **k: args.lid
    tasks = args.cores
    seconds = {}

    def run(name, pipeline, number=tasks):
        began = time.perf_counter()
        LocalPipelineExecutor(
            pipeline, tasks=number, workers=number, logging_dir=str(work / "logs" / name), start_method="fork"
        ).run()
        seconds[name] = time.perf_counter() - began

    config = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)
    run(
        "extract_and_filter",
        [
            WarcReader(args.input, glob_pattern="**/*.warc.gz"),
            Trafilatura(),
            LanguageFilter(language_threshold=0.65),
            GopherRepetitionFilter(),
            GopherQualityFilter(),
            C4QualityFilter(filter_no_terminal_punct=False),
            FineWebQualityFilter(),
            JsonlWriter(str(work / "filtered"), compression=None),
        ],
    )
    run("signatures", [JsonlReader(str(work / "filtered")), MinhashDedupSignature(str(work / "sigs"), config)])
    run("buckets", [MinhashDedupBuckets(str(work / "sigs"), str(work / "buckets"), config=config)], 14)
    run("clusters", [MinhashDedupCluster(str(work / "buckets"), str(work / "remove"), config=config)], 1)
    run(
        "dedup",
        [
            JsonlReader(str(work / "filtered")),
            MinhashDedupFilter(str(work / "remove")),
            JsonlWriter(str(work / "deduped"), compression=None),
        ],
    )
    run("tokens", [JsonlReader(str(work / "deduped")), DocumentTokenizer(str(work / "tokens"), args.tokenizer, seed=1)])
    counts = {
        name: sum(file.read_bytes().count(b"\n") for file in (work / name).rglob("*.jsonl"))
        for name in ("filtered", "deduped")
    }
    stats = json.loads((work / "logs/extract_and_filter/stats.json").read_text())
    pages = stats[0]["stats"]["documents"]
    read = pages["total"] if isinstance(pages, dict) else pages
    print(
        json.dumps(
            {
                "startup_s": IMPORTED - STARTED,
                "seconds": seconds,
                "total_s": sum(seconds.values()),
                "pages": read,
                **counts,
            }
        )
    )


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
