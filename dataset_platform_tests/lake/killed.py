"""A SIGKILL in the middle of a publication, at a step of the test's choice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable


class Killed(BaseException):
    """What stops a publication: no ``except Exception`` holds it up."""


def killed_after(steps: int, monkeypatch: pytest.MonkeyPatch, publish: Callable[[], object]) -> bool:
    """Let ``publish`` take so many steps that change storage or commit to a table; True when it would have taken more.

    As after a SIGKILL nothing more is changed then, not by what cleans up either.
    """
    taken = 0

    def take() -> None:
        nonlocal taken
        taken += 1
        if taken > steps:
            raise Killed

    def stopping(change: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            take()
            return change(*arguments, **options)

        return step

    opened = storage.open_output

    @contextmanager
    def open_output(path: str) -> Any:
        take()
        with opened(path) as sink:
            yield sink

    with monkeypatch.context() as patch:
        for verb in ("write_bytes", "move", "delete"):
            patch.setattr(storage, verb, stopping(getattr(storage, verb)))
        patch.setattr(storage, "open_output", open_output)
        patch.setattr(LakeTable, "_commit", stopping(LakeTable._commit))
        try:
            publish()
        except Killed:
            return True
    return False
