"""Files on disks and in object stores: the same verbs, the same results."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataset_platform.errors import ConfigError, InputError
from dataset_platform.lake import storage


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "root") if request.param == "local" else request.getfixturevalue("bucket") + "/root"


def below(root: str) -> dict[str, int]:
    return {e.path[len(root) + 1 :]: e.size_bytes for e in storage.list_files(root)}


def test_what_is_written_is_read_back_and_replaced(root: str) -> None:
    path = f"{root}/a/b.bin"
    assert not storage.exists(path)
    for content in (b"first", b"", bytes(range(256)) * 100):
        storage.write_bytes(path, content)
        assert storage.read_bytes(path) == content
        assert storage.exists(path)
        assert below(root) == {"a/b.bin": len(content)}


@pytest.mark.parametrize("ending", ["gz", "zst", "bz2", "lz4", "json"])
def test_no_ending_changes_what_is_written(root: str, ending: str) -> None:
    path = f"{root}/f.{ending}"
    storage.write_bytes(path, b"as it is")
    assert below(root) == {f"f.{ending}": 8}
    assert storage.read_bytes(path) == b"as it is"


def test_a_file_that_is_not_there_raises_file_not_found(root: str) -> None:
    storage.write_bytes(f"{root}/there", b"x")
    for path in (f"{root}/gone", f"{root}/no/folder/gone"):
        with pytest.raises(FileNotFoundError):
            storage.read_bytes(path)


def test_a_failing_write_leaves_the_old_file_and_nothing_else(root: str) -> None:
    path = f"{root}/receipt.json"
    storage.write_bytes(path, b"old")
    with pytest.raises(TypeError):
        storage.write_bytes(path, "not bytes")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        storage.write_bytes(f"{root}/new.json", "not bytes")  # type: ignore[arg-type]
    assert storage.read_bytes(path) == b"old"
    assert below(root) == {"receipt.json": 3}


def test_a_write_that_dies_before_its_rename_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "manifest.json"
    storage.write_bytes(str(path), b"old")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", killed)
        storage.write_bytes(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["manifest.json"]


def test_a_reader_of_the_old_file_still_has_it_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    storage.write_bytes(path, b"old" * 1000)
    stream, size = storage.open_input(path)
    with stream:
        storage.write_bytes(path, b"new")
        assert stream.read() == b"old" * 1000
    assert size == 3000


def test_files_are_readable_by_others_as_the_umask_allows(tmp_path: Path) -> None:
    storage.write_bytes(str(tmp_path / "f"), b"x")
    (tmp_path / "plain").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_files_are_listed_by_path_with_their_sizes_and_folders_by_name(root: str) -> None:
    assert storage.list_files(root) == []
    assert storage.list_folders(root) == []
    names = ["b.txt", "a/z.txt", "a.txt", "a/deep/er/x", "ä ö.txt", "A.txt"]
    for size, name in enumerate(names):
        storage.write_bytes(f"{root}/{name}", b"." * size)
    assert below(root) == {name: size for size, name in enumerate(names)}
    paths = [e.path for e in storage.list_files(root)]
    assert paths == sorted(paths)
    assert all(p.startswith(root + "/") for p in paths)
    assert [storage.read_bytes(p) for p in paths] == [b"." * e.size_bytes for e in storage.list_files(root)]
    assert storage.list_folders(root) == ["a"]
    assert storage.list_folders(f"{root}/a") == ["deep"]


def test_a_folder_does_not_list_its_neighbours(root: str) -> None:
    storage.write_bytes(f"{root}/day/x", b"1")
    storage.write_bytes(f"{root}/day2/x", b"2")
    assert below(f"{root}/day") == {"x": 1}
    assert below(f"{root}/day") == {
        e.path[len(root) + 5 :]: e.size_bytes for e in storage.list_files(f"{root}/day/".rstrip("/"))
    }


def test_the_tag_changes_with_the_content_and_only_with_it(root: str) -> None:
    def tag() -> str:
        return storage.list_files(root)[0].etag

    storage.write_bytes(f"{root}/f", b"one")
    first = tag()
    assert tag() == first
    storage.write_bytes(f"{root}/f", b"two")
    assert tag() != first


def test_deleting_takes_a_file_or_all_below_a_folder_and_is_idempotent(root: str) -> None:
    for name in ("keep", "folder/a", "folder/sub/b", "folder2/c"):
        storage.write_bytes(f"{root}/{name}", b"x")
    storage.delete(f"{root}/folder/a")
    assert set(below(root)) == {"keep", "folder/sub/b", "folder2/c"}
    for _ in range(2):
        storage.delete(f"{root}/folder")
        storage.delete(f"{root}/never")
        assert set(below(root)) == {"keep", "folder2/c"}


def test_deleting_a_link_leaves_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    storage.delete(str(tmp_path / "link"))
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]


def test_moving_replaces_the_target_and_takes_the_source(root: str) -> None:
    storage.write_bytes(f"{root}/staging/f", b"new")
    storage.write_bytes(f"{root}/place/f", b"older")
    storage.move(f"{root}/staging/f", f"{root}/place/f")
    storage.write_bytes(f"{root}/staging/g", b"g")
    storage.move(f"{root}/staging/g", f"{root}/made/on/the/way/g")
    assert below(root) == {"place/f": 3, "made/on/the/way/g": 1}
    assert storage.read_bytes(f"{root}/place/f") == b"new"


def test_an_open_file_says_its_size_and_can_be_sought(root: str) -> None:
    storage.write_bytes(f"{root}/f", b"0123456789")
    stream, size = storage.open_input(f"{root}/f")
    with stream:
        assert size == 10
        stream.seek(7)
        assert (stream.read(2), stream.tell()) == (b"78", 9)
        stream.seek(0)
        assert stream.read() == b"0123456789"


def test_a_bucket_that_is_not_there_is_one_clear_line(bucket: str) -> None:
    with pytest.raises(InputError, match="Cannot list s3://no-such-bucket/raw.*NoSuchBucket") as caught:
        storage.list_files("s3://no-such-bucket/raw")
    assert "\n" not in str(caught.value)
    assert "bucket's name" in caught.value.hint


def test_more_objects_than_a_page_are_all_listed(bucket: str) -> None:
    client = storage.s3_client()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: client.put_object(Bucket=bucket[5:], Key=f"many/{n:04d}", Body=b""), range(1005)))
    client.put_object(Bucket=bucket[5:], Key="many/folder-marker/", Body=b"")
    assert [e.path for e in storage.list_files(f"{bucket}/many")] == [f"{bucket}/many/{n:04d}" for n in range(1005)]


@pytest.mark.parametrize("path", ["ftp://host/f", "hdfs://name/f", "http://host/f"])
def test_a_scheme_of_no_store_is_refused_by_every_verb(path: str) -> None:
    for verb in (storage.filesystem, storage.read_bytes, storage.list_files, storage.exists, storage.delete):
        with pytest.raises(ConfigError, match="scheme") as caught:
            verb(path)
        assert "s3://" in caught.value.hint


def test_file_urls_are_local_files(tmp_path: Path) -> None:
    storage.write_bytes(str(tmp_path / "f"), b"x")
    assert storage.read_bytes(f"file://{tmp_path}/f") == b"x"
    assert [e.path for e in storage.list_files(f"file://{tmp_path}")] == [f"file://{tmp_path}/f"]


def test_spark_knows_s3_by_another_scheme() -> None:
    assert storage.spark_url("s3://b/x") == "s3a://b/x"
    assert storage.spark_url("s3a://b/x") == "s3a://b/x"
    assert storage.spark_url("/local") == "/local"
    assert storage.spark_url("gs://b/x") == "gs://b/x"


def test_endpoint_region_and_delta_options_follow_the_aws_variables(monkeypatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert (storage.s3_endpoint(), storage.s3_region()) == (None, "us-east-1")
    assert storage.delta_storage_options("/local") == {}
    assert storage.delta_storage_options("s3://b") == {"AWS_REGION": "us-east-1", "conditional_put": "etag"}
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example:9000")
    options = storage.delta_storage_options("s3://b")
    assert (options["AWS_REGION"], options["AWS_ENDPOINT_URL"]) == ("eu-west-1", "https://minio.example:9000")
    assert "AWS_ALLOW_HTTP" not in options
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://localhost:9000")
    options = storage.delta_storage_options("s3://b")
    assert options["AWS_REGION"] == "eu-north-1"
    assert (options["AWS_ENDPOINT_URL"], options["AWS_ALLOW_HTTP"]) == ("http://localhost:9000", "true")
