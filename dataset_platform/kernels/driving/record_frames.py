"""What a record says of its timesteps, as flat arrays: the same shape for all three record types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataset_platform.contracts.driving import BronzeFrames
from dataset_platform.contracts.driving_types import BRONZE_AGENT, BRONZE_SIGNAL, INTS, POINTS
from dataset_platform.kernels.driving.arrow_columns import labelled_batch, list_array, repeated, struct_array
from dataset_platform.kernels.driving.scene import Ints

SCHEMA = BronzeFrames.labelled_schema()


@dataclass(frozen=True, eq=False)
class RecordFrames:
    """The T timesteps of a record.

    Attributes:
        steps, timestamps_micros: [T].
        agent_counts, signal_counts: [T], how many of each a step has.
        agents, signals: columns of ``BRONZE_AGENT`` and ``BRONZE_SIGNAL``, one value per agent or signal, step by step.
        ego_pose, ego_velocity, context: of perception frames only.
    """

    scenario_id: str
    record_type: str
    steps: Ints
    timestamps_micros: Ints
    current_step: int
    ego_track_id: int | None
    agents: Mapping[str, Any]
    agent_counts: Ints
    signals: Mapping[str, Any]
    signal_counts: Ints
    objects_of_interest: tuple[int, ...] = ()
    tracks_to_predict: tuple[int, ...] = ()
    ego_pose: tuple[float, ...] | None = None
    ego_velocity: tuple[float, ...] | None = None
    context: str | None = field(default=None)

    def batch(self, source: Mapping[str, Any]) -> pa.RecordBatch:
        """Rows of ``BronzeFrames.labelled_schema()``; ``source`` gives file, offset, length and checksum."""
        count = len(self.steps)
        agents = struct_array(BRONZE_AGENT, self.agents, int(self.agent_counts.sum()))
        signals = struct_array(BRONZE_SIGNAL, self.signals, int(self.signal_counts.sum()))
        columns = {
            "frame_id": pa.array([f"{self.scenario_id}:{step}" for step in self.steps.tolist()]),
            "scenario_id": self.scenario_id,
            "step": self.steps,
            "timestamp_micros": self.timestamps_micros,
            "record_type": self.record_type,
            "record_steps": count,
            "current_step": self.current_step,
            "ego_track_id": self.ego_track_id,
            "ego_pose": repeated(self.ego_pose, POINTS, count),
            "ego_velocity": repeated(self.ego_velocity, POINTS, count),
            "agents": list_array(SCHEMA.field("agents").type, agents, self.agent_counts),
            "signals": list_array(SCHEMA.field("signals").type, signals, self.signal_counts),
            "objects_of_interest": repeated(self.objects_of_interest, INTS, count),
            "tracks_to_predict": repeated(self.tracks_to_predict, INTS, count),
            "context": self.context,
        }
        return labelled_batch(SCHEMA, columns | dict(source), count)
