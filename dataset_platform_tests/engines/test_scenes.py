"""Frames and maps of a scenario meet in one call, whichever partitions they come from."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.engines.scenes import rows_of_scenes

FRAMES = pa.schema([("scenario_id", pa.string()), ("step", pa.int64()), ("agents", pa.list_(pa.int64()))])
MAPS = pa.schema(
    [
        *(("scenario_id", pa.string()), ("file", pa.string()), ("offset", pa.int64()), ("sampled", pa.bool_())),
        ("features", pa.list_(pa.struct([("x_m", pa.list_(pa.float64()))]))),
    ]
)
OUT = pa.schema([("scenario_id", pa.string()), ("frames", pa.int64()), ("agents", pa.int64()), ("points", pa.int64())])


def counted(frames: pa.Table, maps: pa.Table) -> pa.Table:
    """One row per scenario: its frames, their agents, and the points of its maps."""
    scenario = frames.column("scenario_id").unique().to_pylist()
    points = sum(len(f["x_m"]) for row in maps.column("features").to_pylist() for f in row)
    agents = pc.sum(pc.list_value_length(frames.column("agents"))).as_py()
    columns = [scenario, [frames.num_rows], [agents], [points]]
    return pa.Table.from_arrays([pa.array(c) for c in columns], schema=OUT)


def test_every_scene_is_seen_once_and_whole_with_its_own_maps(spark) -> None:
    # interleaved, so that no partition holds a scenario whole; s0 has no map, s9 no frames
    frames = [{"scenario_id": f"s{i % 5}", "step": i // 5, "agents": list(range(i % 5))} for i in range(40)]
    maps = [
        {"scenario_id": f"s{i}", "file": "f", "offset": n, "sampled": False, "features": [{"x_m": [0.5] * i}] * 2}
        for i in (1, 2, 3, 4, 9)
        for n in range(1 + i % 2)
    ]
    given = [
        spark.createDataFrame(pa.Table.from_pylist(rows, schema=schema)).repartition(3)
        for rows, schema in ((frames, FRAMES), (maps, MAPS))
    ]
    found = {r["scenario_id"]: r for r in rows_of_scenes(*given, counted, OUT).toArrow().to_pylist()}
    assert found == {
        f"s{i}": {"scenario_id": f"s{i}", "frames": 8, "agents": 8 * i, "points": 2 * i * (1 + i % 2) if i else 0}
        for i in range(5)
    }
