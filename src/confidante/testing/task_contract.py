"""What every task must keep, as checks that a test calls; each raises AssertionError and says what is wrong.

The lab's figures hold for devices only because a batch of people gives the rows that each alone gives, and a
task's promise (`l2_bound`) is what the plan's noise is measured by: clipping keeps it anyway, but a task that
relies on it loses what it clips.
"""

from dataclasses import asdict

import msgspec
import numpy as np

from confidante.core.errors import WireError
from confidante.core.values import Histories, SparseRows
from confidante.models.scoring import ModelName
from confidante.tasks.base import Models, NoisySum, Stated, Task, TaskConfig, TaskContext, TaskKind
from confidante.tasks.registry import decode_task, encode_task, kind_of, kinds, read_form
from confidante.wire.catalogue import CatalogueWire

ROUNDING = 1e-9
"""What float64 may add to a norm."""


def check_kind(
    kind: TaskKind,
    task: Task,
    histories: Histories,
    wire: CatalogueWire,
    config: TaskConfig | None = None,
    models: Models = ModelName,
) -> None:
    """Check all that devices and coordinators rely on of a kind of task that is registered.

    Args:
        kind: the entry.
        task: one of that kind over the catalogue, as a coordinator would make it.
        histories: people over the catalogue, some of whom have something to say in it.
        wire: the catalogue.
        config: a table of the kind; None for one that only trainings use.
        models: gives those that the task names, ready to score the catalogue.
    """
    _require(kind in kinds() and kind_of(task) is kind, task, "the kind is not registered")
    sums = [one.entry.sums for one in kind.purposes]
    _require(bool(sums) and all(sums), task, "a purpose is not for sums, or there is none")
    version = kind.tag.rpartition(" ")[2]
    _require(version.isdigit() and bool(kind.name), task, f"the tag {kind.tag!r} is not a name and a version")
    body = encode_task(task, wire)
    _require(encode_task(decode_task(body, wire), wire) == body, task, "what is read back has other bytes")
    form = read_form(body)
    _require(type(form) is kind.form and form.catalogue == wire.digest, task, "the form is another kind's")
    for damaged in (body[:-1], body + b"\0", msgspec.msgpack.encode([kind.tag])):
        _refused(task, damaged, wire)
    elsewhere = form.__class__.of(task, bytes(32))
    _refused(task, msgspec.msgpack.encode(elsewhere), wire)
    back = decode_task(body, wire, models)
    if kind.place is not None:
        back, said = kind.place(back, Stated({}))
        _require(all(isinstance(one, str) for one in said.values()), task, "a note of `place` is not text")
    rows = check_task(back, histories)
    _require(bool(rows.values.any()), task, "nobody has anything to say: give other histories")
    total = np.zeros(task.length)
    np.add.at(total, rows.indices, rows.values)
    _check_found(task, NoisySum(total, 0.25, histories.people), wire)
    _require((config is None) == (kind.config is None), task, "a table is given, or lacking")
    if config is not None:
        _check_config(task, config, TaskContext(wire, 1 << 20, form.models))


def _refused(task: Task, data: bytes, wire: CatalogueWire) -> None:
    try:
        decode_task(data, wire)
    except WireError:
        return
    _require(False, task, f"damaged bytes are read: {data[:40]!r}")


def _check_found(task: Task, total: NoisySum, wire: CatalogueWire) -> None:
    form = read_form(encode_task(task, wire))
    found = form.found(total, wire, b"")
    if found is None:
        return
    msgspec.json.encode(asdict(found))  # type: ignore[call-overload]
    shown = found.rows([model.hex() for model in form.models])
    _require(
        all(len(row) == len(shown.headings) for row in shown.rows), task, "a row has too few or many cells"
    )
    _require(all(isinstance(cell, str) for row in shown.rows for cell in row), task, "a cell is not text")
    _require({*shown.numbers} <= {*range(len(shown.headings))}, task, "a column of numbers is not there")


def _check_config(task: Task, config: TaskConfig, context: TaskContext) -> None:
    kind = kind_of(config)
    _require(kind is kind_of(task), task, "the table is another kind's")
    _require(config.__struct_config__.tag == kind.name, task, f"the kind of the table is not {kind.name!r}")
    _require(f'# kind = "{kind.name}"' in kind.example, task, "the example has no table of the kind")
    plain = msgspec.to_builtins(config)
    _require(msgspec.convert(plain, type(config)) == config, task, "the table that is read back differs")
    try:
        msgspec.convert(plain | {"unheard-of": 1}, type(config))
    except msgspec.ValidationError:
        pass
    else:
        _require(False, task, "a key that the table has not is taken")
    config.check(context.wire)
    made = config.task(context)
    _require(kind_of(made) is kind, task, "the table makes another kind's task")
    encode_task(made, context.wire)


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
