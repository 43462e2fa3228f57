"""Whether so many calls fail that a run should stop before it spends more."""

from __future__ import annotations

from collections import Counter, deque

from dataset_platform.llm.errors import CallError, FatalError, TooManyErrors

FIRST_FATAL = 5
RECENT = 10  # times ``after``: an endpoint that dies late is noticed too
_MOST_KINDS = 1_000  # messages may carry numbers that never come again


class ErrorRate:
    """Shares of failed calls, over the whole run and over the last ones.

    Args:
        max_share: above it the run stops.
        after: finished calls before the share is looked at.
    """

    def __init__(self, max_share: float, after: int) -> None:
        self._max_share, self._after = max_share, after
        self._finished = 0
        self._failed = 0
        self._recent: deque[bool] = deque(maxlen=RECENT * after)
        self._recent_failed = 0
        self._seen: Counter[tuple[str, str]] = Counter()
        self._first_statuses: set[int | None] | None = set()  # None as soon as a call has ended otherwise

    def finished(self, error: CallError | None) -> TooManyErrors | None:
        """Count a call that was answered or failed for good; the error to stop with, when it is time."""
        self._finished += 1
        if len(self._recent) == self._recent.maxlen:
            self._recent_failed -= self._recent[0]
        self._recent.append(error is not None)
        if error is None:
            self._first_statuses = None
            return None
        self._recent_failed += 1
        self._failed += 1
        if len(self._seen) < _MOST_KINDS or (error.message, error.hint) in self._seen:
            self._seen[error.message, error.hint] += 1
        if self._hopeless_start(error):
            return self._stop(self._failed, self._finished)
        if self._finished < self._after:
            return None
        if self._failed > self._max_share * self._finished:
            return self._stop(self._failed, self._finished)
        if len(self._recent) == self._recent.maxlen and self._recent_failed > self._max_share * len(self._recent):
            return self._stop(self._recent_failed, len(self._recent))
        return None

    def _hopeless_start(self, error: CallError) -> bool:
        if self._first_statuses is None:
            return False
        if not isinstance(error, FatalError):
            self._first_statuses = None
            return False
        self._first_statuses.add(error.status)
        if len(self._first_statuses) > 1:
            self._first_statuses = None
            return False
        return self._finished >= FIRST_FATAL

    def _stop(self, failed: int, of: int) -> TooManyErrors:
        (message, hint), times = self._seen.most_common(1)[0]
        return TooManyErrors(
            f"{failed:,} of the last {of:,} calls failed, {times:,} of them so: {message}",
            f"{hint} What was answered is kept; run the same command again to go on from there.".strip(),
        )
