"""The settings file: defaults without one, one clear line for whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_platform.config import PlatformConfig, fingerprint, load_config
from dataset_platform.errors import ConfigError


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "settings.yaml"
    monkeypatch.setenv("DATASET_PLATFORM_CONFIG", str(path))
    return path


def refusal() -> str:
    with pytest.raises(ConfigError) as caught:
        load_config()
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.hint
    return text


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_file_the_defaults_hold(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATASET_PLATFORM_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("DATASET_PLATFORM_CONFIG", value)
    assert load_config() == PlatformConfig()


@pytest.mark.parametrize("content", ["", "# nothing but a comment\n", "{}"])
def test_an_empty_file_changes_nothing(config_file: Path, content: str) -> None:
    config_file.write_text(content)
    assert load_config() == PlatformConfig()


def test_a_file_changes_what_it_names_and_nothing_else(config_file: Path) -> None:
    config_file.write_text(
        "web: {dedup: {jaccard_threshold: 0.7}}\ntokens: {shards: {seed: 3}}\nengines: {web/filtered_documents: ray}\n"
    )
    config, default = load_config(), PlatformConfig()
    assert config.web.dedup.jaccard_threshold == 0.7
    assert config.web.dedup.bands == default.web.dedup.bands
    assert config.tokens.shards.seed == 3
    assert config.tokens.tokenizer == default.tokens.tokenizer
    assert config.web.filters == default.web.filters
    assert config.engines == {"web/filtered_documents": "ray"}


@pytest.mark.parametrize("engine", ["auto", "local", "spark", "ray"])
@pytest.mark.parametrize("master", ["", "local[2]"])
def test_a_table_is_on_the_engine_asked_for_and_what_needs_spark_is_on_spark(
    config_file: Path, engine: str, master: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATASET_PLATFORM_SPARK_REMOTE", raising=False)
    monkeypatch.setenv("DATASET_PLATFORM_SPARK_MASTER", master)
    config_file.write_text(f"engine: {engine}\nengines: {{web/documents: ray}}\n")
    config = load_config()
    named = {"auto": "spark" if master else "local"}.get(engine, engine)
    assert config.local == (named == "local")
    assert config.engine_of("web/documents") == "ray"
    assert config.engine_of("web/filtered_documents") == config.engine_of("tokens/tokenized_shards") == named
    from dataset_platform import definitions  # noqa: F401 - declares the stages
    from dataset_platform.defs.stages import STAGES

    merged = [name for name, stage in STAGES.items() if stage.merge is not None]
    assert "driving/silver_frames" in merged
    assert {config.engine_of(name) for name in merged} == {"spark"}


def test_a_missing_file_is_named(config_file: Path) -> None:
    assert str(config_file) in refusal()
    config_file.mkdir()
    assert str(config_file) in refusal()


@pytest.mark.parametrize("content", ["a: [1, 2", "a: b: c", "\tweb: 1", "web: {dedup: }}", "a: \x01"])
def test_what_is_no_yaml_is_said_to_be_none(config_file: Path, content: str) -> None:
    config_file.write_text(content)
    assert f"{config_file} is not YAML" in refusal()


def test_bytes_that_are_no_text_are_refused(config_file: Path) -> None:
    config_file.write_bytes(b"web: \xff\xfe\x00")
    assert str(config_file) in refusal()


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("colour: blue", "colour"),
        ("web: {colour: blue}", "web.colour"),
        ("web: {dedup: {jaccard_threshold: 1.5}}", "web.dedup.jaccard_threshold"),
        ("web: {dedup: {jaccard_threshold: high}}", "web.dedup.jaccard_threshold"),
        ("web: {dedup: {bands: 0}}", "web.dedup.bands"),
        ("web: 3", "web"),
        ("tokens: {shards: {buckets: [5, 4]}}", "tokens.shards.buckets"),
        ("engines: {web/documents: fast}", "engines.web/documents"),
    ],
)
def test_a_wrong_setting_is_named_by_its_place(config_file: Path, content: str, where: str) -> None:
    config_file.write_text(content)
    text = refusal()
    assert str(config_file) in text
    assert where in text


@pytest.mark.parametrize("content", ["- a\n- b\n", "just words"])
def test_a_file_that_is_no_mapping_is_refused(config_file: Path, content: str) -> None:
    config_file.write_text(content)
    assert str(config_file) in refusal()


def test_the_fingerprint_follows_the_settings() -> None:
    default = PlatformConfig()
    assert fingerprint(default.web.dedup) == fingerprint(PlatformConfig().web.dedup)
    other = PlatformConfig.model_validate({"web": {"dedup": {"jaccard_threshold": 0.79}}})
    assert fingerprint(other.web.dedup) != fingerprint(default.web.dedup)
    assert fingerprint(other.web.filters) == fingerprint(default.web.filters)
