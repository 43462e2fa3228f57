"""Connected components: the distributed algorithm, the one in memory and a flood fill give the same labels."""

from __future__ import annotations

import random

import pytest
from pyspark.sql import DataFrame, SparkSession

from dataset_platform.engines import components
from dataset_platform.engines.components import component_labels, star_components
from dataset_platform.errors import EngineError

Edges = list[tuple[str, str]]


def node(number: int) -> str:
    """Ids in no numeric order, as hashes are."""
    return f"{number * 2654435761 % 2**32:032x}"


def random_edges(seed: int, nodes: int, count: int) -> Edges:
    draw = random.Random(seed)
    return [(node(draw.randrange(nodes)), node(draw.randrange(nodes))) for _ in range(count)]


def chain(first: int, length: int, seed: int = 0) -> Edges:
    edges = [(node(n), node(n + 1)) for n in range(first, first + length)]
    return random.Random(seed).sample(edges, len(edges))


def star(first: int, leaves: int) -> Edges:
    return [(node(first), node(first + n)) for n in range(1, leaves + 1)]


def apart(name: int, edges: Edges) -> Edges:
    """The same graph on other nodes, so that several fit into one."""
    return [(f"{name}/{a}", f"{name}/{b}") for a, b in edges]


GRAPHS: dict[str, Edges] = {
    "one long chain": chain(0, 150),
    "many components of every shape": [
        *apart(1, random_edges(1, 300, 150)),
        *apart(2, random_edges(2, 200, 120)),
        *chain(0, 60),
        *star(1000, 300),
        *star(2000, 200),
        (node(1005), node(2007)),  # two stars that meet at their leaves
        *star(5000, 250),
        *chain(3000, 20),
        (node(3020), node(3000)),
        *((node(a), node(b)) for a in range(4000, 4012) for b in range(a + 1, 4012)),
        *(("b", "a"), ("a", "b"), ("c", "c"), ("b", "a"), ("z", "y"), ("é", "z")),
    ],
}


def flood_fill(edges: Edges) -> dict[str, str]:
    neighbours: dict[str, set[str]] = {}
    for a, b in edges:
        if a != b:
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
    labels: dict[str, str] = {}
    for start in sorted(neighbours):
        waiting = [start]
        while waiting:
            at = waiting.pop()
            if at not in labels:
                labels[at] = start
                waiting.extend(neighbours[at])
    return labels


def frame(spark: SparkSession, edges: Edges, parts: int = 2) -> DataFrame:
    return spark.createDataFrame(edges, "src string, dst string").repartition(parts)


def labels_of(labels: DataFrame) -> dict[str, str]:
    rows = [(r["node"], r["label"]) for r in labels.collect()]
    assert len({n for n, _ in rows}) == len(rows), "a node has two labels"
    return dict(rows)


@pytest.mark.parametrize("name", GRAPHS)
def test_both_ways_give_the_smallest_id_of_each_component(spark: SparkSession, name: str) -> None:
    expected = flood_fill(GRAPHS[name])
    edges = frame(spark, GRAPHS[name])
    assert labels_of(component_labels(spark, edges)) == expected
    assert labels_of(component_labels(spark, edges, in_memory_edges=0)) == expected


def test_the_order_and_spread_of_edges_do_not_matter(spark: SparkSession) -> None:
    edges = random_edges(3, 120, 90)
    expected = flood_fill(edges)
    turned = [(b, a) for a, b in random.Random(4).sample(edges, len(edges))]
    assert labels_of(star_components(frame(spark, turned, parts=5).where("src <> dst"))) == expected


def test_no_edges_are_no_components(spark: SparkSession) -> None:
    for edges in ([], [("a", "a")]):
        for limit in (0, 10):
            assert labels_of(component_labels(spark, frame(spark, edges), in_memory_edges=limit)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_graphs_have_the_same_labels_both_ways(spark: SparkSession, seed: int) -> None:
    """Graphs about the size at which one component of many nodes appears, with a chain and stars on the same nodes."""
    draw = random.Random(seed)
    nodes = draw.randrange(50, 800)
    edges = random_edges(seed, nodes, int(nodes * draw.uniform(0.2, 1.2)))
    edges += [(node(n), node(n + 1)) for n in range(draw.randrange(nodes))]
    edges += [(node(draw.randrange(nodes)), node(leaf)) for leaf in range(0, nodes, draw.randrange(1, 9))]
    edges = [edge if draw.random() < 0.5 else edge[::-1] for edge in draw.sample(edges, len(edges))]
    expected = flood_fill(edges)
    assert labels_of(component_labels(spark, frame(spark, edges))) == expected
    assert labels_of(component_labels(spark, frame(spark, edges, parts=3), in_memory_edges=0)) == expected


def test_rounds_that_do_not_suffice_are_an_error(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "MAX_ROUNDS", 2)
    with pytest.raises(EngineError, match="not found after 2 rounds"):
        star_components(frame(spark, chain(0, 40)))
