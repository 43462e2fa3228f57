"""Finding a scene by the id of a scenario, a frame or a trace, and drawing it from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.cli.show import run_show
from dataset_platform.contracts import CotTraces, Keyframes
from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.errors import InputError
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.lake.scene_lookup import find_shown, scene_in_lake
from dataset_platform.settings import Settings
from dataset_platform_tests.lake.driving_lake import fill

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[Scene], dict[type, pa.Table]]:
    home = str(tmp_path_factory.mktemp("home"))
    settings = Settings(home, f"{home}/raw", f"{home}/lake", f"{home}/artifacts", home, Settings.from_env().first_day)
    scenes = list(sample_scenes(2, 4))
    return settings, scenes, fill(settings.lake, scenes)


@pytest.fixture
def shell(filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DATASET_PLATFORM_HOME", filled[0].home)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_scenario_is_shown_at_its_current_step_with_its_trace(filled) -> None:
    settings, scenes, tables = filled
    shown = find_shown(settings, scenes[0].scenario_id)
    assert shown.frame_id == f"{scenes[0].scenario_id}:10"
    assert shown.keyframe is not None
    assert shown.keyframe["keyframe_reason"] == "current_step"
    assert shown.trace is not None
    assert shown.trace["frame_id"] == shown.frame_id
    assert find_shown(settings, shown.frame_id).trace == shown.trace


def test_every_trace_is_found_by_its_id(filled) -> None:
    settings, _, tables = filled
    for row in tables[CotTraces].select(["trace_id", "frame_id"]).to_pylist():
        shown = find_shown(settings, row["trace_id"])
        assert (shown.frame_id, shown.trace["trace_id"]) == (row["frame_id"], row["trace_id"])


def test_a_frame_that_is_no_keyframe_has_neither_keyframe_nor_trace(filled) -> None:
    settings, scenes, tables = filled
    shown = find_shown(settings, scenes[1].scenario_id, step=3)
    assert (shown.step, shown.keyframe, shown.trace) == (3, None, None)
    assert shown.frame_id not in tables[Keyframes].column("frame_id").to_pylist()


def test_what_is_unknown_is_refused_with_what_is_near(filled, tmp_path: Path) -> None:
    settings, scenes, _ = filled
    known = scenes[0].scenario_id
    with pytest.raises(InputError) as wrong:
        find_shown(settings, known[:-1] + "x")
    assert known in wrong.value.hint
    with pytest.raises(InputError) as late:
        find_shown(settings, f"{known}:500")
    assert "step 500" in late.value.message
    assert "steps 0 to 90" in late.value.hint
    assert "keyframes: 10" in late.value.hint
    empty = Settings(*([str(tmp_path)] * 5), settings.first_day)
    with pytest.raises(InputError, match="no driving frames yet"):
        find_shown(empty, known)


def test_the_scene_comes_back_from_the_lake(filled) -> None:
    settings, scenes, _ = filled
    scene = scene_in_lake(settings.lake, scenes[0].scenario_id)
    assert scene is not None
    assert np.array_equal(scene.x, scenes[0].x, equal_nan=True)
    assert len(scene.road_map.features) == len(scenes[0].road_map.features)
    assert scene_in_lake(settings.lake, "nobody") is None


def test_show_draws_a_keyframe_and_prints_its_trace(filled, shell: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = filled[1][0].scenario_id
    assert run_show(f"{scenario}:10", "", None, False, as_json=True) == 0
    found = json.loads(capsys.readouterr().out.rstrip("\n").rsplit("\n", 1)[-1])
    assert found["picture"] == f"{scenario}_10.png"
    assert (shell / found["picture"]).read_bytes().startswith(PNG)
    assert found["text"].startswith("Scene description: ")


def test_show_draws_any_step_and_says_that_nothing_reasons_about_it(filled, shell: Path, capsys) -> None:
    assert run_show(filled[1][1].scenario_id, "there.png", 3, False, as_json=False) == 0
    assert (shell / "there.png").read_bytes().startswith(PNG)
    assert "no keyframe" in capsys.readouterr().out
    with pytest.raises(InputError, match="cannot be written"):
        run_show(filled[1][1].scenario_id, "no/such/folder/a.png", None, False, as_json=False)
