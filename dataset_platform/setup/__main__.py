"""``python -m dataset_platform.setup``: fetch what cannot be installed from the package index, and say so."""

import sys

from dataset_platform.engines import jars
from dataset_platform.engines.java import ensure_java
from dataset_platform.errors import PlatformError
from dataset_platform.settings import Settings
from dataset_platform.setup.instance import ensure_instance
from dataset_platform.setup.lid_model import lid_model_path


def main() -> int:
    """Prepare this machine; exit code 1 and one line when something cannot be had."""
    try:
        java = ensure_java()
        print(f"Java            {java}")
        print(f"Delta jars      {len(jars.resolve((jars.DELTA,), java))} in {jars.cache_root() / 'jars'}")
        print(f"language model  {lid_model_path()}")
        print(f"Dagster home    {ensure_instance(Settings.from_env())}")
    except PlatformError as e:
        print(f"error: {e.message}\n  {e.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
