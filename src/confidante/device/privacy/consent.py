"""Switches: one a purpose, and a chained receipt of every change (`consent_records` says in what form).

`LEARN` is on until it is switched off, as nothing is sent for it; whatever sends is off until it is
switched on. Switching `LEARN` off stops the recording of events and erases none. A switch of what sends
takes effect at once: the ledger, the socket and every step of a round ask `require` again.

Sec-GPC (Global Privacy Control): while the person's browser says it, only the person can switch on what
sends, by confirming it on the page. What an app had switched on before is switched off.
"""

import json
import uuid
from dataclasses import dataclass
from typing import final

from confidante.core.arguments import checked_arguments
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConsentError, DataError, VaultError
from confidante.core.text import shown
from confidante.device.privacy.chain import Chain, canonical, link
from confidante.device.privacy.consent_records import build_record
from confidante.device.storage import settings
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose

PERSON, APP, BROWSER = "person", "app", "browser"
"""Who turns a switch: the person (page, command line), the app around the device, the browser's Sec-GPC."""

_HEAD, _PRINCIPAL, _GPC = "consent.head", "consent.principal", "consent.gpc"


@final
@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One change of a switch, as it is kept for good.

    Attributes:
        number: 1 for the first change in this vault, and so on.
        purpose: Whose switch it is.
        granted: Whether it was switched on.
        at: When, in seconds since 1970, UTC.
        how: Who turned it: "person", "app", or "browser" (Sec-GPC).
        gpc: Whether the person's browser had said Sec-GPC by then.
        record: Canonical JSON of the consent record (ISO/IEC TS 27560).
        previous: Hash of the record before, 32 bytes; zeros for the first.
        hash: SHA-256 of `previous` and `record`, 32 bytes.

    Stability: provisional
    """

    number: int
    purpose: Purpose
    granted: bool
    at: float
    how: str
    gpc: bool
    record: str
    previous: bytes
    hash: bytes


@final
@checked_arguments
class Consents:
    """The switches of one vault. Asks the vault each time: nothing is cached that could be stale.

    `chain` is that of the receipts' hashes.

    Stability: provisional
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.chain = Chain(vault, _HEAD, "consent", "the chain of consent records")

    def state(self) -> dict[Purpose, bool]:
        """Return every switch.

        Returns:
            Whether each purpose is switched on.
        """
        return {purpose: self.allowed(purpose) for purpose in Purpose}

    def allowed(self, purpose: Purpose) -> bool:
        """Return whether a switch is on.

        Args:
            purpose: Whose switch.

        Returns:
            What its newest receipt says; before the first, True for what sends nothing, False for the rest.
        """
        rows = self._vault.rows(
            "SELECT granted FROM consent WHERE purpose = ? ORDER BY number DESC LIMIT 1", (purpose.value,)
        )
        return bool(rows[0][0] == 1) if rows else not purpose.sends

    def require(self, purpose: Purpose) -> None:
        """Do nothing where a switch is on.

        Args:
            purpose: Whose switch.

        Raises:
            ConsentError: It is off.
        """
        if not self.allowed(purpose):
            raise ConsentError(f'"{purpose.entry.title}" is switched off: switch it on first')

    def switch(
        self, purpose: Purpose, on: bool, *, how: str, explicit: bool | None = None
    ) -> ConsentRecord | None:
        """Turn a switch, and keep a receipt.

        Args:
            purpose: Whose switch.
            on: Where to turn it.
            how: "person" (on the person's own page or command line) or "app".
            explicit: Whether the person confirmed just this change. When left out: yes of the person, no of
                an app, which may say so only if it asked just this.

        Returns:
            The receipt; None when the switch stood there already.

        Raises:
            ConsentError: The browser has said Sec-GPC, and something that sends would be switched on by
                anyone but the person, explicitly.
            ValueError: `how` is neither.
        """
        if how not in (PERSON, APP):
            raise DataError(f'how is {shown(how)}: a switch can be turned by "{PERSON}" or "{APP}"')
        explicit = how == PERSON if explicit is None else explicit
        with self._vault.write():
            if on and purpose.sends and self.gpc and not (how == PERSON and explicit):
                raise ConsentError(
                    f'the browser asks not to share (Sec-GPC), so "{purpose.entry.title}" can only be '
                    f"switched on "
                    "by the person, on their own page"
                )
            if self.allowed(purpose) == on:
                return None
            record = self._append(purpose, on, how, explicit=explicit)
            if not on:
                self._vault.settle()  # a log that is cut off later must not switch it on again
            return record

    def records(self) -> tuple[ConsentRecord, ...]:
        """Return every receipt.

        Returns:
            The receipts, oldest first.

        Raises:
            VaultError: One of them does not say what its row says.
        """
        return tuple(
            _record(*row)
            for row in self._vault.rows(
                "SELECT number, purpose, granted, at, record, previous, hash FROM consent ORDER BY number"
            )
        )

    def verify(self) -> None:
        """Check that every receipt is as it was written, and that none is missing.

        Raises:
            VaultError: One was changed, or is gone; the text says which.
        """
        records = self.records()
        self.chain.verify((one.number, one.previous, one.record, one.hash) for one in records)

    @property
    def head(self) -> tuple[int, bytes]:
        """Number and hash of the newest receipt: noted down elsewhere, they prove all receipts up to it."""
        return self.chain.head

    @property
    def gpc(self) -> bool:
        """Whether the browser has said Sec-GPC: 1."""
        return self._vault.setting(_GPC) == b"1"

    def note_gpc(self, on: bool) -> None:
        """Note what the person's browser said, and switch off what sends and an app had switched on.

        Args:
            on: Whether it said Sec-GPC: 1.
        """
        if on == self.gpc:
            return
        with self._vault.write():
            self._vault.set_setting(_GPC, b"1" if on else None)
            if on:
                last = {one.purpose: one for one in self.records()}
                for purpose, one in last.items():
                    if purpose.sends and one.granted and one.how != PERSON:
                        self._append(purpose, False, BROWSER, explicit=False)

    def _append(self, purpose: Purpose, granted: bool, how: str, *, explicit: bool) -> ConsentRecord:
        number, previous = self.chain.head
        number += 1
        at = self._vault.now()
        text = canonical(
            build_record(
                purpose,
                granted=granted,
                at=at,
                how=how,
                explicit=explicit,
                gpc=self.gpc,
                number=number,
                record_id=_random_uuid(),
                principal=self._principal(),
                deeds=settings.pack(self._vault).words("deeds"),
            )
        )
        made = ConsentRecord(
            number, purpose, granted, at, how, self.gpc, text, previous, link(previous, text)
        )
        with self._vault.write() as sql:
            sql(
                "INSERT INTO consent (number, purpose, granted, at, record, previous, hash) VALUES (?, "
                "?, ?, ?, ?, ?, ?)",
                (number, purpose.value, int(granted), at, text, previous, made.hash),
            )
            self.chain.extend(number, made.hash)
        return made

    def _principal(self) -> str:
        kept = self._vault.setting(_PRINCIPAL)
        if kept is None:
            kept = _random_uuid().encode()
            self._vault.set_setting(_PRINCIPAL, kept)
        return kept.decode()


def _record(
    number: int, purpose: str, granted: int, at: float, text: str, previous: bytes, digest: bytes
) -> ConsentRecord:
    """Return a row as a record; VaultError when its columns do not say what its text says."""
    broken = VaultError(f"consent record {number} was changed: its columns do not say what its record says")
    try:
        held = json.loads(text)
        said, event = held["extension"], held["event"][0]
        columns = {"number": number, "switch": purpose, "at": at}
        state = "dpv:ConsentGiven" if granted == 1 else "dpv:ConsentWithdrawn"
        if columns != {name: said[name] for name in columns} or event["event_state"] != state:
            raise broken
        return ConsentRecord(
            number, Purpose(purpose), granted == 1, at, said["how"], said["gpc"], text, previous, digest
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise broken from error


def _random_uuid() -> str:
    return str(uuid.UUID(bytes=SystemEntropy().draw(16), version=4))
