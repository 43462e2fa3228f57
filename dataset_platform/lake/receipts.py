"""Receipts: one small JSON per table and day that says what a published partition was made from and how rows add up.

Written last, after the partition's commit, so a day with a receipt is a finished day. They are what conservation checks,
drift checks, ``--json`` and the staleness of a day are read from.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from dataset_platform.contracts import Contract
from dataset_platform.lake import storage
from dataset_platform.settings import join

OUTDATED = "changed since"
"""In place of an input's hash: a merge of another day changed rows that this day was judged by."""


@dataclass(frozen=True)
class Receipt:
    """The account of one published partition.

    Attributes:
        rows_in: rows the stage was given; equals kept + rejected + quarantined.
        reasons: rejected rows per reason.
        version: Delta version (or None for artifacts that are files).
        content_hash: order-independent hash of the kept rows; equal content gives equal hashes.
        inputs: content hash per input table.
        code_version, config_hash: what computed it.
        seconds: wall time of the stage; for people, no decision depends on it.
    """

    table: str
    day: str
    rows_in: int
    rows_kept: int
    rows_rejected: int
    rows_quarantined: int
    reasons: dict[str, int] = field(default_factory=dict)
    version: int | None = None
    content_hash: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    code_version: str = ""
    config_hash: str = ""
    seconds: float = 0.0
    extra: dict[str, float | int | str] = field(default_factory=dict)

    def made_from(self, inputs: dict[str, str], config_hash: str, code_version: str) -> bool:
        """Whether making the day again from these inputs, settings and code would give the same rows."""
        return (self.inputs, self.config_hash, self.code_version) == (inputs, config_hash, code_version)

    @property
    def outdated_by(self) -> list[str]:
        """What changed under this day without being one of its inputs."""
        return sorted(name for name, value in self.inputs.items() if value == OUTDATED)

    @property
    def balanced(self) -> bool:
        """Whether every row is accounted for."""
        return self.rows_in == self.rows_kept + self.rows_rejected + self.rows_quarantined


def _folder(lake_root: str, table: str) -> str:
    # below an underscore folder: readers and vacuum of Delta tables pass it over
    return join(lake_root, "_receipts", table)


def write(lake_root: str, receipt: Receipt) -> None:
    """Put the receipt of a finished day."""
    body = json.dumps(asdict(receipt), indent=1, sort_keys=True).encode()
    storage.write_bytes(join(_folder(lake_root, receipt.table), f"{receipt.day}.json"), body)


def read(lake_root: str, table: str | type[Contract], day: str) -> Receipt | None:
    """The receipt of a table and day, or None when that day was never finished."""
    name = table if isinstance(table, str) else table.table_name()
    try:
        return Receipt(**json.loads(storage.read_bytes(join(_folder(lake_root, name), f"{day}.json"))))
    except FileNotFoundError:
        return None


def remove(lake_root: str, table: str, day: str) -> None:
    """Take a day's receipt away: the day counts as unfinished until it is written again."""
    storage.delete(join(_folder(lake_root, table), f"{day}.json"))


def days(lake_root: str, table: str | type[Contract]) -> list[str]:
    """Finished days of a table, sorted."""
    return sorted(tags(lake_root, table))


def tags(lake_root: str, table: str | type[Contract]) -> dict[str, str]:
    """Finished days of a table, each with a tag that is another one once the day was made again."""
    name = table if isinstance(table, str) else table.table_name()
    files = (f for f in storage.list_files(_folder(lake_root, name)) if f.path.endswith(".json"))
    return {f.path.rsplit("/", 1)[1].removesuffix(".json"): f.etag for f in files}


def trailing(lake_root: str, table: str | type[Contract], day: str, count: int = 7) -> list[Receipt]:
    """Receipts of up to ``count`` finished days before ``day`` that had input, newest first."""
    found: list[Receipt] = []
    for earlier in reversed([d for d in days(lake_root, table) if d < day]):
        receipt = read(lake_root, table, earlier)
        if receipt is not None and receipt.rows_in > 0:
            found.append(receipt)
        if len(found) == count:
            break
    return found
