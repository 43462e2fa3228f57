"""Scenes as stages take them: silver rows and maps of one scenario in, labelled rows of gold and keyframes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.contracts.base import Contract
from dataset_platform.contracts.driving import GoldFeatures, SilverFrames
from dataset_platform.contracts.reasoning import Keyframes
from dataset_platform.errors import PlatformError
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.reasoning.settings import KeyframeConfig

SceneKernel = Callable[[pa.Table, pa.Table], pa.Table]
GOLD = "gold"
"""Column of frames that holds their row of gold_features as a struct, null where there is none."""

_IDENTITY = ("frame_id", "scenario_id", "step", "file", "offset", "length")
_OLDER = "the newest version of its scenario on this day has no such step"
_NOT_TAKEN = "the ego does not change its action here, or too little log lies before or after"


def label_features(config: FeatureConfig) -> SceneKernel:
    """A kernel from the silver rows and maps of one scenario to labelled rows of gold_features, one per silver row.

    A scene of which nothing can be told is rejected as ``no_features``, with the cause; steps that only an older version
    of the scenario has, as ``older_version``.
    """

    def kernel(frames: pa.Table, maps: pa.Table) -> pa.Table:
        from dataset_platform.kernels.driving.features import gold_rows

        frames, older = _newest_version(frames.sort_by("step"))
        try:
            rows = gold_rows(scene_with_map(frames, maps), config, frames)
        except (MemoryError, ImportError, OSError):
            raise  # the machine's trouble, not the scene's
        except Exception as error:  # a crash on one scene is that scene's
            kept = _rejected(GoldFeatures, frames, "no_features", _cause(error))
        else:
            kept = _labelled(GoldFeatures, {name: rows.column(name) for name in rows.column_names}, rows.num_rows)
        return pa.concat_tables([kept, _rejected(GoldFeatures, older, "older_version", _OLDER)])

    return kernel


def label_keyframes(config: KeyframeConfig, features: FeatureConfig) -> SceneKernel:
    """A kernel from the silver rows (with ``gold``) and maps of one scenario to labelled rows of keyframes.

    One row per row of gold: kept where the frame is a keyframe, else rejected as ``not_a_keyframe``; of a scene of which
    nothing can be told as ``no_keyframes``, with the cause.
    """

    def kernel(frames: pa.Table, maps: pa.Table) -> pa.Table:
        from dataset_platform.kernels.reasoning.keyframes import keyframe_rows

        scene, _ = _newest_version(frames)
        known = frames.filter(pc.is_valid(frames.column(GOLD)))
        gold = pa.Table.from_struct_array(known.column(GOLD)).sort_by("step")
        try:
            taken = keyframe_rows(scene_with_map(scene.drop_columns([GOLD]), maps), gold, config, features)
        except (MemoryError, ImportError, OSError):
            raise  # the machine's trouble, not the scene's
        except Exception as error:  # a crash on one scene is that scene's
            return _rejected(Keyframes, gold, "no_keyframes", _cause(error))
        others = gold.filter(pc.invert(pc.is_in(gold.column("frame_id"), taken.column("frame_id"))))
        kept = _labelled(Keyframes, {name: taken.column(name) for name in taken.column_names}, taken.num_rows)
        return pa.concat_tables([kept, _rejected(Keyframes, others, "not_a_keyframe", _NOT_TAKEN)])

    return kernel


def _newest_version(frames: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Frames of one record, and those that only an older version of it has: two drives in one scene would be neither.

    Of perception segments every frame is a record of its own.
    """
    kinds, checksums = frames.column("record_type").to_pylist(), frames.column("record_checksum").to_pylist()
    if "frame" in kinds or len(set(checksums)) == 1:
        return frames, frames.slice(0, 0)
    places = zip(kinds, frames.column("file").to_pylist(), frames.column("offset").to_pylist(), checksums, strict=True)
    newest = pc.equal(frames.column("record_checksum"), max(places)[-1])
    return frames.filter(newest), frames.filter(pc.invert(newest))


def scene_with_map(frames: pa.Table, maps: pa.Table) -> Scene:
    """The scene of one scenario's silver rows and, of its maps, the one that belongs to them.

    The map of the frames' own record goes first, then one of their file (a perception segment has its map in one of its
    records), then any; of several the last in file and offset.
    """
    from dataset_platform.kernels.driving.scene_rows import scene_of

    columns = [name for name in SilverFrames.data_schema().names if name in frames.column_names]
    frames = frames.select(columns)
    if not maps.num_rows:
        return scene_of(frames, None)
    files, offsets = frames.column("file").to_pylist(), frames.column("offset").to_pylist()
    records, named = set(zip(files, offsets, strict=True)), set(files)
    places = list(zip(maps.column("file").to_pylist(), maps.column("offset").to_pylist(), strict=True))
    best = max(range(len(places)), key=lambda i: (places[i] in records, places[i][0] in named, places[i]))
    return scene_of(frames, maps.column("features")[best], maps.column("sampled")[best].as_py())


def _cause(error: Exception) -> str:
    return error.message if isinstance(error, PlatformError) else f"{type(error).__name__}: {error}"


def _rejected(contract: type[Contract], rows: pa.Table, reason: str, detail: str) -> pa.Table:
    count = rows.num_rows
    columns: dict[str, Any] = {name: rows.column(name) for name in _IDENTITY}
    columns |= {"reason": pa.array([reason] * count, pa.string()), "detail": pa.array([detail] * count, pa.string())}
    return _labelled(contract, columns, count)


def _labelled(contract: type[Contract], columns: dict[str, Any], count: int) -> pa.Table:
    schema = pa.schema([pa.field(f.name, f.type) for f in contract.labelled_schema()])
    made: Sequence[Any] = [
        columns[f.name].cast(f.type) if f.name in columns else pa.nulls(count, f.type) for f in schema
    ]
    return pa.Table.from_arrays(list(made), schema=schema)
