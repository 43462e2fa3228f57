"""The budget and the ledger that all model calls of one command share."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dataset_platform.errors import ConfigError

if TYPE_CHECKING:
    from dataset_platform.config import LLMConfig
    from dataset_platform.llm.ledger import Ledger

MAX_COST, MAX_TOKENS = "DATASET_PLATFORM_MAX_COST", "DATASET_PLATFORM_MAX_TOKENS"

_ledgers: dict[tuple[float | None, int | None], Ledger] = {}


@contextmanager
def budget(max_cost: float | None, max_tokens: int | None) -> Iterator[None]:
    """Hold the limits of a command line; a limit that is None leaves the environment's or the settings' one in force."""
    named = {MAX_COST: max_cost, MAX_TOKENS: max_tokens}
    before = {name: os.environ.get(name) for name in named}
    os.environ.update({name: str(value) for name, value in named.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def begin_command() -> None:
    """Start counting anew: the budget is one for all days and stages of a command."""
    _ledgers.clear()


def command_ledger(config: LLMConfig) -> Ledger:
    """The ledger that all calls of this command share.

    Raises:
        ConfigError: a limit in the environment is no number.
    """
    from dataset_platform.llm.ledger import Ledger, PriceList

    limits = (_limit(MAX_COST, float, config.max_cost), _limit(MAX_TOKENS, int, config.max_tokens))
    if limits not in _ledgers:
        _ledgers[limits] = Ledger(PriceList(config.prices), *limits)
    return _ledgers[limits]


def _limit(variable: str, kind: Callable[[str], Any], default: Any) -> Any:
    named = os.environ.get(variable)
    if not named:
        return default
    try:
        value = kind(named)
    except ValueError:
        value = -1
    if not 0 <= value < math.inf:
        raise ConfigError(f"{variable} is '{named}'.", "Give a number of at least 0, or unset it.")
    return value
