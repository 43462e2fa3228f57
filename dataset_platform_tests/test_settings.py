"""Where things lie: defaults below the home, each root movable, URLs and folders alike."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dataset_platform.errors import ConfigError
from dataset_platform.settings import Settings, is_url, join, parse_day, project_root

ROOTS = {"RAW": "raw", "LAKE": "lake", "ARTIFACTS": "artifacts"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "RAW", "LAKE", "ARTIFACTS", "FIRST_DAY"):
        monkeypatch.delenv(f"DATASET_PLATFORM_{name}", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_without_variables_all_lies_below_the_project() -> None:
    settings, home = Settings.from_env(), str(project_root() / ".dataset_platform")
    assert settings.home == home
    assert (settings.raw, settings.lake, settings.artifacts, settings.dagster_home) == tuple(
        f"{home}/{part}" for part in ("raw", "lake", "artifacts", "dagster")
    )
    assert settings.first_day == date(2008, 1, 1)


@pytest.mark.parametrize("variable", ROOTS)
def test_one_root_moves_alone(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET_PLATFORM_HOME", str(tmp_path))
    monkeypatch.setenv(f"DATASET_PLATFORM_{variable}", "s3://bucket/there/")
    settings = Settings.from_env()
    expected = {name: f"{tmp_path.resolve()}/{name}" for name in ROOTS.values()} | {
        ROOTS[variable]: "s3://bucket/there"
    }
    assert {name: getattr(settings, name) for name in ROOTS.values()} == expected


def test_a_home_in_a_store_keeps_the_dagster_instance_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET_PLATFORM_HOME", "s3://bucket/home/")
    settings = Settings.from_env()
    assert settings.lake == "s3://bucket/home/lake"
    assert not is_url(settings.dagster_home)
    assert Path(settings.dagster_home).is_absolute()


def test_blank_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = Settings.from_env()
    for name in ("DATASET_PLATFORM_HOME", "DATASET_PLATFORM_LAKE", "DATASET_PLATFORM_FIRST_DAY", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    assert Settings.from_env() == unset


def test_relative_and_home_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATASET_PLATFORM_RAW", "here/raw/")
    monkeypatch.setenv("DATASET_PLATFORM_LAKE", "~/lake")
    monkeypatch.setenv("DAGSTER_HOME", "~/dagster")
    settings = Settings.from_env()
    assert settings.raw == str(tmp_path.resolve() / "here" / "raw")
    assert settings.lake == str(tmp_path.resolve() / "lake")
    assert settings.dagster_home == str(tmp_path.resolve() / "dagster")


def test_the_first_day_comes_from_the_environment_and_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET_PLATFORM_FIRST_DAY", "2020-02-29")
    assert Settings.from_env().first_day == date(2020, 2, 29)
    monkeypatch.setenv("DATASET_PLATFORM_FIRST_DAY", "soon")
    with pytest.raises(ConfigError, match="'soon' is not a day"):
        Settings.from_env()


def test_the_folder_of_a_day_is_year_month_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET_PLATFORM_RAW", "s3://bucket/raw")
    assert Settings.from_env().raw_day("web", "2026-01-05") == "s3://bucket/raw/web/2026/01/05"


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (("/a/", "b", "/c/"), "/a/b/c"),
        (("s3://bucket/", "x/y", "", "z"), "s3://bucket/x/y/z"),
        (("s3://bucket",), "s3://bucket"),
    ],
)
def test_joining_makes_one_slash_between_parts(parts: tuple[str, ...], joined: str) -> None:
    assert join(*parts) == joined


@pytest.mark.parametrize("text", ["2026-1-5", "20260105", "2026-02-30", "2026-13-01", "", "today", "2026-01-05T00"])
def test_what_is_no_calendar_day_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_day(text)
    assert f"'{text}'" in caught.value.message
    assert "YYYY-MM-DD" in caught.value.hint


def test_an_iso_week_is_no_day_in_the_form_that_folders_use() -> None:
    with pytest.raises(ConfigError):
        parse_day("2026-W01-1")


def test_lake_and_artifacts_in_one_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports have the names of tables, and clear their folders."""
    for variable in ("DATASET_PLATFORM_LAKE", "DATASET_PLATFORM_ARTIFACTS"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(ConfigError, match="are both"):
        Settings.from_env()
