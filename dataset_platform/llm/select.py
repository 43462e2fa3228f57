"""Which model answers: the one that ``DATASET_PLATFORM_LLM`` names."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from dataset_platform.errors import ConfigError
from dataset_platform.llm.backend import Backend, BatchBackend
from dataset_platform.settings import Settings, is_url, project_root

if TYPE_CHECKING:
    from dataset_platform.config import LLMConfig

VARIABLE = "DATASET_PLATFORM_LLM"
LATENCY_VARIABLE = "DATASET_PLATFORM_SIMULATED_LATENCY_S"
OPENAI_URL = "https://api.openai.com/v1"
FORMS = (
    "openai:MODEL, anthropic:MODEL, http://HOST/v1#MODEL (or https), vllm:PATH, transformers:PATH (a folder or a Hub "
    "id), or simulated"
)

Kind = Literal["openai", "anthropic", "http", "vllm", "transformers", "simulated"]


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as it is named.

    Attributes:
        model: the vendor's name, the server's name, or a folder or Hub id.
        base_url: of an ``http`` endpoint, without the model; None for the others.
    """

    kind: Kind
    model: str
    base_url: str | None = None

    def __str__(self) -> str:
        """For people and receipts: kind, model and host, never what else an address may hold."""
        at = f"@{urlsplit(self.base_url).hostname}" if self.base_url else ""
        return f"{self.kind}:{self.model}{at}"


def parse_model(text: str) -> ModelName:
    """Read one of the forms in ``FORMS``.

    Raises:
        ConfigError: it is none of them.
    """
    text = text.strip()
    if text == "simulated":
        return ModelName("simulated", "simulated")
    if text.startswith(("http://", "https://")):
        base_url, _, model = text.partition("#")
        try:
            host = urlsplit(base_url).hostname
            _ = urlsplit(base_url).port
        except ValueError:
            host = None
        if not host or not model.strip():
            raise ConfigError(
                f"{VARIABLE} is '{text}', which names no {'model' if host else 'host'}.",
                "Write http://HOST/v1#MODEL, with the server's name of the model after the #.",
            )
        return ModelName("http", model.strip(), base_url.rstrip("/"))
    kind, _, model = text.partition(":")
    kinds: dict[str, Kind] = {k: k for k in get_args(Kind) if k not in ("http", "simulated")}
    if kind not in kinds or not model.strip():
        hint = f"Write {kind}:MODEL." if kind in ("openai", "anthropic") else ""
        hint = f"Write {kind}:PATH, a folder or a Hub id." if kind in ("vllm", "transformers") else hint
        raise ConfigError(f"{VARIABLE} is '{text}', which is not the form of a model.", hint or f"Name one of {FORMS}.")
    return ModelName(kinds[kind], model.strip())


def named_model(named: str | None = None) -> ModelName:
    """The model given here or else by the environment.

    Raises:
        ConfigError: none is named, or not in a form that is known.
    """
    text = named or os.environ.get(VARIABLE, "")
    if not text.strip():
        raise ConfigError(f"No language model is named: {VARIABLE} is not set.", f"Set it to {FORMS}.")
    return parse_model(text)


def open_backend(config: LLMConfig, named: str | None = None) -> Backend | BatchBackend:
    """The backend of the named model; nothing is connected or loaded before its first call.

    Args:
        named: goes before ``DATASET_PLATFORM_LLM``.

    Raises:
        ConfigError: no model is named, the form is unknown, a key is missing, the batch API is asked of a model that has
            none, or what the backend needs is not installed.
    """
    name = named_model(named)
    if config.batch and name.kind not in ("openai", "anthropic"):
        raise ConfigError(
            f"llm.batch is set, but {name.kind} has no batch API.", "Unset it, or name an openai: or anthropic: model."
        )
    match name.kind:
        case "openai":
            return _openai(config, name.model)
        case "anthropic":
            return _anthropic(config, name.model)
        case "http":
            from dataset_platform.llm.backends.openai_http import OpenAIHTTP

            key = _key(config, None, name.kind)
            assert name.base_url is not None
            return OpenAIHTTP(
                name.base_url, name.model, key, timeout_s=config.timeout_s, concurrency=config.concurrency, name="http"
            )
        case "vllm":
            _needs("vllm", extra="vllm", named=name)
            from dataset_platform.llm.backends.vllm import VLLMModel

            return VLLMModel(name.model, config.engine)
        case "transformers":
            _needs("torch", "transformers", extra="models", named=name)
            from dataset_platform.llm.backends.transformers import TransformersModel

            return TransformersModel(name.model, engine=config.engine)
        case "simulated":
            from dataset_platform.llm.backends.simulated import SimulatedModel

            return SimulatedModel(_latency_s())


def _openai(config: LLMConfig, model: str) -> Backend | BatchBackend:
    key = _key(config, "OPENAI_API_KEY", "openai")
    base_url = os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    if config.batch:
        from dataset_platform.llm.backends.openai_batch import OpenAIBatch

        return OpenAIBatch(model, key, base_url=base_url, state_dir=_state_dir(), timeout_s=config.timeout_s)
    from dataset_platform.llm.backends.openai_http import OpenAIHTTP

    return OpenAIHTTP(base_url, model, key, timeout_s=config.timeout_s, concurrency=config.concurrency, name="openai")


def _anthropic(config: LLMConfig, model: str) -> Backend | BatchBackend:
    key = _key(config, "ANTHROPIC_API_KEY", "anthropic")
    base_url = os.environ.get("ANTHROPIC_BASE_URL") or None
    if config.batch:
        from dataset_platform.llm.backends.anthropic_batch import AnthropicBatch

        return AnthropicBatch(model, key, base_url=base_url, state_dir=_state_dir(), timeout_s=config.timeout_s)
    from dataset_platform.llm.backends.anthropic import AnthropicModel

    return AnthropicModel(model, key, base_url=base_url, timeout_s=config.timeout_s, concurrency=config.concurrency)


def _key(config: LLMConfig, default: str | None, kind: str) -> str:
    """The endpoint's key; empty where none is needed."""
    variable = config.api_key_variable or default
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"{variable} is not set, and {kind} needs a key.", f"Set {variable} to the endpoint's key.")
    return key


def _needs(*modules: str, extra: str, named: ModelName) -> None:
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        raise ConfigError(
            f"{named.kind}:{named.model} needs {' and '.join(missing)}, which is not installed.",
            f"Install the extra: pip install 'dataset-platform[{extra}]'.",
        )


def _latency_s() -> float:
    text = os.environ.get(LATENCY_VARIABLE) or "0"
    try:
        latency_s = float(text)
        if not 0 <= latency_s < float("inf"):
            raise ValueError(text)
    except ValueError:
        raise ConfigError(f"{LATENCY_VARIABLE} is '{text}'.", "Set it to seconds, for example 0.5.") from None
    return latency_s


def _state_dir() -> str:
    """Where ids of submitted batches are kept: on this machine, also when the lake is in an object store."""
    home = Settings.from_env().home
    return f"{project_root() / '.dataset_platform' if is_url(home) else home}/llm/batches"
