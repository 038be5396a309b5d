"""What left this device, told a round at a time: one plain sentence, then the messages it was made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final
from urllib.parse import urlsplit

from confidante.device.privacy.ledger import EgressRecord, EgressState
from confidante.device.web.wording import size_words


@final
@dataclass(frozen=True, slots=True)
class SentRound:
    """One round, or one message that belongs to none. records: newest first; sentence: what they were."""

    records: tuple[EgressRecord, ...]
    sentence: str

    @property
    def newest(self) -> EgressRecord:
        """The last of its messages."""
        return self.records[0]


def told(records: Iterable[EgressRecord]) -> tuple[SentRound, ...]:
    """Return records, newest first, as rounds and single messages, each where its newest record stood."""
    groups: dict[object, list[EgressRecord]] = {}
    for one in records:
        groups.setdefault(one.number if one.round is None else one.round, []).append(one)
    return tuple(SentRound(tuple(group), _sentence(group)) for group in groups.values())


def _sentence(group: list[EgressRecord]) -> str:
    gone = [one for one in group if one.state is EgressState.SENT]
    where = urlsplit(group[0].destination).hostname or group[0].destination
    size = size_words(sum(one.size for one in gone))
    if not gone:
        return f"Nothing reached {where}: what was written down here was not sent, or its sending failed."
    if group[0].round is None:
        return f"{size} went to {where}. It could learn: {gone[0].visible[:1].lower()}{gone[0].visible[1:]}"
    messages = "1 message" if len(gone) == 1 else f"{len(gone)} messages"
    if any(one.epsilon > 0 for one in gone):
        return (
            f"Your device added its numbers to a sum over many devices, masked, so that {where} can read "
            f"the sum and not your part ({messages}, {size})."
        )
    return (
        f"Your device took its place in a round of {where}; none of your numbers were in it yet "
        f"({messages}, {size})."
    )
