"""Takes away bodies that nothing speaks of: what a killed process, or a lost race, left behind."""

from typing import final

from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.event_log import log

_YOUNG = 3600.0  # seconds in which a body may wait for the row that names it
_EVERY = 86400.0


@final
class GarbageCollector:
    """Looks at all bodies, at the first call and then once a day."""

    def __init__(self, store: Store, bodies: Bodies) -> None:
        self._store, self._bodies = store, bodies
        self._due = 0.0

    def __call__(self, now: float) -> None:
        """Sweep if it is time to. Raises StoreError; then it is done again a day later."""
        if now < self._due:
            return
        self._due = now + _EVERY
        gone = self._bodies.sweep(now - _YOUNG, self._store.references)
        if gone:
            log("swept", bodies=gone)
