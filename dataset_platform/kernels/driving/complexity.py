"""How much there is to reason about in a frame, as points with their reasons.

| reason | points | when |
|---|---|---|
| high_risk_agent | 2 | an agent of risk high or critical |
| medium_risk_agent | 1 | an agent of risk medium, and none above |
| many_risky_agents | ``moderate_score`` | ``moderate_agents`` agents or more of risk medium or above |
| vulnerable_near_path | 2 | a pedestrian or cyclist close to the path ahead, crossing it, or on a crosswalk of it |
| crossing_traffic | 1 | a moving vehicle that crosses the path |
| signal_not_go | 1 | the ego's signal is red, yellow or flashing |
| stop_sign | 1 | a stop sign controls the path close ahead |
| turn_ahead | 1 | the path turns by 30° or more within 60 m |
| dense_traffic | 1 | 25 vehicles or more within the radius |
| lane_unsure | 1 | the map has lanes, but none fits the ego well |

Points and distances are conventions of this project; the sum makes MODERATE and COMPLEX by the settings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import COMPLEXITIES, RELATIONS, RISK_BANDS, SIGNAL_STATES
from dataset_platform.kernels.driving.agents import AgentFeatures
from dataset_platform.kernels.driving.path import Routes
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.driving.signals import EgoSignal
from dataset_platform.kernels.driving.surroundings import Crosswalk, StopSign

Floats = NDArray[np.float64]

NEAR_PATH_M = 4.0
LOOK_AHEAD_M = 40.0
TURN_RAD, TURN_SPAN_M = np.pi / 6, 60.0
DENSE_VEHICLES = 25
SURE_CONFIDENCE = 0.3
NOT_GO = ("stop", "arrow_stop", "caution", "arrow_caution", "flashing_stop", "flashing_caution")


def complexity(
    scene: Scene,
    routes: Routes,
    agents: AgentFeatures,
    signal: EgoSignal,
    crosswalks: list[Crosswalk],
    stop_signs: list[StopSign],
    has_lanes: bool,
    config: FeatureConfig,
) -> tuple[list[str], list[list[str]]]:
    """Complexity and its reasons, strongest first, of every step."""
    kind, placed, shown = np.array(scene.object_type)[:, None], agents.placed, agents.placed.shown
    risky = shown & (agents.risk >= RISK_BANDS.index("medium"))
    high = (shown & (agents.risk >= RISK_BANDS.index("high"))).any(0)
    crossing = shown & (agents.relation == RELATIONS.index("crossing"))
    with np.errstate(invalid="ignore"):
        near = (placed.along_m > 0) & (placed.along_m < LOOK_AHEAD_M)
        close = (near & (np.abs(placed.aside_m) < NEAR_PATH_M)) | (crossing & near)
    vulnerable = (np.isin(kind, ("pedestrian", "cyclist")) & close).any(0)
    for crosswalk in crosswalks:
        vulnerable |= crosswalk.shown & (crosswalk.along_m < LOOK_AHEAD_M) & crosswalk.occupied.any(0)
    stopping = np.zeros(len(scene.times_s), bool)
    for sign in stop_signs:
        stopping |= sign.along_m < LOOK_AHEAD_M
    not_go = np.isin(signal.state, [SIGNAL_STATES.index(name) for name in NOT_GO])
    scored = [
        ("high_risk_agent", 2, high),
        ("vulnerable_near_path", 2, vulnerable),
        ("many_risky_agents", config.moderate_score, risky.sum(0) >= config.moderate_agents),
        ("medium_risk_agent", 1, risky.any(0) & ~high),
        ("crossing_traffic", 1, (crossing & (kind == "vehicle")).any(0)),
        ("signal_not_go", 1, not_go),
        ("stop_sign", 1, stopping),
        ("turn_ahead", 1, _turns(routes)),
        ("dense_traffic", 1, ((kind == "vehicle") & shown).sum(0) >= DENSE_VEHICLES),
        ("lane_unsure", 1, (routes.match.confidence < SURE_CONFIDENCE) & has_lanes),
    ]
    holds = np.array([mask for _, _, mask in scored])
    score = np.array([points for _, points, _ in scored]) @ holds
    band = (score >= config.moderate_score).astype(int) + (score >= config.complex_score)
    names = [name for name, _, _ in scored]
    reasons = [[name for name, hold in zip(names, step, strict=True) if hold] for step in holds.T.tolist()]
    return [COMPLEXITIES[i] for i in band.tolist()], reasons


def _turns(routes: Routes) -> NDArray[np.bool_]:
    """[T], whether the path turns ahead, anywhere within the span: the two bends of an S do not cancel out."""
    turns = np.zeros(len(routes.path_of), bool)
    for number, path in enumerate(routes.paths):
        at = np.flatnonzero(routes.path_of == number)
        middle = (path.arc[:-1] + path.arc[1:]) / 2
        heading = np.unwrap(np.arctan2(np.diff(path.points[:, 1]), np.diff(path.points[:, 0])))
        start = routes.match.along_m[at]
        ahead = np.interp(start[:, None] + np.linspace(0.0, TURN_SPAN_M, 13), middle, heading)
        turns[at] = (np.abs(ahead - ahead[:, :1]) >= TURN_RAD).any(1)
    return turns
