"""Noticing that an older copy of a profile, or of a part of it, was put back.

A vault cannot tell by itself: an older copy of its folder is as sound as the newest, and so is an older copy
of one page of its database, as pages are authenticated but not dated. So what may never go back is noted in
the system's key ring, beside the vault's key: the generation of keys, the newest entry of the ledger and of
the receipts, how many choices were made, and what was spent of the privacy budget. It is noted after it is on
disk and before anything leaves, so a killed process leaves the note behind the vault, never ahead of it:
there is no false alarm.

Where the vault is behind the note, nothing is given back: the difference is charged to the budget, whatever
sends is switched off if receipts are missing, and the person is told until they say that they know. Vaults
under a passphrase, or under nothing, have no place for the note; there, ledger, receipts and budget are
still held against each other. docs/adr/0012 has the reasons.
"""

import hashlib
import math
from contextlib import suppress
from typing import final

import msgspec

from confidante.core.errors import VaultError
from confidante.device.privacy.budget import NO_LIMIT, gaussian_epsilon, gaussian_mu
from confidante.device.privacy.chain import GENESIS
from confidante.device.privacy.consent import APP, Consents
from confidante.device.privacy.ledger import Ledger
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose, Rollback
from confidante.privacy.limits import DELTA

_NOTICE = "rollback"
_CLOSE = 1 - 1e-9
_ROUNDED_UP = 1 + 1e-6
_TASK = "spent before an older copy of the profile was put back"


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the key ring holds.

    departure, receipt: hash of the newest of so many; epsilon: at `DELTA`; advances: `Vault.advances`.
    """

    generation: int
    departures: int
    departure: bytes
    receipts: int
    receipt: bytes
    epsilon: float
    advances: int = 0


@final
class RollbackGuard:
    """Holds one vault against its note in the key ring, when it is opened and whenever that changes."""

    def __init__(self, vault: Vault, ledger: Ledger, consents: Consents) -> None:
        self._vault, self._ledger, self._consents = vault, ledger, consents

    def check(self) -> None:
        """Compare the vault with its note; charge, switch off and tell what is missing; note what is there.

        Raises VaultError when the key ring cannot be read.
        """
        with self._vault.lock:
            self._charge_departures()
            text = self._vault.anchor()
            self._compare(_nothing() if text is None else _decoded(text))
            self._vault.anchor_when_advanced(self._note)
            self._note()

    @property
    def notice(self) -> Rollback | None:
        """What was found missing; None when nothing was, or the person knows."""
        kept = self._vault.setting(_NOTICE)
        return None if kept is None else msgspec.json.decode(kept, type=Rollback)

    def accept(self) -> None:
        """Have `notice` say nothing of what was found until now."""
        self._vault.set_setting(_NOTICE, None)

    def _note(self) -> None:
        """Note how far the vault is. Where the key ring refuses, the note stays behind, and harms nothing."""
        departures, departure = self._ledger.head
        receipts, receipt = self._consents.head
        epsilon = min(self._ledger.budget().epsilon_spent, NO_LIMIT)
        advances = self._vault.advances
        note = _Note(self._vault.generation, departures, departure, receipts, receipt, epsilon, advances)
        with suppress(VaultError):
            self._vault.set_anchor(msgspec.json.encode(note).decode())

    def _compare(self, note: _Note | None) -> None:
        if note is None:
            self._tell(Rollback(self._vault.now(), readable=False))
            return
        vault, ledger, consents = self._vault, self._ledger, self._consents
        departures = ledger.chain.missing((note.departures, note.departure))
        receipts = consents.chain.missing((note.receipts, note.receipt))
        renewals = max(note.generation - vault.generation, 0)
        changes = max(note.advances - vault.advances, 0)
        spent = ledger.budget().epsilon_spent
        charged = note.epsilon if spent < note.epsilon * _CLOSE else 0.0
        if not (departures or receipts or renewals or changes or charged):
            return
        with vault.write():
            ledger.chain.mend()
            consents.chain.mend()
            if charged:
                self._charge(note, spent)
            if receipts:
                for purpose in Purpose:
                    if purpose.sends:
                        consents.switch(purpose, False, how=APP)
            self._tell(
                Rollback(vault.now(), departures, receipts, renewals, max(changes, 1), epsilon=charged)
            )
            vault.count_advances(max(note.advances, vault.advances))
            vault.mark_advanced()  # the same older copy, put back once more, is behind again

    def _tell(self, notice: Rollback) -> None:
        self._vault.set_setting(_NOTICE, msgspec.json.encode(notice))

    def _charge(self, note: _Note, spent: float) -> None:
        """Charge one more sum, so that with what the vault knows of, the spent epsilon is the note's."""
        more = math.sqrt(gaussian_mu(note.epsilon) ** 2 - gaussian_mu(spent) ** 2)
        epsilon = min(gaussian_epsilon(more * _ROUNDED_UP), NO_LIMIT)
        name = hashlib.sha256(b"rollback" + msgspec.json.encode(note)).digest()
        self._ledger.rounds.carry_over(name, _TASK, b"", self._vault.now(), epsilon, DELTA)

    def _charge_departures(self) -> None:
        """Charge whatever the ledger says was spent and the budget does not know of any more."""
        for round_id, task, at, epsilon, delta in self._ledger.spent_departures():
            if self._ledger.rounds.state(round_id) != "spent":
                self._ledger.rounds.carry_over(round_id, task, b"", at, epsilon, delta)


def _nothing() -> _Note:
    """Return the note of a vault of which nothing was noted: every vault is as far as that."""
    return _Note(0, 0, GENESIS, 0, GENESIS, 0.0)


def _decoded(text: str) -> _Note | None:
    try:
        note = msgspec.json.decode(text, type=_Note)
    except (msgspec.DecodeError, ValueError):
        return None
    sound = len(note.departure) == len(note.receipt) == len(GENESIS) and 0 <= note.epsilon <= NO_LIMIT
    return (
        note if sound and min(note.generation, note.departures, note.receipts, note.advances) >= 0 else None
    )
