"""The kinds of tasks there are, and a task as bytes: what a coordinator shows a device before it agrees.

A kind is the `KIND` of a module of this package, or is named by an entry point of the group
`confidante.tasks` of a package that is installed. Anybody may hand a device the bytes of a task: whatever is
malformed, out of bounds or of another catalogue is a WireError. The same task gives the same bytes.
"""

from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Union

import msgspec

from confidante import tasks
from confidante.core.errors import DataError, WireError
from confidante.models.scoring import ModelName
from confidante.privacy.purposes import SUM_PURPOSES
from confidante.tasks.base import Models, Task, TaskForm, TaskKind
from confidante.wire.catalogue import CatalogueWire

GROUP = "confidante.tasks"
"""Entry points of other packages' kinds."""

MAX_BYTES = 1 << 27
"""Size of the largest task."""


@lru_cache(maxsize=1)
def kinds() -> tuple[TaskKind, ...]:
    """Return every kind, those with the fewest settings first.

    Raises:
        DataError: an entry point is not a `TaskKind`, or two kinds share a tag, a name or a class.
    """
    own = [import_module(f"{tasks.__name__}.{one.name}") for one in iter_modules(tasks.__path__)]
    found = [(f"confidante: {one.__name__}", one.KIND) for one in own if hasattr(one, "KIND")]
    for point in sorted(entry_points(group=GROUP)):
        kind = point.load()
        if not isinstance(kind, TaskKind) or not {*kind.purposes} <= {*SUM_PURPOSES}:
            raise DataError(
                f"the entry point {point.name} = {point.value} is not a TaskKind for purposes out of "
                f"{', '.join(SUM_PURPOSES)}: correct or uninstall the package that has it"
            )
        found.append((f"{point.name} = {point.value}", kind))
    taken: dict[object, str] = {}
    for where, kind in found:
        for sign in (kind.name, kind.task):
            if sign in taken:
                raise DataError(f"{where} and {taken[sign]} are both the task {kind.name!r}: uninstall one")
            taken[sign] = where
    return tuple(sorted((kind for _where, kind in found), key=_settings))


def _settings(kind: TaskKind) -> tuple[int, str]:
    return len(kind.config.__struct_fields__) if kind.config else 0, kind.name


@lru_cache(maxsize=1)
def _by_class() -> MappingProxyType[type, TaskKind]:
    return MappingProxyType(
        {of: kind for kind in kinds() for of in (kind.task, kind.form, kind.config) if of}
    )


def kind_of(one: object) -> TaskKind:
    """Return the kind of a task, of its form, or of its table.

    Raises:
        DataError: nobody registered such a kind.
    """
    kind = _by_class().get(type(one))
    if kind is None:
        said = getattr(one, "name", type(one).__name__)
        raise DataError(f"{said}: tasks of this kind cannot be sent to devices: nobody registered it")
    return kind


@lru_cache(maxsize=1)
def _decoder() -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(Union[tuple(kind.form for kind in kinds())])  # noqa: UP007


def read_form(data: bytes) -> TaskForm:
    """Return what the bytes of a task say, whatever its catalogue; WireError when malformed."""
    if len(data) > MAX_BYTES:
        raise WireError(f"a task has {len(data)} bytes, at most {MAX_BYTES} are read")
    try:
        form: TaskForm = _decoder().decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"a task cannot be read: it is malformed ({error})") from None
    return form


def decode_task(data: bytes, wire: CatalogueWire, models: Models = ModelName) -> Task:
    """Return the task in `data`; WireError when it is malformed or of another catalogue.

    Args:
        data: as `encode_task` wrote it.
        wire: the catalogue that it names.
        models: gives the model of a digest (`TaskForm.models`), ready to score this catalogue. Without it a
            task that grades lists can be looked at and not computed; nor can one that has a `place`.
    """
    form = read_form(data)
    if form.catalogue != wire.digest:
        raise WireError(
            "a task is of another catalogue than the one at hand: fetch the catalogue that it names"
        )
    return form.task(wire, models)


def encode_task(task: Task, wire: CatalogueWire) -> bytes:
    """Return the bytes of a task over a catalogue.

    Raises:
        DataError: the task is of another catalogue, of a kind that does not travel, or has bounds other than
            its kind's.
    """
    data = msgspec.msgpack.encode(kind_of(task).form.of(task, wire.digest))
    try:
        back = decode_task(data, wire)
    except WireError as error:
        raise DataError(f"{task.name}: the task cannot be sent to devices: {error}") from None
    if _outside(back) != _outside(task):
        raise DataError(f"{task.name}: length or bounds are not those of its kind over this catalogue")
    return data


def _outside(task: Task) -> tuple[str, int, float, float]:
    return task.name, task.length, task.l2_bound, task.linf_bound
