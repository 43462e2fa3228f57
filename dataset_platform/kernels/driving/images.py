"""Camera images of perception frames, apart from the frames' rows."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dataset_platform.contracts.driving import CameraImages
from dataset_platform.kernels.driving.arrow_columns import labelled_batch
from dataset_platform.kernels.driving.bronze import Kernel, OpenInput, Rows, tfrecord_kernel
from dataset_platform.kernels.driving.perception_rows import images_of
from dataset_platform.kernels.driving.record_types import CAMERA_NAMES, RecordType
from dataset_platform.kernels.driving.settings import BronzeConfig

SCHEMA = CameraImages.labelled_schema()


def camera_images(config: BronzeConfig, open_input: OpenInput) -> Kernel:
    """The kernel of driving/camera_images: one row per picture; records of other types than Frame give none.

    Args:
        config: limits.
        open_input: gives a stream and its size in bytes for a ``path`` of driving/raw_tfrecords.

    Returns:
        a kernel that takes batches with ``path`` and yields batches of ``CameraImages.labelled_schema()``.
    """
    return tfrecord_kernel(SCHEMA, image_rows, config, open_input)


def image_rows(payload: bytes, record_type: RecordType, source: Mapping[str, Any]) -> Rows:
    """The pictures of a record as rows: rejected as ``empty_image`` without bytes, as ``camera_repeated`` the second
    time that a frame names a camera.

    Raises:
        RecordError: a Frame that cannot be decoded.
    """
    if record_type != "frame":
        return Rows(None, 0)
    segment, timestamp_micros, images = images_of(payload)
    seen: set[int] = set()
    rows = []
    for image in images:
        rows.append(_row(image, repeated=image.name in seen))
        seen.add(image.name)
    if not rows:
        return Rows(None, 0)
    columns: dict[str, Any] = {
        name: pa.array([row.get(name) for row in rows], type=SCHEMA.field(name).type)
        for name in SCHEMA.names
        if any(name in row for row in rows)
    }
    where = {name: source[name] for name in ("file", "offset", "length")}
    columns |= {"frame_id": f"{segment}:{timestamp_micros}", "scenario_id": segment, **where}
    return Rows(labelled_batch(SCHEMA, columns, len(rows)), len(images))


def picture_size(picture: bytes) -> tuple[int | None, int | None]:
    """Width and height in pixels from a picture's header; nothing where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture)) as opened:
            width, height = opened.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None, None
    return width, height


def camera_name(code: int) -> str:
    """Name of a camera; of one that is newer than the published list its number."""
    return CAMERA_NAMES[code] if 0 <= code < len(CAMERA_NAMES) else f"camera_{code}"


def _row(image: Any, *, repeated: bool) -> dict[str, Any]:
    name = camera_name(image.name)
    row: dict[str, Any] = {"camera_name": name}
    if not image.image:
        return row | {"reason": "empty_image", "measure": 0.0, "detail": f"camera {name} has no picture"}
    if repeated:
        return row | {"reason": "camera_repeated", "detail": f"the frame holds camera {name} already"}
    width, height = picture_size(image.image)
    return row | {
        "image": image.image,
        "size_bytes": len(image.image),
        "width_px": width,
        "height_px": height,
        "checksum": hashlib.sha256(image.image).hexdigest(),
        "pose_timestamp_s": image.pose_timestamp if image.HasField("pose_timestamp") else None,
    }
