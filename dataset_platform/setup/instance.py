"""The Dagster instance's folder: made on first use, with the repository's ``dagster.yaml`` in it.

``python -m dataset_platform.setup.instance`` makes and prints it.
"""

import os
import shutil
from pathlib import Path

from dataset_platform.settings import Settings, project_root


def ensure_instance(settings: Settings) -> Path:
    """Make ``DAGSTER_HOME``, put ``dagster.yaml`` there unless one is, and export the variable. Returns the folder."""
    home = Path(settings.dagster_home)
    home.mkdir(parents=True, exist_ok=True)
    shipped = project_root() / "dagster.yaml"
    if not (home / "dagster.yaml").exists() and shipped.exists():
        shutil.copyfile(shipped, home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


if __name__ == "__main__":
    print(ensure_instance(Settings.from_env()))
