"""Good rows of the driving lane's contracts."""

from __future__ import annotations

from typing import Any

from dataset_platform import contracts
from dataset_platform.contracts import Contract

_POINTER = {"file": "waymo/tfrecords/2026/01/05/a.tfrecord", "offset": 0, "length": 300}
_FRAME = {"frame_id": "s1:10", "scenario_id": "s1", "step": 10}
_CHECKSUM = {"record_checksum": "a" * 32}
_EGO = {"ego_x_m": 1.0, "ego_y_m": 2.0, "ego_heading_rad": 0.5, "ego_speed_mps": 5.0}
_SIZE = {"ego_length_m": 5.2, "ego_width_m": 2.3}
_AGENT = {"track_id": 7, "object_type": "vehicle", "speed_mps": 3.0}

GOOD: dict[type[Contract], dict[str, Any]] = {
    contracts.RawTfrecords: {
        "path": _POINTER["file"],
        "size_bytes": 300,
        "etag": "e",
        "compression": "none",
        "record_count": 1,
        "record_type": "scenario",
        "break_error": None,
    },
    contracts.BronzeFrames: _FRAME
    | _POINTER
    | _CHECKSUM
    | {
        "timestamp_micros": 1_000_000,
        "record_type": "scenario",
        "record_steps": 91,
        "current_step": 10,
        "ego_track_id": 1,
        "ego_pose": None,
        "ego_velocity": None,
        "agents": [{"track_id": 7, "object_type": 1, "valid": True, "x": 1.0}],
        "signals": [{"lane_id": 455, "state": 1, "valid": True}],
        "objects_of_interest": [],
        "tracks_to_predict": [7],
        "context": None,
    },
    contracts.BronzeMaps: _POINTER
    | _CHECKSUM
    | {
        "scenario_id": "s1",
        "record_type": "scenario",
        "features": [{"feature_id": 1, "kind": "lane", "x_m": [0.0, 1.0]}],
        "feature_count": 1,
        "sampled": False,
    },
    contracts.CameraImages: _POINTER
    | {
        "frame_id": "s1:10",
        "scenario_id": "s1",
        "camera_name": "front",
        "image": b"\xff\xd8",
        "size_bytes": 2,
        "width_px": None,
        "height_px": None,
        "checksum": "b" * 64,
        "pose_timestamp_s": None,
    },
    contracts.SilverFrames: _FRAME
    | _POINTER
    | _CHECKSUM
    | _EGO
    | _SIZE
    | {
        "time_s": 1.0,
        "record_type": "scenario",
        "current_step": 10,
        "ego_track_id": 1,
        "ego_z_m": 0.0,
        "ego_velocity_x_mps": 5.0,
        "ego_velocity_y_mps": 0.0,
        "agents": [_AGENT],
        "signals": [{"lane_id": 455, "state": "arrow_stop"}],
        "invalid_agents": 0,
        "headings_wrapped": 0,
        "max_speed_error_mps": None,
        "max_velocity_yaw_error_rad": None,
    },
    contracts.GoldFeatures: _FRAME
    | _POINTER
    | _CHECKSUM
    | _EGO
    | _SIZE
    | dict.fromkeys(
        (
            *("ego_acceleration_mps2", "ego_yaw_rate_radps", "lane_id", "lane_type", "lane_offset_m"),
            *("speed_limit_mps", "signal_lane_id", "signal_state", "signal_distance_m", "lead_track_id", "lead_gap_m"),
            *("lead_speed_mps", "lead_ttc_s", "lead_thw_s"),
        )
    )
    | {
        "time_s": 1.0,
        "lane_confidence": 0.0,
        "path_lanes": [],
        "agents": [_AGENT | {"relation": "lead", "risk": "low"}],
        "vehicle_count": 1,
        "pedestrian_count": 0,
        "cyclist_count": 0,
        "lane_lines": [],
        "crosswalks": [],
        "stop_signs": [],
        "risk": "low",
        "complexity": "SIMPLE",
        "complexity_reasons": [],
    },
    contracts.Keyframes: _FRAME
    | _POINTER
    | _CHECKSUM
    | {
        "keyframe_reason": "current_step",
        "logged_longitudinal": None,
        "logged_lateral": None,
        "complexity": "SIMPLE",
        "complexity_reasons": [],
        "facts": [{"subject": "ego", "quantity": "speed", "value": 5.0, "unit": "mps"}],
        "view": "{}",
        "future": "{}",
        "past_s": 1.0,
        "future_s": 8.0,
    },
    contracts.CotTraces: _FRAME
    | _POINTER
    | {
        "trace_id": "0" * 32,
        "trace": "{}",
        "text": "Scene description: one car ahead.",
        "longitudinal": "stop",
        "lateral": "keep",
        "overall_risk": "low",
        "confidence": 0.9,
        "complexity": "SIMPLE",
        "generator": "rules",
        "route": "configured",
        "failed_validators": [],
        "escalated_because": [],
        "model": "rules",
        "simulated": False,
        "prompt_version": "rules-1",
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "cost_usd": None,
        "calls": 0,
        "created_at": None,
    },
    contracts.CotQuality: _POINTER
    | {
        "trace_id": "0" * 32,
        "frame_id": "s1:10",
        "scenario_id": "s1",
        "generator": "rules",
        "route": "configured",
        "complexity": "SIMPLE",
        "metrics": [{"metric": "number_groundedness", "value": 1.0}],
        "claims": [{"metric": "number_groundedness", "claim": "speed 5 m/s", "passed": True}],
        "passed": True,
        "failed_metrics": [],
        "judge": "not run",
    },
    contracts.CotAnnotations: _FRAME
    | _POINTER
    | {
        "annotation_id": "0" * 32,
        "trace_id": None,
        "annotator": "a",
        "status": "written",
        "format": "jsonl",
        "trace": "{}",
        "text": "Scene description: one car ahead.",
        "agreement": [],
    },
}
