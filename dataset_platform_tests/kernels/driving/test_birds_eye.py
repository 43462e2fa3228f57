"""Bird's-eye pictures: everything of the scene is in them, where it belongs."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from dataset_platform.demo.driving.stories import STORIES
from dataset_platform.demo.driving.world import scene as make_scene
from dataset_platform.kernels.driving import birds_eye
from dataset_platform.kernels.driving.birds_eye_layers import layers_of_scene, layers_of_view
from dataset_platform.kernels.driving.path import path_ahead
from dataset_platform.kernels.driving.scene import RoadMap, Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.kernels.reasoning.view import PlanView
from dataset_platform.kernels.reasoning.view_builder import future_of, view_of

NOW = 10
TEXTS = ("The ego drives $5 fast.", "Nothing_is near.", "All stay.", "It shall go on.", "The road is free.")


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A busy crossing with signals, walkers and crosswalks."""
    return make_scene(next(s for s in STORIES if s.name == "busy_red"), 0, 3)


@pytest.fixture(scope="module")
def view(scene: Scene) -> PlanView:
    return view_of(scene, NOW, path_ahead(scene, NOW, FeatureConfig()))


def trace_of(view: PlanView, cited: int | None = None) -> CoTTrace:
    waypoints = [{"t_s": t, "x_m": 4.0 * t, "y_m": 0.1 * t, "speed_mps": 4.0} for t in np.arange(0.0, 8.1, 0.5)]
    cause = {"kind": "lead_vehicle", "agent_id": cited} if cited is not None else {"kind": "free_road"}
    first = {"ego_speed_mps": 5.0, "vehicle_count": 1, "pedestrian_count": 0, "cyclist_count": 0}
    return CoTTrace.model_validate(
        {
            "trace_id": "t",
            "frame_id": "s:10",
            "scenario_id": "s",
            "step": NOW,
            "scene_description": {"text": TEXTS[0], **first},
            "situation_assessment": {"text": TEXTS[1], "overall_risk": "low"},
            "behavior_prediction": {"text": TEXTS[2]},
            "trajectory_plan": {
                "text": TEXTS[3],
                "longitudinal": "maintain",
                "lateral": "keep",
                "waypoints": waypoints,
            },
            "justification": {"text": TEXTS[4], "causes": [cause], "confidence": 0.5},
        }
    )


def words(figure) -> list[str]:
    return [t.get_text() for t in (*figure.texts, *figure.axes[0].texts)]


def png(figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return sink.getvalue()


def test_layers_of_view_and_scene_agree(scene: Scene, view: PlanView) -> None:
    of_view, of_scene = layers_of_view(view, future_of(scene, NOW)), layers_of_scene(scene, NOW)
    place = {agent: k for k, agent in enumerate(of_scene.agent_id.tolist())}
    for k, agent in enumerate(of_view.agent_id.tolist()):
        for name in ("agent_x", "agent_y", "agent_heading", "agent_speed", "agent_length"):
            assert getattr(of_view, name)[k] == pytest.approx(getattr(of_scene, name)[place[agent]], abs=1e-6)
    assert of_view.future == pytest.approx(of_scene.future[: len(of_view.future)], abs=1e-6)
    assert sorted(s for _, _, s in of_view.signals) == sorted(s for _, _, s in of_scene.signals)
    assert len(of_scene.crosswalks) == 4
    assert layers_of_view(view).future.shape == (0, 3)
    assert layers_of_view(view).agent_futures == ()


def test_a_picture_holds_map_text_and_who_is_cited(scene: Scene, view: PlanView) -> None:
    cited = int(view.agent_id[0])
    figure = birds_eye.draw(view, future_of(scene, NOW), trace_of(view, cited), "a title")
    said = words(figure)
    assert "a title" in said
    assert any("Decision: maintain, keep · confidence 0.50" in line for line in said)
    assert all(any(text in line for line in said) for text in TEXTS)
    named = [t for t in figure.axes[0].texts if t.get_weight() == "bold" and t.get_text().startswith(str(cited))]
    assert len(named) == 1
    assert png(figure).startswith(b"\x89PNG")
    entries = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert {"ego", "vehicle", "logged future", "plan", "lane path", "stop"} <= set(entries)


def test_without_trace_and_future_neither_is_drawn(view: PlanView) -> None:
    figure = birds_eye.draw(view, None, None, "bare")
    entries = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert not {"plan", "logged future"} & set(entries)
    wide = birds_eye.draw(view, None, trace_of(view), "with text")
    assert wide.get_figwidth() > figure.get_figwidth()


def test_long_texts_are_made_smaller_and_at_last_cut(view: PlanView) -> None:
    trace = trace_of(view)
    long = replace_text(trace, "word " * 120)
    huge = replace_text(trace, "word " * 6000)
    sizes = []
    for one in (trace, long, huge):
        figure = birds_eye.draw(view, None, one, "t")
        lines = [t for t in figure.texts if t.get_position()[0] > 0.5]
        sizes.append(lines[0].get_fontsize())
        assert min(t.get_position()[1] for t in lines) > 0
    assert sizes[0] >= sizes[1] >= sizes[2]
    assert sizes[0] > sizes[2]
    assert any("cut here" in line for line in words(figure))


def replace_text(trace: CoTTrace, text: str) -> CoTTrace:
    level = trace.situation_assessment.model_copy(update={"text": text})
    return trace.model_copy(update={"situation_assessment": level})


def test_the_ego_looks_up_the_page_and_left_is_left(scene: Scene) -> None:
    figure = birds_eye.draw_scene(scene, int(scene.steps[NOW]))
    layers = layers_of_scene(scene, NOW)
    left, right = figure.axes[0].get_xlim()
    bottom, top = figure.axes[0].get_ylim()
    assert left < 0 < right
    assert 0 < -bottom < top
    labels = {t.get_text().split(" ")[0]: t.xy for t in figure.axes[0].texts if hasattr(t, "xy")}
    shown = 0
    for k, agent in enumerate(layers.agent_id.tolist()):
        if str(agent) in labels:
            shown += 1
            assert labels[str(agent)] == pytest.approx((-layers.agent_y[k], layers.agent_x[k]))
    assert shown > 3


def test_scenes_without_a_map_agents_or_sampled_ones_are_drawn(scene: Scene) -> None:
    nobody = np.zeros(0, int)
    empty = {
        name: getattr(scene, name)[nobody]
        for name in (
            "track_id",
            "x",
            "y",
            "z",
            "length",
            "width",
            "height",
            "heading",
            "velocity_x",
            "velocity_y",
            "valid",
        )
    }
    bare = replace(scene, road_map=RoadMap(), object_type=(), **empty)
    sampled = replace(scene, road_map=RoadMap(scene.road_map.features, sampled=True))
    assert len(png(birds_eye.draw_scene(bare, 0))) < len(png(birds_eye.draw_scene(sampled, 0)))


def test_a_step_that_is_not_there_is_refused(scene: Scene) -> None:
    with pytest.raises(ValueError, match="no step 999"):
        birds_eye.draw_scene(scene, 999)


def test_the_same_scene_gives_the_same_picture(scene: Scene) -> None:
    assert png(birds_eye.draw_scene(scene, 5)) == png(birds_eye.draw_scene(scene, 5))


def test_no_line_of_text_runs_off_the_page(view: PlanView) -> None:
    for words, repeated in (
        ("Vehicle 2836 will most likely keep its speed. ", 30),
        ("WWW mmm iii ", 40),
        ("go on ", 400),
    ):
        figure = birds_eye.draw(view, None, replace_text(trace_of(view), words * repeated), "t")
        renderer = figure.canvas.get_renderer()
        edge = figure.get_figwidth() * figure.dpi
        assert max(t.get_window_extent(renderer).x1 for t in figure.texts) < edge - 10
