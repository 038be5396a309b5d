"""What is published of one sum over cohorts: the table, the task that it is of, and the noisy sizes."""

import hashlib
import math
from dataclasses import dataclass
from typing import Annotated, final

import msgspec

from confidante.core.errors import DataError, WireError
from confidante.tasks.cohorts.table import MAX_BYTES as MAX_TABLE
from confidante.tasks.cohorts.table import CohortTable
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.cohorts.tree import MOST_GROUPS
from confidante.tasks.registry import decode_task
from confidante.wire.catalogue import CatalogueWire

MAX_BYTES = MAX_TABLE + (1 << 22)
"""Size of the largest release in bytes."""

_MOST_TASK = 1 << 21

_Numbers = Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=MOST_GROUPS)]


class _Form(msgspec.Struct, tag="cohort release 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    task: Annotated[bytes, msgspec.Meta(max_length=_MOST_TASK)]
    gate: float
    sizes: _Numbers
    spreads: _Numbers
    table: Annotated[bytes, msgspec.Meta(max_length=MAX_TABLE)]


@final
@dataclass(frozen=True, slots=True, eq=False)
class CohortRelease:
    """A cohort table with what a person may want to know of it.

    task: of the sum, as the coordinator announced it (`encode_task`). gate: devices that a
    group needed. sizes: devices of each group of the tree and of those below it, as the noisy sum has it (it
    can be negative); spreads: standard deviation of the noise in each. Raises DataError for pieces that do
    not fit.
    """

    task: bytes
    gate: float
    sizes: tuple[float, ...]
    spreads: tuple[float, ...]
    table: CohortTable

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        groups = len(self.table.tree)
        if len(self.sizes) != groups or len(self.spreads) != groups:
            raise DataError(f"a cohort release of {groups} groups gives each one size and its noise")
        if not all(map(math.isfinite, (self.gate, *self.sizes, *self.spreads))):
            raise DataError("a cohort release has a number that is not finite")
        if self.gate < 0 or min(self.spreads) < 0:
            raise DataError("a cohort release has a gate or a noise below 0")
        if len(self.task) > _MOST_TASK:
            raise DataError(f"a cohort release is of a task of {len(self.task)} bytes, at most {_MOST_TASK}")

    def encode(self) -> bytes:
        """Return the canonical bytes. DataError for a table that is too large."""
        return msgspec.msgpack.encode(
            _Form(self.task, self.gate, self.sizes, self.spreads, self.table.encode())
        )

    @classmethod
    def decode(cls, data: bytes) -> "CohortRelease":
        """Return the release in canonical bytes; WireError when they are not."""
        if len(data) > MAX_BYTES:
            raise WireError(f"a cohort release has {len(data)} bytes, at most {MAX_BYTES} are read")
        try:
            form = msgspec.msgpack.decode(data, type=_Form)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"a cohort release cannot be read: it is malformed ({error})") from None
        if not _in_one_form(form, data):
            raise WireError("a cohort release is not in canonical form: make it again")
        table = CohortTable.decode(form.table)
        try:
            return cls(form.task, form.gate, form.sizes, form.spreads, table)
        except DataError as error:
            raise WireError(f"a cohort release is inconsistent: {error}") from None

    def check(self, wire: CatalogueWire, announced: bytes) -> None:
        """Hold it against what the public log says; WireError when it is of something else.

        wire: the catalogue that was announced; announced: sha256 of the task that was.
        """
        if hashlib.sha256(self.task).digest() != announced:
            raise WireError("a cohort release belongs to another task than the announced one: refused")
        task = decode_task(self.task, wire)
        if not isinstance(task, CohortTask) or task.tree != self.table.tree:
            raise WireError("a cohort table has another tree than the announced task: refused")
        if self.table.catalogue != wire.digest or self.table.items != len(wire.catalogue):
            raise WireError("a cohort table belongs to another catalogue than the announced one: refused")


def _in_one_form(form: _Form, data: bytes) -> bool:
    """Whether `data` is how `form` is written. The table stands last: only what is before it is made anew."""
    size = len(form.table)
    before = msgspec.msgpack.encode(msgspec.structs.replace(form, table=b"")).removesuffix(b"\xc4\x00")
    kind, wide = (b"\xc4", 1) if size < 1 << 8 else (b"\xc5", 2) if size < 1 << 16 else (b"\xc6", 4)
    head = before + kind + size.to_bytes(wide, "big")
    return len(data) == len(head) + size and data[: len(head)] == head
