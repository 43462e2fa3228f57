"""A Dagster asset graph that turns raw crawls and logs into checked, traceable training data."""

__version__ = "0.1.0"
