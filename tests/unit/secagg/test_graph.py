"""The graph and its size: exact by enumeration, safe at 2^-40, alive at 2^-20, refused when impossible."""

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import PlanError
from confidante.secagg.graph import Graph, graph_size, signatures_checked


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


@given(st.sampled_from([(8, 4), (9, 2), (9, 4), (12, 6), (13, 10), (16, 4)]), st.data())
def test_fewest_in_windows_equals_enumeration(size: tuple[int, int], data: st.DataObject) -> None:
    graph = Graph(b"s" * 32, *size)
    present = np.array(data.draw(st.lists(st.booleans(), min_size=size[0], max_size=size[0])))
    assert graph.fewest_in_windows(present) == brute_fewest(graph, present)


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


def tail(n: int, marked: int, k: int, least: int) -> int:
    """Of the ways to choose k of n, those with at least `least` of the `marked`."""
    return sum(comb(marked, x) * comb(n - marked, k - x) for x in range(max(least, 0), min(k, marked) + 1))


def both_secrets(n: int, corrupt: int, k: int, t: int) -> Fraction:
    """P(t neighbours of some client collude or miss, each with 2^-8), by binomial tails."""
    total = Fraction(0)
    for c in range(min(k, corrupt) + 1):
        honest, need = k - c, max(t - c, 0)
        missed = sum(
            comb(honest, x) * Fraction(1, 256) ** x * Fraction(255, 256) ** (honest - x)
            for x in range(need, honest + 1)
        )
        total += Fraction(comb(corrupt, c) * comb(n - corrupt, k - c), comb(n, k)) * missed
    return n * total


@pytest.mark.parametrize(("n", "dropout", "collusion"), [(100, 0.2, 0.1), (1000, 0.1, 0.1), (943, 0.3, 0.05)])
def test_a_graph_leaks_below_2_to_the_40_and_fails_below_2_to_the_20(
    n: int, dropout: float, collusion: float
) -> None:
    k, t, spread = graph_size(n, dropout, collusion)
    total, gone, corrupt, pairs = comb(n, k), int(n * dropout), int(n * collusion), n * n // 2
    # Leaking: both secrets of a client, or two windows without an honest survivor.
    leaks = both_secrets(n, corrupt, k, t) + Fraction(tail(n, corrupt, k, spread) * pairs, total)
    assert leaks <= Fraction(1, 1 << 40)
    # Ending without a sum: a neighbourhood or two windows that lose too many.
    lost = tail(n, gone, k, k - t + 1) * n + tail(n, gone, k, k - spread + 1) * pairs
    assert lost << 20 <= total
    # The degree is not simply generous: with two thirds of it no threshold would do.
    k = k * 2 // 3
    assert not any(
        tail(n, gone, k, k - t + 1) * n << 20 <= comb(n, k) and tail(n, corrupt, k, t) * n << 40 <= comb(n, k)
        for t in range(2, k)
    )


@pytest.mark.parametrize(("survivors", "corrupt"), [(900, 100), (700, 100), (660, 94)])
def test_a_false_story_is_missed_by_one_client_in_256_at_most(survivors: int, corrupt: int) -> None:
    checks, n = signatures_checked(1000, survivors, corrupt), 1000
    genuine = (n + corrupt) // 2  # the most that a story other than the one can have, of `survivors` or more
    assert comb(genuine, checks) * 256 <= comb(survivors, checks)


def test_more_dropout_or_more_security_never_asks_for_fewer_neighbours() -> None:
    degrees = [graph_size(500, d, 0.1)[0] for d in (0.05, 0.1, 0.2, 0.3)]
    assert degrees == sorted(degrees)
    assert graph_size(500, 0.1, 0.1, 60) > graph_size(500, 0.1, 0.1, 20)


def test_small_rounds_are_complete_and_keep_the_threshold_reachable() -> None:
    for n in range(3, 65):
        k, t, _ = graph_size(n, 0.2, 0.05)
        assert k == n - 1
        assert n - int(n * 0.2 + 1e-9) - 1 == t > int(n * 0.05)


@pytest.mark.parametrize(
    ("n", "dropout", "collusion"),
    [(0, 0.1, 0.1), (2, 0.0, 0.0), (10, 0.5, 0.1), (10, -0.1, 0.1), (10, 0.1, 1.0), (4, 0.25, 0.5),
     (3, 0.34, 0.0)],
)  # fmt: skip
def test_impossible_rounds_are_refused(n: int, dropout: float, collusion: float) -> None:
    with pytest.raises(PlanError):
        graph_size(n, dropout, collusion)
