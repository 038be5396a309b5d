"""What the person decides: wishes, tastes, pauses, how long raw events are kept, what they state."""

import math
from collections.abc import Mapping

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.base import Opened, one_at_a_time
from confidante.device.recommend.tastes import tastes
from confidante.device.storage import history, items, settings, wishes
from confidante.device.values import Cohort, Retention, Taste

_FOREVER = math.inf
_LONGEST_PAUSE = 1e10


class Steering(Opened):
    """The part of a `Device` by which a person steers it."""

    # --- wishes

    @one_at_a_time
    def less_like(self, item_id: str) -> None:
        """Suggest this no more, and similar items less."""
        self._wish("less", item_id)

    @one_at_a_time
    def not_this(self, item_id: str) -> None:
        """Suggest this no more."""
        self._wish("never", item_id)

    @one_at_a_time
    def allow(self, item_id: str) -> None:
        """Take back `less_like` and `not_this`."""
        self._key(item_id)
        for kind in ("less", "never"):
            wishes.unset(self._vault, kind, item_id)
        self._person.changed()

    @one_at_a_time
    def save(self, item_id: str) -> None:
        """Put an item on the list of saved ones. Saving is no event: it changes no suggestion."""
        self._wish("saved", item_id)

    @one_at_a_time
    def unsave(self, item_id: str) -> None:
        """Take an item off the list of saved ones."""
        self._key(item_id)
        wishes.unset(self._vault, "saved", item_id)

    @property
    def saved(self) -> tuple[Item, ...]:
        """Saved items, newest first."""
        return self._wished("saved")

    def wishes(self) -> tuple[tuple[str, Item], ...]:
        """Return ("less" or "never", item) for each: all of the first kind, newest first, then the second."""
        return tuple((kind, item) for kind in ("less", "never") for item in self._wished(kind))

    @one_at_a_time
    def tastes(self, limit: int = 30) -> tuple[Taste, ...]:
        """Return the labels that the history is made of, `limit` at most, and every edited one."""
        if limit < 0:
            raise DataError(f"cannot list {limit} tastes: give 0 or more")
        levels = dict(wishes.levels(self._vault))
        return tastes(self._serving.library, self._person.profile(self._serving.library), levels, limit)

    @one_at_a_time
    def edit_taste(self, label: str, *, level: int = 0, removed: bool = False) -> Taste:
        """Set a taste by hand: level -2 (much less) to 2 (much more), 0 untouched, or removed altogether."""
        if not -2 <= level <= 2:
            raise DataError(f"the level of a taste is -2 to 2, not {level}")
        library = self._serving.library
        if label not in library.labels and label not in dict(wishes.levels(self._vault)):
            raise DataError(f"no item has the label {label!r}: there is nothing to raise or lower")
        if removed or level:
            wishes.put(self._vault, "taste", label, wishes.REMOVED if removed else level)
        else:
            wishes.unset(self._vault, "taste", label)
        self._person.changed()
        levels = {label: wishes.REMOVED if removed else level}
        shown = tastes(library, self._person.profile(library), levels, len(library.labels))
        return next(taste for taste in shown if taste.label == label)

    # --- control

    def pause(self, seconds: float | None = None) -> None:
        """Stop learning for so long, or until `resume`. What is known stays, and answers go on."""
        if seconds is not None and not 0 < seconds <= _LONGEST_PAUSE:
            raise DataError(f"pause for how long? {str(seconds)[:20]} seconds is no time")
        settings.set_paused_until(self._vault, _FOREVER if seconds is None else self._vault.now() + seconds)

    def resume(self) -> None:
        """Learn again."""
        settings.set_paused_until(self._vault, None)

    @property
    def no_profiling(self) -> bool:
        """Whether answers use nothing of the person, and are the same for everybody."""
        return settings.no_profiling(self._vault)

    @no_profiling.setter
    def no_profiling(self, on: bool) -> None:
        settings.set_no_profiling(self._vault, on=on)

    @property
    def retention(self) -> Retention:
        """How long raw events are kept."""
        return settings.retention(self._vault)

    @retention.setter
    def retention(self, kept: Retention) -> None:
        with self._vault.lock:
            settings.set_retention(self._vault, kept)
            history.expire(self._vault, kept)
            self._vault.rotate()
            self._serving.drop_forgotten()
            self._person.changed()

    # --- what the person states

    @property
    def attributes(self) -> Mapping[str, str]:
        """What the person stated of themselves, such as {"age": "25-34"}; empty until they do.

        It chooses here which group's popularity is used, and is never sent.
        """
        return settings.attributes(self._vault)

    def set_attributes(self, stated: Mapping[str, str]) -> None:
        """State these in place of all that was stated before; an empty mapping removes all.

        At most 16 short texts by short names. What is stated no more is destroyed with its key when the
        profile is next closed, or opened. Raises `DataError`.
        """
        with self._vault.lock:
            settings.set_attributes(self._vault, stated)
            self._person.changed()

    @property
    def cohort(self) -> Cohort | None:
        """The group whose popularity is used, found here and told nobody; None before there are tables.

        It follows from what the person states and picks. With no profiling it is everyone.
        """
        with self._vault.lock:
            return self._person.cohorts.shown(nobody=self.no_profiling)

    @property
    def cohort_attributes(self) -> Mapping[str, tuple[str, ...]]:
        """What the groups there are ask for, and the values they know; empty before there are tables."""
        with self._vault.lock:
            return self._person.cohorts.asked()

    # --- within

    def _wish(self, kind: str, item_id: str) -> None:
        self._key(item_id)
        wishes.put(self._vault, kind, item_id, 1)
        self._person.changed()

    def _wished(self, kind: str) -> tuple[Item, ...]:
        with self._vault.lock:
            ids = wishes.subjects(self._vault, kind)
            keys = items.keys_of(self._vault, ids)
            return tuple(items.items_of(self._vault, [keys[item_id] for item_id in ids if item_id in keys]))
