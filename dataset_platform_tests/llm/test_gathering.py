"""Single calls become batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dataset_platform.errors import EngineError
from dataset_platform.llm.errors import FatalError
from dataset_platform.llm.gathering import Gathering, endpoint
from dataset_platform.llm.request import Completion, Message, Request, Usage
from dataset_platform_tests.llm import virtual_time


class Echo:
    """A batch model that says the question again; remembers when which batch came."""

    name, model, simulated = "echo", "m", True

    def __init__(self, batch_size: int = 4, linger_s: float = 0.5, takes_s: float = 0.0) -> None:
        self.batch_size, self.linger_s, self.takes_s = batch_size, linger_s, takes_s
        self.batches: list[tuple[float, list[str]]] = []
        self.under_way = self.most_under_way = 0
        self.closed = False

    async def complete_batch(self, requests: Sequence[Request], keys: Sequence[str]) -> list:
        assert list(keys) == [r.key(endpoint(self)) for r in requests]
        texts = [r.messages[0].content for r in requests]
        self.batches.append((asyncio.get_running_loop().time(), texts))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(self.takes_s)
        self.under_way -= 1
        if "break" in texts:
            raise RuntimeError("the model broke")
        if "short" in texts:
            return []
        return [FatalError("no") if t == "bad" else Completion(t, "stop", Usage(1, 1), "m") for t in texts]

    async def close(self) -> None:
        self.closed = True


def ask(text: str) -> Request:
    return Request((Message("user", text),))


def test_full_batches_leave_at_once_and_the_rest_after_a_silence() -> None:
    async def main() -> None:
        backend = Echo()
        gathering = Gathering(backend)
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(gathering.complete(ask(str(n))) for n in range(10)))
        assert [a.text for a in answers] == [str(n) for n in range(10)]
        assert [len(texts) for _, texts in backend.batches] == [4, 4, 2]
        assert backend.batches[1][0] == began
        assert backend.batches[2][0] == pytest.approx(began + 0.5, abs=1e-3)

    virtual_time.run(main())


def test_the_silence_begins_anew_with_every_request() -> None:
    async def main() -> None:
        backend = Echo(batch_size=100)
        gathering = Gathering(backend)
        began = asyncio.get_running_loop().time()

        async def late(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await gathering.complete(ask(str(seconds)))

        await asyncio.gather(*(late(s) for s in (0.0, 0.4, 0.8, 1.1, 3.0)))
        assert [len(texts) for _, texts in backend.batches] == [4, 1]
        assert backend.batches[0][0] - began == pytest.approx(1.6, abs=1e-3)

    virtual_time.run(main())


@pytest.mark.parametrize("arrivals", [3, 4, 5, 9, 23])
def test_one_batch_at_a_time_and_nothing_is_left_behind(arrivals: int) -> None:
    async def main() -> None:
        backend = Echo(takes_s=2.0)
        gathering = Gathering(backend)

        async def late(number: int) -> str:
            await asyncio.sleep(number * 0.3)
            return (await gathering.complete(ask(str(number)))).text

        answers = await asyncio.wait_for(asyncio.gather(*(late(n) for n in range(arrivals))), 1_000)
        assert answers == [str(n) for n in range(arrivals)]
        assert backend.most_under_way == 1
        assert sorted(t for _, texts in backend.batches for t in texts) == sorted(answers)

    virtual_time.run(main())


def test_errors_reach_their_own_callers() -> None:
    async def main() -> None:
        gathering = Gathering(Echo(batch_size=2))
        good, bad = await asyncio.gather(
            gathering.complete(ask("good")), gathering.complete(ask("bad")), return_exceptions=True
        )
        assert isinstance(good, Completion) and isinstance(bad, FatalError)
        for texts, kind in ((("break", "x"), RuntimeError), (("short", "y"), EngineError)):
            both = await asyncio.gather(*(gathering.complete(ask(t)) for t in texts), return_exceptions=True)
            assert [type(e) for e in both] == [kind, kind]

    virtual_time.run(main())


def test_a_caller_that_gives_up_is_left_out_and_close_ends_what_is_under_way() -> None:
    async def main() -> None:
        backend = Echo(batch_size=2, takes_s=50.0)
        gathering = Gathering(backend)
        gone = asyncio.ensure_future(gathering.complete(ask("gone")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        held = [asyncio.ensure_future(gathering.complete(ask(t))) for t in ("a", "b", "c")]
        await asyncio.sleep(1.0)
        assert [texts for _, texts in backend.batches] == [["a", "b"]]
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        await gathering.close()
        assert backend.closed and len(asyncio.all_tasks()) == 1

    virtual_time.run(main())
