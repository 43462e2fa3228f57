"""Connected components: labels are the smallest ids, whatever the type and order of the edges."""

import numpy as np
import pytest

from dataset_platform.kernels.web.components import connected_components


def components(edges: list[tuple[str, str]]) -> dict[str, str]:
    nodes, labels = connected_components(np.array([a for a, _ in edges]), np.array([b for _, b in edges]))
    return dict(zip(nodes.tolist(), labels.tolist(), strict=True))


def test_chain_and_pair() -> None:
    assert components([("d", "c"), ("c", "b"), ("z", "y"), ("b", "a")]) == {
        **dict.fromkeys("abcd", "a"),
        **dict.fromkeys("yz", "y"),
    }


def test_loops_repeats_and_direction_do_not_matter() -> None:
    assert components([("a", "a"), ("c", "b"), ("b", "c"), ("b", "c")]) == {"a": "a", "b": "b", "c": "b"}


def test_an_edge_that_repeats_256_times_is_an_edge() -> None:
    assert components([("b", "a")] * 256) == {"a": "a", "b": "a"}


@pytest.mark.parametrize("dtype", ["U32", "S32", object])
def test_types_of_ids(dtype: object) -> None:
    ids = np.array([f"{number:032x}" for number in range(6)]).astype(dtype)  # type: ignore[call-overload]
    nodes, labels = connected_components(ids[[5, 3]], ids[[3, 1]])
    assert nodes.tolist() == ids[[1, 3, 5]].tolist()
    assert labels.tolist() == [ids[1]] * 3


def test_no_edges() -> None:
    nodes, labels = connected_components(np.array([], "U32"), np.array([], "U32"))
    assert len(nodes) == len(labels) == 0


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 sources but 1 destinations"):
        connected_components(np.array(["a", "b"]), np.array(["a"]))


def test_random_graph_against_flood_fill() -> None:
    draw = np.random.default_rng(0)
    edges = draw.integers(0, 2000, (900, 2))
    nodes, labels = connected_components(edges[:, 0], edges[:, 1])
    neighbours: dict[int, set[int]] = {int(node): set() for node in nodes}
    for a, b in edges.tolist():
        neighbours[a].add(b)
        neighbours[b].add(a)
    expected: dict[int, int] = {}
    for node in sorted(neighbours):
        reached = [node]
        while reached:
            at = reached.pop()
            if at not in expected:
                expected[at] = node
                reached.extend(neighbours[at])
    assert dict(zip(nodes.tolist(), labels.tolist(), strict=True)) == expected
