"""What every index must keep, as checks that a test calls; each raises AssertionError and says what is wrong.

Scores, filters, removals and order hold for every index exactly; only which rows are found may be
approximate, and `recall` says how far: 1.0 for an exact index.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.device.catalog.index import Index
from confidante.models.served import NewRows, ServedModel, ServedPart

Make = Callable[[ServedModel], Index]
Queries = Sequence[NDArray[np.float64]]


def random_model(
    rows: int, columns: Sequence[int], seed: int, *, ordered: bool = False, kinds: int = 0
) -> ServedModel:
    """Return a model of random numbers.

    columns: of each part; ordered: rows get lighter and lighter; kinds: rows are of so many kinds, and rows
    of a kind are alike, as items of a catalogue are (0: nothing is like anything else).
    """
    rng = np.random.default_rng(seed)
    light = np.linspace(1, 0.01, rows) ** 2 if ordered else np.ones(rows)
    parts = []
    kind = rng.integers(0, max(kinds, 1), rows)
    for k, width in enumerate(columns):
        vectors = rng.integers(-127, 128, (rows, width))
        if kinds:
            vectors = (rng.integers(-127, 128, (kinds, width))[kind] * 2 + vectors) // 3
        context, item = rng.normal(size=(2, rows)) / 100
        parts.append(
            ServedPart(
                f"part {k}",
                vectors.astype(np.int8),
                rng.normal(size=width).astype(np.float32),
                context.astype(np.float32),
                (item * light).astype(np.float32),
                2.0 + k,
            )
        )
    return ServedModel(tuple(parts), (rng.random(rows) * light).astype(np.float32))


def random_queries(model: ServedModel, seed: int, events: int = 20) -> tuple[NDArray[np.float64], ...]:
    """Return the queries of a random history."""
    rows = np.random.default_rng(seed).integers(0, model.rows, events)
    return model.queries(rows, np.arange(events)[::-1].astype(np.float64), np.ones(events))


def check_index(
    make: Make, model: ServedModel, *, recall: float = 1.0, requests: int = 30, n: int = 10
) -> None:
    """Check all of an index over `model`, which has at least 50 rows."""
    check_searches(make(model), model, recall=recall, requests=requests, n=n)
    check_filters(make(model), model)
    check_removals(make(model), model)
    check_additions(make, model, recall=recall)
    check_refusals(make(model), model)


def check_searches(index: Index, model: ServedModel, *, recall: float, requests: int, n: int) -> None:
    """Check that the best rows are found, with exact scores, best first, ties by row."""
    _require(index.rows == model.rows, f"{index.rows} rows, not {model.rows}")
    _require(index.nbytes >= model.prior.nbytes, f"{index.nbytes} bytes are fewer than the prior alone has")
    hits = wanted = 0
    for seed in range(requests):
        queries = random_queries(model, seed)
        bonus = None
        if seed % 3 == 2:
            bonus = np.random.default_rng(seed).normal(size=model.rows).astype(np.float32)
        found, scores = index.search(queries, n, bonus=bonus)
        check_answer(model, found, scores, queries, bonus)
        best = brute_force(model, queries, n, bonus=bonus)
        hits += len(np.intersect1d(found, best))
        wanted += len(best)
        if recall == 1:
            _require(np.array_equal(found, best), f"found {found}, the best are {best}")
    _require(hits >= recall * wanted, f"recall {hits / wanted:.3f} is below {recall}")
    nobody = tuple(np.zeros(len(part.strengths)) for part in model.parts)
    found, scores = index.search(nobody, n)
    _require(np.array_equal(found, brute_force(model, nobody, n)), "without events the prior alone must rank")
    _require(np.array_equal(scores, model.prior[found]), "without events a score is not the prior")


def check_filters(index: Index, model: ServedModel) -> None:
    """Check that only allowed rows are found, and all of them when few are left."""
    rng = np.random.default_rng(0)
    queries = random_queries(model, 0)
    for part in (0.9, 0.5, 0.02, 0.0):
        allowed = rng.random(model.rows) < part
        found, scores = index.search(queries, 10, allowed=allowed)
        check_answer(model, found, scores, queries, None)
        _require(bool(allowed[found].all()), f"with {part} of the rows allowed, another was found")
        _require(len(found) == min(10, int(allowed.sum())), f"with {part} of the rows allowed, too few")
    everything, _ = index.search(queries, model.rows + 5)
    _require(len(everything) == model.rows, "asked for more than there is, not all rows were found")
    _require(len(index.search(queries, 0)[0]) == 0, "asked for nothing, rows were found")


def check_removals(index: Index, model: ServedModel) -> None:
    """Check that a removed row is never found again, from the next search on, whoever is left."""
    queries = random_queries(model, 1)
    left = np.ones(model.rows, dtype=np.bool_)
    for _ in range(5):
        found, _ = index.search(queries, 5)
        _require(bool(left[found].all()), f"a removed row was found among {found}")
        index.remove(found)
        index.remove(found)  # again: no harm
        left[found] = False
    index.remove(np.flatnonzero(left)[3:])
    left[np.flatnonzero(left)[3:]] = False
    found, _ = index.search(queries, 10)
    _require(np.array_equal(np.sort(found), np.flatnonzero(left)), "the last three rows were not all found")


def check_additions(make: Make, model: ServedModel, *, recall: float) -> None:
    """Check that new rows are found at once, that removed ones stay away, and equal a new index."""
    half = model.rows // 2
    index = make(model.subset(np.arange(half)))
    index.remove(np.array([0, 1]))
    index.add(model)
    check_after(index, model, recall)
    width = len(model.parts[0].strengths)
    queries = random_queries(model, 3)
    towards = queries[0] / (np.linalg.norm(queries[0]) or 1.0)
    new = NewRows(np.outer([1.0, 2.0], towards), np.ones(2), np.full(2, 1e4))
    longer = model.with_rows(np.zeros(2), {model.parts[0].name: new})
    index.add(longer)
    found, _ = index.search(queries, 2)
    best = np.array([model.rows + 1, model.rows])
    _require(np.array_equal(found, best), f"two new rows that lead by far were not found: {found} ({width})")


def check_after(index: Index, model: ServedModel, recall: float) -> None:
    """Check an index that was extended to `model` after rows 0 and 1 were removed."""
    _require(index.rows == model.rows, f"{index.rows} rows after adding, not {model.rows}")
    allowed = np.arange(model.rows) > 1
    hits = 0
    for seed in range(10):
        queries = random_queries(model, seed)
        found, scores = index.search(queries, 10)
        check_answer(model, found, scores, queries, None)
        _require(bool(allowed[found].all()), "a removed row came back")
        hits += len(np.intersect1d(found, brute_force(model, queries, 10, allowed=allowed)))
    _require(hits >= recall * 100, f"after adding, recall {hits / 100} is below {recall}")


def check_refusals(index: Index, model: ServedModel) -> None:
    """Check that what does not fit is a DataError."""
    queries = random_queries(model, 0)
    for what, attempt in (
        ("a negative n", lambda: index.search(queries, -1)),
        ("queries of another model", lambda: index.search([*queries, np.zeros(1)], 1)),
        ("a short filter", lambda: index.search(queries, 1, allowed=np.ones(3, dtype=np.bool_))),
        ("a short bonus", lambda: index.search(queries, 1, bonus=np.ones(3, dtype=np.float32))),
        ("removing row -1", lambda: index.remove(np.array([-1]))),
        ("removing a row too many", lambda: index.remove(np.array([model.rows]))),
        ("a smaller model", lambda: index.add(model.subset(np.arange(3)))),
    ):
        try:
            attempt()
        except DataError:
            continue
        raise AssertionError(f"index: {what} was not refused")


def check_answer(
    model: ServedModel,
    found: NDArray[np.int64],
    scores: NDArray[np.float32],
    queries: Queries,
    bonus: NDArray[np.float32] | None,
) -> None:
    """Check that no row repeats, and that scores are the exact ones, in order, ties by row."""
    kinds = found.dtype.name, scores.dtype.name
    _require(kinds == ("int64", "float32"), f"dtypes are {kinds}, not int64, float32")
    _require(len(np.unique(found)) == len(found) == len(scores), f"rows repeat: {found}")
    _require(np.array_equal(scores, exact(model, found, queries, bonus)), "a score is not the exact one")
    order = np.lexsort((found, -scores))
    _require(np.array_equal(order, np.arange(len(found))), "not best first, ties by row")


def brute_force(
    model: ServedModel,
    queries: Queries,
    n: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    bonus: NDArray[np.float32] | None = None,
) -> NDArray[np.int64]:
    """Return the best rows, by scoring each alone."""
    rows = np.arange(model.rows) if allowed is None else np.flatnonzero(allowed)
    scores = exact(model, rows, queries, bonus)
    best: NDArray[np.int64] = rows[np.lexsort((rows, -scores))[:n]]
    return best


def exact(
    model: ServedModel, rows: NDArray[np.int64], queries: Queries, bonus: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return exact scores, rounded to float32."""
    scores = model.scores(rows, queries)
    if bonus is not None:
        scores += bonus[rows]
    return scores.astype(np.float32)


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise AssertionError(f"index: {problem}")
