"""What every task must keep, as checks that a test calls; each raises AssertionError and says what is wrong.

The lab's figures hold for devices only because a batch of people gives the rows that each alone gives, and a
task's promise (`l2_bound`) is what the plan's noise is measured by: clipping keeps it anyway, but a task that
relies on it loses what it clips.
"""

import numpy as np

from confidante.core.values import Histories, SparseRows
from confidante.tasks.base import Task

ROUNDING = 1e-9
"""What float64 may add to a norm."""


def check_task(task: Task, histories: Histories) -> SparseRows:
    """Check all of a task on these people and return its rows."""
    before = [array.copy() for array in (histories.indptr, histories.items, histories.times)]
    rows = task.client_update(histories)
    for name, was in zip(("indptr", "items", "times"), before, strict=True):
        _require(np.array_equal(was, getattr(histories, name)), task, f"client_update changed {name}")
    check_layout(task, rows, histories.people)
    check_bounds(task, rows)
    check_alone(task, histories, rows)
    return rows


def check_layout(task: Task, rows: SparseRows, people: int) -> None:
    """Check that the rows are one a person, with increasing indices in range and finite float64 values."""
    _require(
        task.length >= 1 and rows.length == task.length, task, f"length {rows.length}, not {task.length}"
    )
    _require(rows.rows == people, task, f"{rows.rows} rows for {people} people")
    entries = len(rows.values)
    ends = int(rows.indptr[0]), int(rows.indptr[-1]), len(rows.indices)
    _require(ends == (0, entries, entries), task, f"indptr, indices and values do not fit: {ends}, {entries}")
    _require(bool((np.diff(rows.indptr) >= 0).all()), task, "indptr decreases")
    kinds = [array.dtype.name for array in (rows.indptr, rows.indices, rows.values)]
    _require(kinds == ["int64", "int64", "float64"], task, f"dtypes are {kinds}, not int64, int64, float64")
    _require(bool(np.isfinite(rows.values).all()), task, "a value is not finite")
    inside = (rows.indices >= 0) & (rows.indices < rows.length)
    _require(bool(inside.all()), task, f"index {rows.indices[~inside][:1]} outside 0 to {rows.length - 1}")
    row = rows.row_of_entry
    fine = (np.diff(rows.indices) > 0) | (np.diff(row) > 0)
    _require(bool(fine.all()), task, f"row {row[1:][~fine][:1]}: indices repeat or are not sorted")


def check_bounds(task: Task, rows: SparseRows) -> None:
    """Check that no row is longer than `l2_bound`, and that the bounds themselves make sense."""
    _require(0 < task.linf_bound <= task.l2_bound, task, "0 < linf_bound <= l2_bound does not hold")
    norms = np.sqrt(np.bincount(rows.row_of_entry, weights=rows.values**2, minlength=rows.rows))
    longest = float(norms.max(initial=0))
    _require(
        longest <= task.l2_bound * (1 + ROUNDING),
        task,
        f"row {int(norms.argmax()) if len(norms) else 0} has l2 norm {longest}, the bound is {task.l2_bound}",
    )


def check_alone(task: Task, histories: Histories, rows: SparseRows) -> None:
    """Check that each person alone gives, bit by bit, the row of the batch: the device and the lab agree."""
    for person in range(histories.people):
        alone = task.client_update(histories.select(np.array([person])))
        same = np.array_equal(alone.dense(0), rows.dense(person))
        _require(same, task, f"person {person} alone gives another row than among {histories.people} people")


def _require(holds: bool, task: Task, problem: str) -> None:
    if not holds:
        raise AssertionError(f"task {task.name!r}: {problem}")
