"""Schedules of upkeep. As is Dagster's way they are stopped until somebody starts them, in the UI or by a variable."""

import os

import dagster as dg

from dataset_platform.defs.jobs import compaction, vacuum
from dataset_platform.errors import ConfigError

VARIABLE = "DATASET_PLATFORM_SCHEDULES"


def default_status() -> dg.DefaultScheduleStatus:
    """Whether schedules run without being started by hand, from ``DATASET_PLATFORM_SCHEDULES``: running or stopped.

    A variable and not a setting: loading the definitions reads no settings file. What is switched in the UI goes first.

    Raises:
        ConfigError: the variable is neither.
    """
    named = (os.environ.get(VARIABLE) or "stopped").strip().lower()
    if named not in ("running", "stopped"):
        raise ConfigError(f"{VARIABLE} is '{named}'.", "Write running or stopped.")
    return dg.DefaultScheduleStatus[named.upper()]


daily_compaction = dg.ScheduleDefinition(
    name="daily_compaction",
    job=compaction,
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    default_status=default_status(),
    description="Every night at 02:30 UTC.",
)
weekly_vacuum = dg.ScheduleDefinition(
    name="weekly_vacuum",
    job=vacuum,
    cron_schedule="30 4 * * 0",
    execution_timezone="UTC",
    default_status=default_status(),
    description="Sundays at 04:30 UTC.",
)

SCHEDULES = [daily_compaction, weekly_vacuum]
