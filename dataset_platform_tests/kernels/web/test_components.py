"""Connected components: labels are the smallest ids, whatever the type and order of the edges."""

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.kernels.web.components import arrow_components, connected_components


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


def flood_fill(edges: list[tuple[int, int]]) -> dict[int, int]:
    neighbours: dict[int, set[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    labels: dict[int, int] = {}
    for node in sorted(neighbours):
        reached = [node]
        while reached:
            at = reached.pop()
            if at not in labels:
                labels[at] = node
                reached.extend(neighbours[at])
    return labels


def graph(seed: int) -> list[tuple[int, int]]:
    """Random edges, a chain, stars that meet at a leaf and a clique, in any order and direction."""
    draw = np.random.default_rng(seed)
    edges = draw.integers(0, draw.integers(2, 400), (draw.integers(1, 300), 2)).tolist()
    edges += [(n, n + 1) for n in range(1000, 1000 + int(draw.integers(2, 200)))]
    edges += [(2000, leaf) for leaf in range(2001, 2080)] + [(2500, leaf) for leaf in range(2501, 2580)]
    edges += [(2050, 2550)] * int(draw.integers(0, 2))
    edges += [(a, b) for a in range(3000, 3012) for b in range(a) if b >= 3000]
    turned = [(a, b) if draw.random() < 0.5 else (b, a) for a, b in edges]
    return [turned[i] for i in draw.permutation(len(turned))]


DENSE = "integers in a row"
SPREAD = "integers far apart"
IDS = {
    DENSE: lambda n: n,
    "negative integers": lambda n: n - 1500,
    SPREAD: lambda n: n * 0x9E3779B97F4A7C15 % 2**63 - 2**62,
    "strings": lambda n: f"{n * 2654435761 % 2**32:x}",
    "strings of several alphabets": lambda n: "aé漢\N{GRINNING FACE}"[n % 4] * (n % 7) + str(n),
}


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("seed", range(8))
def test_labels_are_those_of_a_flood_fill(seed: int, kind: str) -> None:
    edges = [(IDS[kind](a), IDS[kind](b)) for a, b in graph(seed)]
    expected = flood_fill(edges)
    src, dst = (np.array(side) for side in zip(*edges, strict=True))
    nodes, labels = connected_components(src, dst)
    assert nodes.dtype == labels.dtype == src.dtype or src.dtype.kind == "U"
    assert nodes.tolist() == sorted(expected)
    assert dict(zip(nodes.tolist(), labels.tolist(), strict=True)) == expected


@pytest.mark.parametrize("dtype", ["i1", "u2", "i4", "u8"])
def test_every_width_of_integers(dtype: str) -> None:
    limits = np.iinfo(dtype)
    ids = np.array([limits.min, limits.max, 1, 5, limits.max], dtype)
    nodes, labels = connected_components(ids[:2], ids[3:])
    assert nodes.dtype == dtype
    assert nodes.tolist() == [limits.min, 5, limits.max]
    assert labels.tolist() == [limits.min, limits.min, limits.max]


def test_a_chain_of_a_million_needs_no_recursion() -> None:
    chain = np.random.default_rng(0).permutation(1_000_000)
    nodes, labels = connected_components(chain[:-1], chain[1:])
    assert len(nodes) == 1_000_000
    assert not labels.any()


def test_arrow_ids_in_chunks_and_slices() -> None:
    edges = [(IDS["strings"](a), IDS["strings"](b)) for a, b in graph(1)]
    src, dst = (pa.array(["unused", *side])[1:] for side in zip(*edges, strict=True))
    pieces = pa.chunked_array([src[:100], src[100:100], src[100:]]), pa.chunked_array([dst[:30], dst[30:]])
    for columns in ((src, dst), pieces, [c.cast(pa.large_string()) for c in pieces]):
        nodes, labels = arrow_components(*columns)
        assert nodes.type == labels.type == columns[0].type
        assert dict(zip(nodes.to_pylist(), labels.to_pylist(), strict=True)) == flood_fill(edges)


def test_arrow_ids_must_be_there() -> None:
    none = pa.array([], pa.string())
    assert [len(column) for column in arrow_components(none, pa.chunked_array([none]))] == [0, 0]
    with pytest.raises(ValueError, match="1 sources but 0 destinations"):
        arrow_components(pa.array(["a"]), none)
    with pytest.raises(ValueError, match="a null at one end"):
        arrow_components(pa.array(["a"]), pa.array([None], pa.string()))
