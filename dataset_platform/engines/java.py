"""Finding a Java that Spark 4.2 runs on (17 or 21), and fetching one into the project where the machine has none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from dataset_platform.engines.jars import cache_root
from dataset_platform.errors import EngineError

SUPPORTED = (17, 21)
INSTALL_HINT = (
    "Install one: Debian/Ubuntu 'apt-get install openjdk-17-jre-headless', Fedora 'dnf install java-21-openjdk-headless', "
    "macOS 'brew install openjdk@21'; or set JAVA_HOME."
)


def java_version(java: str) -> int | None:
    """Major version that the executable reports, or None when it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', done.stderr + done.stdout)
    return int(found.group(1)) if found else None


def find_java_home() -> str | None:
    """Home of a usable Java: ``JAVA_HOME``, the project's own, or the one on the path; None when there is none."""
    candidates = [os.environ.get("JAVA_HOME"), *(str(p) for p in _fetched())]
    on_path = shutil.which("java")
    if on_path:
        candidates.append(str(Path(on_path).resolve().parent.parent))
    for home in candidates:
        if home and java_version(str(Path(home) / "bin" / "java")) in SUPPORTED:
            return home
    return None


def ensure_java() -> str:
    """Home of a usable Java, fetched with cjdk (Eclipse Temurin 17) into the project's cache when there is none.

    Raises:
        EngineError: there is none and none could be fetched; says what to install.
    """
    home = find_java_home()
    if home:
        return home
    import cjdk

    try:
        fetched = cjdk.java_home(vendor="temurin", version="17", cache_dir=str(cache_root() / "jdk"))
    except Exception as e:  # cjdk raises its own, requests' and OS errors: all mean that there is no Java
        raise EngineError(
            f"Spark needs Java 17 or 21; none was found and none could be fetched ({e}).", INSTALL_HINT
        ) from e
    (cache_root() / "jdk" / "home").write_text(str(fetched))
    return str(fetched)


def _fetched() -> list[Path]:
    note = cache_root() / "jdk" / "home"
    return [Path(note.read_text().strip())] if note.exists() else []
