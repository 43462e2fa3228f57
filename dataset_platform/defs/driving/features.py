"""Stages that look at whole scenes: ``driving/gold_features`` and ``driving/keyframes``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from dataset_platform.contracts import BronzeMaps, Contract, GoldFeatures, Keyframes, SilverFrames
from dataset_platform.defs.days import Day, Staged
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.reasoning.settings import KeyframeConfig

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dataset_platform.config import PlatformConfig
    from dataset_platform.engines.scenes import SceneKernel


def features_section(config: PlatformConfig) -> FeatureConfig:
    """The settings that decide gold rows."""
    return config.driving.features


class KeyframesSection(BaseModel):
    """The settings that decide keyframes: their own, and those of the path that their view follows."""

    keyframes: KeyframeConfig
    features: FeatureConfig


def keyframes_section(config: PlatformConfig) -> KeyframesSection:
    """The settings that decide keyframes."""
    return KeyframesSection(keyframes=config.driving.keyframes, features=config.driving.features)


def compute_features(day: Day) -> Staged:
    """Gold rows of the silver rows that lie on the day.

    Raises:
        StateError: silver rows or maps of the day are missing.
    """
    above, inputs = _inputs(day, SilverFrames, BronzeMaps)
    if not above:
        return Staged(None, 0, inputs, note=f"{SilverFrames.table_name()} has no rows")

    def write(path: str) -> None:
        from dataset_platform.kernels.driving.labelled_scenes import label_features

        frames = day.table(SilverFrames).read_spark(day.spark, day.key)
        kernel = label_features(features_section(day.config))
        _write(day, frames, kernel, GoldFeatures, path)

    return Staged(write, above, inputs)


def compute_keyframes(day: Day) -> Staged:
    """Keyframes among the day's gold rows.

    Raises:
        StateError: gold rows, silver rows or maps of the day are missing.
    """
    above, inputs = _inputs(day, GoldFeatures, SilverFrames, BronzeMaps)
    if not above:
        return Staged(None, 0, inputs, note=f"{GoldFeatures.table_name()} has no rows")

    def write(path: str) -> None:
        from pyspark.sql import functions as F

        from dataset_platform.kernels.driving.labelled_scenes import GOLD, label_keyframes

        gold = day.table(GoldFeatures).read_spark(day.spark, day.key)
        gold = gold.select("frame_id", F.struct(*GoldFeatures.data_schema().names).alias(GOLD))
        frames = day.table(SilverFrames).read_spark(day.spark, day.key).join(gold, "frame_id", "left")
        kernel = label_keyframes(day.config.driving.keyframes, features_section(day.config))
        _write(day, frames, kernel, Keyframes, path)

    return Staged(write, above, inputs)


def _inputs(day: Day, *tables: type[Contract]) -> tuple[int, dict[str, str]]:
    """Rows of the first table, and the content of all."""
    found = [day.upstream(table) for table in tables]
    return found[0].rows_kept, {receipt.table: receipt.content_hash for receipt in found}


def _write(day: Day, frames: DataFrame, kernel: SceneKernel, contract: type[Contract], path: str) -> None:
    from dataset_platform.engines.scenes import rows_of_scenes
    from dataset_platform.lake import storage

    maps = day.table(BronzeMaps).read_spark(day.spark, day.key)
    rows = rows_of_scenes(frames, maps, kernel, contract.labelled_schema())
    rows.write.parquet(storage.spark_url(path))
