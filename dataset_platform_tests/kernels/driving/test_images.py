"""Camera pictures of perception frames."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pyarrow as pa
from PIL import Image

from dataset_platform.contracts.driving import CameraImages
from dataset_platform.kernels.driving.images import camera_images, picture_size
from dataset_platform.kernels.driving.settings import BronzeConfig
from dataset_platform_tests.kernels.driving import small_records
from dataset_platform_tests.kernels.driving.small_records import FILE, broken_rules, opener, run, tfrecord


def picture(width: int, height: int) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (width, height), (9, 9, 9)).save(sink, "JPEG")
    return sink.getvalue()


def images(*payloads: bytes) -> list[dict[str, Any]]:
    return run(camera_images(BronzeConfig(), opener({FILE: tfrecord(*payloads)})))


def test_each_picture_is_a_row() -> None:
    frame = small_records.frame()
    frame.images[0].image = picture(48, 32)
    payload = frame.SerializeToString()
    left, front, tally = images(payload)
    assert (left["camera_name"], left["image"], left["size_bytes"]) == (
        "front_left",
        picture(48, 32),
        len(picture(48, 32)),
    )
    assert (left["width_px"], left["height_px"], left["pose_timestamp_s"]) == (48, 32, 1.5)
    assert left["checksum"] == hashlib.sha256(picture(48, 32)).hexdigest()
    assert (left["frame_id"], left["scenario_id"]) == (f"segment:{frame.timestamp_micros}", "segment")
    assert (left["file"], left["offset"], left["length"]) == (FILE, 0, len(payload) + 16)
    assert (front["camera_name"], front["width_px"], front["reason"]) == ("front", None, None)
    assert (tally["tally"], json.loads(tally["detail"])) == (2, {"frame": 1})


def test_an_empty_picture_and_a_camera_named_twice_are_rejected() -> None:
    frame = small_records.frame()
    frame.images[0].image = b""
    frame.images.add(name=1, image=b"again")
    frame.images.add(name=40, image=b"new camera")
    rows = images(frame.SerializeToString())
    assert [(row["camera_name"], row["reason"]) for row in rows[:-1]] == [
        ("front_left", "empty_image"),
        ("front", None),
        ("front", "camera_repeated"),
        ("camera_40", None),
    ]
    assert rows[-1]["tally"] == 4


def test_other_records_have_no_pictures_and_broken_ones_are_quarantined() -> None:
    rows = images(small_records.example(), b"?", small_records.scenario().SerializeToString())
    assert [(row["error"] is not None, row["tally"]) for row in rows] == [(True, None), (False, 1)]


def test_rows_fit_the_contract() -> None:
    kernel = camera_images(BronzeConfig(), opener({FILE: tfrecord(small_records.frame().SerializeToString())}))
    (batch,) = kernel(iter([pa.record_batch({"path": [FILE]})]))
    assert batch.schema == CameraImages.labelled_schema()
    assert broken_rules(CameraImages, batch) == []


def test_a_size_that_cannot_be_read_is_nothing() -> None:
    assert picture_size(picture(3, 4)) == (3, 4)
    for broken in (b"", b"\xff\xd8\xff", picture(3, 4)[:20], b"GIF89a"):
        assert picture_size(broken) == (None, None)
