"""The worker process of extraction inside what the engines run kernels in: Spark's Python workers and Ray's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dataset_platform.contracts.web import Documents
from dataset_platform.engines.kernel import Kernel
from dataset_platform.engines.ray import map_batches as in_ray
from dataset_platform.engines.spark import map_in_arrow
from dataset_platform.kernels.web.documents import DocumentsConfig, extract_documents
from dataset_platform.kernels.web.extraction.isolation import LARGE_PAGE
from dataset_platform.kernels.web.extraction.worker import shared
from dataset_platform.setup.lid_model import lid_model_path
from dataset_platform_tests.kernels.web.warc_files import http_block, page, record

FILES = 3


def open_local(path: str) -> tuple[Any, int]:
    return Path(path).open("rb"), Path(path).stat().st_size


def files(folder: Path) -> dict[str, list[Any]]:
    """Each with a page, a page that goes to the worker process, and a page again."""
    small = http_block(page(200, 1), "200 OK", "Content-Type: text/html; charset=utf-8")
    large = page(200, 2).replace(b"</body>", b"<p>and on</p>" * (LARGE_PAGE // 12) + b"</body>")
    parts = [record(1, small), record(2, http_block(large, "200 OK", "Content-Type: text/html")), record(3, small)]
    paths = []
    for number in range(FILES):
        (path := folder / f"{number}.warc").write_bytes(b"".join(parts))
        paths.append(str(path))
    return {"path": paths, "size_bytes": [1] * FILES, "source": ["s"] * FILES}


def kernel(seconds: float) -> Kernel:
    shared().stop()  # another test of this process may have started it
    config = DocumentsConfig(extraction_mode="fast", page_seconds=seconds)
    return extract_documents(config, str(lid_model_path()), open_local)


@pytest.mark.parametrize(("seconds", "path"), [(120.0, "fast"), (1e-6, "unparsed_timeout")])
def test_in_sparks_python_workers(spark: SparkSession, tmp_path: Path, seconds: float, path: str) -> None:
    table = pa.table(files(tmp_path))
    frame = spark.createDataFrame(table.to_pandas()).repartition(FILES)
    rows = map_in_arrow(frame, kernel(seconds), Documents.labelled_schema()).collect()
    check([row.asDict() for row in rows], path)


@pytest.mark.parametrize(("seconds", "path"), [(120.0, "fast"), (1e-6, "unparsed_timeout")])
def test_in_rays_workers(ray_engine: Any, tmp_path: Path, seconds: float, path: str) -> None:
    import ray

    found = in_ray(ray.data.from_arrow(pa.table(files(tmp_path))), kernel(seconds), Documents.labelled_schema())
    check(list(found.take_all()), path)


def check(rows: list[dict[str, Any]], large: str) -> None:
    kept = [row for row in rows if row["text"] is not None]
    assert sorted(row["extraction"] for row in kept) == sorted(["fast", "fast", large] * FILES)
    assert sum(row["tally"] or 0 for row in rows) == 3 * FILES == len(kept)
    assert shared().pid is None  # of this process: the kernels ran elsewhere
