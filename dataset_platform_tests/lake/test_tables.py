"""Delta tables: replacing a partition, merging, reading from both sides, locally and on S3."""

from datetime import date

import pyarrow as pa
import pytest

from dataset_platform.contracts import RawWarcs, Rejections
from dataset_platform.errors import StateError
from dataset_platform.lake.merging import merge_rows
from dataset_platform.lake.tables import LakeTable

DAY = {"ingestion_date": "2026-01-05"}
NEXT = {"ingestion_date": "2026-01-06"}


def rows(*names: str, size: int = 1) -> pa.Table:
    return pa.table(
        {
            "path": list(names),
            "size_bytes": pa.array([size] * len(names), pa.int64()),
            "etag": ["e"] * len(names),
            "source": ["web"] * len(names),
        }
    )


def paths(table: LakeTable, day: str | None = None) -> list[str]:
    return sorted(table.read(day, ["path"]).column("path").to_pylist())


@pytest.fixture(params=["local", "s3"])
def lake_root(request: pytest.FixtureRequest, tmp_path) -> str:
    if request.param == "local":
        return str(tmp_path / "lake")
    return request.getfixturevalue("bucket") + "/lake"


def test_replacing_a_partition_touches_no_other_and_is_idempotent(lake_root: str) -> None:
    table = LakeTable(RawWarcs, lake_root)
    assert not table.exists()
    table.replace_partition(rows("a", "b"), DAY)
    table.replace_partition(rows("c"), NEXT)
    first = table.read().sort_by("path")
    commit = table.replace_partition(rows("a", "b"), DAY)
    assert table.read().sort_by("path").equals(first)
    assert (commit.rows, commit.files) == (2, 1)
    table.replace_partition(rows("z"), DAY)
    assert paths(table, "2026-01-05") == ["z"]
    assert paths(table) == ["c", "z"]
    assert table.days() == ["2026-01-05", "2026-01-06"]
    assert table.clear_partition(DAY).rows == 0
    assert table.clear_partition(DAY) is None
    assert table.days() == ["2026-01-06"]


def test_an_earlier_version_reads_as_it_was(lake_root: str) -> None:
    table = LakeTable(RawWarcs, lake_root)
    before = table.replace_partition(rows("a"), DAY).version
    table.replace_partition(rows("b"), DAY)
    assert table.dataset(before).to_table().column("path").to_pylist() == ["a"]


def test_rows_carry_the_partition_and_the_contract_types(tmp_path) -> None:
    table = LakeTable(RawWarcs, str(tmp_path))
    table.replace_partition(rows("a"), DAY)
    read = table.read()
    assert read.column("ingestion_date").to_pylist() == [date(2026, 1, 5)]
    assert {f.name: f.type for f in read.schema} == {f.name: f.type for f in RawWarcs.arrow_schema()}


def test_ledger_stages_do_not_overwrite_each_other(tmp_path) -> None:
    table = LakeTable(Rejections, str(tmp_path))
    names = [f.name for f in Rejections.data_schema()]

    def rejection(doc_id: str) -> pa.Table:
        values = dict.fromkeys(names) | {"doc_id": doc_id, "reason": "r"}
        return pa.Table.from_pylist([values], schema=Rejections.data_schema())

    for stage in ("documents", "filtered_documents"):
        table.replace_partition(rejection(stage), DAY | {"lane": "web", "stage": stage})
    table.replace_partition(rejection("again"), DAY | {"lane": "web", "stage": "documents"})
    found = {(r["stage"], r["doc_id"]) for r in table.read().to_pylist()}
    assert found == {("documents", "again"), ("filtered_documents", "filtered_documents")}


def test_a_table_of_another_contract_is_refused_with_the_way_out(tmp_path) -> None:
    from deltalake import DeltaTable

    DeltaTable.create(str(tmp_path / "web" / "raw_warcs"), schema=pa.schema([("path", pa.int32())]))
    with pytest.raises(StateError, match="path: int32 → string") as caught:
        LakeTable(RawWarcs, str(tmp_path)).replace_partition(rows("a"), DAY)
    assert "Move it away" in caught.value.hint


def test_spark_and_python_read_the_same_rows(tmp_path, spark) -> None:
    table = LakeTable(RawWarcs, str(tmp_path))
    assert table.read_spark(spark).count() == 0
    table.replace_partition(rows("a", "b"), DAY)
    frame = table.read_spark(spark, "2026-01-05").drop("ingestion_date")
    commit = table.replace_partition_from_spark(frame.where("path = 'b'"), NEXT)
    assert commit.rows == 1
    assert paths(table, "2026-01-06") == ["b"]
    assert sorted(r["path"] for r in table.read_spark(spark).collect()) == ["a", "b", "b"]
    assert table.read_spark(spark, version=1).count() == 2


def test_merge_updates_matches_inserts_the_rest_and_is_idempotent(tmp_path, spark) -> None:
    table = LakeTable(RawWarcs, str(tmp_path))
    table.replace_partition(rows("a", "b"), DAY)
    corrected = pa.table(rows("b", "c", size=9)).append_column("ingestion_date", pa.array([date(2026, 1, 5)] * 2))
    for _ in range(2):
        merge_rows(spark, table, spark.createDataFrame(corrected), ["path"], ["2026-01-05"])
        found = {r["path"]: r["size_bytes"] for r in table.read().to_pylist()}
        assert found == {"a": 1, "b": 9, "c": 9}


def test_replacing_a_range_replaces_all_its_days_at_once(tmp_path, spark) -> None:
    table = LakeTable(RawWarcs, str(tmp_path))
    for day in ("2026-01-04", "2026-01-05", "2026-01-06"):
        table.replace_partition(rows(day), {"ingestion_date": day})
    new = rows("x").append_column("ingestion_date", pa.array([date(2026, 1, 6)]))
    before = table.version()
    assert table.replace_range_from_spark(spark.createDataFrame(new), "2026-01-05", "2026-01-06") == before + 1
    assert paths(table) == ["2026-01-04", "x"]


def test_writers_of_two_days_at_once_lose_nothing(lake_root: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    days = [f"2026-01-{d:02d}" for d in range(1, 9)]
    LakeTable(RawWarcs, lake_root).ensure()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda d: LakeTable(RawWarcs, lake_root).replace_partition(rows(d), {"ingestion_date": d}), days))
    assert paths(LakeTable(RawWarcs, lake_root)) == days
