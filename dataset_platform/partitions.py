"""The one partition axis: UTC days of ingestion. Every partitioned asset shares it, so every mapping is an identity."""

import dagster as dg

from dataset_platform.errors import ConfigError
from dataset_platform.settings import Settings, parse_day

# end_offset=1: today is a partition from its first minute, not only once it is over
daily = dg.DailyPartitionsDefinition(start_date=Settings.from_env().first_day.isoformat(), end_offset=1, timezone="UTC")


def day_range(text: str) -> list[str]:
    """Days of ``A`` or ``A:B`` (both ends included), in order.

    Raises:
        ConfigError: not a day, the range runs backwards, or it leaves the partition axis.
    """
    first, _, last = text.partition(":")
    start = parse_day(first.strip())
    end = parse_day(last.strip()) if last.strip() else start
    if end < start:
        raise ConfigError(f"The range {text} runs backwards.", f"Write {last}:{first}.")
    known = daily.get_partition_keys()
    if not known:
        raise ConfigError("The first day lies in the future.", "Mend DATASET_PLATFORM_FIRST_DAY.")
    for day in (start.isoformat(), end.isoformat()):
        if day < known[0]:
            raise ConfigError(
                f"{day} lies before the first day, {known[0]}.", f"Set DATASET_PLATFORM_FIRST_DAY={day} to reach back."
            )
        if day > known[-1]:
            raise ConfigError(f"{day} lies after today, {known[-1]} (UTC).", "Choose a day up to today.")
    return [d for d in known if start.isoformat() <= d <= end.isoformat()]
