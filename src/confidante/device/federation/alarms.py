"""What a coordinator was caught at, kept until the person has read it; until then it is dealt with no more.

The evidence is public: numbers and hashes of entries of the coordinator's log, which two people can compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import final

import msgspec

from confidante.core.errors import DataError, ForkedLogError
from confidante.device.storage.vault import Vault

_SETTING = "alarms"
_MOST = 200


class Caught(StrEnum):
    """What an alarm is about."""

    LOG = "log"  # the public log is not the one this device saw before, or does not hold together
    TIME = "time"  # an entry of it is of a time far ahead
    OFFER = "offer"  # a round is not what the log announces
    MODEL = "model"  # a model or catalogue is not the one that the log names
    TOKENS = "tokens"  # tokens were not made with the key that the log announces


MEANING: Mapping[Caught, str] = MappingProxyType(
    {
        Caught.LOG: "What a coordinator publishes stands in a list to which it may only add, the same for "
        "everybody. This one showed you a list that does not go on from the one you were shown before. It "
        "may show different lists to different people, or have put back an old copy after a failure. "
        "Ask whoever runs it which. If you dismiss this, the list is believed as it is shown next.",
        Caught.TIME: "Either the coordinator's clock is wrong, or this device's. See that the date here is "
        "right. If you dismiss this, times in that coordinator's list are not looked at any more.",
        Caught.OFFER: "Whatever you are asked to take part in has to stand in the coordinator's public list "
        "first, so that nobody can be asked for something of their own. This did not stand there. Nothing of "
        "yours was given.",
        Caught.MODEL: "Everybody is to get the same model. What came is not what the coordinator's public "
        "list names, so it was thrown away. You may have been meant to get a model of your own.",
        Caught.TOKENS: "To take part without a name, a device gets tokens that were all made with one key, "
        "which stands in the coordinator's public list. These were made with another, so they were thrown "
        "away. With a key of its own for each device, a coordinator could tell who takes part in what.",
    }
)
"""What each kind means, for the person."""


@final
@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm.

    at: seconds since 1970. coordinator: scheme, host and port. what: one sentence for the person. evidence:
    names and values, for whoever looks into it. dismissed: when the person said that it is dealt with.
    """

    number: int
    at: float
    coordinator: str
    kind: Caught
    what: str
    evidence: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    dismissed: float | None = None


def alarms(vault: Vault, *, dismissed: bool = False) -> tuple[Alarm, ...]:
    """Return the alarms that are open, newest first; `dismissed`: the others as well."""
    return tuple(one for one in reversed(_read(vault)) if dismissed or one.dismissed is None)


def sound(
    vault: Vault, coordinator: str, kind: Caught, what: str, evidence: Mapping[str, str]
) -> ForkedLogError:
    """Keep an alarm, durably, and return the error to raise. Not inside `vault.write()`: that would undo it.

    The same one again is kept once.
    """
    with vault.write():
        kept = _read(vault)
        same = [
            one
            for one in kept
            if (one.coordinator, one.kind, one.evidence, one.dismissed) == (coordinator, kind, evidence, None)
        ]
        if not same:
            number = kept[-1].number + 1 if kept else 1
            same = [Alarm(number, vault.now(), coordinator, kind, what, dict(evidence))]
            _write(vault, [*kept, *same])
    return _refusal(same[0])


def require_none(vault: Vault, coordinator: str) -> None:
    """Raise ForkedLogError while an alarm of this coordinator is open."""
    for one in _read(vault):
        if one.coordinator == coordinator and one.dismissed is None:
            raise _refusal(one)


def dismiss(vault: Vault, number: int) -> Alarm:
    """Close an alarm and return it; DataError when there is no such open one.

    After one about the log, the log is read from its beginning again and what it shows then is believed.
    """
    with vault.write():
        kept = _read(vault)
        found = [one for one in kept if one.number == number and one.dismissed is None]
        if not found:
            raise DataError(f"there is no open alarm {str(number)[:20]}: list them first")
        now = vault.now()
        _write(vault, [replace(one, dismissed=now) if one is found[0] else one for one in kept])
        if found[0].kind is Caught.LOG:
            vault.set_setting(log_setting(found[0].coordinator), None)
    return found[0]


def was_told_of(vault: Vault, coordinator: str, kind: Caught) -> bool:
    """Whether the person dismissed an alarm of this kind."""
    return any(
        one.coordinator == coordinator and one.kind is kind and one.dismissed is not None
        for one in _read(vault)
    )


def log_setting(coordinator: str) -> str:
    """Return where the vault keeps what was verified of a coordinator's log."""
    return f"public log {coordinator}"


def _refusal(alarm: Alarm) -> ForkedLogError:
    return ForkedLogError(
        f"{alarm.what} Nothing is sent to {alarm.coordinator} until alarm {alarm.number} is dismissed"
    )


def _read(vault: Vault) -> list[Alarm]:
    stored = vault.setting(_SETTING)
    return [] if stored is None else msgspec.msgpack.decode(stored, type=list[Alarm])


def _write(vault: Vault, kept: list[Alarm]) -> None:
    """Store alarms; of those that were dismissed, the oldest go first."""
    closed = [one for one in kept if one.dismissed is not None]
    gone = {one.number for one in closed[: max(len(kept) - _MOST, 0)]}
    data = msgspec.msgpack.encode([one for one in kept if one.number not in gone])
    vault.set_setting(_SETTING, data)
