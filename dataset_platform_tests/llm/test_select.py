"""Which backend a name opens, and what is said when it cannot."""

from __future__ import annotations

import builtins
import importlib.util

import pytest

from dataset_platform.config import LLMConfig
from dataset_platform.errors import ConfigError
from dataset_platform.llm.backend import BatchBackend
from dataset_platform.llm.select import VARIABLE, ModelName, open_backend, parse_model

VARIABLES = (
    *(VARIABLE, "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "MY_KEY"),
    "DATASET_PLATFORM_SIMULATED_LATENCY_S",
)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, home):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("simulated", ModelName("simulated", "simulated")),
        ("openai:gpt-x", ModelName("openai", "gpt-x")),
        ("anthropic:claude-x", ModelName("anthropic", "claude-x")),
        ("http://localhost:8000/v1#org/model", ModelName("http", "org/model", "http://localhost:8000/v1")),
        ("https://host/v1/#m:latest", ModelName("http", "m:latest", "https://host/v1")),
        ("http://[::1]:8000/v1#m", ModelName("http", "m", "http://[::1]:8000/v1")),
        ("transformers:/models/tiny", ModelName("transformers", "/models/tiny")),
        ("vllm:org/name", ModelName("vllm", "org/name")),
        ("openai:ft:gpt:me::1", ModelName("openai", "ft:gpt:me::1")),
        ("  simulated\n", ModelName("simulated", "simulated")),
    ],
)
def test_forms(text: str, name: ModelName):
    assert parse_model(text) == name


@pytest.mark.parametrize(
    "text",
    ["gpt-4", "openai:", "openai", "anthropic: ", "http://host/v1", "http:///v1#m", "https://h/v1# ", "llama:x",
     "simulated:x", "http:m", "http://host:port/v1#m", "vllm:"],
)  # fmt: skip
def test_malformed_names(text: str):
    with pytest.raises(ConfigError) as caught:
        parse_model(text)
    assert text.strip() in caught.value.message and caught.value.hint


def test_unset_says_how_to_set_it():
    with pytest.raises(ConfigError) as caught:
        open_backend(LLMConfig())
    assert VARIABLE in caught.value.message
    for form in ("openai:MODEL", "anthropic:MODEL", "http://HOST/v1#MODEL", "vllm:", "transformers:", "simulated"):
        assert form in caught.value.hint


@pytest.mark.parametrize(("named", "variable"), [("openai:m", "OPENAI_API_KEY"), ("anthropic:m", "ANTHROPIC_API_KEY")])
@pytest.mark.parametrize("batch", [False, True])
def test_keys(named: str, variable: str, batch: bool, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=variable):
        open_backend(LLMConfig(batch=batch), named)
    with pytest.raises(ConfigError, match="MY_KEY"):
        open_backend(LLMConfig(batch=batch, api_key_variable="MY_KEY"), named)
    monkeypatch.setenv(variable, "k")
    backend = open_backend(LLMConfig(batch=batch), named)
    assert (backend.name, backend.model, backend.simulated) == (named.split(":")[0], "m", False)
    assert isinstance(backend, BatchBackend) == batch


def test_an_endpoint_needs_no_key_unless_one_is_named():
    backend = open_backend(LLMConfig(), "http://localhost:1/v1#m")
    assert (backend.name, backend.model) == ("http", "m")
    with pytest.raises(ConfigError, match="MY_KEY"):
        open_backend(LLMConfig(api_key_variable="MY_KEY"), "http://localhost:1/v1#m")


def test_environment_and_argument(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, "simulated")
    assert open_backend(LLMConfig()).simulated
    assert not open_backend(LLMConfig(), "http://localhost:1/v1#m").simulated
    monkeypatch.setenv("DATASET_PLATFORM_SIMULATED_LATENCY_S", "0.25")
    assert open_backend(LLMConfig()).latency_s == 0.25  # type: ignore[union-attr]
    for wrong in ("-1", "soon", "nan", "inf"):
        monkeypatch.setenv("DATASET_PLATFORM_SIMULATED_LATENCY_S", wrong)
        with pytest.raises(ConfigError, match="LATENCY"):
            open_backend(LLMConfig())


def test_base_urls_are_honoured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert open_backend(LLMConfig(), "openai:m").base_url == "https://api.openai.com/v1"  # type: ignore[union-attr]
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9/v1")
    assert open_backend(LLMConfig(), "openai:m").base_url == "http://localhost:9/v1"  # type: ignore[union-attr]


def test_batch_needs_a_vendor_that_has_it():
    for named in ("simulated", "http://h/v1#m", "transformers:x"):
        with pytest.raises(ConfigError, match="batch"):
            open_backend(LLMConfig(batch=True), named)


@pytest.mark.parametrize(
    ("named", "absent", "extra"), [("vllm:m", "vllm", "vllm"), ("transformers:m", "torch", "models")]
)
def test_what_is_not_installed_is_named(named: str, absent: str, extra: str, monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == absent else find(n, *a))
    with pytest.raises(ConfigError) as caught:
        open_backend(LLMConfig(), named)
    assert absent in caught.value.message and f"[{extra}]" in caught.value.hint


def test_choosing_loads_nothing_heavy(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def guarded(name: str, *args, **kwargs):
        assert name.split(".")[0] not in ("torch", "transformers", "ray", "openai", "anthropic", "vllm"), name
        return real(name, *args, **kwargs)

    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setattr(builtins, "__import__", guarded)
    for named in ("openai:m", "anthropic:m", "http://h/v1#m", "transformers:m", "simulated"):
        open_backend(LLMConfig(), named)
    for named in ("openai:m", "anthropic:m"):
        open_backend(LLMConfig(batch=True), named)
