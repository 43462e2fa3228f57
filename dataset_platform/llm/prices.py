"""What a model's tokens cost: the user's own prices first, then the published list of the genai-prices package.

The list is the one inside the installed package; nothing is fetched. Amounts are whole numbers of 1e-12 US dollars, so
that sums are exact: a price of $0.0375 per million tokens is 37,500 of them per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataset_platform.config import ModelPrice


PICO = 10**12
FREE_BACKENDS = frozenset({"simulated", "vllm", "transformers"})  # they compute here, or not at all
BATCH_SHARE = 0.5  # both vendors' published discount on their batch APIs
LISTED_BACKENDS = {
    "openai": "openai",
    "anthropic": "anthropic",
}


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates in 1e-12 dollars per token for prompts longer than ``above`` tokens."""

    above: int
    input: int
    output: int
    cached_input: int


@dataclass(frozen=True, slots=True)
class Price:
    """What a call costs; most models have one tier.

    Attributes:
        tiers: by rising ``above``, the first at -1; the prompt's length picks the tier of the whole call.
        per_call: 1e-12 dollars on top of the tokens.
    """

    tiers: tuple[Tier, ...]
    per_call: int = 0

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> int:
        """In 1e-12 dollars."""
        tier = self.tiers[0]
        if len(self.tiers) > 1:
            tier = [t for t in self.tiers if prompt_tokens > t.above][-1]
        cached = min(cached_tokens, prompt_tokens)
        tokens = (prompt_tokens - cached) * tier.input + cached * tier.cached_input + completion_tokens * tier.output
        return tokens + self.per_call

    def bound(self, prompt_tokens: int, completion_tokens: int) -> int:
        """No call of at most so many tokens costs more, whichever tier it falls into and whatever was cached."""
        reachable = [t for t in self.tiers if prompt_tokens > t.above]
        prompt = prompt_tokens * max(max(t.input, t.cached_input) for t in reachable)
        return prompt + completion_tokens * max(t.output for t in reachable) + self.per_call


FREE = Price((Tier(-1, 0, 0, 0),))


class PriceList:
    """Prices by endpoint.

    Args:
        configured: dollars per million tokens per model (``llm.prices``); taken as they are, also for batches.
    """

    def __init__(self, configured: Mapping[str, ModelPrice] | None = None) -> None:
        self._configured = dict(configured or {})

    def find(self, backend: str, model: str, url: str | None = None, batch: bool = False) -> Price | None:
        """The price of a model today, or None where nobody has published one.

        Args:
            backend: its ``name``.
            url: address of the API, which tells the vendor where the backend's name does not.
            batch: through a vendor's batch API; listed prices are then halved.
        """
        own = self._configured.get(model) or self._configured.get(f"{backend}:{model}")
        if own is not None:
            cached = own.input if own.cached_input is None else own.cached_input
            return Price((Tier(-1, _per_token(own.input), _per_token(own.output), _per_token(cached)),))
        if backend in FREE_BACKENDS:
            return FREE
        vendor = LISTED_BACKENDS.get(backend)
        if vendor is None and url is None:
            return None
        return _listed(vendor, model, url, BATCH_SHARE if batch else 1.0)


def _listed(vendor: str | None, model: str, url: str | None, share: float) -> Price | None:
    from genai_prices.data_snapshot import get_snapshot

    try:
        where = (vendor, None) if vendor is not None else (None, url)
        _, found = get_snapshot().find_provider_model(model, None, *where)
    except LookupError:
        return None
    rates = found.get_prices(datetime.now(UTC))
    if rates.input_mtok is None or rates.output_mtok is None:
        return None  # priced by something else than tokens
    starts = {-1, *(t.start for r in (rates.input_mtok, rates.output_mtok, rates.cache_read_mtok) for t in _tiers(r))}
    tiers = []
    for start in sorted(starts):
        full = _rate(rates.input_mtok, start)
        cached = full if rates.cache_read_mtok is None else _rate(rates.cache_read_mtok, start)
        output = _rate(rates.output_mtok, start)
        tiers.append(Tier(start, *(_per_token(r * share) for r in (full, output, cached))))
    per_call = _rate(rates.requests_kcount, -1) / 1_000 * PICO if rates.requests_kcount is not None else 0
    return Price(tuple(tiers), round(per_call * share))


def _tiers(rate: Any) -> list[Any]:
    return list(getattr(rate, "tiers", ()))


def _rate(rate: Any, above: int) -> float:
    """The rate that holds for prompts just longer than ``above``."""
    if not hasattr(rate, "tiers"):
        return float(rate)
    return float(next((t.price for t in reversed(rate.tiers) if above >= t.start), rate.base))


def _per_token(dollars_per_million: float) -> int:
    return round(dollars_per_million * (PICO // 10**6))
