"""What every part of a `Device` stands on: an open vault, switches and ledger, one thread at a time."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from confidante.core.errors import DataError
from confidante.device.catalog.serving import Serving
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.ledger import Ledger
from confidante.device.recommend.person import Person
from confidante.device.recommend.query import NOBODY, Profile
from confidante.device.storage import items, settings
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose

P = ParamSpec("P")
R = TypeVar("R")
O = TypeVar("O", bound="Opened")  # noqa: E741


def one_at_a_time(method: Callable[Concatenate[O, P], R]) -> Callable[Concatenate[O, P], R]:
    """Let one thread in, and first erase what is due."""

    @wraps(method)
    def locked(self: O, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._vault.lock:
            if self._person.tidy():
                self._serving.drop_forgotten()
            return method(self, *args, **kwargs)

    return locked


class Opened:
    """An open vault and what was read of it. The parts of `Device` are its subclasses."""

    _vault: Vault
    _consents: Consents
    _ledger: Ledger
    _serving: Serving
    _person: Person

    @property
    def folder(self) -> Path:
        """The profile's folder."""
        return self._vault.folder

    def now(self) -> float:
        """Return seconds since 1970 as the vault counts them: never less than before."""
        return self._vault.now()

    @property
    def protection(self) -> str:
        """What guards the key: "passphrase", "keyring", or "beside" (nothing)."""
        return self._vault.protection

    @property
    def consents(self) -> Consents:
        """The switches and their receipts."""
        return self._consents

    @property
    def ledger(self) -> Ledger:
        """What left, and the budget."""
        return self._ledger

    @property
    def paused_until(self) -> float | None:
        """Seconds since 1970 (inf: until resumed), or None when learning is not paused."""
        until = settings.paused_until(self._vault)
        return None if until is None or until <= self._vault.now() else until

    def _learning(self) -> bool:
        return self._consents.allowed(Purpose.LEARN) and self.paused_until is None

    def _profile(self) -> Profile:
        """Return the profile that answers may use: nobody's in no-profiling mode."""
        library = self._serving.library
        if not settings.no_profiling(self._vault):
            return self._person.profile(library)
        own = library.rows_of(items.personal_keys(self._vault))
        return replace(NOBODY, never=own[own >= 0])  # what only this person made known is for nobody

    def _key(self, item_id: str) -> int:
        key = items.key_of(self._vault, item_id)
        if key is None:
            raise DataError(f"there is no item {item_id!r}: add it with add_items first")
        return key
