"""Bronze rows to silver rows: what is dropped, wrapped, verified and rejected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.contracts.driving import SilverFrames
from dataset_platform.kernels.driving.bronze import frame_rows
from dataset_platform.kernels.driving.settings import SilverConfig
from dataset_platform.kernels.driving.silver import silver_batch, silver_frames, wrapped
from dataset_platform_tests.kernels.driving import small_records
from dataset_platform_tests.kernels.driving.small_records import FILE, broken_rules

SOURCE = {"file": FILE, "offset": 7, "length": 9, "record_checksum": "0" * 32}


def bronze(payload: bytes, kind: Any = "example") -> pa.RecordBatch:
    batch = frame_rows(payload, kind, SOURCE).batch
    assert batch is not None
    return batch


def silver(payload: bytes, kind: Any = "example") -> list[dict[str, Any]]:
    return silver_batch(bronze(payload, kind), SilverConfig()).to_pylist()


def test_only_valid_agents_without_the_ego_remain() -> None:
    row = silver(small_records.example())[1]
    assert [(a["track_id"], a["object_type"], a["speed_mps"]) for a in row["agents"]] == [
        (5, "vehicle", 5.0),
        (7, "pedestrian", 1.0),
    ]
    assert [(a["is_object_of_interest"], a["is_track_to_predict"]) for a in row["agents"]] == [
        (True, False),
        (False, True),
    ]
    assert (row["ego_track_id"], row["ego_speed_mps"], row["ego_x_m"], row["ego_length_m"]) == (6, 6.0, 0.0, 5.0)
    assert (row["time_s"], row["invalid_agents"], row["headings_wrapped"]) == (pytest.approx(0.1), 1, 1)
    assert row["agents"][0]["heading_rad"] == pytest.approx(4.0 - 2 * np.pi)
    assert [(s["lane_id"], s["state"], s["stop_x_m"]) for s in row["signals"]] == [(11, "go", 9.0)]
    assert row["max_speed_error_mps"] == pytest.approx(0.0, abs=1e-6)
    assert (row["file"], row["offset"], row["length"], row["reason"]) == (FILE, 7, 9, None)


def test_a_scenario_has_no_derived_columns_to_verify() -> None:
    rows = silver(small_records.scenario().SerializeToString(), "scenario")
    assert [len(row["agents"]) for row in rows] == [2, 1, 2, 2]
    assert {row["max_speed_error_mps"] for row in rows} == {None}
    assert [s["state"] for s in rows[0]["signals"]] == ["stop", "unknown"]  # the second one's code is not published
    assert [s["stop_x_m"] for s in rows[0]["signals"]] == [30.0, None]


def test_the_ego_of_a_frame_is_its_pose() -> None:
    (row,) = silver(small_records.frame().SerializeToString(), "frame")
    assert (row["ego_x_m"], row["ego_y_m"], row["ego_z_m"], row["ego_length_m"]) == (100.0, 200.0, 3.0, None)
    assert row["ego_heading_rad"] == pytest.approx(np.pi / 2)
    assert (row["ego_velocity_x_mps"], row["ego_velocity_y_mps"]) == (1.0, 2.0)
    assert [(a["object_type"], a["heading_rad"]) for a in row["agents"]] == [
        ("vehicle", pytest.approx(np.pi / 2)),
        ("sign", pytest.approx(np.pi / 2)),
    ]


def test_a_frame_without_pictures_has_no_velocity_and_is_rejected() -> None:
    frame = small_records.frame()
    frame.ClearField("images")
    (row,) = silver(frame.SerializeToString(), "frame")
    assert row["reason"] == "ego_not_valid"


@pytest.mark.parametrize(
    ("feature", "value", "reason", "measure"),
    [
        ("valid", [1, 0, 1, 0], "ego_not_valid", None),
        ("velocity_x", [3.0, 6.5, 1.0, -1.0], "derived_columns_disagree", 0.5),
        ("speed", [5.0, 6.0, np.nan, -1.0], "derived_columns_disagree", np.inf),
        ("vel_yaw", [0.9273, 0.25, 0.0, -1.0], "derived_columns_disagree", 0.25),
        ("vel_yaw", [0.9273, 2 * np.pi, 0.0, -1.0], None, None),
        ("y", [np.inf, 0.0, np.nan, -1.0], "not_finite", 2.0),
        ("y", [1.0, 0.0, 5.0, np.nan], None, None),
        ("y", [1.0, np.nan, 5.0, -1.0], "ego_not_valid", None),
    ],
)
def test_a_frame_that_breaks_a_rule_is_rejected_alone(
    feature: str, value: list[float], reason: str | None, measure: float | None
) -> None:
    kind = np.int64 if feature == "valid" else np.float32
    changed: dict[str, Any] = {f"state__current__{feature}": np.array(value).astype(kind)}
    rows = silver(small_records.example(**changed))
    assert [row["reason"] for row in rows] == [None, None, reason, None, None, None]
    assert rows[2]["measure"] == pytest.approx(measure)
    assert (rows[2]["detail"] is None) == (reason is None)


def test_a_direction_made_of_rounding_is_not_compared() -> None:
    still = {"velocity_x": [3.0, 6.0, 1e-4, -1], "speed": [5.0, 6.0, 1e-4, -1], "vel_yaw": [0.9273, 0.0, 3.0, -1]}
    changed = {f"state__current__{name}": np.array(values, dtype=np.float32) for name, values in still.items()}
    assert silver(small_records.example(**changed))[2]["reason"] is None


def test_angles_are_wrapped_to_the_half_open_circle() -> None:
    angles = np.concatenate([np.linspace(-50, 50, 4001), np.array([np.pi, -np.pi, np.nextafter(np.pi, 0), 3 * np.pi])])
    turned = wrapped(angles)
    assert ((turned >= -np.pi) & (turned < np.pi)).all()
    assert np.allclose(np.exp(1j * turned), np.exp(1j * angles))
    inside = (angles >= -np.pi) & (angles < np.pi)
    assert np.array_equal(turned[inside], angles[inside])


def test_every_row_depends_on_itself_alone() -> None:
    """However rows are ordered, batched and sliced, each gives the same silver row."""
    payloads = [(small_records.example(), "example"), (small_records.scenario().SerializeToString(), "scenario")]
    whole = pa.concat_batches([bronze(payload, kind) for payload, kind in payloads])
    expected = silver_batch(whole, SilverConfig()).to_pylist()
    order = np.random.default_rng(3).permutation(whole.num_rows)
    shuffled = whole.take(pa.array(order))
    pieces = [shuffled.slice(0, 3), shuffled.slice(3, 0), shuffled.slice(3, 1), shuffled.slice(4)]
    rows = pa.Table.from_batches(list(silver_frames(SilverConfig())(iter(pieces)))).to_pylist()
    assert rows == [expected[at] for at in order]


def test_kept_rows_fit_the_contract() -> None:
    for payload, kind in (
        (small_records.example(), "example"),
        (small_records.scenario().SerializeToString(), "scenario"),
        (small_records.frame().SerializeToString(), "frame"),
    ):
        batch = silver_batch(bronze(payload, kind), SilverConfig())
        assert batch.schema == SilverFrames.labelled_schema()
        assert broken_rules(SilverFrames, batch) == []
