"""Named data sets, dealt out at so many questions a day from a start day, in their own order.

Which rows a day gets follows from the settings and the day alone: day ``k`` after the start gets rows ``k · per_day`` to
``(k + 1) · per_day - 1``. A day can therefore be made again, alone and in any order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataset_platform.errors import ConfigError, InputError, PlatformError
from dataset_platform.kernels.self_correction.arithmetic import generate
from dataset_platform.kernels.self_correction.checkers import import_class
from dataset_platform.kernels.self_correction.question_records import Record, read_records
from dataset_platform.kernels.self_correction.questions import OpenInput, Row, labelled_row, to_batches

# where the named sets lie on the Hugging Face hub: repository, configuration, split
HUB: dict[str, tuple[str, str | None, str]] = {
    "gsm8k": ("openai/gsm8k", "main", "test"),
    "hotpotqa": ("hotpotqa/hotpot_qa", "fullwiki", "validation"),
    "boolq": ("google/boolq", None, "validation"),
}


class QuestionSource(Protocol):
    """A user's own source: a class made with ``SourceConfig.options`` as keyword arguments."""

    def rows(self, start: int, count: int) -> Iterable[Mapping[str, Any]]:
        """Rows ``start`` to ``start + count - 1`` of an order that never changes; fewer or none past the end.

        A row has ``id``, ``question``, ``reference_answer`` (may be missing) and ``context`` (may be missing).
        """
        ...


class SourceConfig(BaseModel):
    """One named data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(pattern=r"^[^/\s]+$", description="name of the data set, the first part of question ids")
    source: str = Field(description="gsm8k, hotpotqa, boolq, arithmetic or package.module:Class")
    path: str | None = Field(None, description="local file or URL in place of the Hugging Face hub")
    split: str | None = Field(None, description="split on the hub; test or validation when unset")
    per_day: int = Field(100, ge=1, description="questions a day")
    start: date = Field(description="first day that gets questions")
    seed: int = Field(0, description="seed of generated questions; the order of the others is their own")
    checker: str | None = Field(None, description="checker of the answers; by the kind of the rows when unset")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="keyword arguments of the class; for the hub, of datasets.load_dataset, and repository and name",
    )

    @model_validator(mode="after")
    def _settings_fit_the_source(self) -> SourceConfig:
        if self.source not in HUB and self.source != "arithmetic" and ":" not in self.source:
            known = ", ".join([*HUB, "arithmetic"])
            raise ValueError(f"there is no source {self.source!r}: choose from {known}, or name package.module:Class")
        if self.source not in HUB and (self.path or self.split):
            raise ValueError(f"path and split are for {', '.join(HUB)}; give {self.source} its arguments in options")
        if self.source == "arithmetic" and self.options:
            raise ValueError("arithmetic takes no options, only a seed")
        if self.path and (self.options or self.split):
            raise ValueError("options and split are for the hub; a file named by path is read whole, in its order")
        return self


def deal(config: SourceConfig, day: date | str) -> range | None:
    """Positions of the rows that a day gets; ``None`` before the start. Past the data set's end there are no rows."""
    number = ((date.fromisoformat(day) if isinstance(day, str) else day) - config.start).days
    return None if number < 0 else range(number * config.per_day, (number + 1) * config.per_day)


def read_source(
    config: SourceConfig, day: date | str, schema: pa.Schema, open_input: OpenInput | None = None
) -> Iterator[pa.RecordBatch]:
    """The day's questions of a named data set as labelled batches, a tally row at the end; nothing before the start.

    Args:
        config: the data set.
        day: the day, or its ISO form.
        schema: ``Questions.labelled_schema()``.
        open_input: opens ``config.path``; local files and fsspec URLs when unset.

    Raises:
        InputError: the data cannot be had (no file, no network) or the user's class fails; says what to do.
        ConfigError: the user's class cannot be loaded or made.
    """
    positions = deal(config, day)
    if positions is not None:
        yield from to_batches(_rows(config, positions, open_input or _open), schema)


def _rows(config: SourceConfig, positions: range, open_input: OpenInput) -> Iterator[Row]:
    file = _file(config)
    checkers = {config.dataset: config.checker} if config.checker else {}
    count = 0
    for record in _records(config, positions, open_input):
        count += 1
        yield labelled_row(record, file, config.dataset, checkers)
    yield {"file": file, "tally": count}


def _records(config: SourceConfig, positions: range, open_input: OpenInput) -> Iterator[Record]:
    if config.path:
        yield from _of_file(config.path, positions, open_input)
        return
    rows: Iterator[Mapping[str, Any]]
    if config.source == "arithmetic":
        rows = _arithmetic(config.seed, positions)
    else:
        rows = _of_hub(config, positions) if config.source in HUB else _of_class(config, positions)
    for number, row in zip(positions, rows, strict=False):
        yield Record(number, dict(row), None, number, None)


def _file(config: SourceConfig) -> str:
    """What the rows' pointers name."""
    if config.path:
        return config.path
    if config.source == "arithmetic":
        return f"arithmetic:seed={config.seed}"
    if config.source in HUB:
        repository, _, split = _hub_place(config)
        return f"{repository}:{split}"
    return config.source


def _arithmetic(seed: int, positions: range) -> Iterator[Mapping[str, Any]]:
    for problem in generate(seed, positions.start, len(positions)):
        own_id = problem.question_id.partition("/")[2]
        yield {"id": own_id, "question": problem.question, "reference_answer": problem.reference_answer}


def _of_file(path: str, positions: range, open_input: OpenInput) -> Iterator[Record]:
    try:
        stream, _ = open_input(path)
    except PlatformError:
        raise
    except Exception as error:  # whatever the store of a URL raises
        raise InputError(
            f"{path} cannot be opened: {type(error).__name__}: {error}",
            "Put the file there, or correct the source's path in the config.",
        ) from error
    with stream:
        yield from islice(read_records(stream, path), positions.start, positions.stop)


def _hub_place(config: SourceConfig) -> tuple[str, str | None, str]:
    repository, name, split = HUB[config.source]
    if "repository" in config.options:  # another data set with the same columns has configurations of its own
        repository, name = config.options["repository"], None
    return repository, config.options.get("name", name), config.split or split


def _of_hub(config: SourceConfig, positions: range) -> Iterator[Mapping[str, Any]]:
    """Rows through Hugging Face Datasets, streamed: nothing but the day's rows is kept."""
    repository, name, split = _hub_place(config)
    rest = {key: value for key, value in config.options.items() if key not in ("repository", "name")}
    try:
        from datasets import load_dataset

        stream = load_dataset(repository, name, split=split, streaming=True, **rest)
        # fetched whole before the first row is used: an error half-way must not look like the end of the data
        rows = list(stream.skip(positions.start).take(len(positions)))
    except Exception as error:  # the library raises many kinds: no network, no such set, split or file
        raise InputError(
            f"{config.dataset}: {repository} ({split}) cannot be streamed: {type(error).__name__}: {error}",
            f"Check the network and the name, or download the data set and set path of source {config.dataset} to the file.",
        ) from error
    yield from rows


def _of_class(config: SourceConfig, positions: range) -> Iterator[Mapping[str, Any]]:
    kind = import_class(config.source, "source")
    try:
        source = kind(**config.options)
    except Exception as error:
        raise ConfigError(
            f"Source {config.source} cannot be made: {type(error).__name__}: {error}",
            f"Correct the options of source {config.dataset}.",
        ) from error
    if not hasattr(source, "rows"):
        raise ConfigError(f"Source {config.source} has no method rows(start, count).", "Define it.")
    try:
        rows = list(islice(source.rows(positions.start, len(positions)), len(positions)))
        if wrong := {type(row).__name__ for row in rows if not isinstance(row, Mapping)}:
            raise TypeError(f"a row is of type {min(wrong)}, not a mapping")
    except PlatformError:
        raise
    except Exception as error:
        raise InputError(
            f"Source {config.source} failed at rows {positions.start} to {positions.stop - 1}: "
            f"{type(error).__name__}: {error}",
            "Mend its method rows.",
        ) from error
    yield from rows


def _open(path: str) -> tuple[BinaryIO, int]:
    if "://" not in path:
        return open(path, "rb"), os.path.getsize(path)
    import fsspec  # type: ignore[import-untyped]

    system, name = fsspec.core.url_to_fs(path)
    return system.open(name, "rb"), int(system.size(name) or 0)
