"""The annotators' sample: every stratum is seen, the weights add up, the order of the traces does not matter."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from dataset_platform.kernels.reasoning.sampling import Stratum, allocate, stratified

KINDS = [Stratum(c, g, p) for c in ("SIMPLE", "COMPLEX") for g in ("rules", "llm") for p in (True, False)]


def traces(sizes: list[int]) -> list[tuple[str, Stratum]]:
    return [(f"{k}-{n}", KINDS[k]) for k, size in enumerate(sizes) for n in range(size)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 60))
def test_places_are_filled_and_shared(sizes, count):
    known = {KINDS[k]: size for k, size in enumerate(sizes)}
    places = allocate(known, count)
    assert sum(places.values()) == min(count, sum(sizes))
    assert all(0 <= places[s] <= known[s] for s in known)
    # a stratum that is cut has as many places as any other, but for the remainder
    cut = [places[s] for s in known if places[s] < known[s]]
    assert not cut or max(places.values()) - min(cut) <= 1


def test_the_sample_is_the_same_in_any_order_and_weighs_as_much_as_the_day():
    found = traces([500, 3, 40, 0, 7, 1, 90, 2])
    drawn = stratified(found, 50)
    shuffled = random.Random(1).sample(found, len(found))
    assert stratified(shuffled, 50) == drawn and len(drawn) == 50
    assert {s.stratum for s in drawn} == {kind for _, kind in found}
    assert abs(sum(s.weight for s in drawn) - len(found)) < 1e-6
    assert stratified(found, 50, seed=1) != drawn
    assert stratified(found, 0) == [] and len(stratified(found, 10_000)) == len(found)
