"""Read a mixture into Hugging Face Datasets: an ``IterableDataset`` made from the reader, streamed, nothing copied.

    python examples/read_mixture_datasets.py .dataset_platform/artifacts --phase final --examples 3

Nothing is trained; the first records are printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from datasets import Features, IterableDataset, List, Value

from dataset_platform.errors import PlatformError
from dataset_platform.kernels.tokens.reader import read_mixture
from dataset_platform.kernels.tokens.shards import META_TYPE

FEATURES = Features(
    {
        "text": Value("string"),
        "tokens": List(Value("int32")),
        "offsets": List(List(Value("int32"))),
        "meta": {field.name: Value(str(field.type)) for field in META_TYPE},
    }
)


def records(artifacts: str, phase: str, parts: list[int], of: int) -> Iterator[dict[str, Any]]:
    """The records of some of ``of`` parts of a phase; Datasets splits the list ``parts`` among its workers."""
    for part in parts:
        yield from read_mixture(artifacts, phase, worker=part, workers=of)


def dataset(artifacts: str, phase: str, parts: int = 1) -> IterableDataset:
    """A streamed dataset in ``parts`` parts, which is as many workers as can share it."""
    arguments = {"artifacts": artifacts, "phase": phase, "parts": list(range(parts)), "of": parts}
    return IterableDataset.from_generator(records, features=FEATURES, gen_kwargs=arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="?", default=".dataset_platform/artifacts", help="the folder artifacts/")
    parser.add_argument("--phase", default="phase_1", help="phase_1, phase_2 or final")
    parser.add_argument("--examples", type=int, default=3, help="how many records to show")
    args = parser.parse_args()
    try:
        for record in dataset(args.artifacts, args.phase).take(args.examples):
            meta = record["meta"]
            print(f"{meta['source']} {meta['doc_id']} {len(record['tokens']):,} tokens: {record['text'][:80]!r}")
    except PlatformError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
