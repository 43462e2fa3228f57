"""Read a mixture into PyTorch: an ``IterableDataset`` that shares its records out among ranks and loader workers.

    python examples/read_mixture_torch.py .dataset_platform/artifacts --phase phase_1 --examples 4 --workers 2

Nothing is trained; the batches' shapes and the token shares per source are printed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from dataset_platform.errors import PlatformError
from dataset_platform.kernels.tokens.bpe import SPECIALS
from dataset_platform.kernels.tokens.reader import read_mixture

PAD_ID = SPECIALS.index("<pad>")


class MixtureDataset(IterableDataset[dict[str, Any]]):
    """The records of one phase; each process and each loader worker gets its own part of them."""

    def __init__(self, artifacts: str, phase: str) -> None:
        super().__init__()
        self.artifacts, self.phase = artifacts, phase

    def __iter__(self) -> Iterator[dict[str, Any]]:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        info = get_worker_info()
        yield from read_mixture(
            self.artifacts,
            self.phase,
            rank=torch.distributed.get_rank() if distributed else 0,
            world_size=torch.distributed.get_world_size() if distributed else 1,
            worker=info.id if info else 0,
            workers=info.num_workers if info else 1,
            columns=("tokens", "meta"),
        )


def pad(records: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch: ``input_ids`` and ``attention_mask`` of shape (batch, longest), padded on the right, and the metas."""
    tokens = [torch.from_numpy(record["tokens"]).long() for record in records]
    lengths = torch.tensor([len(row) for row in tokens])
    input_ids = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=PAD_ID)
    mask = torch.arange(input_ids.shape[1])[None, :] < lengths[:, None]
    return {"input_ids": input_ids, "attention_mask": mask.long(), "meta": [record["meta"] for record in records]}


def loader(artifacts: str, phase: str, batch_size: int, workers: int) -> DataLoader[dict[str, Any]]:
    """A ``DataLoader`` over the phase, with ``workers`` processes (0: in this one)."""
    return DataLoader(MixtureDataset(artifacts, phase), batch_size=batch_size, num_workers=workers, collate_fn=pad)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="?", default=".dataset_platform/artifacts", help="the folder artifacts/")
    parser.add_argument("--phase", default="phase_1", help="phase_1, phase_2 or final")
    parser.add_argument("--examples", type=int, default=4, help="how many batches to show")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()
    shares: Counter[str] = Counter()
    try:
        for batch in islice(loader(args.artifacts, args.phase, args.batch_size, args.workers), args.examples):
            print(f"input_ids {tuple(batch['input_ids'].shape)}, {int(batch['attention_mask'].sum()):,} tokens")
            for meta, length in zip(batch["meta"], batch["attention_mask"].sum(dim=1).tolist(), strict=True):
                shares[meta["source"]] += length
    except PlatformError as error:
        raise SystemExit(str(error)) from error
    total = sum(shares.values())
    for source, tokens in sorted(shares.items()):
        print(f"{source}: {tokens:,} tokens, {tokens / total:.1%}")


if __name__ == "__main__":
    main()
