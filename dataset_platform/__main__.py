"""``python -m dataset_platform`` is ``dataset-platform``."""

from dataset_platform.cli import main

main()
