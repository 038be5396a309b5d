"""`device.settings`: pauses, no-profiling mode, how long events are kept, what the person states."""

import math
from collections.abc import Mapping
from typing import final

from confidante.core.arguments import checked_arguments
from confidante.core.errors import DataError
from confidante.device.privacy.consent import Consents
from confidante.device.storage import settings
from confidante.device.storage.access import VaultAccess
from confidante.device.storage.forgetting import beyond, expire
from confidante.device.values import Forgotten, Purpose, Retention

_FOREVER = math.inf
_LONGEST_PAUSE = 1e10
_APP = "app: "


@final
@checked_arguments
class Settings:
    """What the person has set, and small values that the app keeps in the vault.

    Stability: provisional
    """

    def __init__(self, access: VaultAccess, consents: Consents) -> None:
        self._access, self._consents = access, consents

    @property
    def learning(self) -> bool:
        """Whether events are remembered: learning is switched on and not paused."""
        return self._consents.allowed(Purpose.LEARN) and self.paused_until is None

    @property
    def paused_until(self) -> float | None:
        """Seconds since 1970 (inf: until resumed), or None when learning is not paused."""
        until = settings.paused_until(self._access.vault)
        return None if until is None or until <= self._access.vault.now() else until

    def pause(self, seconds: float | None = None) -> None:
        """Stop learning for a while. What is known stays, and answers go on.

        Args:
            seconds: For how long, above 0; until `resume` when left out.

        Raises:
            DataError: `seconds` is not a length of time.
        """
        if seconds is not None and not 0 < seconds <= _LONGEST_PAUSE:
            raise DataError(f"{str(seconds)[:20]} is not a time to pause for: give a number of seconds")
        vault = self._access.vault
        settings.set_paused_until(vault, _FOREVER if seconds is None else vault.now() + seconds)

    def resume(self) -> None:
        """Learn again."""
        settings.set_paused_until(self._access.vault, None)

    @property
    def no_profiling(self) -> bool:
        """Whether answers use nothing of the person, and are the same for everybody."""
        return settings.no_profiling(self._access.vault)

    @no_profiling.setter
    def no_profiling(self, on: bool) -> None:
        settings.set_no_profiling(self._access.vault, on=on)

    @property
    def retention(self) -> Retention:
        """How long raw events are kept. What is set too long is refused with `DataError`."""
        return settings.retention(self._access.vault)

    @retention.setter
    def retention(self, kept: Retention) -> None:
        vault = self._access.vault
        with vault.lock:
            settings.set_retention(vault, kept)
            settings.set_coming_retention(vault, None)
            expire(vault, kept)
            vault.rotate()
            self._access.changed()

    def beyond(self, kept: Retention) -> Forgotten:
        """Tell what would be erased if `retention` were this; nothing changes.

        Args:
            kept: How long raw events would be kept.

        Returns:
            How many events, and how many items would no longer count as had.

        Raises:
            DataError: What is to be kept is too much, or makes no sense.
        """
        settings.check_retention(kept)
        return beyond(self._access.vault, kept)

    def change_retention(self, kept: Retention, *, undo_seconds: float) -> float:
        """Set `retention` after a while, so that it can be taken back until then by setting it as it is.

        Args:
            kept: How long raw events are kept from then on.
            undo_seconds: How long to wait, above 0, in seconds; it is waited for also while closed.

        Returns:
            When it takes effect, in seconds since 1970.

        Raises:
            DataError: What is to be kept is too much, or the time is no time to wait.
        """
        if not 0 < undo_seconds <= _LONGEST_PAUSE:
            raise DataError(f"{undo_seconds} is not a time to wait: give a number of seconds")
        vault = self._access.vault
        at = vault.now() + undo_seconds
        with vault.lock:
            settings.set_coming_retention(vault, (kept, at))
            self._access.changed()
        return at

    @property
    def attributes(self) -> Mapping[str, str]:
        """What the person stated of themselves, such as {"age": "25-34"}; empty until they do.

        It chooses on this device which group's popularity is used, and is never sent. What is set replaces
        all that was stated before: at most 16 short texts by short names, else `DataError`. What is stated
        no more is destroyed with its key when the profile is next closed, or opened.
        """
        return settings.attributes(self._access.vault)

    @attributes.setter
    def attributes(self, stated: Mapping[str, str]) -> None:
        with self._access.vault.lock:
            settings.set_attributes(self._access.vault, stated)
            self._access.changed()

    def get(self, name: str) -> bytes | None:
        """Return a small value that the app keeps in the vault.

        Args:
            name: The app's name for it.

        Returns:
            The value, or None when it is not set.
        """
        return self._access.vault.setting(_APP + name)

    def set(self, name: str, value: bytes | None) -> None:
        """Keep a small value for the app.

        Args:
            name: The app's name for it.
            value: The value, or None to remove it.
        """
        self._access.vault.set_setting(_APP + name, value)
