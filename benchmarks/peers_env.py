"""Where the peers live: an environment of their own, because datatrove pins an old trafilatura and wants another pandas.

``make peers`` makes it under ``.venv-peers`` from ``benchmarks/peers/requirements.txt``.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VARIABLE = "DATASET_PLATFORM_PEERS_PYTHON"


def peers_python() -> Path:
    """The peers' interpreter.

    Raises:
        SystemExit: there is none; says how to make it.
    """
    named = os.environ.get(VARIABLE)
    python = Path(named) if named else ROOT / ".venv-peers" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"No interpreter for the peers at {python}. Run: make peers (or set {VARIABLE}).")
    return python


def run_peer(script: str, *arguments: str, cores: set[int] | None = None, timeout_s: float = 3600) -> dict[str, Any]:
    """Run ``benchmarks/peers/{script}.py`` with the peers' interpreter; the JSON object it prints as its last line.

    Args:
        cores: the process is pinned to these.

    Raises:
        SystemExit: it failed; the end of what it said is in the message.
    """
    command = [str(peers_python()), str(ROOT / "benchmarks" / "peers" / f"{script}.py"), *arguments]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores and hasattr(os, "sched_setaffinity") else None
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, env=environment, preexec_fn=pin, check=False
    )
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result
