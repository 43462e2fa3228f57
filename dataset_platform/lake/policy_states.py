"""States of the reprompt policy, one JSON per day below ``artifacts/self_correction/rts_policy/``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from dataset_platform.errors import StateError
from dataset_platform.lake import storage
from dataset_platform.settings import join

PRIOR = "prior"


@dataclass(frozen=True)
class PolicyState:
    """A day's policy: what it was made from and what it knows.

    Attributes:
        previous: version that it started from; ``prior`` for the first.
        traces: content hash of the day's traces.
        outcomes: decisions folded in on this day.
        state: the policy's own state, see ``kernels.self_correction.policy``.
    """

    day: str
    previous: str
    traces: str
    outcomes: int
    state: dict[str, Any]

    @property
    def version(self) -> str:
        """Day and hash of the state: ``2026-01-05:1f3a…``."""
        return f"{self.day}:{hashlib.sha256(json.dumps(self.state, sort_keys=True).encode()).hexdigest()[:12]}"


def folder(artifacts: str) -> str:
    """Where the states lie."""
    return join(artifacts, "self_correction", "rts_policy")


def path_of(artifacts: str, day: str) -> str:
    """The file of a day."""
    return join(folder(artifacts), f"policy_{day.replace('-', '')}.json")


def write(artifacts: str, state: PolicyState) -> None:
    """Put a day's state in place of what was there."""
    content = {**asdict(state), "version": state.version}
    storage.write_bytes(path_of(artifacts, state.day), json.dumps(content, indent=1, sort_keys=True).encode())


def read(artifacts: str, day: str) -> PolicyState | None:
    """The state of a day, or None.

    Raises:
        StateError: the file is no policy state.
    """
    path = path_of(artifacts, day)
    try:
        content = json.loads(storage.read_bytes(path))
        content.pop("version")
        return PolicyState(**content)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as e:
        raise StateError(
            f"{path} is no policy state ({e}).",
            f"Run: dataset-platform materialize self_correction/rts_policy --partitions {day}",
        ) from None


def remove(artifacts: str, day: str) -> None:
    """Take a day's state away."""
    storage.delete(path_of(artifacts, day))
