"""Resources: the Spark session, handed to assets through dagster-pyspark."""

from typing import Any

from dagster_pyspark import LazyPySparkResource

from dataset_platform.engines import spark as spark_engine


class SparkResource(LazyPySparkResource):
    """dagster-pyspark's lazy resource over the process's one session.

    The engine builds the session, since ``getOrCreate`` on one that already runs would silently drop static settings.
    ``spark_config`` stays empty: settings come from the environment (see ``engines/spark.py``).
    """

    @property
    def spark_session(self) -> Any:
        """The session, started when an asset first asks for it."""
        return spark_engine.session()
