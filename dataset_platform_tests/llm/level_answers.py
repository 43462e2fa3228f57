"""How the fault server answers the prompts of driving traces: as the simulated model does, or in a way its name tells.

``careless`` models state what is not so in some field of every level; ``mending`` models do so until they are asked to
mend it; ``stubborn`` models never write a level 4 that begins where the car is.
"""

from __future__ import annotations

from typing import Any

import orjson

from dataset_platform.kernels.reasoning.levels import TITLE
from dataset_platform.kernels.reasoning.simulated import answer


def level_answer(asked: dict[str, Any]) -> str | None:
    """The answer to a body that asks for a level of a trace; None for other bodies."""
    schema = asked.get("response_format", {}).get("json_schema", {}).get("schema", {})
    level = str(schema.get("title", "")).removeprefix(TITLE)
    users = [_text(m["content"]) for m in asked["messages"] if m["role"] == "user"]
    value = answer(schema, users)
    if value is None:
        return None
    model = asked["model"]
    if (
        model == "careless"
        or (model == "mending" and len(users) == 1)
        or model == "stubborn"
        and level == "trajectory_plan"
    ):
        value = spoiled(level, value)
    return orjson.dumps(value).decode()


def spoiled(level: str, value: dict[str, Any]) -> dict[str, Any]:
    """The level with one thing in it that is not so."""
    match level:
        case "scene_description":
            return value | {"vehicle_count": value["vehicle_count"] + 3}
        case "situation_assessment":
            other = "low" if value["overall_risk"] == "critical" else "critical"
            return value | {"overall_risk": other}
        case "behavior_prediction":
            invented = {"agent_id": 404, "behavior": "cross", "probability": 1.0, "x_3s_m": 1.0, "y_3s_m": 1.0}
            return value | {"predictions": [*value["predictions"], invented]}
        case "trajectory_plan":
            return value | {"waypoints": [p | {"x_m": p["x_m"] + 5.0} for p in value["waypoints"]]}
        case _:
            return value | {"causes": [{"kind": "pedestrian", "agent_id": 404, "feature_id": None}]}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
