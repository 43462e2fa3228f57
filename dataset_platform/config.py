"""All settings that decide what comes out: one YAML file, named by ``DATASET_PLATFORM_CONFIG``, over defaults.

Each kernel declares its own section; here they only meet. ``dataset-platform config`` prints the settings in force.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dataset_platform.errors import ConfigError
from dataset_platform.kernels.driving.settings import BronzeConfig, FeatureConfig, SilverConfig
from dataset_platform.kernels.reasoning.settings import KeyframeConfig, QualityConfig, ReasoningConfig
from dataset_platform.kernels.self_correction.classifier_training import ClassifierConfig
from dataset_platform.kernels.self_correction.policy import PolicyConfig
from dataset_platform.kernels.self_correction.sources import SourceConfig
from dataset_platform.kernels.tokens.bpe import TokenizerConfig
from dataset_platform.kernels.tokens.encode import ShardConfig
from dataset_platform.kernels.tokens.mixtures import MixtureConfig
from dataset_platform.kernels.web.documents import DocumentsConfig
from dataset_platform.kernels.web.duplicates import DedupConfig
from dataset_platform.kernels.web.filter_rules import FilterConfig

# stages whose kernels run on any engine; what shuffles a day that no machine holds needs Spark
AnyEngine = Literal["web/documents", "web/filtered_documents", "tokens/tokenized_shards"]
Engine = Literal["auto", "local", "spark", "ray"]


class WebConfig(BaseModel):
    """The web lane."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url_blocklist_file: str | None = Field(None, description="file or URL with one blocked domain or URL prefix a line")
    documents: DocumentsConfig = DocumentsConfig()
    filters: FilterConfig = FilterConfig()
    dedup: DedupConfig = DedupConfig()

    @model_validator(mode="after")
    def _signatures_fit_the_bands(self) -> WebConfig:
        made, used = self.filters.minhash, self.dedup
        if made.num_perm != used.bands * used.rows or made.ngram != used.ngram:
            raise ValueError(
                f"filters.minhash makes {made.num_perm} values over {made.ngram}-grams, "
                f"dedup compares {used.bands} bands of {used.rows} rows over {used.ngram}-grams"
            )
        return self


class TokensConfig(BaseModel):
    """The tokens lane."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer: TokenizerConfig = TokenizerConfig()
    shards: ShardConfig = ShardConfig()
    mixtures: MixtureConfig = MixtureConfig()
    licences: dict[str, str] = Field(default_factory=dict, description="licence per source, for the dataset card")


class ModelPrice(BaseModel):
    """US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(None, ge=0, description="as input when unset")


class LLMConfig(BaseModel):
    """How language models are called; which one is named by ``DATASET_PLATFORM_LLM``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int = Field(
        64, ge=1, description="most calls in flight; rate limits of the server lower it for a while"
    )
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0, description="prompt and completion together")
    timeout_s: float = Field(120.0, gt=0, description="per attempt")
    max_attempts: int = Field(6, ge=1)
    backoff_base_s: float = Field(0.5, gt=0, description="full jitter: the wait is drawn from 0 to base * 2^attempt")
    backoff_max_s: float = Field(60.0, gt=0)
    max_error_share: float = Field(0.5, gt=0, le=1, description="share of failed calls at which the run stops")
    error_share_after: int = Field(20, ge=1, description="finished calls before the share is looked at")
    max_cost: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="US dollars per command; --max-cost goes before it"
    )
    max_tokens: int | None = Field(None, ge=0, description="tokens per command; --max-tokens goes before it")
    batch: bool = Field(False, description="use the vendor's batch API: half the price, answers within a day")
    api_key_variable: str | None = Field(
        None, description="variable with the endpoint's key; OPENAI_API_KEY or ANTHROPIC_API_KEY by default"
    )
    prices: dict[str, ModelPrice] = Field(default_factory=dict, description="per model; goes before the published list")
    engine: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of an offline engine: vLLM's engine_kwargs, generate()'s"
    )


class TracesConfig(BaseModel):
    """How questions are answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, description="seed of decisions and samples; another seed asks the model anew")
    max_answer_tokens: int = Field(1024, ge=1, description="upper bound of one answer")
    temperature: float = Field(0.0, ge=0)


class EvaluationConfig(BaseModel):
    """What the day's evaluation compares with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    bootstrap: int = Field(2000, ge=200, description="resamples behind an interval")
    testbed: str | None = Field(
        None, description="folder with GSM8K's test.jsonl and example_model_solutions.jsonl: regret on known outcomes"
    )
    testbed_seeds: int = Field(10, ge=1)


class SelfCorrectionConfig(BaseModel):
    """The self-correction lane."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceConfig, ...] = Field((), description="named data sets, dealt out at so many questions a day")
    checkers: dict[str, str] = Field(
        default_factory=dict, description="checker per data set, by name or as package.module:Class"
    )
    traces: TracesConfig = TracesConfig()
    policy: PolicyConfig = PolicyConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


class DrivingConfig(BaseModel):
    """The driving lane."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bronze: BronzeConfig = BronzeConfig()
    silver: SilverConfig = SilverConfig()
    features: FeatureConfig = FeatureConfig()
    keyframes: KeyframeConfig = KeyframeConfig()
    reasoning: ReasoningConfig = ReasoningConfig()
    quality: QualityConfig = QualityConfig()


SAFE_RETENTION_HOURS = 24
"""Under this, vacuum could meet files of a run that still goes on: written and not committed yet, or being read."""


class UpkeepConfig(BaseModel):
    """How the lake is kept small: compaction, vacuum, Delta logs, leftovers of killed runs, the state of dedup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_file_mib: int = Field(
        128, ge=1, le=4096, description="small files of a partition are merged up to this size"
    )
    checkpoint_commits: int = Field(10, ge=1, description="commits after which a Delta log gets a checkpoint")
    retention_hours: int = Field(
        168, ge=SAFE_RETENTION_HOURS, description="replaced files are kept this long; so far back can be read --as-of"
    )
    leftover_hours: int = Field(
        72, ge=SAFE_RETENTION_HOURS, description="age at which leftovers of killed and failed runs are removed"
    )
    lock_wait_s: float = Field(60.0, ge=0, description="wait for a table that is being written, then skip it")
    dedup_state_warn_gib: float = Field(20.0, gt=0, description="size of the state of dedup from which upkeep warns")


class PlatformConfig(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    web: WebConfig = WebConfig()
    tokens: TokensConfig = TokensConfig()
    driving: DrivingConfig = DrivingConfig()
    self_correction: SelfCorrectionConfig = SelfCorrectionConfig()
    llm: LLMConfig = LLMConfig()
    upkeep: UpkeepConfig = UpkeepConfig()
    engine: Engine = Field(
        "auto",
        description="what kernels run on: local worker processes, spark or ray; auto is spark where "
        "DATASET_PLATFORM_SPARK_MASTER or DATASET_PLATFORM_SPARK_REMOTE names one, else local",
    )
    engines: dict[AnyEngine, Engine] = Field(
        default_factory=dict, description="engine per table, for the kernels that may run on any"
    )

    @property
    def local(self) -> bool:
        """Whether kernels run in worker processes of this machine unless their table says otherwise."""
        return self._resolved(self.engine) == "local"

    def engine_of(self, table: str) -> Literal["local", "spark", "ray"]:
        """The engine that a table's kernel runs on; a table that ``engines`` cannot name needs Spark."""
        if table not in get_args(AnyEngine):
            return "spark"
        return self._resolved(next((engine for name, engine in self.engines.items() if name == table), self.engine))

    @staticmethod
    def _resolved(engine: Engine) -> Literal["local", "spark", "ray"]:
        if engine != "auto":
            return engine
        named = os.environ.get("DATASET_PLATFORM_SPARK_MASTER") or os.environ.get("DATASET_PLATFORM_SPARK_REMOTE")
        return "spark" if named else "local"


def fingerprint(section: BaseModel) -> str:
    """Hash of a section's settings; what was computed under another one is out of date."""
    return hashlib.sha256(section.model_dump_json().encode()).hexdigest()[:16]


def load_config() -> PlatformConfig:
    """The settings in force.

    Raises:
        ConfigError: the file is missing, is no YAML, or has a setting that is unknown or out of range.
    """
    return _load(os.environ.get("DATASET_PLATFORM_CONFIG") or "")


@lru_cache(maxsize=8)
def _load(path: str) -> PlatformConfig:
    import yaml

    if not path:
        return PlatformConfig()
    try:
        content = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8")) or {}
        return PlatformConfig.model_validate(content)
    except OSError as e:
        raise ConfigError(f"Cannot read {path}: {e.strerror}.", "Mend DATASET_PLATFORM_CONFIG, or unset it.") from None
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path} is not UTF-8 (byte {e.start}).", "Save the file as UTF-8.") from None
    except yaml.MarkedYAMLError as e:
        line = f"line {e.problem_mark.line + 1}" if e.problem_mark else "the file"
        raise ConfigError(f"{path} is not YAML: {line}: {e.problem}.", "Mend the file.") from None
    except yaml.YAMLError as e:
        raise ConfigError(f"{path} is not YAML: {str(e).splitlines()[0]}.", "Mend the file.") from None
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "the file as a whole"
        raise ConfigError(
            f"{path}: {where}: {first['msg']}.", "See 'dataset-platform config' for all settings."
        ) from None
