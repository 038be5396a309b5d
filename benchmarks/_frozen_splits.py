"""Frozen leave-one-out splits (.npz) as an independent judge writes and grades them.

Keys: train_user, train_item, train_time (by time within a user), valid, test, user_ids,
item_ids, n_users, n_items. A hidden file, which is all that a trainer may read, lacks `valid` and `test`:
those parts of the split are then empty.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories
from confidante.lab.split import Split


@final
@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """A split in the judge's own order of users and items, so that scores can be handed to it as they are."""

    split: Split
    catalogue: Catalogue
    user_ids: tuple[str, ...]


def load_frozen(path: Path | str, names: Catalogue | None = None) -> Frozen:
    """Return a frozen split. Raises DataError.

    names: where titles and labels are looked up by item id; an item it lacks gets its id as title.
    The time of a held-out event is not in the file; it is given the person's last time in train.
    """
    path = Path(path)
    arrays = _read(path)
    users, items = _count(path, arrays, "n_users"), _count(path, arrays, "n_items")
    train = _train(path, arrays, users, items)
    last = np.zeros(users, dtype=np.int64)
    filled = train.lengths > 0
    last[filled] = train.times[train.indptr[1:][filled] - 1]
    valid, test = (_held_out(path, arrays, name, items, last) for name in ("valid", "test"))
    split = Split(np.arange(users), train, valid, test)
    return Frozen(split, _catalogue(path, arrays, items, names), tuple(map(str, arrays["user_ids"].tolist())))


def _read(path: Path) -> dict[str, NDArray[Any]]:
    needed = ("n_users", "n_items", "train_user", "train_item", "train_time", "item_ids", "user_ids")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise DataError("there is no such file", path=path) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise DataError(f"is not a split in .npz form ({error})", path=path) from None
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise DataError(f"lacks {', '.join(missing)}: make it with the split of the figures", path=path)
    return arrays


def _count(path: Path, arrays: dict[str, NDArray[Any]], name: str) -> int:
    value = arrays[name]
    if value.shape != () or value.dtype.kind not in "iu" or value <= 0:
        raise DataError(f"{name} must be one positive whole number", path=path)
    return int(value)


def _check_range(path: Path, name: str, values: NDArray[Any], below: int, shape: tuple[int, ...]) -> None:
    if values.dtype.kind not in "iu" or values.shape != shape:
        raise DataError(f"{name} must be whole numbers of shape {shape}, not {values.shape}", path=path)
    if values.size and not (values.min() >= 0 and values.max() < below):
        raise DataError(f"{name} has an index outside 0 to {below - 1}", path=path)


def _train(path: Path, arrays: dict[str, NDArray[Any]], users: int, items: int) -> Histories:
    user, item, time = arrays["train_user"], arrays["train_item"], arrays["train_time"]
    _check_range(path, "train_user", user, users, user.shape[:1])
    _check_range(path, "train_item", item, items, user.shape)
    if time.shape != user.shape or time.dtype.kind not in "iu":
        raise DataError("train_time must be one whole number a training row", path=path)
    same = np.diff(user) == 0
    if np.any(np.diff(user) < 0) or np.any((np.diff(time) < 0) & same):
        raise DataError("training rows must be sorted by user and then by time", path=path)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=users)))).astype(np.int64)
    return Histories(indptr, item.astype(np.int32), time.astype(np.int64))


def _held_out(
    path: Path, arrays: dict[str, NDArray[Any]], name: str, items: int, times: NDArray[np.int64]
) -> Histories:
    values = arrays.get(name)
    if values is None:
        nothing = np.zeros(0, dtype=np.int64)
        return Histories(np.zeros(len(times) + 1, dtype=np.int64), nothing.astype(np.int32), nothing)
    _check_range(path, name, values, items, times.shape)
    return Histories(np.arange(len(times) + 1), values.astype(np.int32), times)


def _catalogue(path: Path, arrays: dict[str, NDArray[Any]], items: int, names: Catalogue | None) -> Catalogue:
    ids = tuple(map(str, arrays["item_ids"].tolist()))
    if len(ids) != items:
        raise DataError(f"item_ids has {len(ids)} entries for {items} items", path=path)
    known = {} if names is None else {name: row for row, name in enumerate(names.ids)}
    titles = tuple(names.titles[known[name]] if names and name in known else name for name in ids)
    labels = tuple(names.labels[known[name]] if names and name in known else () for name in ids)
    return Catalogue(ids, titles, labels)
