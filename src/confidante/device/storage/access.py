"""How the parts of a device share one open vault: one thread at a time, and nothing outlives its time."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar, final

from confidante.core.errors import VaultError
from confidante.device.storage import marks, settings
from confidante.device.storage.forgetting import expire, next_expiry, next_purge, purge
from confidante.device.storage.vault import Vault

P = ParamSpec("P")
R = TypeVar("R")


@final
class VaultAccess:
    """An open vault that several components use.

    Whoever keeps something in memory that was derived from the vault has itself told of changes. importing:
    held by an import from before it looks at what is there; taken before the vault's own lock.

    Stability: internal
    """

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.importing = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._due = self._next_due()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever something changed that the person said or did."""
        self._listeners.append(listener)

    def changed(self) -> None:
        """Have whatever was derived from the vault read anew."""
        for listener in self._listeners:
            listener()
        self._due = self._next_due()

    def erase_due(self) -> None:
        """Erase what is too old to be kept, or too long forgotten to be undone; notice what counts by now.

        Where there is no room to destroy the old key, that is done later; it is no reason not to answer.
        """
        if self._due is None or self.vault.closed or self._due > self.vault.now():
            return
        with suppress(VaultError):
            settings.take_due_retention(self.vault)
            expire(self.vault, settings.retention(self.vault))
            purge(self.vault)
        self.changed()

    def _next_due(self) -> float | None:
        times = [
            next_purge(self.vault),
            next_expiry(self.vault, settings.retention(self.vault)),
            marks.next_later(self.vault),
        ]
        coming = settings.coming_retention(self.vault)
        if coming is not None:
            times.append(coming[1])
        return min((time for time in times if time is not None), default=None)


class _Component(Protocol):
    @property
    def _access(self) -> VaultAccess: ...


C = TypeVar("C", bound=_Component)


def exclusive(method: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]:
    """Let one thread at a time into a component's method, and first erase what is due."""

    @wraps(method)
    def locked(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        access = self._access
        with access.vault.lock:
            access.erase_due()
            return method(self, *args, **kwargs)

    return locked
