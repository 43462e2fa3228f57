"""One writer per table and day: the second waits a while, then refuses by name.

Local lakes use an advisory file lock, which the operating system drops with the process. Object stores have none, so
there a lease object is put with ``If-None-Match`` and renewed while the holder lives; a lease that was not renewed for
``LEASE_SECONDS``, by the store's own clock, belongs to a dead process and is taken over.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from dataset_platform.engines.progress import report
from dataset_platform.errors import ConfigError, InputError, LockedError
from dataset_platform.lake import storage
from dataset_platform.settings import is_url, join

_mine: set[str] = set()  # places of the locks that this process holds
LEASE_SECONDS = 60.0
PATIENCE_SECONDS = 2.0  # a wait that is longer is told of
DEFAULT_WAIT_SECONDS = 600.0


def wait_seconds() -> float:
    """How long a second writer waits, from ``DATASET_PLATFORM_LOCK_WAIT_S`` (default 600)."""
    named = os.environ.get("DATASET_PLATFORM_LOCK_WAIT_S")
    try:
        seconds = float(named) if named else DEFAULT_WAIT_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:  # a negative wait would be endless
        raise ConfigError(f"DATASET_PLATFORM_LOCK_WAIT_S is '{named}'.", "Give seconds, for example 600.")
    return seconds


@contextmanager
def lock(lake_root: str, name: str, wait_s: float | None = None) -> Iterator[None]:
    """Hold the lock ``name`` of a lake.

    Raises:
        LockedError: another run held it for the whole waiting time; the message names run and table.
    """
    wait = wait_seconds() if wait_s is None else wait_s
    place = _place(lake_root, name)
    if is_url(lake_root):
        with _lease(place + ".json", name, wait), _noted(place):
            yield
        return
    import filelock

    Path(place).parent.mkdir(parents=True, exist_ok=True)
    holder = Path(place + ".holder")
    held = filelock.FileLock(place + ".lock")
    try:
        held.acquire(timeout=min(PATIENCE_SECONDS, wait))
    except filelock.Timeout:
        other = holder.read_text() if holder.exists() else "another run"
        report(f"waiting for {other}, which writes {name}")
        try:
            held.acquire(timeout=max(0.0, wait - PATIENCE_SECONDS))
        except filelock.Timeout:
            raise _locked(name, holder.read_text() if holder.exists() else "another run", wait) from None
    try:
        with _noted(place):
            holder.write_text(_holder())
            yield
    finally:
        held.release()


def _place(lake_root: str, name: str) -> str:
    if is_url(lake_root) and not lake_root.startswith("s3://"):
        raise ConfigError(f"A lake at {lake_root} cannot be locked.", "Keep lakes on a local disk or on S3.")
    return join(lake_root, "_locks", name.replace("/", "__"))


@contextmanager
def _noted(place: str) -> Iterator[None]:
    _mine.add(place)
    try:
        yield
    finally:
        _mine.discard(place)


def _holder() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _locked(name: str, holder: str, wait: float) -> LockedError:
    return LockedError(
        f"{name} is being written by {holder}; waited {wait:.0f} s.",
        "Let it finish, or raise DATASET_PLATFORM_LOCK_WAIT_S.",
    )


@contextmanager
def _lease(url: str, name: str, wait: float) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    client = storage.s3_client()
    bucket, _, key = url.split("://", 1)[1].partition("/")
    token = uuid.uuid4().hex
    began = time.monotonic()
    told = False
    try:
        while (etag := _acquire(client, bucket, key, token)) is None:
            waited = time.monotonic() - began
            if waited > wait:
                raise _locked(name, _read_holder(client, bucket, key), wait)
            if waited > PATIENCE_SECONDS and not told:
                told = True
                holder = _read_holder(client, bucket, key)
                report(f"waiting for {holder}, which writes {name}; if it was killed, {LEASE_SECONDS:.0f} s at most")
            time.sleep(min(1.0, wait))
    except (BotoCoreError, ClientError) as e:
        raise InputError(
            f"Cannot write to {url}: {e}", "Check the bucket's name, AWS_ENDPOINT_URL and your credentials."
        ) from None
    stop = threading.Event()

    def renew(current: str | None) -> None:
        while current is not None and not stop.wait(LEASE_SECONDS / 4):
            try:
                current = _renewed(client, bucket, key, token, current)
            except (BotoCoreError, ClientError):
                continue  # the network: three more tries fit into the lease
        # None: another run took a lease that it found stale; the commit's own conflict check remains

    thread = threading.Thread(target=renew, args=(etag,), daemon=True, name=f"lease {name}")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)
        with suppress(BotoCoreError, ClientError):  # what was done under it stands, and the lease runs out by itself
            _release(client, bucket, key, token)


def _release(client: Any, bucket: str, key: str, token: str) -> None:
    """Delete the lease if it is still ours."""
    if _etag_of(client, bucket, key, token) is not None:
        client.delete_object(Bucket=bucket, Key=key)


def _renewed(client: Any, bucket: str, key: str, token: str, etag: str) -> str | None:
    """Put the lease anew; its ETag, or None when it is another run's now."""
    from botocore.exceptions import ClientError

    try:
        return client.put_object(Bucket=bucket, Key=key, Body=_lease_body(token), IfMatch=etag)["ETag"]
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
            raise
    # still ours where an earlier renewal arrived and its answer did not
    return _etag_of(client, bucket, key, token)


def _etag_of(client: Any, bucket: str, key: str, token: str) -> str | None:
    """The ETag of the lease that is there, None when there is none of this token."""
    there = _read(client, bucket, key)
    return there["ETag"] if there is not None and json.loads(there["Body"].read())["token"] == token else None


def _read(client: Any, bucket: str, key: str) -> Any:
    """The lease that is there, None when there is none."""
    from botocore.exceptions import ClientError

    try:
        return client.get_object(Bucket=bucket, Key=key)
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    return None


def _is_stale(lease: Any) -> bool:
    """Whether a lease that was read is of a dead process; both times are the store's, since machines' clocks differ."""
    date = lease["ResponseMetadata"]["HTTPHeaders"].get("date")
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    return (now - lease["LastModified"]).total_seconds() >= LEASE_SECONDS


def _lease_body(token: str) -> bytes:
    return json.dumps({"token": token, "holder": _holder(), "renewed": time.time()}).encode()


def _acquire(client: Any, bucket: str, key: str, token: str) -> str | None:
    """Put the lease if there is none, or if the one there is stale; its ETag when it is ours."""
    from botocore.exceptions import ClientError

    try:
        return client.put_object(Bucket=bucket, Key=key, Body=_lease_body(token), IfNoneMatch="*")["ETag"]
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
            raise
    there = _read(client, bucket, key)
    if there is None or not _is_stale(there):
        return None
    try:
        return client.put_object(Bucket=bucket, Key=key, Body=_lease_body(token), IfMatch=there["ETag"])["ETag"]
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 409, 412):
            raise
    return None


def _read_holder(client: Any, bucket: str, key: str) -> str:
    from botocore.exceptions import ClientError

    try:
        return json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())["holder"]
    except (ClientError, KeyError, ValueError):
        return "another run"


def held_elsewhere(lake_root: str, name: str) -> bool:
    """Whether another run holds the lock ``name`` right now; locks of this process do not count."""
    return _place(lake_root, name) not in _mine and held(lake_root, name)


def held(lake_root: str, name: str) -> bool:
    """Whether anybody, this process included, holds the lock ``name`` right now.

    Raises:
        InputError: the store does not say.
    """
    place = _place(lake_root, name)
    if is_url(lake_root):
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, _, key = (place + ".json").split("://", 1)[1].partition("/")
        try:
            there = _read(storage.s3_client(), bucket, key)
        except (BotoCoreError, ClientError) as e:
            raise InputError(f"Cannot read {place}.json: {e}", "Check AWS_ENDPOINT_URL and your credentials.") from None
        return there is not None and not _is_stale(there)
    import filelock

    if not Path(place + ".lock").exists():
        return False
    probe = filelock.FileLock(place + ".lock")
    try:
        probe.acquire(timeout=0)
    except filelock.Timeout:
        return True
    probe.release()
    return False
