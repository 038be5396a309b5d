"""The tables of all cohorts on this device, and the choice among them, which never leaves it.

Every device fetches every table, so what it fetches says nothing of its person. Which of them is used follows
from what the person states and picks, here, anew whenever that changes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.core.arguments import checked_arguments
from confidante.core.errors import WireError
from confidante.device.catalog.library import Library
from confidante.device.recommend.group_prior import GroupPrior
from confidante.device.storage import items, settings
from confidante.device.storage.access import VaultAccess
from confidante.device.storage.vault import Vault
from confidante.device.values import OwnCohort
from confidante.packs.signals import LIKE

if TYPE_CHECKING:  # tables are read when there are some, so that a start without is quick
    from confidante.tasks.base import Stated
    from confidante.tasks.cohorts.release import CohortRelease
    from confidante.tasks.cohorts.tree import CohortTree

COHORTS_BODY = "cohorts"
"""Name of the body that holds what a coordinator published of cohorts, as it came."""

_EVERYONE = 0  # `models.cohorts.ROOT`, which a start does not load
_ITEMS_BODY = "items of cohorts"
_OF = "cohorts are of"


@final
@dataclass(frozen=True, slots=True)
class _Pick:
    number: int
    item: str
    labels: tuple[str, ...]


@final
@checked_arguments
class Cohorts:
    """The groups whose tables are on this device: read when first needed, and again when they changed.

    Stability: provisional
    """

    def __init__(self, access: VaultAccess) -> None:
        access.on_change(self._changed)
        self._access, self._vault = access, access.vault
        self._kept: tuple[CohortRelease, tuple[str, ...]] | None = None
        self._read = False
        self._picked: list[_Pick] | None = None
        self._rows: tuple[Library, NDArray[np.int64]] | None = None
        self._priors: dict[int, NDArray[np.float32]] = {}

    @property
    def current(self) -> OwnCohort | None:
        """The group whose popularity is used, found here and told nobody; None before there are tables.

        It follows from what the person states and picks. With no profiling it is everyone.
        """
        with self._vault.lock:
            kept = self._tables()
            if kept is None:
                return None
            release, table = kept[0], kept[0].table
            nobody = settings.no_profiling(self._vault)
            leaf = _EVERYONE if nobody else self._leaf(table.tree)
            by = table.serves[leaf]
            names = tuple(table.tree.groups[group].name for group in table.tree.path(leaf))
            why = "nothing of you is used" if nobody else self._why(table.tree, leaf)
            return OwnCohort(
                table.tree.groups[by].name, names, why, release.sizes[by], release.spreads[by], by != leaf
            )

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """What the groups ask a person to state, with the values they know; empty before there are tables."""
        with self._vault.lock:
            kept = self._tables()
            found: dict[str, dict[str, None]] = {}
            for group in () if kept is None else kept[0].table.tree.groups:
                if group.attribute:
                    found.setdefault(group.attribute, {}).update(dict.fromkeys(group.values))
            return {name: tuple(values) for name, values in found.items()}

    # --- for the rest of the device

    def _installed(self) -> None:
        """Read the tables anew."""
        self._kept, self._read, self._rows = None, False, None
        self._priors.clear()
        self._access.changed()

    def _prior(self, library: Library, without: Collection[int] = ()) -> GroupPrior | None:
        """Return what stands in place of the model's prior; None without tables.

        For everyone it is the model's own, of no group. without: events, by number, that are to count as if
        they had never happened.
        """
        kept = self._tables()
        if kept is None:
            return None
        release, _ids = kept
        table = release.table
        by = table.serves[self._leaf(table.tree, without)]

        def less(numbers: Collection[int]) -> GroupPrior | None:
            return self._prior(library, (*without, *numbers))

        if by == _EVERYONE:
            return GroupPrior("", library.model.prior, less)
        return GroupPrior(table.tree.groups[by].name, self._points(library, by), less)

    # --- within

    def _changed(self) -> None:
        self._picked = None

    def _tables(self) -> "tuple[CohortRelease, tuple[str, ...]] | None":
        if not self._read:
            self._kept, self._read = _read(self._vault), True
        return self._kept

    def _leaf(self, tree: "CohortTree", without: Collection[int] = ()) -> int:
        if self._picked is None:
            self._picked = _picks(self._vault)
        stated = _stated(self._vault, [one for one in self._picked if one.number not in without])
        return tree.leaf_of(stated.attributes, stated.liked_labels, stated.liked_items)

    def _why(self, tree: "CohortTree", leaf: int) -> str:
        said = []
        for place in reversed(tree.path(leaf)[:-1]):
            group = tree.groups[place]
            if group.by_likes:
                said.append(f"you picked what {group.name!r} stands for")
            else:
                said.append(f"you said {group.attribute} {settings.attributes(self._vault)[group.attribute]}")
        return " and ".join(said) or "nothing that you said or picked puts you in a smaller group"

    def _points(self, library: Library, group: int) -> NDArray[np.float32]:
        """Return a group's prior in the rows of the library, float32 [n].

        It comes in the units of the model that was the newest when it was made, and is brought into those of
        the model at hand. An item that the table does not know keeps what the model says of it.
        """
        if self._rows is None or self._rows[0] is not library:
            self._rows = library, self._rows_of(library)
            self._priors.clear()
        found = self._priors.get(group)
        if found is None:
            kept = self._tables()
            assert kept is not None  # noqa: S101  (there is a group)
            theirs = kept[0].table.prior(group)
            assert theirs is not None  # noqa: S101  (the root reads the model's own)
            rows, own = self._rows[1], library.model.prior
            known = rows >= 0
            largest = float(own[rows[known]].max(initial=0.0)) or library.spread or 1.0
            found = own.copy()
            found[rows[known]] = theirs[known] * np.float32(largest / (float(theirs.max()) or 1.0))
            self._priors[group] = found
        return found

    def _rows_of(self, library: Library) -> NDArray[np.int64]:
        """Return the library's row of each item of the tables, -1 where it has none."""
        kept = self._tables()
        ids = () if kept is None else kept[1]
        keys = items.keys_of(self._vault, ids)
        return library.rows_of(np.array([keys.get(one, -1) for one in ids], dtype=np.int64))


def standing_of(vault: Vault, destination: str, population: str) -> bytes | None:
    """Return the sha256 of the tables that are kept of a population; None when there are none of it."""
    if vault.setting(_OF) != _name(destination, population):
        return None
    found = vault.rows("SELECT digest FROM snapshot WHERE name = ?", (COHORTS_BODY,))
    return bytes(found[0][0]) if found else None


def keep(
    vault: Vault, destination: str, population: str, data: bytes | None, ids: tuple[str, ...] = ()
) -> None:
    """Keep tables in place of those before, or with None none.

    data: `CohortRelease.encode`, checked; ids: of the items, in the order of its catalogue.
    """
    with vault.write():
        vault.write_body(COHORTS_BODY, data)
        vault.write_body(_ITEMS_BODY, None if data is None else msgspec.msgpack.encode(ids))
        vault.set_setting(_OF, None if data is None else _name(destination, population))


def stated_here(vault: Vault) -> "Stated":
    """Return what the person of this device stated and picked."""
    return _stated(vault, _picks(vault))


def _stated(vault: Vault, picked: list[_Pick]) -> "Stated":
    from confidante.tasks.base import Stated

    labels = tuple(label for one in picked for label in one.labels)
    return Stated(settings.attributes(vault), tuple(one.item for one in picked), labels)


def _picks(vault: Vault) -> list[_Pick]:
    rows = vault.rows(
        "SELECT event.number, item.id, item.labels FROM event JOIN item ON item.key = event.item "
        "WHERE event.forgotten IS NULL AND event.kind = ? ORDER BY event.number",
        (LIKE,),
    )
    return [
        _Pick(number, item, msgspec.json.decode(labels, type=tuple[str, ...]))
        for number, item, labels in rows
    ]


def _read(vault: Vault) -> "tuple[CohortRelease, tuple[str, ...]] | None":
    data, ids = vault.read_body(COHORTS_BODY), vault.read_body(_ITEMS_BODY)
    if data is None or ids is None:
        return None
    from confidante.tasks.cohorts.release import CohortRelease

    release = CohortRelease.decode(data)
    listed = msgspec.msgpack.decode(ids, type=tuple[str, ...])
    if len(listed) != release.table.items:
        raise WireError("the cohort tables do not match the items stored with them")
    return release, listed


def _name(destination: str, population: str) -> bytes:
    return f"{destination} {population}".encode()
