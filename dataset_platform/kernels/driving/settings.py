"""Settings of the driving stages up to gold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class BronzeConfig(BaseModel):
    """Limits of reading TFRecords."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_record_bytes: int = Field(
        1 << 30, gt=0, description="largest record that is believed; a longer length is a broken file"
    )
    batch_rows: int = Field(128, gt=0, description="most rows of an output batch")


class SilverConfig(BaseModel):
    """Tolerances of cleaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_speed_error_mps: float = Field(0.01, gt=0, description="record's derived speed against its velocity")
    max_velocity_yaw_error_rad: float = Field(
        0.01, gt=0, description="record's velocity direction against its velocity"
    )


class FeatureConfig(BaseModel):
    """What gold looks at and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    radius_m: float = Field(80.0, gt=0, description="agents farther away are left out")
    map_radius_m: float = Field(60.0, gt=0, description="crosswalks and stop signs farther away are left out")
    path_m: float = Field(120.0, gt=0, description="how far ahead the ego's lane path is followed")
    smoothing_s: float = Field(0.9, gt=0, description="past over which acceleration and yaw rate are smoothed")
    moderate_agents: int = Field(5, ge=1, description="agents of risk medium or more that make a frame MODERATE")
    moderate_score: int = Field(2, ge=1, description="points from which a frame is MODERATE")
    complex_score: int = Field(5, ge=2, description="points from which a frame is COMPLEX")
