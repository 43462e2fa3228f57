"""Jars: resolved once through Maven, then from the cache; what Spark ships is left out."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from dataset_platform.engines import jars
from dataset_platform.errors import EngineError

# the JVM that resolves is kept off the network: Maven's servers are asked through a proxy that is not there
NO_NETWORK = "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9 -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATASET_PLATFORM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"{NO_NETWORK} -Duser.home={tmp_path}")
    return tmp_path / "cache"


@pytest.fixture
def no_subprocess(monkeypatch: pytest.MonkeyPatch):
    def refuse() -> None:
        def run(*command: object, **_: object) -> None:
            raise AssertionError(f"started {command}")

        monkeypatch.setattr(subprocess, "run", run)

    return refuse


def publish(home: Path, artifact: str, version: str, depends: str = "") -> None:
    """Put an artifact into the Maven repository of a home folder, where Ivy looks first."""
    group = "org.example"
    folder = home / ".m2" / "repository" / "org" / "example" / artifact / version
    folder.mkdir(parents=True)
    coordinates = "<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
    needs = "".join(f"<dependency>{coordinates.format(*d.split(':'))}</dependency>" for d in depends.split())
    pom = f"<modelVersion>4.0.0</modelVersion>{coordinates.format(group, artifact, version)}"
    (folder / f"{artifact}-{version}.pom").write_text(
        f'<project xmlns="http://maven.apache.org/POM/4.0.0">{pom}<dependencies>{needs}</dependencies></project>'
    )
    with zipfile.ZipFile(folder / f"{artifact}-{version}.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")


def test_packages_are_resolved_with_what_they_need_but_what_spark_ships_and_then_cached(
    cache: Path, tmp_path: Path, no_subprocess
) -> None:
    publish(tmp_path, "top", "1.2", "org.example:below:0.3 org.example:py4j:9.9")
    publish(tmp_path, "below", "0.3")
    publish(tmp_path, "py4j", "9.9")  # of the name of a jar in Spark's own folder
    found = jars.resolve(("org.example:top:1.2",))
    assert [Path(f).name for f in found] == ["org.example_below-0.3.jar", "org.example_top-1.2.jar"]
    assert all(Path(f).is_relative_to(cache) and Path(f).exists() for f in found)
    no_subprocess()
    assert jars.resolve(("org.example:top:1.2",)) == found
    Path(found[0]).unlink()
    with pytest.raises(AssertionError, match="started"):
        jars.resolve(("org.example:top:1.2",))


def test_the_order_of_packages_does_not_matter_to_the_cache(cache: Path, tmp_path: Path, no_subprocess) -> None:
    publish(tmp_path, "a", "1")
    publish(tmp_path, "b", "1")
    found = jars.resolve(("org.example:a:1", "org.example:b:1"))
    no_subprocess()
    assert jars.resolve(("org.example:b:1", "org.example:a:1")) == found


def test_packages_that_cannot_be_fetched_are_one_line_with_the_way_out(cache: Path) -> None:
    for _ in range(2):  # a failure is not remembered as a success
        with pytest.raises(EngineError, match=r"org\.example:nothing:1\.0 could not be fetched") as caught:
            jars.resolve(("org.example:nothing:1.0",))
        assert "\n" not in str(caught.value)
        assert "network" in caught.value.hint and "cache" in caught.value.hint


def test_the_cache_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET_PLATFORM_CACHE", str(tmp_path / "here"))
    assert jars.cache_root() == (tmp_path / "here").resolve()
    monkeypatch.setenv("DATASET_PLATFORM_CACHE", "")
    assert jars.cache_root().name == ".cache"
