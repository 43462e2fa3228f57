"""Jars that Spark needs beside its own: resolved once through Maven, then taken from a cache, also offline.

Delta's POM pulls in other versions of what Spark ships (Hadoop, Jackson, Parquet …); what Spark ships wins.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from dataset_platform.errors import EngineError
from dataset_platform.settings import project_root

DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"
# matches the Hadoop that Spark 4.2 is built on; its AWS bundle is 650 MB, so it is fetched only when a URL needs it
HADOOP_AWS = "org.apache.hadoop:hadoop-aws:3.5.0"


def cache_root() -> Path:
    """Folder for what set-up downloads once: ``DATASET_PLATFORM_CACHE``, else ``.cache/`` in the project."""
    return Path(os.environ.get("DATASET_PLATFORM_CACHE") or project_root() / ".cache").expanduser().resolve()


def resolve(packages: tuple[str, ...], java_home: str | None = None) -> list[str]:
    """Paths of the jars of Maven ``packages`` (group:artifact:version) and of what they depend on.

    Raises:
        EngineError: Maven could not be reached and the jars are not in the cache.
    """
    cache = cache_root() / "jars"
    digest = hashlib.sha256(",".join(sorted(packages)).encode()).hexdigest()[:16]
    receipt = cache / f"{digest}.json"
    if receipt.exists():
        jars = [str(cache / "jars" / name) for name in json.loads(receipt.read_text())]
        if all(Path(j).exists() for j in jars):
            return jars
    cache.mkdir(parents=True, exist_ok=True)
    names = _download(packages, cache, java_home)
    receipt.write_text(json.dumps(names))
    return [str(cache / "jars" / n) for n in names]


def _download(packages: tuple[str, ...], cache: Path, java_home: str | None) -> list[str]:
    import pyspark

    home = Path(pyspark.__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        nothing = Path(scratch) / "nothing.py"
        nothing.write_text("")
        env = {**os.environ, "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable}
        if java_home:
            env["JAVA_HOME"] = java_home
        command = [str(home / "bin" / "spark-submit"), "--master", "local[1]", "--packages", ",".join(packages)]
        command += ["--conf", f"spark.jars.ivy={cache}", "--conf", "spark.ui.enabled=false", str(nothing)]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        causes = [line.strip() for line in done.stderr.splitlines() if "unresolved" in line or "not found" in line]
        raise EngineError(
            f"Maven packages {', '.join(packages)} could not be fetched ({causes[0] if causes else 'no answer'}).",
            "Connect to the network once, or copy a filled .cache/jars folder here.",
        )
    # Ivy reports "group#artifact;version from …" per resolved module, and names files group_artifact-version.jar
    resolved = re.findall(r"found (\S+)#(\S+);(\S+) in", done.stderr)
    shipped = {re.sub(r"-[0-9][^/]*\.jar$", "", p.name) for p in (home / "jars").glob("*.jar")}
    names = {f"{g}_{a}-{v}.jar" for g, a, v in resolved if a not in shipped}
    return sorted(n for n in names if (cache / "jars" / n).exists())
