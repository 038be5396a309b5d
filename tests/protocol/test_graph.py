"""The graph and its size: exact against enumeration, safe at 2^-40, refused when impossible."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confidante.core.errors import PlanError
from confidante.protocol.graph import Graph, degree_and_threshold, graph_size


def test_the_graph_is_regular_symmetric_and_decided_by_the_seed() -> None:
    graph = Graph(b"s" * 32, 20, 6)
    rows, slots = graph.table()
    for i in range(20):
        assert len(set(rows[i])) == 6
        assert i not in rows[i]
        assert [rows[j, s] for j, s in zip(rows[i], slots[i], strict=True)] == [i] * 6
    assert (Graph(b"s" * 32, 20, 6).order == graph.order).all()
    assert (Graph(b"t" * 32, 20, 6).order != graph.order).any()


def brute_fewest(graph: Graph, present: np.ndarray) -> int:
    n, half = graph.n, graph.k // 2
    windows = [{int(graph.order[(p + i) % n]) for i in range(half)} for p in range(n)]
    return min(
        sum(present[i] for i in one | other) for one, other in combinations(windows, 2) if not one & other
    )


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.sampled_from([(8, 4), (9, 2), (9, 4), (12, 6), (13, 10), (16, 4)]), st.data())
def test_fewest_in_windows_equals_enumeration(size: tuple[int, int], data: st.DataObject) -> None:
    graph = Graph(b"s" * 32, *size)
    present = np.array(data.draw(st.lists(st.booleans(), min_size=size[0], max_size=size[0])))
    assert graph.fewest_in_windows(present) == brute_fewest(graph, present)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.data())
def test_enough_in_every_two_windows_means_connected(data: st.DataObject) -> None:
    graph = Graph(b"s" * 32, 14, 6)
    present = np.array(data.draw(st.lists(st.booleans(), min_size=14, max_size=14)))
    if graph.fewest_in_windows(present) < 1:
        return
    seen: set[int] = set()
    todo = [int(np.flatnonzero(present)[0])]
    while todo:
        seen.add(node := todo.pop())
        todo += [int(j) for j in graph.neighbours(node) if present[j] and j not in seen]
    assert seen == set(np.flatnonzero(present).tolist())


@pytest.mark.parametrize(("n", "dropout", "collusion"), [(100, 0.2, 0.1), (1000, 0.1, 0.1), (943, 0.3, 0.05)])
def test_a_random_neighbourhood_fails_less_than_once_in_2_to_the_40(
    n: int, dropout: float, collusion: float
) -> None:
    k, t = degree_and_threshold(n, dropout, collusion)
    total, gone, corrupt = comb(n, k), int(n * dropout), int(n * collusion)
    too_few = sum(comb(gone, x) * comb(n - gone, k - x) for x in range(k - t + 1, min(k, gone) + 1))
    too_many = sum(comb(corrupt, x) * comb(n - corrupt, k - x) for x in range(t, min(k, corrupt) + 1))
    assert (too_few + too_many) * n << 40 <= total
    # Any two windows keep an honest survivor: at least `spread` survive, fewer than that collude.
    spread = graph_size(n, dropout, collusion).spread
    gaps = sum(comb(gone, x) * comb(n - gone, k - x) for x in range(k - spread + 1, min(k, gone) + 1))
    gaps += sum(comb(corrupt, x) * comb(n - corrupt, k - x) for x in range(spread, min(k, corrupt) + 1))
    assert gaps * (n * n // 2) << 40 <= total
    # The degree is not simply generous: with two thirds of it no threshold would do.
    k = k * 2 // 3
    total = comb(n, k)
    for t in range(2, k):
        too_few = sum(comb(gone, x) * comb(n - gone, k - x) for x in range(k - t + 1, min(k, gone) + 1))
        too_many = sum(comb(corrupt, x) * comb(n - corrupt, k - x) for x in range(t, min(k, corrupt) + 1))
        assert (too_few + too_many) * n << 40 > total


def test_more_dropout_or_more_security_never_asks_for_fewer_neighbours() -> None:
    degrees = [degree_and_threshold(500, d, 0.1)[0] for d in (0.05, 0.1, 0.2, 0.3)]
    assert degrees == sorted(degrees)
    assert degree_and_threshold(500, 0.1, 0.1, 60) > degree_and_threshold(500, 0.1, 0.1, 20)


def test_small_rounds_are_complete_and_keep_the_threshold_reachable() -> None:
    for n in range(3, 65):
        k, t = degree_and_threshold(n, 0.2, 0.05)
        assert k == n - 1
        assert n - int(n * 0.2 + 1e-9) - 1 == t > int(n * 0.05)


@pytest.mark.parametrize(
    ("n", "dropout", "collusion"),
    [(0, 0.1, 0.1), (2, 0.0, 0.0), (10, 0.5, 0.1), (10, -0.1, 0.1), (10, 0.1, 1.0), (4, 0.25, 0.5),
     (3, 0.34, 0.0)],
)  # fmt: skip
def test_impossible_rounds_are_refused(n: int, dropout: float, collusion: float) -> None:
    with pytest.raises(PlanError):
        degree_and_threshold(n, dropout, collusion)
