"""Days of synthetic driving logs as TFRecords below ``raw/``, the way real ones land; ids say that they are synthetic.

Of each day's scenes half are written as Scenario protos, in one plain and one gzip file, half as tf.Examples. They are
the scenes of ``world.sample_scenes(scenarios_per_day, day_seed(seed, day))``, the even ones as Scenarios.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from dataset_platform.demo.driving.records import example_record, scenario_record
from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.kernels.driving.tfrecord_writer import TFRecordWriter
from dataset_platform.settings import day_path

SCENARIOS_A_DAY = 18
SEED = 2026
FOLDER = "waymo/tfrecords"
NAMES = ("scenarios-00000.tfrecord", "scenarios-00001.tfrecord.gz", "examples-00000.tfrecord")


def write_driving_sample(
    raw: Path, days: Sequence[date], scenarios_per_day: int = SCENARIOS_A_DAY, seed: int = SEED
) -> None:
    """Write ``waymo/tfrecords/{day}/*.tfrecord[.gz]`` for each day; files that would hold no scene are not written."""
    for day in days:
        folder = raw / FOLDER / day_path(day.isoformat())
        folder.mkdir(parents=True, exist_ok=True)
        records: dict[str, list[bytes]] = {name: [] for name in NAMES}
        for index, scene in enumerate(sample_scenes(scenarios_per_day, day_seed(seed, day))):
            if index % 2:
                records[NAMES[2]].append(example_record(scene))
            else:
                records[NAMES[index // 2 % 2]].append(scenario_record(scene))
        for name, payloads in records.items():
            if payloads:
                _write(folder / name, payloads)


def day_seed(seed: int, day: date) -> int:
    """Seed of a day's scenes: days differ, and a day does not depend on which others are written."""
    return seed * 1_000_000 + day.toordinal()


def _write(path: Path, payloads: list[bytes]) -> None:
    with path.open("wb") as stream, TFRecordWriter(stream, "gzip" if path.suffix == ".gz" else "none") as writer:
        for payload in payloads:
            writer.write(payload)
