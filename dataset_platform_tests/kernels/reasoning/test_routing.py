"""Routes are functions of the trace and the settings; escalation is rationed in the order of the keyframes."""

from __future__ import annotations

import asyncio
import random

import pytest

from dataset_platform.kernels.reasoning.routing import Allowance, draw, keeps, route
from dataset_platform.kernels.reasoning.settings import ReasoningConfig, RouteConfig

IDS = [f"{n:032x}" for n in range(2_000)]


def hybrid(**fields) -> ReasoningConfig:
    own = {n: fields.pop(n) for n in ("cheap", "min_validated", "seed") if n in fields}
    return ReasoningConfig(generator="hybrid", route=RouteConfig(**fields), **own)


@pytest.mark.parametrize("generator", ["rules", "llm"])
def test_one_generator_writes_all(generator):
    config = ReasoningConfig(generator=generator)
    assert {(r.writer, r.reason, r.may_escalate) for i in IDS[:50] for r in [route(i, "COMPLEX", config)]} == {
        (generator, "configured", False)
    }


def test_complexity_goes_before_the_share():
    config = hybrid(llm_complexities=("MODERATE", "COMPLEX"), llm_share=1.0)
    assert route(IDS[0], "COMPLEX", config).reason == route(IDS[0], "MODERATE", config).reason == "complexity"
    assert route(IDS[0], "SIMPLE", config).reason == "share"
    simple = route(IDS[0], "SIMPLE", hybrid(cheap="llm"))
    assert (simple.writer, simple.reason, simple.may_escalate) == ("cheap_llm", "simple", True)


def test_the_share_is_drawn_by_trace_and_seed():
    drawn = [{i for i in IDS if route(i, "SIMPLE", hybrid(llm_share=0.3, seed=s)).reason == "share"} for s in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(abs(len(d) / len(IDS) - 0.3) < 0.05 for d in drawn)
    more = {i for i in IDS if route(i, "SIMPLE", hybrid(llm_share=0.5)).reason == "share"}
    assert drawn[0] < more, "a larger share must hold the smaller one: no answer is paid for in vain"
    assert all(0 <= draw(i, 3) < 1 for i in IDS)


def test_min_validated_is_a_share_of_all_validators():
    assert keeps([], 10, hybrid(min_validated=1.0)) and not keeps(["a"], 10, hybrid(min_validated=1.0))
    assert keeps(["a"], 10, hybrid(min_validated=0.9)) and not keeps(["a", "b"], 10, hybrid(min_validated=0.9))


def escalated(share: float, wants: list[bool], order: list[int]) -> list[bool]:
    async def run() -> list[bool]:
        allowance = Allowance(share, len(wants))
        granted = [False] * len(wants)

        async def one(position: int) -> None:
            if wants[position]:
                granted[position] = await allowance.claim(position)
            else:
                allowance.pass_by(position)

        tasks = []
        for position in order:
            tasks.append(asyncio.create_task(one(position)))
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        return granted

    return asyncio.run(run())


def test_who_is_escalated_does_not_depend_on_who_comes_first():
    draw_ = random.Random(5)
    wants = [draw_.random() < 0.6 for _ in range(40)]
    for share in (0.0, 0.2, 0.5, 1.0):
        orders = [list(range(40)), list(reversed(range(40))), draw_.sample(range(40), 40)]
        found = [escalated(share, wants, order) for order in orders]
        assert found[0] == found[1] == found[2]
        assert sum(found[0]) == min(sum(wants), int(share * 40))
        assert [i for i, g in enumerate(found[0]) if g] == [i for i, w in enumerate(wants) if w][: sum(found[0])]
