"""Fits the block model of the ``learned`` web-page extractor; ``python -m training.extraction --help`` says how."""
