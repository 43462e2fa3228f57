"""The driving lane up to keyframes: TFRecords → bronze frames, maps and images → silver → gold → keyframes."""

from __future__ import annotations

import dagster as dg

from dataset_platform.contracts import (
    BronzeFrames,
    BronzeMaps,
    CameraImages,
    GoldFeatures,
    Keyframes,
    RawTfrecords,
    SilverFrames,
)
from dataset_platform.defs.driving import features, frames
from dataset_platform.defs.driving.previews import GOLD_SHOWS, KEYFRAME_SHOWS, shares
from dataset_platform.defs.metadata import counts_of, funnel, histogram, sample
from dataset_platform.defs.stages import table_asset
from dataset_platform.lake.merging import Merge

SOURCE = ("file", "offset", "length")
FRAME_COLUMNS = ("frame_id", "record_type", "timestamp_micros", "record_steps", "ego_track_id", *SOURCE)
MAP_COLUMNS = ("scenario_id", "record_type", "feature_count", "sampled", *SOURCE)
IMAGE_COLUMNS = ("frame_id", "camera_name", "width_px", "height_px", "size_bytes", "checksum", *SOURCE)
SILVER_COLUMNS = (
    *("frame_id", "time_s", "ego_x_m", "ego_y_m", "ego_heading_rad", "ego_speed_mps", "invalid_agents"),
    *("headings_wrapped", "max_speed_error_mps", "file"),
)
GOLD_COLUMNS = (
    *("frame_id", "ego_speed_mps", "ego_acceleration_mps2", "lane_id", "signal_state", "lead_track_id", "lead_gap_m"),
    *("vehicle_count", "pedestrian_count", "cyclist_count", "risk", "complexity", "complexity_reasons"),
)
KEYFRAME_COLUMNS = (
    *("frame_id", "keyframe_reason", "logged_longitudinal", "logged_lateral", "complexity", "past_s", "future_s"),
)


def _dep(name: str) -> dg.AssetDep:
    return dg.AssetDep(dg.AssetKey(["driving", name]))


def _yesterday(name: str) -> dg.AssetDep:
    mapping = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
    return dg.AssetDep(dg.AssetKey(["driving", name]), partition_mapping=mapping)


raw_tfrecords = table_asset(
    RawTfrecords,
    compute=frames.list_raw,
    section=frames.bronze_section,
    shows=[sample(10)],
    kinds=("s3", "delta"),
    tags={"layer": "raw"},
    in_process=True,
)

bronze_frames = table_asset(
    BronzeFrames,
    reads=RawTfrecords,
    kernel=frames.frames_kernel,
    section=frames.bronze_section,
    tallies=True,
    shows=[funnel(), counts_of("record_type"), sample(5, FRAME_COLUMNS)],
)

bronze_maps = table_asset(
    BronzeMaps,
    reads=RawTfrecords,
    kernel=frames.maps_kernel,
    section=frames.bronze_section,
    tallies=True,
    shows=[funnel(), histogram("feature_count"), sample(5, MAP_COLUMNS)],
)

camera_images = table_asset(
    CameraImages,
    reads=RawTfrecords,
    kernel=frames.images_kernel,
    section=frames.bronze_section,
    tallies=True,
    shows=[funnel(), counts_of("camera_name"), sample(5, IMAGE_COLUMNS)],
)

silver_frames = table_asset(
    SilverFrames,
    reads=BronzeFrames,
    kernel=frames.silver_kernel,
    section=frames.silver_section,
    # a day is judged on what lies in the table already, so Dagster runs the days in order
    deps=[_yesterday("silver_frames")],
    # a scenario may land in both of Waymo's forms: the proto, last by name, has the whole map and no cap on agents
    merge=Merge(checksum="record_checksum", order=("record_type", "file", "offset")),
    shows=[funnel(), histogram("invalid_agents"), sample(5, SILVER_COLUMNS)],
)

gold_features = table_asset(
    GoldFeatures,
    reads=SilverFrames,
    compute=features.compute_features,
    section=features.features_section,
    deps=[_dep("bronze_maps"), _yesterday("gold_features")],
    merge=Merge(follows=SilverFrames),
    shows=[funnel(), *GOLD_SHOWS, sample(5, GOLD_COLUMNS)],
)

keyframes = table_asset(
    Keyframes,
    reads=GoldFeatures,
    compute=features.compute_keyframes,
    section=features.keyframes_section,
    deps=[_dep("silver_frames"), _dep("bronze_maps")],
    shows=[funnel(), shares("keyframe_reason"), *KEYFRAME_SHOWS, sample(5, KEYFRAME_COLUMNS)],
)

ASSETS = [raw_tfrecords, bronze_frames, bronze_maps, camera_images, silver_frames, gold_features, keyframes]
