"""What the engine asks of a backend. A backend makes one attempt and says what came of it; all patience is the engine's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from dataset_platform.llm.errors import CallError
from dataset_platform.llm.request import Completion, Request


class Backend(Protocol):
    """A model that answers one request at a time, many at once.

    Attributes:
        name: ``openai``, ``anthropic``, ``http``, ``simulated``: with ``model`` the endpoint's identity in ledger and log.
        model: the model asked for.
        simulated: no model answers; every row says so.
    """

    name: str
    model: str
    simulated: bool

    async def complete(self, request: Request) -> Completion:
        """One attempt.

        Raises:
            CallError: RetryableError or FatalError; a refusal or a cut answer is a Completion that says so.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and processes."""
        ...


@runtime_checkable
class BatchBackend(Protocol):
    """A model that answers many requests together: an offline engine or a vendor's batch API.

    The engine gathers requests until none came for ``linger_s`` or ``batch_size`` are waiting, then hands them over.
    """

    name: str
    model: str
    simulated: bool
    batch_size: int
    linger_s: float

    async def complete_batch(self, requests: Sequence[Request], keys: Sequence[str]) -> list[Completion | CallError]:
        """Answers in the order of the requests; ``keys`` name them across processes, so a batch can be found again."""
        ...

    async def close(self) -> None:
        """Let go of connections and processes."""
        ...
