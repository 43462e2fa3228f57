"""Prices, reservations and the budget."""

from __future__ import annotations

import asyncio
import random

import pytest

from dataset_platform.config import ModelPrice
from dataset_platform.errors import ConfigError
from dataset_platform.llm.errors import BudgetReached
from dataset_platform.llm.ledger import Ledger, PriceList
from dataset_platform.llm.prices import PICO, Price, Tier
from dataset_platform.llm.request import Usage

MODEL = "http:m"
PRICES = PriceList({"m": ModelPrice(input=1.0, output=10.0, cached_input=0.1)})


def test_configured_prices_go_first_and_local_models_cost_nothing() -> None:
    prices = PriceList({"gpt-4o-mini": ModelPrice(input=7, output=9)})
    own = prices.find("openai", "gpt-4o-mini")
    assert own is not None and own.cost(10**6, 10**6, 10**6) == 16 * PICO, "cached as input when unset"
    for backend in ("simulated", "vllm", "transformers"):
        free = prices.find(backend, "anything")
        assert free is not None and free.bound(10**6, 10**6) == 0
    assert prices.find("http", "gpt-4o-mini-not-listed") is None
    assert prices.find("openai", "no-such-model") is None
    assert prices.find("http", "m", "http://127.0.0.1:8000/v1") is None


@pytest.mark.parametrize(
    ("backend", "model", "url", "vendor"),
    [
        ("openai", "gpt-4o-mini", None, "openai"),
        ("openai", "o3", None, "openai"),
        ("anthropic", "claude-sonnet-4-5", None, "anthropic"),
        ("http", "deepseek-chat", "https://api.deepseek.com/v1", "deepseek"),
    ],
)
def test_listed_prices_are_those_of_the_list(backend: str, model: str, url: str | None, vendor: str) -> None:
    import genai_prices

    price = PriceList().find(backend, model, url)
    assert price is not None
    for prompt, completion, cached in (
        (0, 0, 0),
        (1_000, 50, 0),
        (5_000, 7, 1_200),
        (150_000, 1, 9),
        (250_000, 800, 77),
    ):
        usage = genai_prices.Usage(input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached)
        listed = genai_prices.calc_price(usage, model, provider_id=vendor).total_price
        assert price.cost(prompt, completion, cached) == pytest.approx(float(listed) * PICO, rel=1e-9)
        assert price.cost(prompt, completion, cached) <= price.bound(prompt, completion)
    halved = PriceList().find(backend, model, url, batch=True)
    assert halved is not None and halved.cost(10_000, 500) * 2 == pytest.approx(price.cost(10_000, 500))


def test_the_bound_covers_every_tier_below_the_prompts() -> None:
    price = Price((Tier(-1, 10, 5, 20), Tier(100, 1, 50, 1)))
    for bound in (1, 99, 100, 101, 500):
        worst = max(price.cost(prompt, 30, cached) for prompt in range(bound + 1) for cached in (0, prompt))
        assert worst <= price.bound(bound, 30)


def test_a_cost_limit_without_a_price_is_refused_before_anything_is_called() -> None:
    with pytest.raises(ConfigError, match="not known"):
        Ledger(PriceList(), max_cost=5.0).open("http", "m")
    free = Ledger(PriceList(), max_cost=0.0)
    free.open("simulated", "simulated")
    unknown = Ledger(PriceList(), max_tokens=100)
    unknown.open("http", "m")
    assert unknown.cost_usd is None


def test_counts_come_from_usage_and_the_worst_case_stands_in_where_there_is_none() -> None:
    async def main() -> None:
        ledger = Ledger(PRICES)
        ledger.open("http", "m")
        assert ledger.settle(await ledger.reserve(MODEL, 100, 50), Usage(80, 20, 30)) == pytest.approx(
            (50 * 1.0 + 30 * 0.1 + 20 * 10.0) / 1e6
        )
        ledger.settle(await ledger.reserve(MODEL, 100, 50), None)
        ledger.forfeit(await ledger.reserve(MODEL, 10, 5))
        ledger.release(await ledger.reserve(MODEL, 10_000, 5))
        ledger.retried(MODEL)
        counts = ledger.counts[MODEL]
        assert (counts.calls, counts.forfeited, counts.retries) == (3, 1, 1)
        assert (counts.prompt_tokens, counts.completion_tokens, counts.cached_tokens) == (190, 75, 30)
        assert ledger.tokens == 265 and ledger.reserved_tokens == 0
        assert counts.cost_usd == ledger.cost_usd == pytest.approx((253 + 600 + 60) / 1e6)

    asyncio.run(main())


def test_a_reservation_is_closed_once() -> None:
    async def main() -> None:
        ledger = Ledger(PRICES)
        reservation = await ledger.reserve(MODEL, 1, 1)
        ledger.release(reservation)
        with pytest.raises(RuntimeError):
            ledger.settle(reservation, None)

    asyncio.run(main())


def test_a_call_waits_while_others_may_leave_room_and_is_refused_when_they_do_not() -> None:
    async def main() -> None:
        ledger = Ledger(PRICES, max_tokens=1_000)
        first = await ledger.reserve(MODEL, 500, 200)
        second = asyncio.ensure_future(ledger.reserve(MODEL, 500, 200))
        third = asyncio.ensure_future(ledger.reserve(MODEL, 50, 50))
        await asyncio.sleep(0)
        assert not second.done() and not third.done(), "the third does not overtake the second"
        ledger.settle(first, Usage(100, 100))
        kept = await second
        assert (await third).tokens == 100
        late = asyncio.ensure_future(ledger.reserve(MODEL, 500, 200))
        await asyncio.sleep(0)
        ledger.settle(kept, Usage(500, 200))
        with pytest.raises(BudgetReached) as reached:
            await late
        assert "1,000 tokens" in reached.value.message and "--max-tokens" in reached.value.hint
        with pytest.raises(BudgetReached):
            await ledger.reserve(MODEL, 2_000, 0)

    asyncio.run(main())


def test_a_cancelled_wait_reserves_nothing_and_lets_the_next_one_in() -> None:
    async def main() -> None:
        ledger = Ledger(PRICES, max_tokens=100)
        first = await ledger.reserve(MODEL, 50, 50)
        waiting = [asyncio.ensure_future(ledger.reserve(MODEL, 60, 0)) for _ in range(3)]
        await asyncio.sleep(0)
        ledger.release(first)  # grants the first of them, which is cancelled before it runs
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        assert (await waiting[1]).tokens == 60
        waiting[2].cancel()
        await asyncio.gather(waiting[2], return_exceptions=True)
        ledger.release(waiting[1].result())
        assert ledger.reserved_tokens == 0 and ledger.tokens == 0

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(20))
def test_no_budget_is_ever_passed(seed: int) -> None:
    """Many calls at once that use any part of what they reserved, fail, or end in the unknown."""

    async def main() -> None:
        draw = random.Random(seed)
        max_tokens = draw.choice([None, draw.randint(1, 30_000)])
        max_cost = draw.choice([None, draw.uniform(0, 0.05)])
        ledger = Ledger(PRICES, max_cost, max_tokens)
        reached = 0

        def check() -> None:
            spent = ledger.cost_usd or 0.0
            assert max_cost is None or spent <= max_cost + 1e-12
            assert max_tokens is None or ledger.tokens + ledger.reserved_tokens <= max_tokens

        async def call() -> None:
            nonlocal reached
            prompt, completion = draw.randint(1, 400), draw.randint(1, 200)
            try:
                reservation = await ledger.reserve(MODEL, prompt, completion)
            except BudgetReached:
                reached += 1
                return
            check()
            for _ in range(draw.randint(0, 5)):
                await asyncio.sleep(0)
            match draw.randint(0, 4):
                case 0:
                    ledger.release(reservation)
                case 1:
                    ledger.forfeit(reservation)
                case _:
                    used = draw.randint(0, prompt)
                    ledger.settle(reservation, Usage(used, draw.randint(0, completion), draw.randint(0, used)))
            check()

        await asyncio.gather(*(call() for _ in range(200)))
        assert ledger.reserved_tokens == 0
        assert reached or (max_tokens is None or max_tokens > 10_000)

    asyncio.run(main())
