"""Where things lie: the roots of raw data, lake, artifacts and the Dagster instance, from the environment.

Every root may be a local folder or an object-store URL (``s3://bucket/prefix``). See docs/architecture.md for the paths.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dataset_platform.errors import ConfigError

DEFAULT_FIRST_DAY = "2008-01-01"  # the first CommonCrawl


def project_root() -> Path:
    """The checkout this package runs from, or the working directory when it is installed without one."""
    here = Path(__file__).resolve().parent.parent
    return here if (here / "pyproject.toml").exists() else Path.cwd()


def is_url(path: str) -> bool:
    """Whether ``path`` names an object store rather than a local file."""
    return "://" in path


def join(root: str, *parts: str) -> str:
    """Join path parts below a root that is a folder or a URL."""
    return "/".join([root.rstrip("/"), *(p.strip("/") for p in parts if p)])


def day_path(day: str) -> str:
    """``2026-01-05`` → ``2026/01/05``, the folder of a day below a raw root."""
    return day.replace("-", "/")


def parse_day(text: str) -> date:
    """An ISO day.

    Raises:
        ConfigError: ``text`` is no calendar day in the form YYYY-MM-DD.
    """
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):  # fromisoformat also takes weeks and days of the year
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"'{text}' is not a day.", "Write days as YYYY-MM-DD, for example 2026-01-31.") from None


@dataclass(frozen=True)
class Settings:
    """Roots and the first day of the partition axis."""

    home: str
    raw: str
    lake: str
    artifacts: str
    dagster_home: str
    first_day: date

    @classmethod
    def from_env(cls) -> Settings:
        """Read ``DATASET_PLATFORM_*`` and ``DAGSTER_HOME``; blank counts as unset.

        Raises:
            ConfigError: lake and artifacts are one folder, or the first day is no day.
        """
        home = _root("DATASET_PLATFORM_HOME", str(project_root() / ".dataset_platform"))
        lake = _root("DATASET_PLATFORM_LAKE", join(home, "lake"))
        artifacts = _root("DATASET_PLATFORM_ARTIFACTS", join(home, "artifacts"))
        if lake == artifacts:
            raise ConfigError(
                f"DATASET_PLATFORM_LAKE and DATASET_PLATFORM_ARTIFACTS are both {lake}.",
                "Give each a folder of its own: exports have the names of tables.",
            )
        return cls(
            home=home,
            raw=_root("DATASET_PLATFORM_RAW", join(home, "raw")),
            lake=lake,
            artifacts=artifacts,
            dagster_home=_dagster_home(home),
            first_day=parse_day(os.environ.get("DATASET_PLATFORM_FIRST_DAY") or DEFAULT_FIRST_DAY),
        )

    def raw_day(self, lane: str, day: str) -> str:
        """Folder where files of a lane and day land, for example ``raw/web/2026/01/05``."""
        return join(self.raw, lane, day_path(day))


def _root(variable: str, default: str) -> str:
    value = os.environ.get(variable) or default
    # Hadoop's name for S3 and everybody else's mean the same place; paths are compared as text further in
    value = "s3://" + value[len("s3a://") :] if value.startswith("s3a://") else value
    return value.rstrip("/") if is_url(value) else str(Path(value).expanduser().resolve())


def _dagster_home(home: str) -> str:
    explicit = os.environ.get("DAGSTER_HOME")
    if explicit:
        return str(Path(explicit).expanduser().resolve())
    base = project_root() / ".dataset_platform" if is_url(home) else Path(home)
    return str(base / "dagster")
