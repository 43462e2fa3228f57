"""Tokens and money: every attempt reserves its worst case before it leaves, so no budget is ever passed.

One ledger serves all that one command does. It belongs to one event loop at a time and is not for several threads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from dataset_platform.errors import ConfigError
from dataset_platform.llm.errors import BudgetReached
from dataset_platform.llm.prices import PICO, Price, PriceList
from dataset_platform.llm.request import Usage

__all__ = ["Counts", "Ledger", "PriceList", "Reservation"]


@dataclass(slots=True)
class Counts:
    """What one endpoint was asked and charged for.

    Attributes:
        calls: attempts charged for, answered or not.
        forfeited: those of them whose outcome is unknown, charged in full.
        retries: attempts that followed a failed one.
        cost_usd: None where no price is known.
    """

    calls: int = 0
    forfeited: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None


class _Account:
    __slots__ = ("counts", "price", "spent")

    def __init__(self, price: Price | None) -> None:
        self.price = price
        self.spent = 0
        self.counts = Counts(cost_usd=None if price is None else 0.0)


class Reservation:
    """The worst case of one attempt, set aside until it is settled, released or forfeited, exactly once."""

    __slots__ = ("account", "cost", "max_tokens", "open", "prompt_bound")

    def __init__(self, account: _Account, prompt_bound: int, max_tokens: int, cost: int) -> None:
        self.account, self.prompt_bound, self.max_tokens, self.cost = account, prompt_bound, max_tokens, cost
        self.open = True

    @property
    def tokens(self) -> int:
        """Prompt and completion at worst."""
        return self.prompt_bound + self.max_tokens


class Ledger:
    """Counts per endpoint and the one budget over all of them.

    Args:
        max_cost: US dollars, None for no limit.
        max_tokens: prompt and completion tokens, None for no limit.
    """

    def __init__(self, prices: PriceList, max_cost: float | None = None, max_tokens: int | None = None) -> None:
        self._prices = prices
        self._max_cost = None if max_cost is None else int(max_cost * PICO)
        self._max_tokens = max_tokens
        self._accounts: dict[str, _Account] = {}
        self._spent = 0  # 1e-12 dollars
        self._used = 0  # tokens
        self._reserved_cost = 0
        self._reserved_tokens = 0
        self._waiting: deque[tuple[asyncio.Future[Reservation], _Account, int, int, int]] = deque()

    def open(self, backend: str, model: str, url: str | None = None, batch: bool = False) -> str:
        """Get the price of an endpoint; the name to reserve under is ``backend:model``.

        Raises:
            ConfigError: there is a cost limit and no price.
        """
        name = f"{backend}:{model}"
        if name not in self._accounts:
            self._account(name, self._prices.find(backend, model, url, batch))
        return name

    def _account(self, name: str, price: Price | None) -> _Account:
        if price is None and self._max_cost is not None:
            raise ConfigError(
                f"The price of {name} is not known, so its cost cannot be held to a limit.",
                f"Set llm.prices with '{name.partition(':')[2]}' in the configuration, or limit tokens (--max-tokens).",
            )
        account = self._accounts[name] = _Account(price)
        return account

    @property
    def counts(self) -> dict[str, Counts]:
        """Counts per endpoint."""
        return {name: account.counts for name, account in self._accounts.items()}

    @property
    def cost_usd(self) -> float | None:
        """Spent so far; None when a price is not known."""
        return None if any(a.price is None for a in self._accounts.values()) else self._spent / PICO

    @property
    def tokens(self) -> int:
        """Charged so far."""
        return self._used

    @property
    def reserved_tokens(self) -> int:
        """Set aside for attempts under way."""
        return self._reserved_tokens

    async def reserve(self, model: str, prompt_bound: int, max_tokens: int) -> Reservation:
        """Set the worst case of an attempt aside, waiting while attempts under way may still leave room for it.

        Args:
            model: as ``backend:model``.

        Raises:
            BudgetReached: it does not fit into what is left, whatever the attempts under way come to.
        """
        account = self._accounts.get(model)
        if account is None:
            backend, _, name = model.partition(":")
            account = self._accounts[self.open(backend, name)]
        cost = account.price.bound(prompt_bound, max_tokens) if account.price is not None else 0
        tokens = prompt_bound + max_tokens
        if not self._waiting and self._fits(cost, tokens):
            return self._set_aside(account, prompt_bound, max_tokens, cost)
        if self._hopeless(cost, tokens):
            raise self._reached(cost, tokens)
        waiter: asyncio.Future[Reservation] = asyncio.get_running_loop().create_future()
        self._waiting.append((waiter, account, prompt_bound, max_tokens, cost))
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(waiter.result())
            else:
                self._pump()
            raise

    def settle(self, reservation: Reservation, usage: Usage | None) -> float | None:
        """The attempt was charged for ``usage``, or for its worst case where the server did not say.

        Returns:
            Its cost in US dollars; None where no price is known.
        """
        if usage is None:
            usage = Usage(reservation.prompt_bound, reservation.max_tokens)
        return self._charge(reservation, usage)

    def forfeit(self, reservation: Reservation) -> float | None:
        """Nobody knows whether the attempt was charged for: it counts in full; its cost as ``settle`` gives it."""
        reservation.account.counts.forfeited += 1
        account = reservation.account
        cost = reservation.cost if account.price is not None else None
        return self._charge(reservation, Usage(reservation.prompt_bound, reservation.max_tokens), cost)

    def release(self, reservation: Reservation) -> None:
        """The attempt was not charged for."""
        self._let_go(reservation)
        if self._waiting:
            self._pump()

    def retried(self, model: str) -> None:
        """Count an attempt that follows a failed one."""
        self._accounts[model].counts.retries += 1

    def _charge(self, reservation: Reservation, usage: Usage, cost: int | None = None) -> float | None:
        self._let_go(reservation)
        account, counts = reservation.account, reservation.account.counts
        prompt, completion, cached = usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens
        counts.calls += 1
        counts.prompt_tokens += prompt
        counts.completion_tokens += completion
        counts.cached_tokens += cached
        self._used += prompt + completion
        dollars = None
        if account.price is not None:
            cost = account.price.cost(prompt, completion, cached) if cost is None else cost
            account.spent += cost
            self._spent += cost
            counts.cost_usd = account.spent / PICO
            dollars = cost / PICO
        if self._waiting:
            self._pump()
        return dollars

    def _set_aside(self, account: _Account, prompt_bound: int, max_tokens: int, cost: int) -> Reservation:
        self._reserved_cost += cost
        self._reserved_tokens += prompt_bound + max_tokens
        return Reservation(account, prompt_bound, max_tokens, cost)

    def _let_go(self, reservation: Reservation) -> None:
        if not reservation.open:
            raise RuntimeError("a reservation was closed twice")
        reservation.open = False
        self._reserved_cost -= reservation.cost
        self._reserved_tokens -= reservation.tokens

    def _fits(self, cost: int, tokens: int) -> bool:
        return (self._max_cost is None or self._spent + self._reserved_cost + cost <= self._max_cost) and (
            self._max_tokens is None or self._used + self._reserved_tokens + tokens <= self._max_tokens
        )

    def _hopeless(self, cost: int, tokens: int) -> bool:
        return (self._max_cost is not None and self._spent + cost > self._max_cost) or (
            self._max_tokens is not None and self._used + tokens > self._max_tokens
        )

    def _pump(self) -> None:
        """First come, first served: a small call does not overtake a large one, which might then wait for ever."""
        while self._waiting:
            waiter, account, prompt_bound, max_tokens, cost = self._waiting[0]
            if not waiter.done():
                tokens = prompt_bound + max_tokens
                if self._fits(cost, tokens):
                    waiter.set_result(self._set_aside(account, prompt_bound, max_tokens, cost))
                elif self._hopeless(cost, tokens):
                    waiter.set_exception(self._reached(cost, tokens))
                else:
                    return
            self._waiting.popleft()

    def _reached(self, cost: int, tokens: int) -> BudgetReached:
        kept = "What was answered is kept; run the same command again to go on from there."
        if self._max_tokens is not None and self._used + tokens > self._max_tokens:
            return BudgetReached(
                f"The budget of {self._max_tokens:,} tokens is reached: {self._used:,} are used and the next call may "
                f"take up to {tokens:,}.",
                f"Raise --max-tokens (llm.max_tokens). {kept}",
            )
        limit = (self._max_cost or 0) / PICO
        return BudgetReached(
            f"The budget of ${limit:,.2f} is reached: ${self._spent / PICO:,.4f} is spent and the next call may cost "
            f"up to ${cost / PICO:,.4f}.",
            f"Raise --max-cost (llm.max_cost). {kept}",
        )
