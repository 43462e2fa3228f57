"""The whole graph on one screen."""

import dagster as dg

from dataset_platform.defs.driving.assets import ASSETS as DRIVING_ASSETS
from dataset_platform.defs.driving.reasoning import ASSETS as REASONING_ASSETS
from dataset_platform.defs.jobs import JOBS
from dataset_platform.defs.resources import SparkResource
from dataset_platform.defs.schedules import SCHEDULES
from dataset_platform.defs.self_correction.assets import ASSETS as SELF_CORRECTION_ASSETS
from dataset_platform.defs.tokens.assets import ASSETS as TOKENS_ASSETS
from dataset_platform.defs.web.assets import ASSETS as WEB_ASSETS

# one JVM and one Ray per run: a process per step would pay their start each time (notes: 15 s against 67 s)
defs = dg.Definitions(
    assets=[*WEB_ASSETS, *DRIVING_ASSETS, *REASONING_ASSETS, *SELF_CORRECTION_ASSETS, *TOKENS_ASSETS],
    jobs=JOBS,
    schedules=SCHEDULES,
    resources={"spark": SparkResource(spark_config={})},
    executor=dg.in_process_executor,
)
