"""The egress ledger: what leaves this device is written here first, byte for byte by its digest, and chained.

A departure is `written`, then `sent` from just before its first byte, or `failed` when none left. Its row
is hashed with the one before, all but state, sent_at and receipt, which come later. Its content is what the
person may read of it, and never more than the receiver gets: what only this device knows of it (the
person's own numbers before they were masked) is a `local note`, which is not chained, so that forgetting
can remove it.

A departure with an epsilon spends it in the moment it is written (`ParticipationLog.spend`).
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, final

from confidante.core.errors import ConsentError, DataError, EgressError, VaultError
from confidante.device.privacy.budget import Budget
from confidante.device.privacy.chain import Chain, canonical, link
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.participation_log import ParticipationLog
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose

_NOTES = 20


class EgressState(StrEnum):
    """How far a departure got."""

    WRITTEN = "written"
    SENT = "sent"
    FAILED = "failed"


@final
@dataclass(frozen=True, slots=True)
class EgressRecord:
    """One thing that left, or was about to.

    Attributes:
        number: Its place in the ledger, from 1.
        at: When it was written, in seconds since 1970, UTC.
        purpose: The switch that allowed it.
        task: What it was for, in words.
        destination: To whom: scheme, host and port.
        size: Bytes of it.
        digest: SHA-256 of those bytes, 32 bytes.
        content: What the person may read of it, as JSON values.
        visible: What the receiver can learn, in words.
        round: The round that it belongs to, 32 bytes, or None.
        epsilon: What it spent of the privacy budget.
        delta: The delta at which `epsilon` holds.
        state: How far it got.
        sent_at: When its first byte left, in seconds since 1970; None when none did.
        receipt: What came back.
        previous: Hash of the entry before, 32 bytes.
        hash: Hash of this entry, 32 bytes.

    Stability: provisional
    """

    number: int
    at: float
    purpose: Purpose
    task: str
    destination: str
    size: int
    digest: bytes
    content: Any
    visible: str
    round: bytes | None
    epsilon: float
    delta: float
    state: EgressState
    sent_at: float | None
    receipt: Mapping[str, Any]
    previous: bytes
    hash: bytes


_CHAINED = EgressRecord.__slots__[:12]
_COLUMNS = ", ".join(EgressRecord.__slots__)


@final
class Ledger:
    """The departures of one vault, and its budget. `rounds` is the log of the rounds that were joined,
    `chain` that of the departures' hashes.

    Stability: provisional
    """

    def __init__(self, vault: Vault, consents: Consents) -> None:
        self._vault = vault
        self._consents = consents
        self.chain = Chain(vault, "ledger.head", "departure", "the egress ledger")
        self.rounds = ParticipationLog(vault)

    def write(
        self,
        purpose: Purpose,
        task: str,
        destination: str,
        data: bytes,
        content: Any,
        visible: str,
        *,
        round: bytes | None = None,  # noqa: A002  # the protocol's word, and the column's
        epsilon: float = 0.0,
        delta: float = 0.0,
    ) -> EgressRecord:
        """Write down, durably, that exactly `data` is about to leave; spend the epsilon of its round.

        Args:
            purpose: The switch that allows it.
            task: What it is for, in words.
            destination: To whom: scheme, host and port.
            data: Every byte that will leave.
            content: What the person may read of it, as JSON values.
            visible: What the receiver can learn, in words.
            round: The round that it belongs to, 32 bytes, where it spends epsilon.
            epsilon: What it spends.
            delta: The delta at which `epsilon` holds.

        Returns:
            The entry.

        Raises:
            ConsentError: The purpose is switched off or never sends, the round was not joined or was spent
                before, or the budget would be exceeded. Nothing is written then.
            ValueError: `epsilon` and `delta` are not bounds, or belong to no round.
        """
        if not (0 <= epsilon < math.inf and 0 <= delta < 1 and (epsilon == 0 or round is not None)):
            raise ValueError(f"epsilon {epsilon} and delta {delta} must be bounds, and belong to a round")
        text = canonical(content)
        with self._vault.write() as sql:
            self._permit(purpose)
            if round is not None and epsilon > 0:
                self.rounds.spend(round, task, epsilon, delta)
            number, previous = self.chain.head
            values = (
                number + 1,
                self._vault.now(),
                purpose.value,
                task,
                destination,
                len(data),
                hashlib.sha256(data).digest(),
                text,
                visible,
                round,
                float(epsilon),
                float(delta),
            )
            digest = link(previous, _record(*values))
            row = (*values, EgressState.WRITTEN.value, None, "{}", previous, digest)
            sql(f"INSERT INTO departure ({_COLUMNS}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            self.chain.extend(number + 1, digest)
        return _departure(*row)

    def check(self, number: int, data: bytes) -> None:
        """Refuse what the ledger does not hold as written and not yet sent.

        Args:
            number: Of the entry.
            data: The bytes that are to leave.

        Raises:
            EgressError: The ledger does not hold exactly these bytes under this number, they were sent
                before, or the entry was changed.
            ConsentError: The purpose was switched off since.
        """
        one = self._one(number)
        if one is None or one.size != len(data) or one.digest != hashlib.sha256(data).digest():
            raise EgressError(
                f"the ledger does not hold these {len(data)} bytes as number {number}: not sent"
            )
        if one.state is not EgressState.WRITTEN:
            raise EgressError(
                f"number {number} of the ledger is {one.state.value} already: write a new entry"
            )
        if one.hash != link(one.previous, self._text(number)):
            raise EgressError(f"number {number} of the ledger was changed: not sent")
        self._permit(one.purpose)

    def begin_sending(self, number: int, data: bytes) -> None:
        """Mark a departure as sent, durably, right before its first byte leaves.

        Args:
            number: Of the entry.
            data: The bytes that leave.

        Raises:
            EgressError: As `check`.
            ConsentError: As `check`.
        """
        with self._vault.write() as sql:
            self.check(number, data)
            sql(
                "UPDATE departure SET state = 'sent', sent_at = ? WHERE number = ?",
                (self._vault.now(), number),
            )

    def fail(self, number: int, why: str) -> None:
        """Note why a departure did not leave, or not whole.

        It is `failed` when none of it did, else it stays `sent`.

        Args:
            number: Of the entry.
            why: One sentence.

        Raises:
            DataError: There is no such entry.
        """
        with self._vault.write() as sql:
            sql("UPDATE departure SET state = 'failed' WHERE number = ? AND state = 'written'", (number,))
            self.attach_receipt(number, {"error": why})

    def attach_receipt(self, number: int, receipt: Mapping[str, Any]) -> None:
        """Add to what came back for a departure.

        Args:
            number: Of the entry.
            receipt: What to add, by name, as JSON values.

        Raises:
            DataError: There is no such entry.
        """
        with self._vault.write() as sql:
            one = self.departure(number)
            sql(
                "UPDATE departure SET receipt = ? WHERE number = ?",
                (canonical({**one.receipt, **receipt}), number),
            )

    def departure(self, number: int) -> EgressRecord:
        """Return one departure.

        Args:
            number: Of the entry.

        Returns:
            The entry.

        Raises:
            DataError: There is no such entry.
        """
        one = self._one(number)
        if one is None:
            raise DataError(f"the ledger has no number {number}")
        return one

    def departures(self, limit: int = 50, before: int | None = None) -> tuple[EgressRecord, ...]:
        """Return what left, and what was about to.

        Args:
            limit: The most entries to return, 0 or more.
            before: Only entries with a lower number; all when left out.

        Returns:
            The entries, newest first.

        Raises:
            DataError: `limit` is below 0.
        """
        if limit < 0:
            raise DataError(f"cannot list {limit} departures: give 0 or more")
        rows = self._vault.rows(
            f"SELECT {_COLUMNS} FROM departure WHERE number < ? ORDER BY number DESC LIMIT ?",  # noqa: S608
            (1 << 62 if before is None else min(max(before, 0), 1 << 62), min(limit, 1 << 62)),
        )
        return tuple(_departure(*row) for row in rows)

    def note_locally(self, round: bytes, note: Any) -> None:  # noqa: A002
        """Keep what only the person may read of a round, until anything is forgotten or 20 more were kept.

        Args:
            round: The round's id, 32 bytes.
            note: JSON values. They are not chained, and never sent.
        """
        with self._vault.write() as sql:
            sql("DELETE FROM outbox WHERE number <= (SELECT max(number) FROM outbox) - ?", (_NOTES - 1,))
            sql(
                "INSERT INTO outbox (round, made, body) VALUES (?, ?, ?)",
                (round, self._vault.now(), canonical(note).encode()),
            )

    def local_note(self, round: bytes) -> Any:  # noqa: A002
        """Return what only the person may read of a round.

        Args:
            round: The round's id, 32 bytes.

        Returns:
            The note; None when there is none, or it was forgotten.
        """
        rows = self._vault.rows(
            "SELECT body FROM outbox WHERE round = ? ORDER BY number DESC LIMIT 1", (round,)
        )
        return json.loads(rows[0][0]) if rows else None

    def budget(self) -> Budget:
        """Return what was given away so far, and how much may be.

        Returns:
            The budget of this vault's lifetime.
        """
        return self.rounds.budget()

    def set_budget(self, epsilon: float) -> None:
        """Set the epsilon of a lifetime. What was spent stays spent.

        Args:
            epsilon: The limit, 0 or more; `NO_LIMIT` for data that needs no protection.

        Raises:
            ConsentError: It is not such a number.
        """
        self.rounds.set_limit(epsilon)

    def verify(self) -> None:
        """Check that every departure is as it was written, and that none is missing.

        Raises:
            VaultError: One was changed, or is gone; the text says which.
        """
        rows = self._vault.rows(f"SELECT {_COLUMNS} FROM departure ORDER BY number")  # noqa: S608
        self.chain.verify((row[0], row[15], _record(*row[:12]), row[16]) for row in rows)

    @property
    def head(self) -> tuple[int, bytes]:
        """Number and hash of the newest departure: noted down elsewhere, they prove all up to it."""
        return self.chain.head

    def spent_departures(self) -> tuple[tuple[bytes, str, float, float, float], ...]:
        """Return (round, task, at, epsilon, delta) of every departure that spent epsilon."""
        rows = self._vault.rows(
            "SELECT round, task, at, epsilon, delta FROM departure WHERE epsilon > 0 AND round IS NOT NULL"
        )
        return tuple((row[0], row[1], row[2], row[3], row[4]) for row in rows)

    def _permit(self, purpose: Purpose) -> None:
        if not purpose.sends:
            raise ConsentError(f'nothing is ever sent for "{purpose.entry.title}"')
        self._consents.require(purpose)

    def _one(self, number: int) -> EgressRecord | None:
        asked = min(max(number, 0), 1 << 62)  # SQLite's numbers end there
        rows = self._vault.rows(f"SELECT {_COLUMNS} FROM departure WHERE number = ?", (asked,))  # noqa: S608
        return _departure(*rows[0]) if rows else None

    def _text(self, number: int) -> str:
        rows = self._vault.rows(f"SELECT {_COLUMNS} FROM departure WHERE number = ?", (number,))  # noqa: S608
        return _record(*rows[0][:12])


def _record(*covered: Any) -> str:
    """Return the canonical text of what the chain covers: the columns up to `delta`."""
    values = dict(zip(_CHAINED, covered, strict=True))
    return canonical(
        {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}
    )


def _departure(*row: Any) -> EgressRecord:
    """Return a row as a departure; VaultError when it cannot be one."""
    held = dict(zip(EgressRecord.__slots__, row, strict=True))
    read: dict[str, Callable[[Any], Any]] = {
        "purpose": Purpose,
        "content": json.loads,
        "state": EgressState,
        "receipt": json.loads,
    }
    try:
        return EgressRecord(**held | {name: made(held[name]) for name, made in read.items()})
    except (ValueError, TypeError) as error:
        raise VaultError(f"number {row[0]} of the egress ledger cannot be read: restore a backup") from error
