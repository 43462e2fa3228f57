"""What a run has done so far, and the one line that tells it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dataset_platform.llm.request import Usage

RATE_S = 10
REPORT_S = 0.25


@dataclass(slots=True)
class Stats:
    """Counts of one engine.

    Attributes:
        done: calls answered by the model in this run.
        failed: calls that failed for good, by kind.
        from_log: answers read from the log, which cost nothing now.
        repeated: calls that were under way when an earlier run was killed, and were made again.
        retries: attempts after a failed one.
        in_flight: attempts under way.
        limit: most of them the endpoint may have now.
        tokens_in, tokens_out: charged for in this run.
        cost_usd: in this run; None where no price is known.
        elapsed_s: since the engine started.
    """

    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    from_log: int = 0
    repeated: int = 0
    retries: int = 0
    in_flight: int = 0
    limit: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0
    elapsed_s: float = 0.0
    _began: float = 0.0
    _seconds: list[int] = field(default_factory=lambda: [0] * (RATE_S + 1))
    _second: int = 0

    def begin(self, now: float) -> None:
        """Start the clock."""
        self._began, self._second, self.elapsed_s = now, 0, 0.0
        self._seconds = [0] * (RATE_S + 1)

    def tick(self, now: float) -> None:
        """Bring elapsed time and rate up to ``now``."""
        self.elapsed_s = now - self._began
        second = int(self.elapsed_s)
        for passed in range(self._second + 1, min(second, self._second + RATE_S + 1) + 1):
            self._seconds[passed % (RATE_S + 1)] = 0
        self._second = second

    def answered(self, now: float, usage: Usage, cost_usd: float | None) -> None:
        """Count an answer of the model."""
        self.tick(now)
        self._seconds[self._second % (RATE_S + 1)] += 1
        self.done += 1
        self.charged(usage, cost_usd)

    def charged(self, usage: Usage, cost_usd: float | None) -> None:
        """Count what an attempt was charged for."""
        self.tokens_in += usage.prompt_tokens
        self.tokens_out += usage.completion_tokens
        self.cost_usd = None if cost_usd is None or self.cost_usd is None else self.cost_usd + cost_usd

    @property
    def rate(self) -> float:
        """Answers of the model per second over the last 10 s."""
        fraction = self.elapsed_s - self._second
        window = min(self.elapsed_s, RATE_S + fraction)
        return sum(self._seconds) / window if window > 0 else 0.0

    def line(self, total: int | None = None) -> str:
        """One line for people.

        Args:
            total: calls that will be needed in all, for the time left.
        """
        known = self.done + self.from_log
        parts = [f"{known:,} calls" if total is None else f"{known:,} of {total:,} calls"]
        if self.from_log:
            parts.append(f"{self.from_log:,} from the log")
        rate = self.rate
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
        parts.append(f"{short(self.tokens_in + self.tokens_out)} tokens")
        parts.append("cost not known" if self.cost_usd is None else f"${self.cost_usd:,.2f}")
        for count, what in ((self.retries, "retries"), (self.repeated, "repeated"), (self.failed.total(), "failed")):
            if count:
                parts.append(f"{count:,} {what if count > 1 or what != 'retries' else 'retry'}")
        parts.append(f"{self.in_flight:,} in flight")
        if total is not None and rate > 0 and total > known:
            parts.append(f"{duration((total - known) / rate)} left")
        return " · ".join(parts)


def short(number: int) -> str:
    """``1234567`` → ``1.2M``."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(number)


def duration(seconds: float) -> str:
    """``3725`` → ``1 h 2 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
