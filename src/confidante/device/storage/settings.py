"""What a person has set, kept in the vault: pause, no-profiling, retention, what they stated."""

from collections.abc import Mapping

import msgspec

from confidante.core.errors import DataError
from confidante.core.text import check_text
from confidante.core.values import DEFAULT_PACK
from confidante.device.storage import kinds
from confidante.device.storage.items import STALE
from confidante.device.storage.vault import Vault
from confidante.device.values import Retention
from confidante.packs.base import Pack
from confidante.packs.registry import pack_named

STATED = "attributes"
"""Name of the setting that holds what the person stated, which goes when everything is forgotten."""

MAX_EVENTS = 100_000
_MOST_DAYS = 1e6

MAX_ATTRIBUTES, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTE_VALUE = 16, 64, 100

_PAUSE, _NO_PROFILING, _RETENTION, _COMING = "pause", "no profiling", "retention", "retention to come"
_WELCOMED, _PACK = "welcomed", "pack"


def paused_until(vault: Vault) -> float | None:
    """Return when the pause ends (inf: never by itself), or None."""
    stored = vault.setting(_PAUSE)
    return None if stored is None else float(stored)


def set_paused_until(vault: Vault, until: float | None) -> None:
    """Pause, or end the pause."""
    _choose(vault, _PAUSE, None if until is None else repr(until).encode())


def no_profiling(vault: Vault) -> bool:
    """Return whether answers must use nothing of the person."""
    return vault.setting(_NO_PROFILING) is not None


def set_no_profiling(vault: Vault, *, on: bool) -> None:
    """Answer without the person, or with."""
    _choose(vault, _NO_PROFILING, b"on" if on else None)


def retention(vault: Vault) -> Retention:
    """Return how long raw events are kept."""
    stored = vault.setting(_RETENTION)
    return Retention() if stored is None else msgspec.json.decode(stored, type=Retention)


def set_retention(vault: Vault, kept: Retention) -> None:
    """Keep events so long; `DataError` for a rule that makes no sense."""
    check_retention(kept)
    _choose(vault, _RETENTION, msgspec.json.encode(kept))


def _choose(vault: Vault, name: str, value: bytes | None) -> None:
    """Set what the person chose to protect themselves: an older copy would take it back."""
    with vault.write():
        vault.set_setting(name, value)
        vault.mark_advanced()


def coming_retention(vault: Vault) -> tuple[Retention, float] | None:
    """Return how long raw events are kept soon, and from when on, in seconds since 1970; None: as now."""
    stored = vault.setting(_COMING)
    return None if stored is None else msgspec.json.decode(stored, type=tuple[Retention, float])


def set_coming_retention(vault: Vault, coming: tuple[Retention, float] | None) -> None:
    """Have `retention` change at a time, or not; `DataError` for a rule that makes no sense."""
    if coming is not None:
        check_retention(coming[0])
    vault.set_setting(_COMING, None if coming is None else msgspec.json.encode(coming))


def take_due_retention(vault: Vault) -> None:
    """Set `retention` to what was to come, when its time has come."""
    coming = coming_retention(vault)
    if coming is not None and coming[1] <= vault.now():
        with vault.write():
            set_retention(vault, coming[0])
            set_coming_retention(vault, None)


def check_retention(kept: Retention) -> None:
    """Raise DataError for a rule that makes no sense."""
    if type(kept.events) is not int or not 1 <= kept.events <= MAX_EVENTS:
        raise DataError(f"{kept.events!r} is not a number of events to keep: give 1 to {MAX_EVENTS:,}")
    if kept.days is not None and not (type(kept.days) in (float, int) and 0 < kept.days <= _MOST_DAYS):
        raise DataError(f"{kept.days!r} is not a number of days to keep events for: give a number above 0")
    if type(kept.keep_seen) is not bool:
        raise DataError(f"keep_seen is {kept.keep_seen!r}: give True or False")


def attributes(vault: Vault) -> dict[str, str]:
    """Return what the person stated of themselves, by name."""
    stored = vault.setting(STATED)
    return {} if stored is None else msgspec.json.decode(stored, type=dict[str, str])


def set_attributes(vault: Vault, stated: Mapping[str, str]) -> None:
    """Keep these in place of all stated before; DataError for too many, too long, or no texts.

    What is stated no more is destroyed with the key when the vault is next closed, or opened.
    """
    if len(stated) > MAX_ATTRIBUTES:
        raise DataError(f"{len(stated)} things were stated: give at most {MAX_ATTRIBUTES}")
    for name, value in stated.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise DataError("a statement and its name must be texts")
        check_text(name, "the name of what is stated", 1, MAX_ATTRIBUTE_NAME, controls=False)
        check_text(value, f"what is stated as {name!r}", 1, MAX_ATTRIBUTE_VALUE, controls=False)
    with vault.write():
        if any(stated.get(name) != value for name, value in attributes(vault).items()):
            vault.mark_renewal_due()
        vault.set_setting(STATED, msgspec.json.encode(dict(stated)) if stated else None)


def pack(vault: Vault) -> Pack:
    """Return the pack of this profile, with the kinds of event that were declared here.

    Raises DataError when it is not installed.
    """
    stored = vault.setting(_PACK)
    found = pack_named(DEFAULT_PACK if stored is None else stored.decode())
    return found.with_events(kinds.besides(found, vault))


def set_pack(vault: Vault, name: str) -> None:
    """Use the pack of that name from the next opening on. Raises DataError when there is none."""
    if pack_named(name).name != pack(vault).name:
        with vault.write():
            vault.set_setting(_PACK, name.encode())
            vault.set_setting(STALE, b"yes")  # what was derived from the items was read by the other pack


def welcomed(vault: Vault) -> bool:
    """Return whether the person has said that they want no welcome."""
    return vault.setting(_WELCOMED) is not None


def set_welcomed(vault: Vault) -> None:
    """Note that the person wants no welcome."""
    vault.set_setting(_WELCOMED, b"yes")
