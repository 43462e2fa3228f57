"""The committed protobuf code: generated from the sources beside it, for the oldest protobuf that is allowed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from dataset_platform.kernels.driving import protos
from dataset_platform.kernels.driving.protos.frame_pb2 import Frame
from dataset_platform.kernels.driving.protos.projections_pb2 import FrameState, ScenarioMap, ScenarioMotion
from dataset_platform.kernels.driving.protos.scenario_pb2 import Scenario
from dataset_platform_tests.kernels.driving import small_records

FOLDER = Path(protos.__file__).parent
ROOT = FOLDER.parents[3]
NAMES = sorted(path.stem for path in FOLDER.glob("*.proto"))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileDescriptorProto]:
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("protos") / "set"
    sources = [str((FOLDER / f"{name}.proto").relative_to(ROOT)) for name in NAMES]
    assert protoc.main(["protoc", f"-I{ROOT}", f"--descriptor_set_out={out}", *sources]) == 0
    found = FileDescriptorSet.FromString(out.read_bytes())
    return {Path(file.name).stem: file for file in found.file}


@pytest.mark.parametrize("name", NAMES)
def test_generated_code_is_that_of_its_source(name: str, compiled: dict[str, FileDescriptorProto]) -> None:
    module = importlib.import_module(f"{protos.__name__}.{name}_pb2")
    committed = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
    for file in (committed, compiled[name]):
        for message in file.message_type:  # names that only JSON uses are filled in by some compilers
            for field in [*message.field, *(f for nested in message.nested_type for f in nested.field)]:
                field.ClearField("json_name")
    assert committed == compiled[name]


@pytest.mark.parametrize("name", NAMES)
def test_generated_code_asks_for_no_newer_protobuf_than_the_project(name: str) -> None:
    text = (FOLDER / f"{name}_pb2.py").read_text()
    asked = re.search(r"Protobuf Python Version: (\d+)\.(\d+)", text)
    allowed = re.search(r'"protobuf>=(\d+)\.(\d+)', (ROOT / "pyproject.toml").read_text())
    assert asked is not None
    assert allowed is not None
    assert tuple(map(int, asked.groups())) <= tuple(map(int, allowed.groups()))


def test_a_projection_reads_what_the_whole_record_says() -> None:
    payload = small_records.scenario().SerializeToString()
    whole, motion, road = (kind.FromString(payload) for kind in (Scenario, ScenarioMotion, ScenarioMap))
    assert list(whole.tracks) == list(motion.tracks)
    assert list(whole.dynamic_map_states) == list(motion.dynamic_map_states)
    assert list(whole.map_features) == list(road.map_features)
    assert whole.scenario_id == motion.scenario_id == road.scenario_id
    frame_payload = small_records.frame().SerializeToString()
    frame, state = Frame.FromString(frame_payload), FrameState.FromString(frame_payload)
    assert list(frame.laser_labels) == list(state.laser_labels)
    assert [image.velocity for image in frame.images] == [image.velocity for image in state.images]
    # a projection that is written again loses nothing: what it does not declare is kept as bytes
    assert Scenario.FromString(motion.SerializeToString()) == whole
