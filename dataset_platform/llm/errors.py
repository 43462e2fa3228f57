"""How a call can fail. None of these is ever an answer."""

from __future__ import annotations

from dataset_platform.errors import EngineError, PlatformError


class CallError(PlatformError):
    """One call failed for good; the work it belonged to is rejected with ``kind`` as its reason.

    Attributes:
        kind: short name, for reasons and counts.
        retryable: trying the same call again may help.
        billed: whether the vendor may have charged for the attempt (a timeout may have been answered after all).
    """

    kind = "call_failed"
    retryable = False
    billed = False


class RetryableError(CallError):
    """Rate limit, overload, server error, broken connection or unreadable body.

    Args:
        retry_after_s: how long the server asked to wait.
        status: HTTP status, where there was one.
        billed: see ``CallError``.
    """

    kind = "retries_exhausted"
    retryable = True

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        retry_after_s: float | None = None,
        status: int | None = None,
        billed: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.retry_after_s, self.status, self.billed = retry_after_s, status, billed

    @property
    def is_rate_limit(self) -> bool:
        """Whether the server said that it gets too many calls (the concurrency limit reacts to these only)."""
        return self.status in (429, 529)


class FatalError(CallError):
    """The server will never take this call: wrong key, unknown model, malformed or too long a prompt."""

    kind = "call_refused_by_server"

    def __init__(self, message: str, hint: str = "", *, status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class RefusalError(CallError):
    """The model declined to answer, or a content filter cut the answer."""

    kind = "refusal"
    billed = True


class LengthError(CallError):
    """The answer was cut at ``max_tokens``."""

    kind = "length"
    billed = True


class InvalidOutputError(CallError):
    """The answer does not satisfy its schema, also after one repair turn; or it is empty."""

    kind = "invalid_output"
    billed = True


class BudgetReached(EngineError):
    """The next call's worst case does not fit into what is left of the budget. What was answered is in the log."""


class TooManyErrors(EngineError):
    """The share of failed calls passed its limit; the run stops before it spends more."""
