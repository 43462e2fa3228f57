"""Files on local disk and in object stores behind one set of verbs: open, list, write, delete.

S3 endpoints and credentials come from the AWS variables (``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID`` …),
so the same code talks to AWS, MinIO or a test server.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlparse

import xxhash

from dataset_platform.errors import ConfigError, InputError
from dataset_platform.settings import is_url

if TYPE_CHECKING:
    import pyarrow.fs


@dataclass(frozen=True)
class FileEntry:
    """A file: full path or URL, size in bytes, and a tag that changes with its content."""

    path: str
    size_bytes: int
    etag: str


def s3_endpoint() -> str | None:
    """The S3 endpoint asked for, or None for AWS itself."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def s3_region() -> str:
    """The S3 region asked for; us-east-1 by default, as in AWS's own tools."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def delta_storage_options(url: str) -> dict[str, str]:
    """Options that delta-rs needs for a table at ``url``; it reads credentials from the environment itself."""
    if not url.startswith("s3"):
        return {}
    options = {"AWS_REGION": s3_region(), "conditional_put": "etag"}
    endpoint = s3_endpoint()
    if endpoint:
        options["AWS_ENDPOINT_URL"] = endpoint
        if endpoint.startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
    return options


def spark_url(url: str) -> str:
    """The URL under which Spark knows a path: Hadoop's S3 client answers to ``s3a``."""
    return "s3a://" + url[len("s3://") :] if url.startswith("s3://") else url


@lru_cache(maxsize=8)
def _s3_filesystem(endpoint: str | None, region: str) -> pyarrow.fs.FileSystem:
    from pyarrow.fs import S3FileSystem

    if endpoint:
        parts = urlparse(endpoint)
        return S3FileSystem(endpoint_override=parts.netloc, scheme=parts.scheme, region=region)
    return S3FileSystem(region=region)


def filesystem(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Arrow's filesystem for a path and the path as that filesystem writes it.

    Raises:
        ConfigError: the URL's scheme is not supported.
    """
    from pyarrow import fs

    if not is_url(path):
        return fs.LocalFileSystem(), path
    scheme = path.split("://", 1)[0]
    if scheme in ("s3", "s3a"):
        return _s3_filesystem(s3_endpoint(), s3_region()), path.split("://", 1)[1]
    if scheme in ("gs", "gcs"):
        return fs.GcsFileSystem(), path.split("://", 1)[1]
    if scheme == "file":
        return fs.LocalFileSystem(), path.split("://", 1)[1]
    raise ConfigError(
        f"'{path}' has a scheme this platform does not know.",
        "Use a local path or s3:// (raw input may also lie in gs://).",
    )


def open_input(path: str) -> tuple[BinaryIO, int]:
    """A seekable binary stream over a file, and its size in bytes.

    Raises:
        OSError: the file is missing or unreadable.
    """
    if not is_url(path):
        stream = open(path, "rb")  # noqa: SIM115 - the caller closes it
        return stream, os.fstat(stream.fileno()).st_size
    fs, inner = filesystem(path)
    file = fs.open_input_file(inner)
    return file, file.size()


def read_bytes(path: str) -> bytes:
    """The whole content of a (small) file."""
    stream, _ = open_input(path)
    with stream:
        return stream.read()


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    fs, inner = filesystem(path)
    return bool(fs.get_file_info(inner).type.value)


def write_bytes(path: str, data: bytes) -> None:
    """Write a file whole or not at all: locally through a rename, in object stores by one put."""
    fs, inner = filesystem(path)
    if is_url(path):
        content = memoryview(data)  # refuses what is no bytes before there is a stream, whose closing would be a put
        # Arrow compresses by the path's ending unless told not to
        with fs.open_output_stream(inner, compression=None) as out:
            out.write(content)
        return
    folder = os.path.dirname(inner)
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, inner)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """A binary stream to write a file piece by piece; it takes its name only when the block ends without an error.

    In object stores the parts are joined when the stream is closed; a block that fails leaves no object there.
    """
    if is_url(path):
        # a stream that is closed becomes an object: what fails half-way must not, so it is spooled first
        with tempfile.TemporaryFile() as spool:
            yield spool
            fs, inner = filesystem(path)
            spool.seek(0)
            with fs.open_output_stream(inner, compression=None) as out:
                shutil.copyfileobj(spool, out, 1 << 22)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@lru_cache(maxsize=1)
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def delete(path: str) -> None:
    """Remove a file or a folder with all it holds; nothing happens when it is not there."""
    if not is_url(path):
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)
        return
    from pyarrow.fs import FileType

    fs, inner = filesystem(path)
    kind = fs.get_file_info(inner).type
    if kind == FileType.Directory:
        fs.delete_dir(inner)
    elif kind == FileType.File:
        fs.delete_file(inner)


def move(source: str, target: str) -> None:
    """Move a file within its store (a rename locally, a server-side copy in object stores)."""
    fs, inner = filesystem(source)
    if not is_url(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(source, target)
        return
    fs.move(inner, filesystem(target)[1])


def list_folders(path: str) -> list[str]:
    """Names of the folders directly below ``path``, sorted; empty when it is not there."""
    from pyarrow.fs import FileSelector, FileType

    fs, inner = filesystem(path)
    infos = fs.get_file_info(FileSelector(inner, allow_not_found=True))
    return sorted(i.base_name for i in infos if i.type == FileType.Directory)


def list_files(path: str) -> list[FileEntry]:
    """All files below a folder or prefix, sorted by path; empty when the folder is not there.

    Raises:
        InputError: the bucket does not exist or may not be listed.
    """
    if path.startswith(("s3://", "s3a://")):
        return _list_s3(path)
    if not is_url(path):
        return _list_local(path)
    from pyarrow.fs import FileSelector, FileType

    fs, inner = filesystem(path)
    scheme = path.split("://", 1)[0] + "://"
    infos = fs.get_file_info(FileSelector(inner, recursive=True, allow_not_found=True))
    entries = [FileEntry(scheme + i.path, i.size, _etag(i.size, i.mtime_ns)) for i in infos if i.type == FileType.File]
    return sorted(entries, key=lambda e: e.path)


def _list_local(path: str) -> list[FileEntry]:
    """A link to nothing is listed too, with no bytes: whoever opens it will say what is wrong, nothing is passed over.

    So is a name that is not UTF-8, with ``\\x`` escapes in place of the bytes that are not: it cannot be opened by it.
    """

    def fail(error: OSError) -> None:
        if error.filename != path or not isinstance(error, FileNotFoundError):
            raise InputError(f"Cannot list {error.filename}: {error.strerror}.", "Check its permissions.") from None

    entries = []
    seen = set()
    for folder, folders, names in os.walk(path, followlinks=True, onerror=fail):
        at = os.stat(folder)
        if (at.st_dev, at.st_ino) in seen:  # a link back up
            folders[:] = []
            continue
        seen.add((at.st_dev, at.st_ino))
        for name in names:
            full = os.path.join(folder, name)
            shown = os.fsencode(full).decode("utf-8", "backslashreplace")
            try:
                found = os.stat(full)
                entries.append(FileEntry(shown, found.st_size, _etag(found.st_size, found.st_mtime_ns)))
            except OSError:
                entries.append(FileEntry(shown, 0, _etag(0, 0)))
    return sorted(entries, key=lambda e: e.path)


def _etag(size: int, modified_ns: int) -> str:
    return xxhash.xxh3_64_hexdigest(f"{size}:{modified_ns}".encode())


def _list_s3(path: str) -> list[FileEntry]:
    bucket, _, prefix = path.split("://", 1)[1].partition("/")
    entries = []
    try:
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                below = item["Key"] == prefix or item["Key"].startswith(prefix.rstrip("/") + "/") or not prefix
                if below and not item["Key"].endswith("/"):
                    url = f"s3://{bucket}/{item['Key']}"
                    entries.append(FileEntry(url, item["Size"], item["ETag"].strip('"')))
    except _s3_errors() as e:
        raise InputError(
            f"Cannot list {path}: {e}", "Check the bucket's name, AWS_ENDPOINT_URL and your credentials."
        ) from None
    return sorted(entries, key=lambda e: e.path)


def s3_client() -> Any:
    """A boto3 client for the endpoint and region of the environment."""
    import boto3

    return boto3.client("s3", endpoint_url=s3_endpoint(), region_name=s3_region())


def _s3_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)
