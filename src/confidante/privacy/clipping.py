"""Clip, scale and round vectors to integers, so that the integers keep the plan's bounds whatever happens.

The sensitivity that the accounting rests on is that of the *integers* which are summed. Rounding at random
keeps a vector unbiased but can lengthen it, so the integer norm is checked afterwards and a row that came out
too long is rounded toward zero instead, which never lengthens (the conditional rounding of Kairouz, Liu and
Steinke 2021, section 4, with a fallback in place of repetition). Each row is worked out from that row alone:
a device that encodes its own vector and a simulator that encodes thousands get the same integers.

A plan without noise rounds to the nearest integer instead, so that a run over real devices can be held
against the lab bit for bit. Entries below half an integer are lost then: such a plan wants a fine scale.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import SparseRows
from confidante.privacy.plan import SumPlan


@final
@dataclass(frozen=True, slots=True, eq=False)
class IntegerRows:
    """One encoded vector a device, for one or many devices (CSR), within its plan's integer bounds.

    indptr: int64 [rows + 1]; indices: int64 [entries] in [0, length); values: int64 [entries].
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[np.int64]
    length: int

    @property
    def rows(self) -> int:
        """Number of vectors."""
        return len(self.indptr) - 1

    def dense(self, row: int) -> NDArray[np.int64]:
        """Return one row as int64 [length]."""
        out = np.zeros(self.length, dtype=np.int64)
        part = slice(int(self.indptr[row]), int(self.indptr[row + 1]))
        out[self.indices[part]] = self.values[part]
        return out

    def select(self, rows: NDArray[np.integer]) -> "IntegerRows":
        """Return the given rows, in the given order."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        take = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return IntegerRows(indptr, self.indices[take], self.values[take], self.length)

    def sum(self) -> NDArray[np.int64]:
        """Return the exact sum of all rows, int64 [length]."""
        out = np.zeros(self.length, dtype=np.int64)
        self.add_to(out)
        return out

    def add_to(self, total: NDArray[np.int64]) -> None:
        """Add all rows to `total`, int64 [length]: costs by the entry, not by the length."""
        np.add.at(total, self.indices, self.values)


def encode(rows: SparseRows, plan: SumPlan, dither: NDArray[np.uint64]) -> IntegerRows:
    """Clip, scale and round each row to integers within the plan's bounds.

    dither: uint64 [rows], a fresh random number a row (and a sum); a plan without noise does not look at it
    and rounds to the nearest integer (halves to the even one). Random rounding is unbiased for rows that keep
    the l2 bound with a little room (1.5 integers, and an eighth of the row's entries over its norm); a longer
    row is shrunk to that. Whatever the values and the dither, in every encoded row each magnitude is at most
    `plan.linf_int` and the sum of squares at most `plan.l2_int_squared`.

    Raises `DataError` for entries that are not finite, indices out of range or repeated within a row, and
    lengths that do not fit.
    """
    _check(rows, plan, dither)
    row = rows.row_of_entry
    entry_bound = min(plan.linf_bound, plan.l2_bound)
    scaled = np.clip(rows.values, -entry_bound, entry_bound) * plan.scale

    squares = _sum_by_row(scaled * scaled, row, rows.rows)
    long = squares > plan.l2_limit**2
    if long.any():
        factor = np.ones(rows.rows)
        factor[long] = plan.l2_limit / np.sqrt(squares[long])
        scaled *= factor[row]
        squares[long] = plan.l2_limit**2
    entries = np.diff(rows.indptr)
    scaled *= _room_for_rounding(scaled, squares, entries, row, plan)[row]

    if plan.noise_multiplier == 0:
        rounded = np.rint(scaled)
    else:
        low = np.floor(scaled)
        rounded = low + (_uniform(dither[row], rows.indices) < scaled - low)
    values = rounded.astype(np.int64)
    over = _sum_by_row(rounded * rounded, row, rows.rows) > plan.l2_int_squared  # exact below 2^53
    if over.any():
        # The float norm of k entries is off by a relative (k + 8) * 2^-52 at most: the margin makes it true.
        short = np.trunc(scaled * (1 - (entries + 8) * 2.0**-52)[row])
        values = np.where(over[row], short, rounded).astype(np.int64)
    return IntegerRows(rows.indptr, rows.indices, values, rows.length)


def decode(total: NDArray[np.integer], plan: SumPlan) -> NDArray[np.float64]:
    """Return an integer sum in the units of the vectors, float64 of the same shape."""
    return total.astype(np.float64) / plan.scale


def _check(rows: SparseRows, plan: SumPlan, dither: NDArray[np.uint64]) -> None:
    """Refuse rows that the plan's bounds could not hold for."""
    if rows.length != plan.length:
        raise DataError(f"{plan.task}: vectors have {rows.length} entries, the plan sums {plan.length}")
    if dither.shape != (rows.rows,) or dither.dtype != np.uint64:
        raise DataError(f"{plan.task}: dither must be {rows.rows} uint64 numbers, one a row")
    if len(rows.indices) != len(rows.values) or rows.indptr[0] != 0 or rows.indptr[-1] != len(rows.values):
        raise DataError(f"{plan.task}: indptr, indices and values of the rows do not fit together")
    if len(rows.values) == 0:
        return
    if not np.isfinite(rows.values).all():
        where = int(np.flatnonzero(~np.isfinite(rows.values))[0])
        raise DataError(
            f"{plan.task}: entry {int(rows.indices[where])} of row {int(rows.row_of_entry[where])} is "
            f"{rows.values[where]}: a vector must be finite"
        )
    if rows.indices.min() < 0 or rows.indices.max() >= rows.length:
        raise DataError(f"{plan.task}: an index is outside 0 to {rows.length - 1}")
    key = rows.row_of_entry * rows.length + rows.indices
    if not (key[1:] > key[:-1]).all():
        key = np.sort(key)
        if (key[1:] == key[:-1]).any():
            repeated = int(key[:-1][key[1:] == key[:-1]][0])
            raise DataError(
                f"{plan.task}: row {repeated // rows.length} repeats index {repeated % rows.length}: "
                "add the values up first"
            )


def _sum_by_row(values: NDArray[np.float64], row: NDArray[np.int64], rows: int) -> NDArray[np.float64]:
    """Return float64 [rows]. In entry order, so that a row's sum does not depend on its batch."""
    sums: NDArray[np.float64] = np.bincount(row, weights=values, minlength=rows).astype(
        np.float64, copy=False
    )
    return sums


def _room_for_rounding(
    scaled: NDArray[np.float64],
    squares: NDArray[np.float64],
    entries: NDArray[np.int64],
    row: NDArray[np.int64],
    plan: SumPlan,
) -> NDArray[np.float64]:
    """Return the factor in [0, 1] by which each row is shrunk so that rounding seldom breaks its bound.

    Rounding x at random adds f(1-f) to the expected square, with variance about 4 x^2 f(1-f), f the fraction
    of x. A row with four deviations of room (an integer row needs none) is left alone. Others shrink to the
    norm t with t^2 + 3t + k/4 = l2_int^2, k entries: by Hoeffding's bound about 1 in 90 of them, at most, is
    then rounded toward zero.
    """
    factor = np.ones(len(squares))
    near = squares + entries / 4 + 4 * np.sqrt(squares) > plan.l2_int_squared
    if near.any():
        fraction = scaled - np.floor(scaled)
        spread = fraction * (1 - fraction)
        added = _sum_by_row(spread, row, len(squares))
        deviation = np.sqrt(_sum_by_row(4 * scaled * scaled * spread, row, len(squares)))
        near &= squares + added + 4 * deviation > plan.l2_int_squared
        target = np.sqrt(np.maximum(2.25 + plan.l2_int_squared - entries[near] / 4, 0)) - 1.5
        norm = np.sqrt(squares[near])
        factor[near] = np.clip(target / norm, 0, 1)
    return factor


def _uniform(seed: NDArray[np.uint64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one number in [0, 1) for each (seed, index): the index-th output of SplitMix64 begun at seed.

    Steele, Lea and Flood 2014. It decides only which way a number is rounded: no guarantee rests on it.
    """
    state = seed + (index.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    unit: NDArray[np.float64] = (state >> np.uint64(11)) * 2.0**-53
    return unit
