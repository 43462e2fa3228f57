"""``self_correction/labelled_turns``: turns with a known failure mode that landed on the day."""

from __future__ import annotations

from dataset_platform.contracts import LabelledTurns
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.self_correction.questions import raw_files, write_batches
from dataset_platform.defs.web.assets import opener

LANE = "labelled_turns"
SUFFIXES = (".jsonl", ".jsonl.gz")


def compute_labelled(day: Day) -> Staged:
    """Read the day's files: labelled turns, or trace exports of runs with gold."""
    from dataset_platform.kernels.self_correction.labelled_turns import read_labelled_turns

    found, ignored, listing = raw_files(day, LANE, SUFFIXES)
    if not found:
        passed_over = f" ({len(ignored)} other files there, for example {ignored[0]})" if ignored else ""
        where = day.settings.raw_day(LANE, day.key)
        return Staged(None, 0, note=f"no .jsonl files under {where}{passed_over}")

    def write(path: str) -> None:
        schema = LabelledTurns.labelled_schema().remove_metadata()
        write_batches(read_labelled_turns([p for p, _ in found], opener(day.settings.raw), schema), path)

    return Staged(write, None, {"raw": listing})
